package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"time"
)

const (
	// rollSeries is how many series one step rolls up: it holds a commit up for
	// some tens of milliseconds on a small computer.
	rollSeries = 16
	// rollSteps is how many steps follow a commit: a day of 250 series, so that a
	// store of a year that was never rolled up is in a few hours, with a megabyte
	// written each minute.
	rollSteps = 16
	// markSegments is how many segments are looked at in one step: three weeks.
	markSegments = 500
)

// rollUpSome does some steps of what there is to roll up at now: first days that
// are over, and then the months that they are in. It gives way to who asks for a
// commit, and s.rolling tells whether there is more.
func (s *Store) rollUpSome(ctx context.Context, now time.Time) error {
	today := floorTo(now.Add(-sealDelay).UnixMilli(), dayMS) / dayMS
	s.rolling = true
	for range rollSteps {
		var done bool
		err := s.use(func(db *sql.DB) error {
			if s.salvaging() { // days are not whole
				done = true
				return nil
			}
			more, err := s.mark(ctx, db, markSegments)
			if err != nil || more {
				return err
			}
			done, err = s.rollUpStep(ctx, db, today)
			return err
		})
		if err != nil {
			return err
		}
		if done {
			s.rolling = false
			return nil
		}
		if len(s.now) > 0 {
			return nil
		}
	}
	return nil
}

