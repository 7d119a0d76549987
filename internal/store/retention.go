package store

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Readings are deleted when they are older than the retention, and earlier when
// the disk asks for it: when the store takes more than its share of the file
// system, or the file system is nearly full, whoever fills it. The oldest go
// first, and never those that are not yet rolled up and counted into the ledger,
// or of the last two days; rollups and the ledger stay for ever.
//
// What is freed inside the file is used again, so that the file does not grow
// while there is some. It goes back to the file system only when that is nearly
// full, a few megabytes after each commit, because it is last pages that are moved
// forward to be cut off, which wears a card; and only from files that were begun by
// a version that knows of it: SQLite would have to write the whole of an older
// file anew, for which a small disk has no room.

const (
	// sweepSegments is how many segments one sweep may delete: two days' worth,
	// so that retention catches up quickly, and a clock that is wrong for long
	// costs little.
	sweepSegments = 48
	// sweepTexts is how many rows of texts one sweep looks at to delete.
	sweepTexts = 200
	// sweepPages is how many free pages of the file one sweep gives back, 4 MB.
	sweepPages = 1024
	// keepAlways is what is not deleted for want of room.
	keepAlways = 48 * time.Hour
	// reserve is how much room inside a file that cannot be made smaller is
	// kept while the disk is nearly full: two days of readings of a large home.
	reserve = 32 << 20
)

// lostAddition counts what was deleted before destinations had been sent it.
var lostAddition = addition{"lost", `CREATE TABLE IF NOT EXISTS lost (
	name TEXT PRIMARY KEY,       -- of the cursor
	n INTEGER NOT NULL,          -- readings
	until_ms INTEGER NOT NULL    -- none of them is later
) STRICT;`}

// Room is what is known of the room for readings.
type Room struct {
	// Short is why readings are deleted before they are as old as the retention:
	// one sentence without a full stop. Empty: they are not.
	Short string
	// Since is the time of the oldest reading that was kept when some were last
	// deleted for want of room; zero when none were since Open.
	Since time.Time
}

// Room tells whether there is room for all readings that are to be kept.
func (s *Store) Room() Room {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.room
}

// Lost is how many readings were deleted before the named destination had been
// sent them. A destination whose cursor does not exist loses nothing.
func (s *Store) Lost(ctx context.Context, name string) (n int64, err error) {
	err = s.use(func(db *sql.DB) error {
		return db.QueryRowContext(ctx, `SELECT coalesce((SELECT n FROM lost WHERE name = ?), 0)`, name).Scan(&n)
	})
	if err != nil {
		return 0, fmt.Errorf("counting what was deleted before %s was sent it: %w", name, err)
	}
	return n, nil
}

// expire deletes what is older than the retention. It is done once an hour, by a
// clock that is trusted.
func (s *Store) expire(ctx context.Context, db *sql.DB, now time.Time) error {
	if s.ledgerDue {
		return nil // the ledger needs them once more
	}
	trusted, err := clockTrusted(ctx, db, now)
	if err != nil || !trusted {
		return err
	}
	before := now.Add(-s.o.Retention)
	n, _, err := s.deleteOldest(ctx, db, before.UnixMilli())
	if err == nil && n > 0 {
		s.o.Log.Info("readings older than the retention were deleted", "segments", n, "before", before.UTC())
	}
	return err
}

