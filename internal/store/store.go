// Package store keeps the readings of the home in one SQLite file: one process
// writes, any number of others read beside it. It knows series, samples, how
// they lie in the file, and how far each destination has been served. It must
// never know MQTT, HTTP, or what a reading means.
//
// Readings wait in memory and are committed together, once a minute by
// default, as one compressed block of all series in the order of arrival: an
// SD card is worn by pages written, and a block is two or three of them. When
// an hour is over, its blocks are rewritten as one chunk per series, so that a
// chart reads a chunk an hour and not everything. Blocks and chunks both hang
// on rows of the table segment, each of which stands for a range of sequence
// numbers; a sequence number is given to a reading at its commit and is never
// used again, and the cursors of destinations are sequence numbers.
//
// States that are no numbers are texts, in a table of their own with numbers of
// the same sequence. What readings come to in five minutes and in a day is rolled
// up when a day is over, and outlives them: see rollup_table.go, and retention.go
// for what is deleted when. All that came after the file's first form is an
// addition, which an older program leaves alone: see additions.go.
//
// Times are kept to the millisecond.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"sync"
	"time"
)

// Reading is one value of one entity at one moment.
type Reading struct {
	// Entity is the entity's id without its domain: "frient_blink_counter_power".
	Entity string
	// Time is when the reading arrived, kept to the millisecond.
	Time  time.Time
	Value float64
	// Text is a state that is no number, of which MaxText characters are kept,
	// and Value then means nothing. Empty: the reading is Value.
	Text string
}

// Series is what is known about the readings of one entity in one unit. An
// entity whose unit changes goes on as a new series.
type Series struct {
	ID     int64  // 1 and up; given by Register
	Entity string // "frient_blink_counter_power"
	// Unit, DeviceClass and StateClass are Home Assistant's: "W", "power",
	// "measurement"; empty when unknown.
	Unit, DeviceClass, StateClass string
	Device                        string // friendly name of the device
	Key                           string // key in the device's payload: "power"
	// UniqueID is the entity's in its discovery document; empty when unknown.
	UniqueID string
	// Domain is Home Assistant's, before the dot of its entity ids: "sensor",
	// "binary_sensor"; empty when unknown.
	Domain string
}

// Options are the settings of a Store; the zero value has the defaults.
type Options struct {
	// CommitInterval is how long readings may wait in memory, and so how much
	// a power cut may cost. Default 60 s. A series' first reading since Open
	// is committed within two seconds.
	CommitInterval time.Duration
	// Retention is how long readings are kept. Default 400 days.
	Retention time.Duration
	// DiskShare is how many percent of the file system the store may take, and
	// MinFree how many bytes of it are to stay free, whoever takes the others:
	// when it is more, or less, the oldest readings are deleted before their
	// time. Default 50, and a twelfth of the file system; never more than an
	// eighth.
	DiskShare int
	MinFree   int64
	// Zone is where the days of rollups begin and end. When it becomes another,
	// the days are made anew from the rollups over five minutes. Default UTC.
	Zone *time.Location
	// MaxPending is how many readings may wait in memory while the file takes
	// none (disk full). Default 100,000, about 5 MB.
	MaxPending int
	// Mode is that of the file and of those that SQLite keeps beside it.
	// Default 0600. A reader needs to write too: into the index of the log.
	Mode os.FileMode
	// Log is where the store reports; default: nowhere.
	Log *slog.Logger
	// Now is the clock; default time.Now.
	Now func() time.Time

	soon time.Duration // how long a series' first reading waits; for tests
}

// Errors of Append, Register and OpenReader.
var (
	// ErrFull: as many readings wait as may, because the file takes none. The
	// reading was dropped.
	ErrFull = errors.New("the store takes no more readings until it can write again")
	// ErrUnknownEntity: the entity was not registered.
	ErrUnknownEntity = errors.New("entity has not been registered")
	// ErrBadReading: the value is no number or the time is not between 1970
	// and 2261.
	ErrBadReading = errors.New("reading has no usable value or time")
	// ErrNotYet: no store has been written yet.
	ErrNotYet = errors.New("there is no store of readings yet")
	// ErrInUse: another process writes this store.
	ErrInUse = errors.New("another process already writes this store")
	// ErrNewer: the file was written by a newer version.
	ErrNewer = errors.New("the store was written by a newer version")
)

// maxSeries is how many series a store takes: the chunk's row id has room for
// 2^24, the memory of a small computer for fewer.
const maxSeries = 100_000

