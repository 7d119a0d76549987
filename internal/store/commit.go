package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
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
			if early := time.Now().Add(s.o.soon); early.Before(next) {
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

// companion is something else that is written with each commit, in the same
// transaction.
type companion interface {
	// take hands over what is to be written now; s.mu is held. A write that is
	// nil has nothing to write; any other makes a commit of its own when no
	// readings wait. Done is called with s.mu held when the commit is over: when
	// not ok, what was taken is to be kept for the next one.
	take() (write func(context.Context, *sql.Tx) error, done func(ok bool))
}

// portion is what one commit writes.
type portion struct {
	samples map[int64][]Sample
	texts   []textItem // without their numbers
	series  []entry
	n       int    // samples and texts
	ticket  Ticket // of all readings so far
	writes  []func(context.Context, *sql.Tx) error
	dones   []func(ok bool)
}

// commit writes the readings that wait: numbers as one block, and texts after
// them; s.dbMu is held.
func (s *Store) commit(ctx context.Context, db *sql.DB) error {
	p := s.takePortion()
	if p.n == 0 && len(p.series) == 0 && len(p.writes) == 0 {
		return nil
	}
	next, err := s.write(ctx, db, p)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.committing = portion{}
	for _, done := range p.dones {
		done(err == nil)
	}
	if err != nil {
		s.giveBack(p)
		return err
	}
	s.next = next
	s.waiting -= p.n
	s.durable = p.ticket
	close(s.advanced)
	s.advanced = make(chan struct{})
	return nil
}

// write writes a portion in one transaction, and returns the number of the next
// reading.
func (s *Store) write(ctx context.Context, db *sql.DB, p portion) (next int64, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	for _, e := range p.series {
		if err := writeSeries(ctx, tx, e); err != nil {
			return 0, err
		}
	}
	next = s.next
	if p.n > 0 {
		if next, err = s.writeReadings(ctx, tx, p); err != nil {
			return 0, err
		}
	}
	for _, write := range p.writes {
		if err := write(ctx, tx); err != nil {
			return 0, err
		}
	}
	return next, tx.Commit()
}

func writeSeries(ctx context.Context, tx *sql.Tx, e entry) error {
	_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO series (id, rank, entity, unit, device_class, state_class, device, key, unique_id)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, e.ID, e.rank, e.Entity, e.Unit, e.DeviceClass, e.StateClass, e.Device, e.Key, e.UniqueID)
	if err == nil {
		_, err = tx.ExecContext(ctx, `INSERT OR REPLACE INTO series_more (id, domain) VALUES (?, ?)`, e.ID, e.Domain)
	}
	return err
}

// writeReadings writes one block, the texts, and the segment of both.
func (s *Store) writeReadings(ctx context.Context, tx *sql.Tx, p portion) (next int64, err error) {
	columns := make([]column, 0, len(p.samples))
	for id, samples := range p.samples {
		columns = append(columns, column{id, slices.Clone(samples)})
	}
	n := int64(tidy(columns))
	data, err := s.enc.blob(columns)
	if err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO block (first, data) VALUES (?, ?)`, s.next, data); err != nil {
		return 0, err
	}
	g := newSegment(s.next, s.next+n+int64(len(p.texts))-1, columns, false)
	if len(p.texts) > 0 {
		texts := slices.Clone(p.texts)
		for i := range texts {
			texts[i].seq = s.next + n + int64(i)
		}
		if err := insertTexts(ctx, tx, &s.enc, texts); err != nil {
			return 0, err
		}
		if n == 0 {
			g.minMS, g.maxMS = textSpan(texts)
		}
	}
	return g.last + 1, insertSegment(ctx, tx, g)
}

// takePortion takes what is to be committed. The readings go on counting as
// waiting until they are in the file.
func (s *Store) takePortion() portion {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := portion{samples: s.pending, texts: s.pendingTexts, ticket: s.taken, n: len(s.pendingTexts)}
	s.pending, s.pendingTexts = map[int64][]Sample{}, nil
	for _, samples := range p.samples {
		p.n += len(samples)
	}
	for id := range s.unsaved {
		p.series = append(p.series, s.series[id])
	}
	s.unsaved = map[int64]struct{}{}
	for _, c := range s.companions {
		if write, done := c.take(); write != nil {
			p.writes, p.dones = append(p.writes, write), append(p.dones, done)
		}
	}
	s.committing = p
	return p
}

// giveBack puts what could not be committed before what has come since; s.mu is
// held.
func (s *Store) giveBack(p portion) {
	for id, samples := range p.samples {
		s.pending[id] = append(samples, s.pending[id]...)
	}
	s.pendingTexts = append(p.texts, s.pendingTexts...)
	for _, e := range p.series {
		s.unsaved[e.ID] = struct{}{}
	}
}
