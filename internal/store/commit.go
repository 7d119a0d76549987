package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

const (
	// soon is how long a series' first reading waits for its commit.
	soon = 2 * time.Second
	// retryAfter is how long a failed commit waits before it is tried again.
	retryAfter = 5 * time.Second
)

// committer commits at every interval until stop is closed.
func (s *Store) committer() {
	defer close(s.done)
	next := time.Now().Add(s.o.CommitInterval)
	timer := time.NewTimer(s.o.CommitInterval)
	defer timer.Stop()
	failing := false
	for {
		select {
		case <-s.stop:
			return
		case <-s.wake:
			if early := time.Now().Add(soon); early.Before(next) {
				next = early
			}
			timer.Reset(time.Until(next))
			continue
		case <-s.now:
			if failing {
				continue
			}
		case <-timer.C:
		}
		wait := s.o.CommitInterval
		err := s.Commit(context.Background())
		failing = err != nil
		if failing {
			wait = min(wait, retryAfter)
		} else if err := s.sweep(context.Background()); err != nil {
			s.o.Log.Error("tidying the store failed; it is tried again in an hour", "err", err)
		}
		next = time.Now().Add(wait)
		timer.Reset(wait)
	}
}

// Commit writes all readings taken so far to the file. When it returns nil
// they survive a power cut. When it fails they wait for the next commit.
func (s *Store) Commit(ctx context.Context) error {
	err := s.use(func(db *sql.DB) error { return s.commit(ctx, db) })
	if err != nil {
		err = fmt.Errorf("committing readings to %s: %w", s.path, err)
	}
	s.mu.Lock()
	before := s.failure
	s.failure = err
	s.mu.Unlock()
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		s.o.Log.Error("readings could not be stored; they wait in memory and it is tried again", "err", err)
	case err == nil && before != nil:
		s.o.Log.Info("readings are stored again")
	}
	return err
}

// commit writes pending readings as one block; s.dbMu is held.
func (s *Store) commit(ctx context.Context, db *sql.DB) (err error) {
	pending, taken, unsaved, ticket := s.takePending()
	if taken == 0 && len(unsaved) == 0 {
		return nil
	}
	defer func() {
		if err != nil {
			s.giveBack(pending, unsaved)
		}
	}()

	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, e := range unsaved {
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO series (id, rank, entity, unit, device_class, state_class, device, key, unique_id)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, e.ID, e.rank, e.Entity, e.Unit, e.DeviceClass, e.StateClass, e.Device, e.Key, e.UniqueID)
		if err != nil {
			return err
		}
	}
	next := s.next
	if taken > 0 {
		columns := make([]column, 0, len(pending))
		for id, samples := range pending {
			columns = append(columns, column{id, append([]Sample(nil), samples...)})
		}
		n := tidy(columns)
		data, err := s.enc.blob(columns)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO block (first, data) VALUES (?, ?)`, next, data); err != nil {
			return err
		}
		if err := insertSegment(ctx, tx, newSegment(next, next+int64(n)-1, columns, false)); err != nil {
			return err
		}
		next += int64(n)
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	s.next = next
	s.mu.Lock()
	s.waiting -= taken
	s.durable = ticket
	s.committing = nil
	close(s.advanced)
	s.advanced = make(chan struct{})
	s.mu.Unlock()
	return nil
}

// takePending takes what is to be committed. The readings go on counting as
// waiting until they are in the file. The ticket is that of all readings so far.
func (s *Store) takePending() (pending map[int64][]Sample, n int, unsaved []entry, ticket Ticket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pending, s.pending = s.pending, map[int64][]Sample{}
	s.committing = pending
	for id := range s.unsaved {
		unsaved = append(unsaved, s.series[id])
	}
	s.unsaved = map[int64]struct{}{}
	for _, samples := range pending {
		n += len(samples)
	}
	return pending, n, unsaved, s.taken
}

// giveBack puts what could not be committed before what has come since.
func (s *Store) giveBack(pending map[int64][]Sample, unsaved []entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.committing = nil
	for id, samples := range pending {
		s.pending[id] = append(samples, s.pending[id]...)
	}
	for _, e := range unsaved {
		s.unsaved[e.ID] = struct{}{}
	}
}