// rollUpStep does one step, and reports whether there is nothing left to do.
func (s *Store) rollUpStep(ctx context.Context, db *sql.DB, today int64) (done bool, err error) {
	var due, next int64
	// Days of a clock that was ahead are not waited for.
	err = db.QueryRowContext(ctx, `SELECT day, next FROM rollup_due WHERE day < ?1 OR day > ?1 + 2 ORDER BY day LIMIT 1`, today).Scan(&due, &next)
	if err == nil {
		return false, s.rollUpDay(ctx, db, due, next)
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	if changed, err := s.followZone(ctx, db); err != nil || changed {
		return false, err
	}
	err = db.QueryRowContext(ctx, `SELECT month, next FROM rollup_due_month ORDER BY month LIMIT 1`).Scan(&due, &next)
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, s.rollUpMonth(ctx, db, due, next)
}

// rollUpDay writes the rollups of a day for some series from next on.
func (s *Store) rollUpDay(ctx context.Context, db *sql.DB, day, next int64) error {
	ids, err := seriesFrom(ctx, db, next)
	if err != nil {
		return err
	}
	rows := map[int64][]Rollup{}
	for _, sid := range ids {
		samples, _, err := readSeries(ctx, db, sid, day*dayMS, (day+1)*dayMS)
		if err != nil {
			return err
		}
		if len(samples) == 0 {
			continue
		}
		kept, err := readRollups(ctx, db, "rollup_five", day, sid)
		if err != nil {
			return err
		}
		rows[rollupID(day, sid)] = keepFuller(kept, rollUp(samples))
	}
	return s.writeRollups(ctx, db, "rollup_five", rows, func(tx *sql.Tx) error {
		if len(ids) == rollSeries {
			_, err := tx.ExecContext(ctx, `UPDATE rollup_due SET next = ? WHERE day = ?`, ids[len(ids)-1]+1, day)
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM rollup_due WHERE day = ?`, day); err != nil {
			return err
		}
		return s.monthsDue(ctx, tx, day)
	})
}

// monthsDue notes the months that a day of UTC lies in as due.
func (s *Store) monthsDue(ctx context.Context, tx *sql.Tx, day int64) error {
	if zoneName(s.o.Zone) == "" {
		return nil
	}
	from, to := monthOf(day*dayMS, s.o.Zone), monthOf((day+1)*dayMS-1, s.o.Zone)
	for month := from; month <= to; month++ {
		if _, err := tx.ExecContext(ctx, `INSERT INTO rollup_due_month (month, next) VALUES (?, 0)
			ON CONFLICT (month) DO UPDATE SET next = 0 WHERE next <> 0`, month); err != nil {
			return err
		}
	}
	return nil
}

// rollUpMonth writes the rollups of a month's days for some series from next on,
// from those over five minutes. A day that is not over is written as it stands;
// readers know that it is not right by the days that are due.
func (s *Store) rollUpMonth(ctx context.Context, db *sql.DB, month, next int64) error {
	ids, err := seriesFrom(ctx, db, next)
	if err != nil {
		return err
	}
	from, to := monthSpan(month, s.o.Zone)
	rows := map[int64][]Rollup{}
	for _, sid := range ids {
		var five []Rollup
		for day := floorTo(from, dayMS) / dayMS; day*dayMS < to; day++ {
			some, err := readRollups(ctx, db, "rollup_five", day, sid)
			if err != nil {
				return err
			}
			for _, r := range some {
				if from <= r.Milli && r.Milli < to {
					five = append(five, r)
				}
			}
		}
		if len(five) > 0 {
			rows[rollupID(month, sid)] = joinRollups(five, s.o.Zone)
		}
	}
	return s.writeRollups(ctx, db, "rollup_day", rows, func(tx *sql.Tx) error {
		query, arg := `DELETE FROM rollup_due_month WHERE month = ?2`, int64(0)
		if len(ids) == rollSeries {
			query, arg = `UPDATE rollup_due_month SET next = ?1 WHERE month = ?2`, ids[len(ids)-1]+1
		}
		_, err := tx.ExecContext(ctx, query, arg, month)
		return err
	})
}

// writeRollups writes those rows that differ from what is there, and what note
// writes, in one transaction.
func (s *Store) writeRollups(ctx context.Context, db *sql.DB, table string, rows map[int64][]Rollup, note func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for id, rollups := range rows {
		data, err := s.enc.rollups(rollups)
		if err != nil {
			return err
		}
		var there []byte
		err = tx.QueryRowContext(ctx, `SELECT data FROM `+table+` WHERE id = ?`, id).Scan(&there)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if bytes.Equal(there, data) {
			continue
		}
		if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO `+table+` (id, data) VALUES (?, ?)`, id, data); err != nil {
			return err
		}
	}
	if err := note(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// followZone begins the days anew when they are those of another zone than
// Options.Zone, and reports whether it did.
func (s *Store) followZone(ctx context.Context, db *sql.DB) (changed bool, err error) {
	state, err := readRollupState(ctx, db)
	name := zoneName(s.o.Zone)
	if err != nil || name == "" || state.zone == name {
		return false, err
	}
	days, err := rolledDays(ctx, db)
	if err != nil {
		return false, err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	for _, query := range []string{`DELETE FROM rollup_day`, `DELETE FROM rollup_due_month`} {
		if _, err := tx.ExecContext(ctx, query); err != nil {
			return false, err
		}
	}
	for _, day := range days {
		if err := s.monthsDue(ctx, tx, day); err != nil {
			return false, err
		}
	}
	if _, err := tx.ExecContext(ctx, `UPDATE rollup_state SET zone = ?`, name); err != nil {
		return false, err
	}
	return true, tx.Commit()
}

// rolledDays returns the days of which there are rollups, in ascending order.
func rolledDays(ctx context.Context, q querier) (days []int64, err error) {
	for next := int64(0); ; {
		var id sql.NullInt64
		if err := q.QueryRowContext(ctx, `SELECT min(id) FROM rollup_five WHERE id >= ?`, next).Scan(&id); err != nil {
			return nil, err
		}
		if !id.Valid {
			return days, nil
		}
		day := id.Int64 >> seriesBits
		days, next = append(days, day), rollupID(day+1, 0)
	}
}

// seriesFrom returns the ids of up to rollSeries series from next on.
func seriesFrom(ctx context.Context, q querier, next int64) (ids []int64, err error) {
	rows, err := q.QueryContext(ctx, `SELECT id FROM series WHERE id >= ? ORDER BY id LIMIT ?`, next, rollSeries)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}
