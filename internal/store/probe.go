package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// probePrefix begins the names of cursors that stand for no destination.
const probePrefix = "probe/"

// Probe writes something into the file, reads it back as another process would,
// and removes it again: nil says that the store takes and gives readings. It
// costs two commits of two pages each, 16 kB written to the log, so it is not
// for every few seconds.
func (s *Store) Probe(ctx context.Context) error {
	// A cursor that stands before everything means nothing to anyone: no
	// destination can be called that, and a version that does not know probes
	// finds nothing that it does not know.
	name := probePrefix + rand.Text()
	err := s.use(func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, `INSERT INTO cursor (name, seq) VALUES (?, 0)`, name)
		return err
	})
	if err != nil {
		return fmt.Errorf("trying the store %s: writing: %w", s.path, err)
	}
	err = s.readBack(ctx, name)
	// Those of a probe that was cut short go too.
	gone := s.use(func(db *sql.DB) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_, err := db.ExecContext(ctx, `DELETE FROM cursor WHERE name LIKE ?`, probePrefix+"%")
		return err
	})
	if gone != nil {
		gone = fmt.Errorf("trying the store %s: removing what was written: %w", s.path, gone)
	}
	return errors.Join(err, gone)
}

func (s *Store) readBack(ctx context.Context, name string) error {
	r, err := OpenReader(s.path)
	if err != nil {
		return fmt.Errorf("trying the store %s: reading what was written: %w", s.path, err)
	}
	defer r.Close()
	var n int
	err = r.view(ctx, func(q querier) error {
		return q.QueryRowContext(ctx, `SELECT count(*) FROM cursor WHERE name = ?`, name).Scan(&n)
	})
	switch {
	case err != nil:
		return fmt.Errorf("trying the store: reading what was written: %w", err)
	case n != 1:
		return fmt.Errorf("trying the store %s: what was written is not there", s.path)
	}
	return nil
}
