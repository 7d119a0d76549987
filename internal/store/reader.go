package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"time"
)

// Reader reads a store beside its writer, in this process or another. It never
// holds the writer up. Its methods may be called from any goroutine.
type Reader struct {
	path string

	mu   sync.Mutex
	db   *sql.DB
	file os.FileInfo // the file that db has open
}

// OpenReader opens the store at path for reading. The error is ErrNotYet for
// as long as there is none.
func OpenReader(path string) (*Reader, error) {
	r := &Reader{path: path}
	if _, err := r.open(context.Background()); err != nil {
		return nil, err
	}
	return r, nil
}

// open returns the open database, and opens the file anew when the writer has
// replaced it.
func (r *Reader) open(ctx context.Context) (*sql.DB, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	info, err := os.Stat(r.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNotYet
	}
	if err != nil {
		return nil, fmt.Errorf("reading the store: %w", err)
	}
	if r.db != nil && os.SameFile(info, r.file) {
		return r.db, nil
	}
	name, err := dsn(r.path, "mode=ro&_pragma=busy_timeout(2000)&_pragma=query_only(1)")
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(2)
	db.SetConnMaxIdleTime(time.Minute)
	v, err := version(ctx, db)
	switch {
	case err != nil:
		db.Close()
		return nil, fmt.Errorf("reading the store %s: %w", r.path, err)
	case v < len(migrations): // its writer is about to make or migrate it
		db.Close()
		return nil, ErrNotYet
	case v > len(migrations):
		db.Close()
		return nil, fmt.Errorf("reading the store %s: %w", r.path, ErrNewer)
	}
	if r.db != nil {
		r.db.Close() // waits for calls that are under way
	}
	r.db, r.file = db, info
	return db, nil
}

// view calls f with one unchanging view of the store.
func (r *Reader) view(ctx context.Context, f func(q querier) error) error {
	db, err := r.open(ctx)
	if err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err == nil {
		defer tx.Rollback()
		err = f(tx)
	}
	if err != nil {
		return fmt.Errorf("reading the store %s: %w", r.path, err)
	}
	return nil
}

// Series returns all series; of several of one entity (its unit changed) the
// current one is the last.
func (r *Reader) Series(ctx context.Context) ([]Series, error) {
	var all []Series
	err := r.view(ctx, func(q querier) error {
		entries, err := loadSeries(ctx, q)
		for _, e := range entries {
			all = append(all, e.Series)
		}
		return err
	})
	return all, err
}

// Samples returns the committed samples of a series with from ≤ time < to, in
// ascending time. Damaged parts of the store are missing from the answer.
func (r *Reader) Samples(ctx context.Context, series int64, from, to time.Time) (s []Sample, err error) {
	err = r.view(ctx, func(q querier) error {
		s, _, err = readSeries(ctx, q, series, ceilMilli(from), ceilMilli(to))
		return err
	})
	return s, err
}

// Before returns the last committed sample of a series before t.
func (r *Reader) Before(ctx context.Context, series int64, t time.Time) (s Sample, ok bool, err error) {
	err = r.view(ctx, func(q querier) error {
		s, ok, err = readBefore(ctx, q, series, ceilMilli(t))
		return err
	})
	return s, ok, err
}

// Last returns the committed sample of a series with the greatest time.
func (r *Reader) Last(ctx context.Context, series int64) (s Sample, ok bool, err error) {
	err = r.view(ctx, func(q querier) error {
		s, ok, err = readBefore(ctx, q, series, math.MaxInt64)
		return err
	})
	return s, ok, err
}

// Close closes the file.
func (r *Reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.db == nil {
		return nil
	}
	db := r.db
	r.db = nil
	return db.Close()
}

// ceilMilli is the first millisecond that is not before t, so that half-open
// ranges keep their meaning.
func ceilMilli(t time.Time) int64 {
	ms := t.UnixMilli()
	if time.UnixMilli(ms).Before(t) {
		ms++
	}
	return ms
}