// maxMilli is the last time that fits nanoseconds since 1970 in 64 bits.
const maxMilli = math.MaxInt64 / int64(time.Millisecond)

// Store is the one writer of a file of readings. Its methods may be called
// from any goroutine.
type Store struct {
	path string
	o    Options
	lock *os.File
	disk func(path string) (diskSpace, error)

	copying sync.Mutex // held while there is a Snapshot

	stateMu  sync.Mutex
	state    state
	written  string // state as it is in its file
	checking bool
	checked  chan struct{} // closed when there are no more checks

	salvageSpare int64 // bytes that taking over old readings leaves free
	followRetry  time.Duration
	checkRest    time.Duration // how many times as long as it has read a check rests

	// db is guarded by dbMu, which is held through a commit. It is never
	// taken while mu is held.
	dbMu      sync.Mutex
	db        *sql.DB
	next      int64 // sequence number of the next reading
	enc       encoder
	inflight  map[string]int64 // by cursor: end of the batch handed out
	lastSweep time.Time
	ledgerDue bool          // there is more to be counted into the ledger
	rescues   []*rescue     // damaged files whose readings still follow
	gate      int64         // cursors before this wait for them
	following chan struct{} // closed when nothing follows any more; nil: nothing does
	ended     bool          // Close has closed the file for good

	// rolling: there is more to roll up than the last sweep did. It is guarded by
	// sweeping, which is held through a sweep.
	sweeping sync.Mutex
	rolling  bool
	// textsSealed is the first row of texts that may have to be sealed.
	textsSealed int64

	mu           sync.Mutex
	closed       bool
	pending      map[int64][]Sample
	pendingTexts []textItem
	committing   portion     // being written; not changed
	waiting      int         // readings in pending, pendingTexts and committing
	companions   []companion // set by Open
	origins      origins
	memos        memos
	unsaved      map[int64]struct{} // series to be written with the next commit
	series       map[int64]entry
	lastRank     int64
	current      map[string]int64 // entity → its latest series
	ids          map[seriesKey]int64
	begun        map[int64]bool // series with a reading since Open
	lastID       int64
	failure      error
	room         Room
	advanced     chan struct{} // closed and replaced at each commit
	taken        Ticket        // readings taken since Open
	durable      Ticket        // of those, how many are in the file

	wake chan struct{} // asks the committer to come soon
	now  chan struct{} // asks the committer to come at once
	stop chan struct{}
	done chan struct{}
	over chan struct{} // closed after the last commit
}

type seriesKey struct{ entity, unit string }

// entry is a series and the order in which it became its entity's current one.
type entry struct {
	Series
	rank int64
}

// Open opens the store at path for writing and makes it when it is missing. A
// damaged file is set aside beside it (path.damaged-<time>), which is logged,
// and a new one is begun. Errors: ErrInUse, ErrNewer, or what the file system
// says (no permission, disk full), with which Open may be tried again.
func Open(path string, o Options) (*Store, error) {
	if o.CommitInterval <= 0 {
		o.CommitInterval = time.Minute
	}
	if o.Retention <= 0 {
		o.Retention = 400 * 24 * time.Hour
	}
	if o.DiskShare <= 0 || o.DiskShare > 100 {
		o.DiskShare = 50
	}
	if o.soon == 0 {
		o.soon = soon
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.MaxPending <= 0 {
		o.MaxPending = 100_000
	}
	if o.Mode == 0 {
		o.Mode = 0o600
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("opening the store %s: %w", path, err)
	}
	s := &Store{
		path: path, o: o, lock: lock, disk: statDisk,
		inflight: map[string]int64{},
		pending:  map[int64][]Sample{},
		unsaved:  map[int64]struct{}{},
		series:   map[int64]entry{},
		current:  map[string]int64{},
		ids:      map[seriesKey]int64{},
		begun:    map[int64]bool{},
		advanced: make(chan struct{}),
		wake:     make(chan struct{}, 1),
		now:      make(chan struct{}, 1),
		stop:     make(chan struct{}),
		done:     make(chan struct{}),
		over:     make(chan struct{}),

		checked:      make(chan struct{}),
		salvageSpare: leaveFree,
		followRetry:  followRetry,
		checkRest:    checkRest,
	}
	s.companions = []companion{&s.origins, &s.memos}
	s.loadState()
	if err := s.openFile(); err != nil {
		lock.Close()
		return nil, fmt.Errorf("opening the store %s: %w", path, err)
	}
	due := s.state.Checked.Add(checkEvery)
	if !s.state.Clean {
		due = time.Time{}
	}
	s.changeState(func(st *state) { st.Clean = false })
	go s.committer()
	go func() {
		defer close(s.checked)
		s.checker(due)
	}()
	return s, nil
}

// Register makes a series known, or brings what is known about it up to date,
// and returns its id. The series with this entity and unit becomes the one
// that Append writes to for the entity.
func (s *Store) Register(d Series) (int64, error) {
	if d.Entity == "" {
		return 0, fmt.Errorf("registering a series: %w: it has no name", ErrUnknownEntity)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := seriesKey{d.Entity, d.Unit}
	id, known := s.ids[key]
	if !known {
		if len(s.series) >= maxSeries {
			return 0, fmt.Errorf("registering %s: there are already %d series, and no more are taken", d.Entity, maxSeries)
		}
		s.lastID++
		id = s.lastID
	}
	d.ID = id
	if known && s.series[id].Series == d && s.current[d.Entity] == id {
		return id, nil
	}
	s.lastRank++
	s.ids[key], s.series[id], s.current[d.Entity] = id, entry{d, s.lastRank}, id
	s.unsaved[id] = struct{}{}
	if !known {
		s.hurry()
	}
	return id, nil
}

// Append takes readings of registered entities; they are in the file after
// the next commit. Readings it cannot take are left out and the first reason
// is returned (ErrUnknownEntity, ErrBadReading, ErrFull, os.ErrClosed); the
// others are taken. Of two numbers of one series at the same millisecond the
// later one is kept; of texts both are.
func (s *Store) Append(readings ...Reading) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("storing readings: %w", os.ErrClosed)
	}
	var first error
	for _, r := range readings {
		if err := s.take(r); err != nil && first == nil {
			first = fmt.Errorf("storing a reading of %s: %w", r.Entity, err)
		}
	}
	return first
}

