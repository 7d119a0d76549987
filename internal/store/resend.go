package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// deliveryAddition has, for destinations that may lose what they have answered
// for, where they are sent it from again.
var deliveryAddition = addition{"delivery", `CREATE TABLE IF NOT EXISTS delivery (
	destination TEXT PRIMARY KEY,      -- a cursor's name
	safe_seq INTEGER NOT NULL,         -- everything up to it is there for good
	safe_texts INTEGER NOT NULL        -- the same of texts
) STRICT;`}

// Position is a place among the readings of the file, where a cursor stands or can.
type Position struct{ at position }

// Position returns where the named cursor stands; known is false for one that
// does not exist yet, which stands before everything.
func (s *Store) Position(ctx context.Context, name string) (p Position, known bool, err error) {
	err = s.use(func(db *sql.DB) error {
		err := db.QueryRowContext(ctx, `SELECT count(*) FROM cursor WHERE name = ?`, name).Scan(&known)
		if err == nil {
			p.at, err = readPosition(ctx, db, name)
		}
		return err
	})
	if err != nil {
		return Position{}, false, fmt.Errorf("looking where %s stands: %w", name, err)
	}
	return p, known, nil
}

// PositionAt returns the last position after which everything is that was read at
// or after from. What was read earlier may lie there too: at most an hour of it,
// and more where the clock was wrong.
func (s *Store) PositionAt(ctx context.Context, from time.Time) (p Position, err error) {
	err = s.use(func(db *sql.DB) error {
		return db.QueryRowContext(ctx, `SELECT min(coalesce((SELECT min(first) FROM segment WHERE max_ms >= ?1), ?2),
			coalesce((SELECT min(first) FROM text WHERE max_ms >= ?1), ?2)) - 1`, from.UnixMilli(), s.next).Scan(&p.at.samples)
	})
	p.at.texts = p.at.samples
	if err != nil {
		return Position{}, fmt.Errorf("looking for the readings since %v: %w", from, err)
	}
	return p, nil
}

// End is the position behind everything that is committed.
func (s *Store) End(ctx context.Context) (p Position, err error) {
	err = s.use(func(*sql.DB) error {
		p.at = position{s.next - 1, s.next - 1}
		return nil
	})
	if err != nil {
		return Position{}, fmt.Errorf("looking for the newest reading: %w", err)
	}
	return p, nil
}

// Begin makes the named cursor, at p, unless it exists.
func (s *Store) Begin(ctx context.Context, name string, p Position) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT OR IGNORE INTO cursor (name, seq) VALUES (?, ?)`, name, p.at.samples)
		if err == nil {
			_, err = tx.ExecContext(ctx, `INSERT OR IGNORE INTO text_cursor (name, seq) VALUES (?, ?)`, name, p.at.texts)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("making the cursor of %s: %w", name, err)
	}
	return nil
}

// Rewind moves the named cursor back to p, or further to the beginning of what
// was sealed with it since, and never on. It is on disk when Rewind returns nil.
func (s *Store) Rewind(ctx context.Context, name string, p Position) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		// Sealing gives the numbers of a segment another order: in the midst of
		// one that was not protected by this cursor, a position means nothing.
		// Texts keep theirs.
		_, err := tx.ExecContext(ctx, `UPDATE cursor SET seq = min(seq, coalesce(
			(SELECT first - 1 FROM segment WHERE first <= ?1 AND last > ?1 ORDER BY first DESC LIMIT 1), ?1)) WHERE name = ?2`, p.at.samples, name)
		if err == nil {
			_, err = tx.ExecContext(ctx, `UPDATE text_cursor SET seq = min(seq, ?) WHERE name = ?`, p.at.texts, name)
		}
		delete(s.inflight, name)
		return err
	})
	if err != nil {
		return fmt.Errorf("moving the cursor of %s back: %w", name, err)
	}
	return nil
}

// KeepSafe notes that everything up to p is at the named destination for good.
func (s *Store) KeepSafe(ctx context.Context, name string, p Position) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO delivery (destination, safe_seq, safe_texts) VALUES (?1, ?2, ?3)
			ON CONFLICT (destination) DO UPDATE SET safe_seq = ?2, safe_texts = ?3`, name, p.at.samples, p.at.texts)
		return err
	})
	if err != nil {
		return fmt.Errorf("noting what %s has for good: %w", name, err)
	}
	return nil
}

// Safe is what KeepSafe noted last; known is false when it never did.
func (s *Store) Safe(ctx context.Context, name string) (p Position, known bool, err error) {
	err = s.use(func(db *sql.DB) error {
		err := db.QueryRowContext(ctx, `SELECT safe_seq, safe_texts FROM delivery WHERE destination = ?`, name).Scan(&p.at.samples, &p.at.texts)
		if known = err == nil; errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return Position{}, false, fmt.Errorf("looking what %s has for good: %w", name, err)
	}
	return p, known, nil
}

// After returns up to limit readings that follow a batch, which stays the one
// that is out.
func (s *Store) After(ctx context.Context, b Batch, limit int) (items []Item, err error) {
	err = s.use(func(db *sql.DB) error {
		next, err := s.nextBatch(ctx, db, b.after, limit)
		items = next.Items
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking at what follows: %w", err)
	}
	return items, nil
}

// Oldest is the time of the oldest reading behind the named cursor, or up to an
// hour before it; zero when nothing waits.
func (s *Store) Oldest(ctx context.Context, name string) (t time.Time, err error) {
	err = s.use(func(db *sql.DB) error {
		at, err := readPosition(ctx, db, name)
		if err != nil {
			return err
		}
		var numbers, texts sql.NullInt64
		err = db.QueryRowContext(ctx, `SELECT
			(SELECT min_ms FROM segment WHERE first >= coalesce((SELECT max(first) FROM segment WHERE first <= ?1 + 1), 0)
				AND last > ?1 AND n > 0 ORDER BY first LIMIT 1),
			(SELECT min_ms FROM text WHERE first >= coalesce((SELECT max(first) FROM text WHERE first <= ?2 + 1), 0)
				AND last > ?2 ORDER BY first LIMIT 1)`, at.samples, at.texts).Scan(&numbers, &texts)
		if err != nil {
			return err
		}
		t = time.Time{}
		for _, ms := range []sql.NullInt64{numbers, texts} {
			if ms.Valid && (t.IsZero() || ms.Int64 < t.UnixMilli()) {
				t = time.UnixMilli(ms.Int64)
			}
		}
		return nil
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("looking for the oldest reading that waits for %s: %w", name, err)
	}
	return t, nil
}
