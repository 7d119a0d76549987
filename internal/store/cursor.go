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
	Text   string // empty: the reading is Value
}

// Batch is what follows a cursor.
type Batch struct {
	Items []Item
	// from and after are where the cursor stood, and stands once the batch was
	// answered for.
	from, after position
}

// position is how far a cursor has come: the last number that it has passed in
// samples, and in texts. Texts are passed with the samples that they were
// committed with; an older program passes samples only, and the texts that it
// left follow as soon as a newer one is back.
type position struct{ samples, texts int64 }

// Next returns up to limit readings after the named cursor, in the order in
// which they were committed (within a commit or an hour: numbers by series, then
// time, and after them texts). A cursor of a new name stands before everything
// the store holds. An empty batch means that there is nothing more for now;
// Advanced tells when there may be. Only one batch of a cursor is out at a time:
// the next call takes back the one before.
func (s *Store) Next(ctx context.Context, name string, limit int) (b Batch, err error) {
	err = s.use(func(db *sql.DB) error {
		at, err := readPosition(ctx, db, name)
		if err != nil {
			return err
		}
		if at.samples < s.gate { // what follows it is still being taken over
			b = Batch{from: at, after: at}
			return nil
		}
		b, err = s.nextBatch(ctx, db, at, limit)
		s.inflight[name] = b.after.samples
		return err
	})
	if err != nil {
		return Batch{}, fmt.Errorf("reading what to send to %s: %w", name, err)
	}
	return b, nil
}

func (s *Store) nextBatch(ctx context.Context, db *sql.DB, at position, limit int) (Batch, error) {
	b := Batch{from: at, after: at}
	for {
		// The segment that samples follow in, or the one after it.
		found, err := querySegments(ctx, db, `WHERE first >= coalesce((SELECT max(first) FROM segment WHERE first <= ?1), 0)
			AND last > ?2 ORDER BY first LIMIT 1`, b.after.samples+1, b.after.samples)
		if err != nil {
			return b, err
		}
		upTo := b.after.samples // texts of what was passed come first
		if len(found) == 0 {
			upTo = maxSeq
		}
		if err := s.addTexts(ctx, db, &b, upTo, limit); err != nil || len(found) == 0 || len(b.Items) == limit {
			return b, err
		}
		g := found[0]
		skip := max(b.after.samples-(g.first-1), 0)
		items, passed, err := s.segmentItems(ctx, db, g, skip, limit-len(b.Items))
		if err != nil {
			return b, err
		}
		b.Items = append(b.Items, items...)
		if len(b.Items) == limit && passed < g.n {
			b.after.samples = g.first - 1 + passed
			return b, nil
		}
		b.after.samples = g.last
	}
}

// addTexts adds texts with numbers up to upTo to a batch of at most limit items.
func (s *Store) addTexts(ctx context.Context, db *sql.DB, b *Batch, upTo int64, limit int) error {
	rows, err := db.QueryContext(ctx, `SELECT first, last, n, data FROM text
		WHERE first >= coalesce((SELECT max(first) FROM text WHERE first <= ?1), 0) AND last >= ?1 AND first <= ?2 ORDER BY first`,
		b.after.texts+1, upTo)
	if err != nil {
		return err
	}
	defer rows.Close()
	var data sql.RawBytes
	for len(b.Items) < limit && rows.Next() {
		var first, last, n int64
		if err := rows.Scan(&first, &last, &n, &data); err != nil {
			return err
		}
		items, err := decodeTexts(first, data)
		if err != nil {
			s.o.Log.Error("texts are damaged and cannot be sent; the others are", "texts", n, "err", err)
			b.after.texts = min(last, upTo)
			continue
		}
		for _, t := range items {
			if t.seq <= b.after.texts {
				continue
			}
			if t.seq > upTo || len(b.Items) == limit {
				break
			}
			b.Items = append(b.Items, Item{Series: t.sid, Time: time.UnixMilli(t.Milli), Text: t.Text})
			b.after.texts = t.seq
		}
	}
	return rows.Err()
}

// segmentItems returns up to limit samples of a segment, without the first
// skip ones, and how many of the segment's samples have then been passed:
// damaged ones are, or they would be asked for again for ever.
func (s *Store) segmentItems(ctx context.Context, db *sql.DB, g segment, skip int64, limit int) (items []Item, passed int64, err error) {
	take := func(data []byte, n int64) {
		if isLost(data) {
			passed += n
			return
		}
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
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err := moveCursor(ctx, tx, name, b.from, b.after); err != nil {
			return err
		}
		if err := tx.Commit(); err != nil {
			return err
		}
		delete(s.inflight, name)
		return nil
	})
	if err != nil {
		return fmt.Errorf("moving the cursor of %s: %w", name, err)
	}
	return nil
}

// moveCursor puts a cursor somewhere else, wherever it stands. What it has in
// texts is written only when it differs from what is known to be there: a card is
// worn by every page.
func moveCursor(ctx context.Context, tx *sql.Tx, name string, known, to position) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO cursor (name, seq) VALUES (?1, ?2)
		ON CONFLICT (name) DO UPDATE SET seq = ?2`, name, to.samples)
	if err == nil && to.texts != known.texts {
		_, err = tx.ExecContext(ctx, `INSERT INTO text_cursor (name, seq) VALUES (?1, ?2)
			ON CONFLICT (name) DO UPDATE SET seq = ?2`, name, to.texts)
	}
	return err
}

// Backlog is how many committed readings lie behind the named cursor.
func (s *Store) Backlog(ctx context.Context, name string) (n int64, err error) {
	err = s.use(func(db *sql.DB) error {
		at, err := readPosition(ctx, db, name)
		if err != nil {
			return err
		}
		n, err = backlog(ctx, db, at)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("counting what waits for %s: %w", name, err)
	}
	return n, nil
}

func backlog(ctx context.Context, q querier, at position) (n int64, err error) {
	err = q.QueryRowContext(ctx, `SELECT (SELECT coalesce(sum(n - max(0, min(n, ?1 - first + 1))), 0) FROM segment
			WHERE first >= coalesce((SELECT max(first) FROM segment WHERE first <= ?1), 0) AND last > ?1)
		+ (SELECT coalesce(sum(min(n, last - ?2)), 0) FROM text
			WHERE first >= coalesce((SELECT max(first) FROM text WHERE first <= ?2), 0) AND last > ?2)`, at.samples, at.texts).Scan(&n)
	return n, err
}

// readPosition returns where a cursor stands: before everything when it does not
// exist yet.
func readPosition(ctx context.Context, q querier, name string) (at position, err error) {
	err = q.QueryRowContext(ctx, `SELECT coalesce((SELECT seq FROM cursor WHERE name = ?1), 0),
		coalesce((SELECT seq FROM text_cursor WHERE name = ?1), 0)`, name).Scan(&at.samples, &at.texts)
	return at, err
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