func (s *Store) take(r Reading) error {
	id, ok := s.current[r.Entity]
	ms := r.Time.UnixMilli()
	switch {
	case !ok:
		return ErrUnknownEntity
	case ms <= 0 || ms > maxMilli, r.Text == "" && (math.IsNaN(r.Value) || math.IsInf(r.Value, 0)):
		return ErrBadReading
	case s.waiting >= s.o.MaxPending:
		return ErrFull
	}
	if r.Text != "" {
		s.pendingTexts = append(s.pendingTexts, textItem{sid: id, TextSample: TextSample{ms, cutText(r.Text)}})
	} else {
		s.pending[id] = append(s.pending[id], Sample{ms, r.Value})
	}
	s.waiting++
	s.taken++
	if !s.begun[id] {
		s.begun[id] = true
		s.hurry()
	}
	return nil
}

// Series returns all series, by id.
func (s *Store) Series() map[int64]Series {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[int64]Series, len(s.series))
	for id, e := range s.series {
		all[id] = e.Series
	}
	return all
}

// Newest is the time of the newest reading in the file; zero when there is none.
func (s *Store) Newest(ctx context.Context) (t time.Time, err error) {
	err = s.use(func(db *sql.DB) error {
		var ms sql.NullInt64
		err := db.QueryRowContext(ctx, `SELECT max(max_ms) FROM segment`).Scan(&ms)
		if err == nil && ms.Valid {
			t = time.UnixMilli(ms.Int64)
		}
		return err
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("looking for the newest reading: %w", err)
	}
	return t, nil
}

// Failure is why the last commit did not succeed; nil when it did.
func (s *Store) Failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure
}

// Waiting is how many readings are in memory and not yet in the file.
func (s *Store) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}

// Advanced returns a channel that is closed at the next commit.
func (s *Store) Advanced() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.advanced
}

// Close commits what waits and closes the file. It returns the error of that
// commit.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	close(s.stop)
	<-s.done
	<-s.checked
	s.dbMu.Lock()
	following := s.following
	s.dbMu.Unlock()
	if following != nil {
		<-following
	}
	err := s.Commit(context.Background())
	close(s.over)
	s.dbMu.Lock()
	defer s.dbMu.Unlock()
	s.ended = true
	for _, r := range s.rescues {
		r.file.Close() // only ever read
	}
	if err == nil {
		s.changeState(func(st *state) { st.Clean = true })
	}
	if s.db != nil {
		err = errors.Join(err, s.db.Close())
		s.db = nil
	}
	return errors.Join(err, s.lock.Close())
}

// hurry asks for a commit soon; s.mu is held.
func (s *Store) hurry() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
