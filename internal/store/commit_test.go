package store

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
)

// notes is a companion that writes how many notes there were.
type notes struct{ n, over, failed int }

func (c *notes) take() (func(context.Context, *sql.Tx) error, func(bool)) {
	if c.n == 0 {
		return nil, nil
	}
	n := c.n
	c.n = 0
	return func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO note VALUES (?)`, n)
			return err
		}, func(ok bool) {
			c.over++
			if !ok {
				c.failed++
				c.n += n
			}
		}
}

func TestCompanionsAreWrittenWithACommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hems.db")
	s := open(t, path, Options{soon: never})
	if _, err := s.db.Exec(`CREATE TABLE note (n INTEGER)`); err != nil {
		t.Fatal(err)
	}
	c := &notes{}
	s.companions = append(s.companions, c)
	c.n = 2
	commit(t, s) // without a reading
	commit(t, s) // and not again
	register(t, s, "p", "W")
	appendAll(t, s, at("p", 0, 1))
	c.n = 3
	if _, err := s.db.Exec(`PRAGMA query_only = 1`); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(context.Background()); err == nil {
		t.Fatal("a commit succeeded on a file that takes nothing")
	}
	if _, err := s.db.Exec(`PRAGMA query_only = 0`); err != nil {
		t.Fatal(err)
	}
	commit(t, s)
	var rows, sum int
	if err := s.db.QueryRow(`SELECT count(*), sum(n) FROM note`).Scan(&rows, &sum); err != nil || rows != 2 || sum != 5 {
		t.Errorf("got %d rows of together %d (%v), want 2 of 5", rows, sum, err)
	}
	if *c != (notes{over: 3, failed: 1}) {
		t.Errorf("got %+v, want three commits of which one failed", *c)
	}
}
