package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/smartcore-ireland/hems/internal/store/pages"
)

const (
	// checkEvery is how often all of the file is read.
	checkEvery = 7 * 24 * time.Hour
	// checkAfter is how long after a start that waits: there is enough to do.
	checkAfter = 10 * time.Minute
	// checkSegments is how many segments are read at a time, about a megabyte.
	checkSegments = 4
	// checkRest is how many times as long as it has read a check rests.
	checkRest = 9
	// recentSegments is how many of the last segments are looked at when the
	// file is opened: those were written when the power was cut.
	recentSegments = 8
)

// checkFile looks at what SQLite does not: at the write-ahead log, of which it
// would take back everything behind a damaged page and say nothing, and at the
// list of free pages, of which it takes notice when it needs one.
func checkFile(path string) error {
	f, err := pages.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	switch {
	case f.Pages() == 0 || !f.Header(): // SQLite says what is wrong
		return nil
	case newerForm(f):
		return nil
	case f.Log.Broken:
		return fmt.Errorf("%w: the write-ahead log is damaged in its middle", errDamage)
	}
	if err := f.Free(); errors.Is(err, pages.ErrBad) {
		return fmt.Errorf("%w: %w", errDamage, err)
	}
	return nil
}

// newerForm reports whether a newer program has brought the file to a form that
// this one does not know; such a file is left alone, whatever it is in.
func newerForm(f *pages.File) (newer bool) {
	all, _ := f.Schema()
	for _, e := range all {
		if e.Name == "schema_version" {
			_, _ = f.Table(e.Root, 0, 1<<32, false, func(r pages.Row) error {
				newer = newer || r.ID > int64(len(migrations))
				return nil
			})
		}
	}
	return newer
}

