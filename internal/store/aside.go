package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// MaxAside is how many readings are kept aside for one destination, some 3 MB.
// Further ones are only counted: the first show what is wrong, and all of them
// are in the store as long as others are.
const MaxAside = 10_000

// asideAddition has the readings that a destination does not take.
var asideAddition = addition{"aside", `
	CREATE TABLE IF NOT EXISTS aside (
		id INTEGER PRIMARY KEY,
		destination TEXT NOT NULL,
		series INTEGER NOT NULL,
		ms INTEGER NOT NULL,
		value REAL NOT NULL,
		text TEXT NOT NULL,
		line TEXT NOT NULL,            -- as it was sent
		reason TEXT NOT NULL,
		put_ms INTEGER NOT NULL,
		again INTEGER NOT NULL,        -- 1: it is to be sent again
		UNIQUE (destination, series, ms, text)
	) STRICT;
	CREATE TABLE IF NOT EXISTS aside_more ( -- how many there was no room for
		destination TEXT PRIMARY KEY,
		n INTEGER NOT NULL
	) STRICT;`}

// Aside is a reading that a destination does not take, and why.
type Aside struct {
	ID int64
	Item
	Line   string // as it was sent, without its end
	Reason string
	Put    time.Time // when it was put aside
	Again  bool      // it is to be sent again
}

// PutAside keeps readings that the named destination does not take, as many as
// MaxAside; one that is there already stays, with the new reason. It is on disk
// when PutAside returns nil.
func (s *Store) PutAside(ctx context.Context, name string, refused []Aside) error {
	if len(refused) == 0 {
		return nil
	}
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		kept, _, err := countAside(ctx, tx, name)
		if err != nil {
			return err
		}
		more := int64(0)
		for _, a := range refused {
			args := []any{name, a.Series, a.Time.UnixMilli(), a.Value, a.Text, a.Line, a.Reason, a.Put.UnixMilli()}
			res, err := tx.ExecContext(ctx, `UPDATE aside SET value = ?4, line = ?6, reason = ?7, put_ms = ?8, again = 0
				WHERE destination = ?1 AND series = ?2 AND ms = ?3 AND text = ?5`, args...)
			if err != nil {
				return err
			}
			switch known, err := res.RowsAffected(); {
			case err != nil:
				return err
			case known > 0:
			case kept >= MaxAside:
				more++
			default:
				kept++
				if _, err := tx.ExecContext(ctx, `INSERT INTO aside (destination, series, ms, value, text, line, reason, put_ms, again)
					VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)`, args...); err != nil {
					return err
				}
			}
		}
		if more == 0 {
			return nil
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO aside_more (destination, n) VALUES (?1, ?2)
			ON CONFLICT (destination) DO UPDATE SET n = n + ?2`, name, more)
		return err
	})
	if err != nil {
		return fmt.Errorf("putting readings aside for %s: %w", name, err)
	}
	return nil
}

// AsideCount is how many readings are aside for the named destination, and how
// many more there were that there was no room for.
func (s *Store) AsideCount(ctx context.Context, name string) (kept, more int64, err error) {
	err = s.use(func(db *sql.DB) error {
		kept, more, err = countAside(ctx, db, name)
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("counting what is aside for %s: %w", name, err)
	}
	return kept, more, nil
}

func countAside(ctx context.Context, q querier, name string) (kept, more int64, err error) {
	err = q.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM aside WHERE destination = ?1),
		coalesce((SELECT n FROM aside_more WHERE destination = ?1), 0)`, name).Scan(&kept, &more)
	return kept, more, err
}

// ListAside returns what is aside for the named destination with an id above
// after, in the order of ids, at most limit; onlyAgain leaves out what is not to
// be sent again.
func (s *Store) ListAside(ctx context.Context, name string, after int64, limit int, onlyAgain bool) (list []Aside, err error) {
	err = s.use(func(db *sql.DB) error {
		list = nil
		rows, err := db.QueryContext(ctx, `SELECT id, series, ms, value, text, line, reason, put_ms, again FROM aside
			WHERE destination = ? AND id > ? AND again >= ? ORDER BY id LIMIT ?`, name, after, onlyAgain, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var a Aside
			var ms, put int64
			if err := rows.Scan(&a.ID, &a.Series, &ms, &a.Value, &a.Text, &a.Line, &a.Reason, &put, &a.Again); err != nil {
				return err
			}
			a.Time, a.Put = time.UnixMilli(ms), time.UnixMilli(put)
			list = append(list, a)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("reading what is aside for %s: %w", name, err)
	}
	return list, nil
}

// MarkAside says that all that is aside for the named destination is to be sent
// again, and returns how many readings that is.
func (s *Store) MarkAside(ctx context.Context, name string) (n int64, err error) {
	err = s.use(func(db *sql.DB) error {
		res, err := db.ExecContext(ctx, `UPDATE aside SET again = 1 WHERE destination = ?`, name)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("marking what is aside for %s: %w", name, err)
	}
	return n, nil
}

// SettleAside removes what the named destination has taken after all, by id, and
// keeps what it refused again. When nothing is left, the count of those without
// room begins anew too.
func (s *Store) SettleAside(ctx context.Context, name string, taken []int64, refused []Aside) error {
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		for _, id := range taken {
			if _, err := tx.ExecContext(ctx, `DELETE FROM aside WHERE id = ? AND destination = ?`, id, name); err != nil {
				return err
			}
		}
		for _, a := range refused {
			_, err := tx.ExecContext(ctx, `UPDATE aside SET again = 0, line = ?, reason = ?, put_ms = ? WHERE id = ? AND destination = ?`,
				a.Line, a.Reason, a.Put.UnixMilli(), a.ID, name)
			if err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM aside_more WHERE destination = ?1
			AND NOT EXISTS (SELECT 1 FROM aside WHERE destination = ?1)`, name)
		return err
	})
	if err != nil {
		return fmt.Errorf("settling what is aside for %s: %w", name, err)
	}
	return nil
}

// inTx calls f in a transaction that is committed when f returns nil.
func (s *Store) inTx(ctx context.Context, f func(tx *sql.Tx) error) error {
	return s.use(func(db *sql.DB) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err := f(tx); err != nil {
			return err
		}
		return tx.Commit()
	})
}
