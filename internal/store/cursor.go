package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Item is a reading as a destination is sent it.
type Item struct {
	Series int64 // id, see Store.Series
	Time   time.Time
	Value  float64
}

// Batch is what follows a cursor.
type Batch struct {
	Items []Item
	// after is where the cursor stands once the batch was answered for.
	after int64
}

// Next returns up to limit readings after the named cursor, in the order in
// which they were committed (within a commit or an hour: by series, then
// time). A cursor of a new name stands before everything the store holds. An
// empty batch means that there is nothing more for now; Advanced tells when
// there may be. Only one batch of a cursor is out at a time: the next call
// takes back the one before.
func (s *Store) Next(ctx context.Context, name string, limit int) (b Batch, err error) {
	err = s.use(func(db *sql.DB) error {
		cursor, err := readCursor(ctx, db, name)
		if err != nil {
			return err
		}
		b, err = s.nextBatch(ctx, db, cursor, limit)
		s.inflight[name] = b.after
		return err
	})
	if err != nil {
		return Batch{}, fmt.Errorf("reading what to send to %s: %w", name, err)
	}
	return b, nil
}

func (s *Store) nextBatch(ctx context.Context, db *sql.DB, cursor int64, limit int) (Batch, error) {
	b := Batch{after: cursor}
	for len(b.Items) < limit {
		// The segment the cursor is in, or the one after it.
		found, err := querySegments(ctx, db, `WHERE first >= coalesce((SELECT max(first) FROM segment WHERE first <= ?1), 0)
			AND last > ?2 ORDER BY first LIMIT 1`, b.after+1, b.after)
		if err != nil {
			return b, err
		}
		if len(found) == 0 {
			return b, nil
		}
		g := found[0]
		skip := max(b.after-(g.first-1), 0)
		items, passed, err := s.segmentItems(ctx, db, g, skip, limit-len(b.Items))
		if err != nil {
			return b, err
		}
		b.Items = append(b.Items, items...)
		if len(b.Items) == limit && passed < g.n {
			b.after = g.first - 1 + passed
		} else {
			b.after = g.last
		}
	}
	return b, nil
}

// segmentItems returns up to limit samples of a segment, without the first
// skip ones, and how many of the segment's samples have then been passed:
// damaged ones are, or they would be asked for again for ever.
func (s *Store) segmentItems(ctx context.Context, db *sql.DB, g segment, skip int64, limit int) (items []Item, passed int64, err error) {
	take := func(data []byte, n int64) {
		columns, err := decodeBlob(data, 0)
		if err != nil {
			s.o.Log.Error("readings are damaged and cannot be sent; the others are", "samples", n, "err", err)
			passed += n
			return
		}
		for _, c := range columns {
			for _, v := range c.samples {
				if len(items) == limit {
					return
				}
				if passed >= skip {
					items = append(items, Item{Series: c.sid, Time: time.UnixMilli(v.Milli), Value: v.Value})
				}
				passed++
			}
		}
	}
	query, low, high := `SELECT ?3, data FROM block WHERE first BETWEEN ?1 AND ?2`, g.first, g.first
	if g.sealed {
		query, low, high = `SELECT n, data FROM chunk WHERE id BETWEEN ?1 AND ?2 AND ?3 ORDER BY id`,
			chunkID(g.first, 0), chunkID(g.first, 1<<seriesBits-1)
	}
	rows, err := db.QueryContext(ctx, query, low, high, g.n)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	var data sql.RawBytes
	for len(items) < limit && rows.Next() {
		var n int64
		if err := rows.Scan(&n, &data); err != nil {
			return nil, 0, err
		}
		if passed+n <= skip {
			passed += n
			continue
		}
		take(data, n)
	}
	return items, passed, rows.Err()
}

// Advance moves the named cursor behind a batch that was answered for; it is
// on disk when Advance returns nil.
func (s *Store) Advance(ctx context.Context, name string, b Batch) error {
	err := s.use(func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, `INSERT INTO cursor (name, seq) VALUES (?1, ?2)
			ON CONFLICT (name) DO UPDATE SET seq = ?2`, name, b.after)
		if err == nil {
			delete(s.inflight, name)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("moving the cursor of %s: %w", name, err)
	}
	return nil
}

// Backlog is how many committed readings lie behind the named cursor.
func (s *Store) Backlog(ctx context.Context, name string) (n int64, err error) {
	err = s.use(func(db *sql.DB) error {
		cursor, err := readCursor(ctx, db, name)
		if err != nil {
			return err
		}
		return db.QueryRowContext(ctx, `SELECT coalesce(sum(n - max(0, min(n, ?1 - first + 1))), 0) FROM segment
			WHERE first >= coalesce((SELECT max(first) FROM segment WHERE first <= ?1), 0) AND last > ?1`, cursor).Scan(&n)
	})
	if err != nil {
		return 0, fmt.Errorf("counting what waits for %s: %w", name, err)
	}
	return n, nil
}

// readCursor returns the last sequence number a cursor has passed, 0 for one
// that does not exist yet.
func readCursor(ctx context.Context, q querier, name string) (seq int64, err error) {
	err = q.QueryRowContext(ctx, `SELECT coalesce((SELECT seq FROM cursor WHERE name = ?), 0)`, name).Scan(&seq)
	return seq, err
}

// cursors returns where all cursors stand and where those with a batch out
// will stand.
func (s *Store) cursors(ctx context.Context, db *sql.DB) (map[int64]bool, error) {
	at := map[int64]bool{}
	for _, seq := range s.inflight {
		at[seq] = true
	}
	rows, err := db.QueryContext(ctx, `SELECT seq FROM cursor`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var seq int64
		if err := rows.Scan(&seq); err != nil {
			return nil, err
		}
		at[seq] = true
	}
	return at, rows.Err()
}