// quickCheck looks at what can be looked at in a second, whatever the size of
// the file: the tables that everything else hangs on, and the last readings.
func quickCheck(ctx context.Context, db *sql.DB) error {
	for _, table := range []string{"series", "series_copy", "cursor", "cursor_copy", "segment"} {
		if err := integrity(ctx, db, table); err != nil {
			return err
		}
	}
	agree, err := copiesAgree(ctx, db)
	if err != nil {
		return err
	}
	if !agree {
		return fmt.Errorf("%w: the copies of cursors and series are not what they are", errDamage)
	}
	var bad int
	err = db.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT first, last, n, min_ms, max_ms, lag(last) OVER (ORDER BY first) AS before FROM segment)
		WHERE first < 1 OR last < first OR last > ? OR n < 0 OR n > last - first + 1 OR min_ms > max_ms OR first <= before`, int64(maxSeq)).Scan(&bad)
	if err != nil {
		return err
	}
	if bad > 0 {
		return fmt.Errorf("%w: %d lines of the table of contents", errDamage, bad)
	}
	last, err := querySegments(ctx, db, `ORDER BY first DESC LIMIT ?`, recentSegments)
	if err != nil {
		return err
	}
	for _, g := range last {
		if _, err := checkSegment(ctx, db, g); err != nil {
			return err
		}
	}
	return nil
}

// integrity has SQLite check a small table and its indexes.
func integrity(ctx context.Context, q querier, table string) error {
	var said string
	if err := q.QueryRowContext(ctx, `SELECT integrity_check FROM pragma_integrity_check(?)`, table).Scan(&said); err != nil {
		return err
	}
	if said != "ok" {
		return fmt.Errorf("%w: table %s: %s", errDamage, table, said)
	}
	return nil
}

// contents is what was found in a segment.
type contents struct {
	n            int64
	minMS, maxMS int64
	bad          int64 // samples that cannot be read, and are not known to be lost
	lost         int64
}

// checkSegment reads a segment. An error is for damage of the tables; readings
// that cannot be read are counted.
func checkSegment(ctx context.Context, q querier, g segment) (c contents, err error) {
	query, low, high := `SELECT first, ?3, data FROM block WHERE first BETWEEN ?1 AND ?2`, g.first, g.first
	if g.sealed {
		query, low, high = `SELECT id, n, data FROM chunk WHERE id BETWEEN ?1 AND ?2 AND ?3 ORDER BY id`,
			chunkID(g.first, 0), chunkID(g.first, 1<<seriesBits-1)
	}
	rows, err := q.QueryContext(ctx, query, low, high, g.n)
	if err != nil {
		return c, err
	}
	defer rows.Close()
	var data sql.RawBytes
	for rows.Next() {
		var id, n int64
		if err := rows.Scan(&id, &n, &data); err != nil {
			return c, err
		}
		var columns []column
		ok := !isLost(data)
		switch {
		case !ok:
			c.lost += n
		case g.sealed:
			var one column
			one, ok = chunkOf(id, []any{nil, n, []byte(data)})
			columns = []column{one}
		default:
			columns, ok = blockOf(id, []any{nil, []byte(data)})
		}
		if !ok {
			c.n += n
			if !isLost(data) {
				c.bad += n
			}
			continue
		}
		s := newSegment(g.first, g.last, columns, g.sealed)
		if c.minMS == 0 {
			c.minMS, c.maxMS = s.minMS, s.maxMS
		}
		c.n += s.n
		c.minMS, c.maxMS = min(c.minMS, s.minMS), max(c.maxMS, s.maxMS)
	}
	return c, rows.Err()
}

// checker checks the whole file once a week, and after an end that was none.
func (s *Store) checker(due time.Time) {
	for {
		wait := max(due.Sub(s.o.Now()), checkAfter)
		select {
		case <-s.stop:
			return
		case <-time.After(wait):
		}
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			select {
			case <-s.stop:
				cancel()
			case <-ctx.Done():
			}
		}()
		if err := s.checkAll(ctx); err != nil && ctx.Err() == nil {
			s.o.Log.Warn("the check of the store did not come to its end; it is tried again in a day", "err", err)
			due = s.o.Now().Add(24 * time.Hour)
		} else {
			due = s.o.Now().Add(checkEvery)
		}
		cancel()
	}
}

// checkAll reads the whole file, a little at a time and beside everything else.
// Damaged tables are seen to as when anything else comes upon them; damaged
// readings are told of by Check.
func (s *Store) checkAll(ctx context.Context) (err error) {
	s.stateMu.Lock()
	s.checking = true
	s.stateMu.Unlock()
	defer func() {
		s.stateMu.Lock()
		s.checking = false
		s.stateMu.Unlock()
	}()
	name, err := dsn(s.path, "mode=ro&_pragma=busy_timeout(2000)&_pragma=query_only(1)&_pragma=cache_size(-512)")
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	var bad []Lost
	for next := int64(0); ; {
		began := time.Now()
		last, err := s.checkSome(ctx, db, next, &bad)
		if damaged(err) {
			// The writer looks for itself, so that what was only read wrongly
			// does no harm.
			err = s.use(func(db *sql.DB) error { return s.mend(ctx, db, next) })
		}
		if err != nil {
			return err
		}
		if last < 0 {
			break
		}
		next = last + 1
		if !rest(ctx, s.checkRest*time.Since(began)) {
			return ctx.Err()
		}
	}
	if err := s.checkTables(ctx, db); err != nil {
		return err
	}
	s.changeState(func(st *state) { st.Checked, st.Bad = s.o.Now().UTC(), bad })
	for _, l := range bad {
		s.o.Log.Error("readings in the store are damaged", "when", l.String(), "readings", l.Readings)
	}
	return nil
}

// rest waits; it reports false when ctx ended first.
func rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(min(d, 10*time.Second))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// checkSome reads the segments from number next on, and returns the first of the
// last of them, or -1 when there was none.
func (s *Store) checkSome(ctx context.Context, db *sql.DB, next int64, bad *[]Lost) (last int64, err error) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	last = -1
	some, err := querySegments(ctx, tx, `WHERE first >= ? ORDER BY first LIMIT ?`, next, checkSegments)
	if err != nil {
		return last, err
	}
	for _, g := range some {
		last = g.first
		c, err := checkSegment(ctx, tx, g)
		if err != nil {
			return last, err
		}
		if c.bad > 0 {
			*bad = addLost(*bad, Lost{time.UnixMilli(g.minMS).UTC(), time.UnixMilli(g.maxMS).UTC(), c.bad})
		}
		if c.contradicts(g) {
			return last, fmt.Errorf("%w: the table of contents has %d readings where there are %d", errDamage, g.n, c.n)
		}
	}
	return last, nil
}

// checkTables has SQLite check the tables beside those of readings.
func (s *Store) checkTables(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`)
	if err != nil {
		return err
	}
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			rows.Close()
			return err
		}
		names = append(names, name)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, name := range names {
		if name == "chunk" || name == "block" {
			continue // they were read
		}
		began := time.Now()
		err := integrity(ctx, db, name)
		if damaged(err) {
			err = s.use(func(db *sql.DB) error { return integrity(ctx, db, name) })
		}
		if err != nil {
			return err
		}
		if !rest(ctx, s.checkRest*time.Since(began)) {
			return ctx.Err()
		}
	}
	return nil
}

// contradicts reports whether a line of the table of contents does not say what
// lies there.
func (c contents) contradicts(g segment) bool {
	return c.bad == 0 && c.lost == 0 && (c.n != g.n || c.n > 0 && (c.minMS != g.minMS || c.maxMS != g.maxMS))
}

// mend looks again at the segments that checkSome found damaged. Lines of the
// table of contents that are only wrong are put right; an error is for damage
// that is still there.
func (s *Store) mend(ctx context.Context, db *sql.DB, next int64) error {
	some, err := querySegments(ctx, db, `WHERE first >= ? ORDER BY first LIMIT ?`, next, checkSegments)
	if err != nil {
		return err
	}
	for _, g := range some {
		c, err := checkSegment(ctx, db, g)
		if err != nil {
			return err
		}
		if !c.contradicts(g) {
			continue
		}
		if c.n == 0 || c.n > g.last-g.first+1 {
			return fmt.Errorf("%w: the table of contents has %d readings where there are %d", errDamage, g.n, c.n)
		}
		if _, err := db.ExecContext(ctx, `UPDATE segment SET n = ?, min_ms = ?, max_ms = ? WHERE first = ?`, c.n, c.minMS, c.maxMS, g.first); err != nil {
			return err
		}
		s.o.Log.Warn("a line of the table of contents was wrong and is right again", "readings", c.n, "from", time.UnixMilli(c.minMS).UTC())
	}
	return nil
}
