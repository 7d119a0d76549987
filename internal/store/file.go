package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/smartcore-ireland/hems/internal/store/pages"
)

// migrations bring the file from version i to version i+1; they are only ever
// added to. A version more is a form that older programs refuse, so that an
// update can no longer be taken back: see additions for what needs none.
var migrations = []string{
	`CREATE TABLE series (
		id INTEGER PRIMARY KEY,
		rank INTEGER NOT NULL,       -- the highest of an entity is its current one
		entity TEXT NOT NULL,
		unit TEXT NOT NULL,
		device_class TEXT NOT NULL,
		state_class TEXT NOT NULL,
		device TEXT NOT NULL,
		key TEXT NOT NULL,
		unique_id TEXT NOT NULL
	) STRICT;
	CREATE TABLE segment (           -- a range of sequence numbers
		first INTEGER PRIMARY KEY,
		last INTEGER NOT NULL,       -- ranges do not overlap; numbers may be missing
		n INTEGER NOT NULL,          -- samples in it
		min_ms INTEGER NOT NULL,
		max_ms INTEGER NOT NULL,
		sealed INTEGER NOT NULL      -- 0: one block; 1: chunks
	) STRICT;
	CREATE INDEX segment_by_time ON segment (max_ms);
	CREATE TABLE block (first INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
	CREATE TABLE chunk (             -- id: segment.first << 24 | series.id
		id INTEGER PRIMARY KEY,
		n INTEGER NOT NULL,
		data BLOB NOT NULL
	) STRICT;
	CREATE TABLE cursor (            -- how far a destination was served
		name TEXT PRIMARY KEY,
		seq INTEGER NOT NULL         -- the last sequence number it has answered for
	) STRICT;`,
}

// dsn is the data source name of the file. Parameters are SQLite's own (mode)
// and modernc's (_pragma, _txlock).
func dsn(path, params string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return (&url.URL{Scheme: "file", Path: abs, RawQuery: params}).String(), nil
}

// openFile opens the file, and once more after setting a damaged one aside.
func (s *Store) openFile() error {
	if err := s.straighten(); err != nil {
		return err
	}
	s.gone()
	err := checkFile(s.path)
	if err == nil {
		err = s.load()
	}
	if damaged(err) {
		return s.replace(err)
	}
	return err
}

// load opens the file, brings its form up to date and reads what must be known
// before the first commit. s.dbMu is held, or s is not shared yet.
func (s *Store) load() (err error) {
	name, err := dsn(s.path, "_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=auto_vacuum(incremental)&_pragma=journal_mode(WAL)"+
		"&_pragma=synchronous(FULL)&_pragma=journal_size_limit(8388608)")
	if err != nil {
		return err
	}
	if err := s.setModes(); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	defer func() {
		if err != nil {
			db.Close()
		}
	}()
	ctx := context.Background()
	if err := persistWAL(ctx, db); err != nil {
		return err
	}
	if err := migrate(ctx, db, s.o.Now()); err != nil {
		return err
	}
	if err := addAll(ctx, db, s.o.Now()); err != nil {
		return err
	}
	if err := quickCheck(ctx, db); err != nil {
		return err
	}
	if err := s.adopt(ctx, db); err != nil {
		return err
	}
	entries, err := loadSeries(ctx, db)
	if err != nil {
		return err
	}
	var last int64
	err = db.QueryRowContext(ctx, `SELECT max(
		(SELECT coalesce(max(last), 0) FROM segment WHERE first = (SELECT max(first) FROM segment)),
		(SELECT coalesce(max(last), 0) FROM text WHERE first = (SELECT max(first) FROM text)),
		(SELECT coalesce(max(seq), 0) FROM cursor),
		(SELECT coalesce(max(seq), 0) FROM text_cursor))`).Scan(&last)
	if err != nil {
		return err
	}
	if last < 0 || last > maxSeq {
		return fmt.Errorf("%w: the last reading has number %d", errDamage, last)
	}
	entriesOfSchema, err := readSchema(ctx, db)
	if err != nil {
		return err
	}
	s.changeState(func(st *state) { st.Schema = entriesOfSchema })
	s.db, s.next = db, max(s.next, last+1)
	s.textsSealed = 0
	s.learn(entries)
	if len(s.rescues) > 0 && s.following == nil {
		done := make(chan struct{})
		s.following = done
		go func() {
			defer close(done)
			s.follow()
		}()
	}
	return nil
}