// makeRoom deletes the oldest readings while the disk asks for it, and gives room
// back that the file system needs. It follows each commit.
func (s *Store) makeRoom(ctx context.Context, db *sql.DB, now time.Time) error {
	f, err := s.measure(ctx, db)
	if err != nil {
		return err
	}
	short, needed := s.shortage(f)
	room := Room{Short: short}
	if needed && f.shrinks && f.disk.free < s.minFree(f) && f.free > 0 {
		// What is free already may be enough.
		if _, err := db.ExecContext(ctx, fmt.Sprintf(`PRAGMA incremental_vacuum(%d)`, sweepPages)); err != nil {
			return err
		}
		needed = f.used > s.share(f)
	}
	if needed && !s.ledgerDue {
		n, since, err := s.deleteOldest(ctx, db, now.Add(-keepAlways).UnixMilli())
		if err != nil {
			return err
		}
		if n > 0 {
			room.Since = time.UnixMilli(since)
			s.o.Log.Warn("the oldest readings were deleted, because "+short, "segments", n, "kept_since", room.Since.UTC(),
				"hint", "make room on the disk, or use a larger one")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if room.Since.IsZero() {
		room.Since = s.room.Since
	}
	s.room = room
	return nil
}

// filled is how full the file and its disk are.
type filled struct {
	used, free int64 // bytes of the file that hold something, and that hold nothing
	shrinks    bool  // free pages can be given back
	disk       diskSpace
}

// diskSpace is a file system's size and what is free of it for us, in bytes.
type diskSpace struct{ total, free int64 }

func statDisk(path string) (diskSpace, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(path), &st); err != nil {
		return diskSpace{}, fmt.Errorf("looking how full the disk is: %w", err)
	}
	return diskSpace{int64(st.Blocks) * st.Bsize, int64(st.Bavail) * st.Bsize}, nil
}

func (s *Store) measure(ctx context.Context, db *sql.DB) (f filled, err error) {
	var pages, free, size, vacuum int64
	for query, to := range map[string]*int64{"page_count": &pages, "freelist_count": &free, "page_size": &size, "auto_vacuum": &vacuum} {
		if err := db.QueryRowContext(ctx, `PRAGMA `+query).Scan(to); err != nil {
			return f, err
		}
	}
	f = filled{used: (pages - free) * size, free: free * size, shrinks: vacuum == 2}
	f.disk, err = s.disk(s.path)
	return f, err
}

// share is how many bytes the store may take.
func (s *Store) share(f filled) int64 { return f.disk.total / 100 * int64(s.o.DiskShare) }

// minFree is how many bytes of the file system are kept free: by default more
// than where health calls the disk nearly full.
func (s *Store) minFree(f filled) int64 {
	if s.o.MinFree <= 0 {
		return f.disk.total / 12
	}
	return min(s.o.MinFree, f.disk.total/8)
}

// shortage says why room is to be made, and whether something is to be deleted
// for it.
func (s *Store) shortage(f filled) (why string, needed bool) {
	switch {
	case f.used > s.share(f):
		return fmt.Sprintf("they take their share of the disk, %d%% of %d MB", s.o.DiskShare, f.disk.total>>20), true
	case f.disk.free < s.minFree(f):
		// A file that cannot shrink only has to have room inside.
		return fmt.Sprintf("the disk is nearly full: %d MB are to stay free", s.minFree(f)>>20), f.shrinks || f.free < reserve
	}
	return "", false
}

// deleteOldest deletes some of the oldest readings that ended before a time (ms),
// and have been rolled up, and returns how many segments that were and the time of
// the oldest that is left.
func (s *Store) deleteOldest(ctx context.Context, db *sql.DB, before int64) (n int, since int64, err error) {
	old, err := querySegments(ctx, db, `WHERE max_ms < ?1 AND last <= (SELECT marked FROM rollup_state)
		AND NOT EXISTS (SELECT 1 FROM rollup_due WHERE day BETWEEN min_ms / ?3 AND max_ms / ?3)
		ORDER BY max_ms LIMIT ?2`, before, sweepSegments, dayMS)
	if err != nil {
		return 0, 0, err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, 0, err
	}
	defer tx.Rollback()
	lost := losses{}
	textsBefore := before
	if len(old) > 0 {
		if err := lost.addSegments(ctx, tx, old); err != nil {
			return 0, 0, err
		}
		for _, g := range old {
			if err := deleteSegment(ctx, tx, g); err != nil {
				return 0, 0, err
			}
		}
		if len(old) == sweepSegments { // texts go no further than samples
			textsBefore = min(before, old[len(old)-1].maxMS)
		}
	}
	texts, err := deleteTexts(ctx, tx, textsBefore, lost)
	if err != nil || len(old) == 0 && texts == 0 {
		return 0, 0, err
	}
	if err := lost.write(ctx, tx); err != nil {
		return 0, 0, err
	}
	if err := tx.QueryRowContext(ctx, `SELECT coalesce(min(max_ms), ?) FROM segment`, before).Scan(&since); err != nil {
		return 0, 0, err
	}
	if err := tx.Commit(); err != nil {
		return 0, 0, err
	}
	for name, l := range lost {
		s.o.Log.Warn("readings were deleted before a destination had been sent them", "cursor", name, "readings", l.n)
	}
	return len(old), since, nil
}

func deleteSegment(ctx context.Context, tx *sql.Tx, g segment) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM chunk WHERE id BETWEEN ? AND ?`, chunkID(g.first, 0), chunkID(g.first, 1<<seriesBits-1)); err != nil {
		return err
	}
	for _, table := range []string{"segment", "block"} {
		if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE first = ?`, g.first); err != nil {
			return err
		}
	}
	return nil
}

