package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/smartcore-ireland/hems/internal/calendar"
)

// rollupAddition keeps rollups for ever. Those over five minutes lie together
// for a day of UTC, and those over days for a month of the zone, each series in a
// row of its own; they are written when the day is over, and again when samples
// came late.
//
// What is written is right for all samples up to the number rollup_state.marked
// whose days are not in rollup_due. So what an older program stored, which knows
// no rollups, is found by its numbers.
var rollupAddition = addition{"rollup", `
	CREATE TABLE IF NOT EXISTS rollup_five ( -- id: days since 1970 << 24 | series.id
		id INTEGER PRIMARY KEY,
		data BLOB NOT NULL
	) STRICT;
	CREATE TABLE IF NOT EXISTS rollup_day ( -- id: months since the year 0 << 24 | series.id
		id INTEGER PRIMARY KEY,
		data BLOB NOT NULL
	) STRICT;
	CREATE TABLE IF NOT EXISTS rollup_due ( -- days of which rollup_five is not right
		day INTEGER PRIMARY KEY,
		next INTEGER NOT NULL    -- the first series of which it is not
	) STRICT;
	CREATE TABLE IF NOT EXISTS rollup_due_month ( -- months of which rollup_day is not right
		month INTEGER PRIMARY KEY,
		next INTEGER NOT NULL
	) STRICT;
	CREATE TABLE IF NOT EXISTS rollup_state (
		id INTEGER PRIMARY KEY CHECK (id = 1),
		marked INTEGER NOT NULL, -- up to here samples' days are known to be due or right
		zone TEXT NOT NULL       -- of the days in rollup_day
	) STRICT;
	INSERT OR IGNORE INTO rollup_state VALUES (1, 0, '');`}

// rollupState is the one row of rollup_state.
type rollupState struct {
	marked int64
	zone   string
}

func readRollupState(ctx context.Context, q querier) (s rollupState, err error) {
	err = q.QueryRowContext(ctx, `SELECT marked, zone FROM rollup_state`).Scan(&s.marked, &s.zone)
	if errors.Is(err, sql.ErrNoRows) {
		return s, fmt.Errorf("%w: rollups have no state", errDamage)
	}
	return s, err
}

// zoneName is what the days of a zone are known by; empty for the zone of the
// operating system, which may be another tomorrow, and whose days are not kept.
func zoneName(zone *time.Location) string {
	if zone == time.Local {
		return ""
	}
	return zone.String()
}

// monthOf is the month of a zone that holds a moment, counted from the year 0.
func monthOf(ms int64, zone *time.Location) int64 {
	y, m, _ := time.UnixMilli(ms).In(zone).Date()
	return int64(y)*12 + int64(m-time.January)
}

// monthSpan is when a month of a zone begins and ends, in ms.
func monthSpan(month int64, zone *time.Location) (from, to int64) {
	y, m := int(month/12), time.January+time.Month(month%12)
	return calendar.Midnight(y, m, 1, zone).UnixMilli(), calendar.Midnight(y, m+1, 1, zone).UnixMilli()
}

// rollupID is a row of a series' rollups of a day or month.
func rollupID(of, sid int64) int64 { return of<<seriesBits | sid }

// readRollups returns a row of rollups, none when there is no such row or it is
// damaged.
func readRollups(ctx context.Context, q querier, table string, of, sid int64) ([]Rollup, error) {
	var data []byte
	err := q.QueryRowContext(ctx, `SELECT data FROM `+table+` WHERE id = ?`, rollupID(of, sid)).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s, err := decodeRollups(data)
	if err != nil {
		return nil, nil
	}
	return s, nil
}

// mark notes the days of segments that have come since the last time as due, at
// most limit segments, and reports whether there may be more.
func (s *Store) mark(ctx context.Context, db *sql.DB, limit int) (more bool, err error) {
	state, err := readRollupState(ctx, db)
	if err != nil {
		return false, err
	}
	segments, err := unmarked(ctx, db, state.marked, limit)
	if err != nil || len(segments) == 0 {
		return false, err
	}
	days := map[int64]bool{}
	for _, g := range segments {
		if err := addDays(ctx, db, g, days); err != nil {
			return false, err
		}
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	for day := range days {
		if _, err := tx.ExecContext(ctx, `INSERT INTO rollup_due (day, next) VALUES (?, 0)
			ON CONFLICT (day) DO UPDATE SET next = 0 WHERE next <> 0`, day); err != nil {
			return false, err
		}
	}
	if _, err := tx.ExecContext(ctx, `UPDATE rollup_state SET marked = ?`, segments[len(segments)-1].last); err != nil {
		return false, err
	}
	return len(segments) == limit, tx.Commit()
}

// unmarked returns segments with samples whose number is greater than marked.
func unmarked(ctx context.Context, q querier, marked int64, limit int) ([]segment, error) {
	return querySegments(ctx, q, `WHERE first >= coalesce((SELECT max(first) FROM segment WHERE first <= ?1), 0)
		AND last > ?1 ORDER BY first LIMIT ?2`, marked, limit)
}

// addDays adds the days of UTC that a segment has samples in. Where it spans
// many, the clock having been set, its samples are looked at.
func addDays(ctx context.Context, q querier, g segment, days map[int64]bool) error {
	from, to := floorTo(g.minMS, dayMS)/dayMS, floorTo(g.maxMS, dayMS)/dayMS
	if to-from <= 2 {
		for ; from <= to; from++ {
			days[from] = true
		}
		return nil
	}
	query, low, high := `SELECT data FROM block WHERE first BETWEEN ? AND ?`, g.first, g.first
	if g.sealed {
		query, low, high = `SELECT data FROM chunk WHERE id BETWEEN ? AND ?`, chunkID(g.first, 0), chunkID(g.first, 1<<seriesBits-1)
	}
	return eachBlob(ctx, q, func(data []byte) error {
		columns, err := decodeBlob(data, 0)
		if err != nil {
			return nil // damaged: it has nothing to roll up
		}
		for _, c := range columns {
			for _, v := range c.samples {
				days[floorTo(v.Milli, dayMS)/dayMS] = true
			}
		}
		return nil
	}, query, low, high)
}