// readSchema reads what the file has and where.
func readSchema(ctx context.Context, q querier) (all []pages.Entry, err error) {
	rows, err := q.QueryContext(ctx, `SELECT type, name, tbl_name, rootpage, coalesce(sql, '') FROM sqlite_schema ORDER BY rootpage, name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var e pages.Entry
		if err := rows.Scan(&e.Kind, &e.Name, &e.Table, &e.Root, &e.SQL); err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, rows.Err()
}

// setModes makes the file if it is missing, and gives it and those beside it
// their mode. SQLite gives its own files that of the first.
func (s *Store) setModes() error {
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_RDWR, s.o.Mode)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Chmod(s.path+suffix, s.o.Mode); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// learn adds the file's series to those in memory. Those only in memory are
// written again with the next commit.
func (s *Store) learn(entries []entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.series {
		s.unsaved[id] = struct{}{}
	}
	for _, e := range entries {
		if _, known := s.series[e.ID]; known {
			continue
		}
		s.series[e.ID] = e
		s.ids[seriesKey{e.Entity, e.Unit}] = e.ID
		if old, ok := s.series[s.current[e.Entity]]; !ok || old.rank < e.rank {
			s.current[e.Entity] = e.ID
		}
		s.lastID, s.lastRank = max(s.lastID, e.ID), max(s.lastRank, e.rank)
	}
}

// persistWAL keeps the write-ahead log in place when the writer leaves, so
// that a process which may only read finds everything it needs.
func persistWAL(ctx context.Context, db *sql.DB) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(c any) error {
		fc, ok := c.(sqlite.FileControl)
		if !ok {
			return errors.New("the SQLite driver has no file control")
		}
		_, err := fc.FileControlPersistWAL("main", 1)
		return err
	})
}

// version reads the version of the file's form: 0 for an empty file.
func version(ctx context.Context, q querier) (v int, err error) {
	var tables int
	err = q.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_version'`).Scan(&tables)
	if err != nil || tables == 0 {
		return 0, err
	}
	var n int
	err = q.QueryRowContext(ctx, `SELECT coalesce(max(version), 0), count(*) FROM schema_version`).Scan(&v, &n)
	if err == nil && v != n { // each version leaves its row
		return 0, fmt.Errorf("%w: its form is %d after %d migrations", errDamage, v, n)
	}
	return v, err
}

func migrate(ctx context.Context, db *sql.DB, now time.Time) error {
	v, err := version(ctx, db)
	if err != nil {
		return err
	}
	if v > len(migrations) {
		return fmt.Errorf("%w (its form is %d, this program knows up to %d): install the newer version again", ErrNewer, v, len(migrations))
	}
	for ; v < len(migrations); v++ {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if _, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, applied_ms INTEGER NOT NULL) STRICT`); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, migrations[v]); err != nil {
			return fmt.Errorf("bringing the store to form %d: %w", v+1, err)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO schema_version VALUES (?, ?)`, v+1, now.UnixMilli()); err != nil {
			return err
		}
		if err := tx.Commit(); err != nil {
			return err
		}
	}
	return nil
}

// maxSeq is the greatest sequence number that fits a chunk's row id beside the
// series: a thousand readings a second for eight years.
const maxSeq = 1<<38 - 1

// errDamage is damage that SQLite does not notice: its pages have no checksums.
var errDamage = errors.New("the contents contradict each other")

// damaged reports whether the error says that the file is not a whole SQLite
// database, as opposed to a full disk or a missing permission. Where SQLite
// does not notice, a statement that is always right on a whole file fails: a
// name in the schema has changed, a number is there twice, or a column holds
// what is never written there (for which database/sql has only words).
func damaged(err error) bool {
	var e *sqlite.Error
	switch {
	case err == nil:
		return false
	case errors.Is(err, errDamage):
		return true
	case !errors.As(err, &e):
		return strings.Contains(err.Error(), "sql: Scan error")
	}
	switch e.Code() & 0xff { // without the extended part
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH:
		return true
	case sqlite3.SQLITE_ERROR:
		for _, words := range []string{"no such table", "no such column", "has no column named", "already exists"} {
			if strings.Contains(e.Error(), words) {
				return true
			}
		}
	}
	return false
}

// replace sets a damaged file aside and begins a new one, into which what can be
// read of the other is taken over. s.dbMu is held, or s is not shared yet.
func (s *Store) replace(cause error) error {
	if s.db != nil {
		s.db.Close() // its error says no more than cause
		s.db = nil
	}
	if err := s.setAside(); err != nil {
		return err
	}
	s.o.Log.Error("the store of readings is damaged; a new one is begun, and what can be read of the old one follows", "damage", cause)
	s.changeState(func(st *state) {
		st.Salvage = &Salvage{Began: s.o.Now().UTC(), Cause: cause.Error()}
		st.Bad = nil
	})
	clear(s.inflight)
	return s.load()
}

// use calls f with the open file, opening it first when it was closed after an
// error, and sees to the file when f fails.
func (s *Store) use(f func(db *sql.DB) error) error {
	s.dbMu.Lock()
	defer s.dbMu.Unlock()
	if s.ended {
		return os.ErrClosed
	}
	if s.db == nil {
		if err := s.openFile(); err != nil {
			return err
		}
	}
	err := f(s.db)
	var e *sqlite.Error
	switch {
	case err == nil:
	case damaged(err):
		if again := s.replace(err); again != nil {
			return again
		}
	case errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_IOERR:
		s.db.Close() // the next use begins afresh
		s.db = nil
	}
	return err
}

// lockFile makes this process the one writer until the file is closed or the
// process ends, however it ends.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, ErrInUse
		}
		return nil, err
	}
	return f, nil
}