// deleteTexts deletes texts that ended before a time (ms), looking at the rows
// with the lowest numbers only: others are older only where the clock was wrong,
// and their turn comes.
func deleteTexts(ctx context.Context, tx *sql.Tx, before int64, lost losses) (n int, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT first, last, n, max_ms FROM text ORDER BY first LIMIT ?`, sweepTexts)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var old []segment
	for rows.Next() {
		var g segment
		if err := rows.Scan(&g.first, &g.last, &g.n, &g.maxMS); err != nil {
			return 0, err
		}
		if g.maxMS < before {
			old = append(old, g)
		}
	}
	if err := rows.Err(); err != nil || len(old) == 0 {
		return 0, err
	}
	if err := lost.addTexts(ctx, tx, old); err != nil {
		return 0, err
	}
	for _, g := range old {
		if _, err := tx.ExecContext(ctx, `DELETE FROM text WHERE first = ?`, g.first); err != nil {
			return 0, err
		}
	}
	return len(old), nil
}

// losses are what is deleted before destinations have been sent it, by cursor.
type losses map[string]loss

type loss struct{ n, until int64 }

func (l losses) add(name string, n, until int64) {
	if n > 0 {
		l[name] = loss{l[name].n + n, max(l[name].until, until)}
	}
}

func (l losses) addSegments(ctx context.Context, q querier, old []segment) error {
	return eachCursor(ctx, q, func(name string, at position) {
		for _, g := range old {
			l.add(name, g.n-max(0, min(g.n, at.samples-g.first+1)), g.maxMS)
		}
	})
}

func (l losses) addTexts(ctx context.Context, q querier, old []segment) error {
	return eachCursor(ctx, q, func(name string, at position) {
		for _, g := range old {
			l.add(name, min(g.n, g.last-at.texts), g.maxMS)
		}
	})
}

func (l losses) write(ctx context.Context, tx *sql.Tx) error {
	for name, one := range l {
		_, err := tx.ExecContext(ctx, `INSERT INTO lost (name, n, until_ms) VALUES (?1, ?2, ?3)
			ON CONFLICT (name) DO UPDATE SET n = n + ?2, until_ms = max(until_ms, ?3)`, name, one.n, one.until)
		if err != nil {
			return err
		}
	}
	return nil
}

// eachCursor calls f with each destination's cursor.
func eachCursor(ctx context.Context, q querier, f func(name string, at position)) error {
	rows, err := q.QueryContext(ctx, `SELECT c.name, c.seq, coalesce(t.seq, 0) FROM cursor AS c LEFT JOIN text_cursor AS t ON t.name = c.name`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var at position
		if err := rows.Scan(&name, &at.samples, &at.texts); err != nil {
			return err
		}
		if !strings.HasPrefix(name, probePrefix) {
			f(name, at)
		}
	}
	return rows.Err()
}
