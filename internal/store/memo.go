package store

import (
	"context"
	"database/sql"
	"fmt"
)

// memoAddition keeps what the writer wants to know at its next start, by names
// of its own.
var memoAddition = addition{"memo", `
	CREATE TABLE IF NOT EXISTS memo (
		name TEXT PRIMARY KEY,
		value BLOB NOT NULL
	) STRICT;`}

// memos are those that are not in the file yet; nil values are to be forgotten.
// s.mu guards them.
type memos struct{ waiting map[string][]byte }

// Remember keeps a value under a name, in the place of an earlier one; an empty
// one is forgotten. It is in the file after the next commit. The store keeps the
// slice.
func (s *Store) Remember(name string, value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.memos.waiting == nil {
		s.memos.waiting = map[string][]byte{}
	}
	s.memos.waiting[name] = value
}

func (m *memos) take() (write func(context.Context, *sql.Tx) error, done func(ok bool)) {
	if len(m.waiting) == 0 {
		return nil, nil
	}
	taken := m.waiting
	m.waiting = nil
	write = func(ctx context.Context, tx *sql.Tx) error {
		for name, value := range taken {
			var err error
			if len(value) == 0 {
				_, err = tx.ExecContext(ctx, `DELETE FROM memo WHERE name = ?`, name)
			} else {
				_, err = tx.ExecContext(ctx, `INSERT OR REPLACE INTO memo (name, value) VALUES (?, ?)`, name, value)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return write, func(ok bool) {
		if ok {
			return
		}
		for name, value := range m.waiting {
			taken[name] = value
		}
		m.waiting = taken
	}
}

// Remembered are all values that are in the file.
func (s *Store) Remembered(ctx context.Context) (values map[string][]byte, err error) {
	values = map[string][]byte{}
	err = s.use(func(db *sql.DB) error {
		rows, err := db.QueryContext(ctx, `SELECT name, value FROM memo`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			var value []byte
			if err := rows.Scan(&name, &value); err != nil {
				return err
			}
			values[name] = value
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("reading what was remembered: %w", err)
	}
	return values, nil
}
