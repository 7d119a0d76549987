// Package journal is a durable, ordered log of opaque records in a directory of
// its own: what is appended comes back in the same order after a restart, a kill
// and a power cut, up to the mark that the log says is on the disk. It knows
// files, flushes and damage, and must never know what a record says.
//
// On the disk there are segments, of fixed size and used again and again, so
// that a flush overwrites blocks which the file system has already accounted for
// and costs nothing but these blocks; and one state, all that was worth keeping
// at one point of the log, which stands for every record before it:
//
//	state            the caller's whole state after record C, replaced as a whole
//	segment-1, -2…   records, of which those up to C do not count any more
//
// Records are flushed in groups (see pace): a record after a quiet second at
// once, under steady load after at most Options.MaxWait. A flush starts on a
// page of its own, so that nothing that is on the disk already is written again
// and could be torn by the next power cut.
package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Seq is the number of a record, counting up from 1 over the log's life in this
// process. 0 is no record.
type Seq uint64

// Options of a log.
type Options struct {
	// MaxWait is the most that a record waits for the disk under load; 0: 2 s;
	// negative: every record is flushed at once.
	MaxWait time.Duration
	// LazyWait is the most that a lazy record waits; 0: 60 s.
	LazyWait time.Duration
	// Segment is the size in bytes of a segment of the log; 0: 1 MiB.
	Segment int64
	// MaxPending bounds the bytes of records that wait for a disk which does not
	// take them; 0: 16 MiB. Beyond it they are dropped, the mark stands still, and
	// the caller's state has to be written with Compact: see Stats.Overflowed.
	MaxPending int64
	FS         FS // nil: the operating system's
	Log        *slog.Logger
}

// Report is what opening found.
type Report struct {
	Records     int    // handed to load
	Repaired    bool   // there was damage; what could be read was
	LostRecords uint64 // between records that are there; those of a torn tail, which nobody was told are on the disk, do not count
	LostBytes   int64  // that were cut off or skipped
	Aside       string // the file that the damaged bytes were put into; "" if none
	Places      []string
}

// ErrInUse: another process has the log open.
var ErrInUse = errors.New("another process uses it: stop it, or give this one another directory")

// ErrClosed is the answer of a log that was closed.
var ErrClosed = errors.New("the journal is closed")

// Log is an open log. Its methods may be called from any goroutine.
type Log struct {
	opt  Options
	fs   FS
	dir  string
	lock io.Closer
	base uint64 // number on the disk of the record before Seq 1

	mu       sync.Mutex
	last     uint64 // of the records appended; numbers here are those on the disk
	durable  uint64
	told     uint64 // durable as of the last notification
	pending  batch  // what the writer has not taken yet
	taken    int64  // bytes that it has taken and that are not yet on the disk
	pace     pace
	forced   bool
	overflow bool   // records are dropped, until a state is begun
	hole     bool   // some were: only a state that stands for them makes the log whole again
	holeEnd  uint64 // the last of them
	distrust bool   // a state is wanted because what is on the disk is damaged
	roll     bool   // the next flush begins a segment
	cut      uint64
	failing  error
	stateErr error // of the last state
	notify   func(Seq)
	moved    chan struct{} // closed and made anew when durable moves or a flush fails
	stats    Stats
	logBytes int64 // of flushes after cut
	again    time.Time

	wake     chan struct{}
	sleeping time.Time // the writer wakes by itself then; zero: never
	closing  bool
	closed   bool
	closeErr error
	stopped  chan struct{}

	w         writer // of the writer's goroutine alone
	compactMu sync.Mutex
	gen       uint64 // of the state; under compactMu
}

