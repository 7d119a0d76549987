package store

import (
	"context"
	"database/sql"
	"time"
)

const (
	hourMS = int64(time.Hour / time.Millisecond)
	// sealDelay is how long after its end an hour is sealed: by then
	// destinations that keep up have been sent it, and none stands inside.
	sealDelay = 5 * time.Minute
	// trustHours is how many hours with readings there must be in the last two
	// days by the clock before it is trusted to say what is too old: one that
	// is far ahead until the network has told the time deletes nothing.
	trustHours = 24
)

// sweep seals the hours that are over, rolls up and deletes what is older than
// the retention or for which there is no room. It follows each commit, but does
// nearly all of that once an hour; only what there is much of is spread over the
// commits.
func (s *Store) sweep(ctx context.Context) error {
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	now := s.o.Now()
	hour := now.Add(-sealDelay).Truncate(time.Hour)
	fresh := false
	err := s.use(func(db *sql.DB) error {
		if !hour.Equal(s.lastSweep) {
			s.lastSweep, fresh, s.ledgerDue = hour, true, true
			if !s.salvaging() { // or hours are not whole
				if err := s.seal(ctx, db, hour.UnixMilli()); err != nil {
					return err
				}
			}
			if err := s.sealTexts(ctx, db, hour.UnixMilli()); err != nil {
				return err
			}
		}
		return s.countEnergy(ctx, db, hour.UnixMilli())
	})
	if err != nil {
		return err
	}
	if fresh || s.rolling {
		if err := s.rollUpSome(ctx, now); err != nil {
			return err
		}
	}
	return s.use(func(db *sql.DB) error {
		if fresh {
			if err := s.expire(ctx, db, now); err != nil {
				return err
			}
		}
		return s.makeRoom(ctx, db, now)
	})
}

// clockTrusted reports whether the readings of the last days bear out the time.
func clockTrusted(ctx context.Context, q querier, now time.Time) (bool, error) {
	var hours int
	err := q.QueryRowContext(ctx, `SELECT count(DISTINCT max_ms / ?3) FROM segment WHERE max_ms BETWEEN ?1 AND ?2`,
		now.Add(-48*time.Hour).UnixMilli(), now.UnixMilli(), hourMS).Scan(&hours)
	return hours >= trustHours, err
}

// seal rewrites blocks that do not belong to the hour beginning at open (ms),
// or the two after it, as chunks: those of one hour and next to each other as
// one segment. A block with a cursor inside stays as it is until the cursor
// has passed, because sealing changes the order of samples; cursors between
// blocks stay between segments.
func (s *Store) seal(ctx context.Context, db *sql.DB, open int64) error {
	blocks, err := querySegments(ctx, db, `WHERE sealed = 0 ORDER BY first`)
	if err != nil {
		return err
	}
	cursors, err := s.cursors(ctx, db)
	if err != nil {
		return err
	}
	var group []segment
	flush := func() error {
		defer func() { group = nil }()
		return s.sealGroup(ctx, db, group)
	}
	for _, g := range blocks {
		over := g.maxMS < open || g.minMS >= open+3*hourMS // or the clock was wrong
		if !over || cursorInside(cursors, g) {
			if err := flush(); err != nil {
				return err
			}
			continue
		}
		if k := len(group); k > 0 {
			prev := group[k-1]
			if prev.maxMS/hourMS != g.maxMS/hourMS || prev.last+1 != g.first || cursors[prev.last] {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		group = append(group, g)
	}
	return flush()
}

// cursorInside reports whether a cursor stands after some but not all samples
// of g.
func cursorInside(cursors map[int64]bool, g segment) bool {
	for c := range cursors {
		if g.first <= c && c < g.last {
			return true
		}
	}
	return false
}

// sealGroup makes one sealed segment of adjacent blocks, in one transaction.
func (s *Store) sealGroup(ctx context.Context, db *sql.DB, group []segment) error {
	if len(group) == 0 {
		return nil
	}
	first, last := group[0].first, group[len(group)-1].last
	columns, err := s.gather(ctx, db, first, last)
	if err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for i := range columns {
		data, err := s.enc.blob(columns[i : i+1])
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO chunk (id, n, data) VALUES (?, ?, ?)`,
			chunkID(first, columns[i].sid), len(columns[i].samples), data)
		if err != nil {
			return err
		}
	}
	for _, table := range []string{"segment", "block"} {
		if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE first BETWEEN ? AND ?`, first, last); err != nil {
			return err
		}
	}
	if len(columns) > 0 {
		if err := insertSegment(ctx, tx, newSegment(first, last, columns, true)); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// gather decodes adjacent blocks into tidy columns. Damaged blocks are left
// out, loudly.
func (s *Store) gather(ctx context.Context, db *sql.DB, first, last int64) ([]column, error) {
	bySeries := map[int64][]Sample{}
	err := eachBlob(ctx, db, func(data []byte) error {
		columns, err := decodeBlob(data, 0)
		if err != nil {
			s.o.Log.Error("a block of readings is damaged and is dropped; the others are kept", "err", err)
			return nil
		}
		for _, c := range columns {
			bySeries[c.sid] = append(bySeries[c.sid], c.samples...)
		}
		return nil
	}, `SELECT data FROM block WHERE first BETWEEN ? AND ? ORDER BY first`, first, last)
	if err != nil {
		return nil, err
	}
	columns := make([]column, 0, len(bySeries))
	for sid, samples := range bySeries {
		columns = append(columns, column{sid, samples})
	}
	tidy(columns)
	return columns, nil
}
