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
	o    ReaderOptions

	blocks blockCache

	mu   sync.Mutex
	db   *sql.DB
	file os.FileInfo // the file that db has open
}

// ReaderOptions are the settings of a Reader; the zero value has the defaults.
type ReaderOptions struct {
	// Pending asks the writer what is not yet in the file, which answers then
	// have too. When it fails, the writer being away, they have what is in the
	// file. Default: the file alone.
	Pending func(context.Context) (Pending, error)
	// Zone is where days begin and end. Default UTC.
	Zone *time.Location
}

// OpenReader opens the store at path for reading. The error is ErrNotYet for
// as long as there is none. Of several options the last counts.
func OpenReader(path string, options ...ReaderOptions) (*Reader, error) {
	r := &Reader{path: path}
	for _, o := range options {
		r.o = o
	}
	if r.o.Zone == nil {
		r.o.Zone = time.UTC
	}
	if _, err := r.open(context.Background()); err != nil {
		return nil, err
	}
	return r, nil
}

// Reader opens the store for reading beside its writer, with what waits.
func (s *Store) Reader() (*Reader, error) {
	return OpenReader(s.path, ReaderOptions{Pending: func(context.Context) (Pending, error) { return s.Pending(), nil }})
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
		err = f(cachedQuerier{tx, &r.blocks})
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

// waiting is what is not yet in the file. It is asked for before the file is
// looked at: what is committed in between is in both, and counts once.
func (r *Reader) waiting(ctx context.Context) Pending {
	if r.o.Pending == nil {
		return Pending{}
	}
	p, err := r.o.Pending(ctx)
	if err != nil {
		return Pending{}
	}
	return p
}

// Samples returns the samples of a series with from ≤ time < to, in ascending
// time. Damaged parts of the store are missing from the answer.
func (r *Reader) Samples(ctx context.Context, series int64, from, to time.Time) (s []Sample, err error) {
	waiting := r.waiting(ctx)
	err = r.view(ctx, func(q querier) error {
		s, _, err = readSeries(ctx, q, series, ceilMilli(from), ceilMilli(to))
		return err
	})
	if err != nil {
		return nil, err
	}
	return merge(s, waiting.between(series, ceilMilli(from), ceilMilli(to))), nil
}

// Before returns the last sample of a series before t.
func (r *Reader) Before(ctx context.Context, series int64, t time.Time) (s Sample, ok bool, err error) {
	return r.before(ctx, series, ceilMilli(t))
}

// Last returns the sample of a series with the greatest time.
func (r *Reader) Last(ctx context.Context, series int64) (s Sample, ok bool, err error) {
	return r.before(ctx, series, math.MaxInt64)
}

func (r *Reader) before(ctx context.Context, series, before int64) (s Sample, ok bool, err error) {
	waiting := r.waiting(ctx)
	err = r.view(ctx, func(q querier) error {
		s, ok, err = readBefore(ctx, q, series, before)
		return err
	})
	if err != nil {
		return Sample{}, false, err
	}
	if w, waits := waiting.before(series, before); waits && (!ok || w.Milli >= s.Milli) {
		return w, true, nil
	}
	return s, ok, nil
}

// Texts returns the texts of a series with from ≤ time < to, in ascending time
// and of one time in the order of arrival.
func (r *Reader) Texts(ctx context.Context, series int64, from, to time.Time) (t []TextSample, err error) {
	waiting := r.waiting(ctx)
	err = r.view(ctx, func(q querier) error {
		t, err = readTexts(ctx, q, series, ceilMilli(from), ceilMilli(to))
		return err
	})
	if err != nil {
		return nil, err
	}
	return mergeTexts(t, waiting.textsBetween(series, ceilMilli(from), ceilMilli(to))), nil
}

// TextBefore returns the last text of a series before t.
func (r *Reader) TextBefore(ctx context.Context, series int64, t time.Time) (s TextSample, ok bool, err error) {
	waiting, before := r.waiting(ctx), ceilMilli(t)
	err = r.view(ctx, func(q querier) error {
		s, ok, err = readTextBefore(ctx, q, series, before)
		return err
	})
	if err != nil {
		return TextSample{}, false, err
	}
	if w := waiting.textsBetween(series, math.MinInt64, before); len(w) > 0 && (!ok || w[len(w)-1].Milli >= s.Milli) {
		return w[len(w)-1], true, nil
	}
	return s, ok, nil
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