// Open reads the log in dir, which is made if it is not there, and hands every
// record to load in the order in which they were appended; body is only valid
// during the call. Damage is repaired and reported, never an error. An error of
// load ends the opening.
func Open(dir string, o Options, load func(kind byte, body []byte) error) (*Log, Report, error) {
	o.MaxWait = cmp.Or(o.MaxWait, 2*time.Second)
	o.LazyWait = cmp.Or(o.LazyWait, time.Minute)
	o.Segment = cmp.Or(o.Segment, 1<<20)
	o.MaxPending = cmp.Or(o.MaxPending, 16<<20)
	if o.FS == nil {
		o.FS = osFS{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l := &Log{opt: o, fs: o.FS, dir: dir,
		pace:  pace{max: o.MaxWait, lazy: o.LazyWait},
		moved: make(chan struct{}), wake: make(chan struct{}, 1), stopped: make(chan struct{})}
	report, err := l.open(load)
	if err != nil {
		if l.lock != nil {
			l.lock.Close()
		}
		return nil, report, fmt.Errorf("opening the journal in %s: %w", dir, err)
	}
	go l.run()
	return l, report, nil
}

// Append adds a record. It is only in memory until Durable or Notify say
// otherwise, and Append never waits for the disk. A lazy record does not cause a
// flush by itself within Options.LazyWait, but goes with the next one.
func (l *Log) Append(kind byte, body []byte, lazy bool) Seq {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	l.stats.Records++
	seq := Seq(l.last - l.base)
	if !l.overflow && l.pending.bytes()+l.taken > l.opt.MaxPending {
		l.overflowed()
	}
	if l.overflow {
		l.holeEnd = l.last
		return seq
	}
	if l.pending.count == 0 {
		l.pending.first = l.last
	}
	l.pending.add(kind, body)
	l.pace.arrive(now, lazy)
	due := l.pace.due(now, l.pending.bytes())
	if l.sleeping.IsZero() || due.Before(l.sleeping.Add(-time.Millisecond)) {
		l.sleeping = due
		l.wakeWriter()
	}
	return seq
}

// overflowed drops what waits: a state has to be written in its place.
func (l *Log) overflowed() {
	l.overflow, l.hole = true, true
	l.stats.Overflowed++
	l.pending.reset()
	l.pace.empty()
	l.opt.Log.Error("the disk does not take what has to be kept: it is in memory only, and will be written whole when the disk takes it",
		"directory", l.dir, "error", l.failing)
}

func (l *Log) wakeWriter() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Notify has f called, from one goroutine and without any lock held, each time
// the mark moves up to which all records are on the disk. It should be quick:
// no flush begins before it returns.
func (l *Log) Notify(f func(mark Seq)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notify = f
}

// Durable is the mark: all records up to it are on the disk.
func (l *Log) Durable() Seq {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seq(l.durable)
}

func (l *Log) seq(n uint64) Seq { return Seq(max(n, l.base) - l.base) }

// Flush puts all that was appended on the disk now, and waits for it. It gives
// up with an error when the disk refuses.
func (l *Log) Flush() error {
	l.mu.Lock()
	want, tries := l.last, l.stats.Failures
	for l.durable < want {
		if l.closed {
			l.mu.Unlock()
			return ErrClosed
		}
		if l.hole {
			err := l.failing
			l.mu.Unlock()
			return fmt.Errorf("flushing the journal: too much waits for the disk: %w", cmp.Or(err, errOverflow))
		}
		if l.failing != nil && l.stats.Failures > tries {
			err := l.failing
			l.mu.Unlock()
			return fmt.Errorf("flushing the journal: %w", err)
		}
		l.forced = true
		moved := l.moved
		l.wakeWriter()
		l.mu.Unlock()
		<-moved
		l.mu.Lock()
	}
	l.mu.Unlock()
	return nil
}

var errOverflow = errors.New("records were dropped, and the state has not been written since")

// Err is what the disk said at the last try, nil when it took all. While it is
// not nil nothing should be accepted that has to be kept.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hole {
		return cmp.Or(l.failing, errOverflow)
	}
	return l.failing
}

// Close flushes and ends the log. Its error is that of the flush.
func (l *Log) Close() error {
	l.compactMu.Lock() // one that runs is waited for
	defer l.compactMu.Unlock()
	l.mu.Lock()
	if !l.closing {
		l.closing = true
		l.wakeWriter()
	}
	l.mu.Unlock()
	<-l.stopped
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closeErr
}

// signal tells all who wait that something changed; the lock is held.
func (l *Log) signal() {
	close(l.moved)
	l.moved = make(chan struct{})
}
