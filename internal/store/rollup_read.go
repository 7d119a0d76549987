package store

import (
	"context"
	"fmt"
	"time"
)

// Rollups returns those of a series whose period begins at from or later and
// before to, in ascending order; periods without a sample are missing. They are
// complete up to now: what is not yet rolled up is computed, with the samples
// that wait when ReaderOptions.Pending is given. Sums are exact as far as a
// float64 can be.
func (r *Reader) Rollups(ctx context.Context, series int64, p Period, from, to time.Time) (all []Rollup, err error) {
	waiting := r.waiting(ctx)
	err = r.view(ctx, func(q querier) error {
		v, err := newRollupView(ctx, q, waiting, series, r.o.Zone)
		if err != nil {
			return err
		}
		begin, end := v.clamp(ceilMilli(from), ceilMilli(to))
		switch {
		case p != FiveMinutes && p != Day:
			return fmt.Errorf("there are no rollups over the period %d", p)
		case begin >= end:
			return nil
		case p == FiveMinutes:
			all, err = v.fives(ctx, ceilTo(begin, fiveMS), ceilTo(end, fiveMS))
		default:
			all, err = v.days(ctx, ceilDay(begin, r.o.Zone), ceilDay(end, r.o.Zone))
		}
		return err
	})
	return all, err
}

// rollupView is one series' rollups as they are at one moment.
type rollupView struct {
	q       querier
	waiting Pending
	sid     int64
	zone    *time.Location
	kept    bool           // there are tables of rollups
	keptDay bool           // days in them are those of zone
	due     map[int64]bool // days of UTC that are computed from samples
	months  map[int64]bool // months whose days are computed
	first   int64          // no sample is in a day of UTC before this one
	last    int64          // nor after this one
}

func newRollupView(ctx context.Context, q querier, waiting Pending, sid int64, zone *time.Location) (v *rollupView, err error) {
	v = &rollupView{q: q, waiting: waiting, sid: sid, zone: zone, due: map[int64]bool{}, months: map[int64]bool{}}
	if v.kept, err = hasTable(ctx, q, "rollup_state"); err != nil {
		return nil, err
	}
	var state rollupState
	if v.kept {
		if err := v.readDue(ctx, &state); err != nil {
			return nil, err
		}
	}
	segments, err := unmarked(ctx, q, state.marked, -1)
	if err != nil {
		return nil, err
	}
	for _, g := range segments {
		for day := floorTo(g.minMS, dayMS) / dayMS; day*dayMS <= g.maxMS; day++ {
			v.due[day] = true
		}
	}
	for _, w := range waiting.Samples[sid] {
		v.due[floorTo(w.Milli, dayMS)/dayMS] = true
	}
	return v, v.findEnds(ctx)
}

// readDue reads what the tables are not right about.
func (v *rollupView) readDue(ctx context.Context, state *rollupState) (err error) {
	if *state, err = readRollupState(ctx, v.q); err != nil {
		return err
	}
	v.keptDay = state.zone != "" && state.zone == zoneName(v.zone)
	for query, into := range map[string]map[int64]bool{`SELECT day FROM rollup_due`: v.due, `SELECT month FROM rollup_due_month`: v.months} {
		rows, err := v.q.QueryContext(ctx, query)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var n int64
			if err := rows.Scan(&n); err != nil {
				return err
			}
			into[n] = true
		}
		if err := rows.Err(); err != nil {
			return err
		}
	}
	return nil
}

// findEnds finds the first and last day that there may be samples of.
func (v *rollupView) findEnds(ctx context.Context) error {
	v.first, v.last = 1, 0
	widen := func(day int64) {
		if v.first > v.last {
			v.first, v.last = day, day
		}
		v.first, v.last = min(v.first, day), max(v.last, day)
	}
	for day := range v.due {
		widen(day)
	}
	if !v.kept {
		return nil
	}
	for _, end := range []string{"min", "max"} {
		var id *int64
		if err := v.q.QueryRowContext(ctx, `SELECT `+end+`(id) FROM rollup_five`).Scan(&id); err != nil {
			return err
		}
		if id != nil {
			widen(*id >> seriesBits)
		}
	}
	return nil
}

// clamp narrows a range to where there may be samples.
func (v *rollupView) clamp(from, to int64) (begin, end int64) {
	if v.first > v.last {
		return 0, 0
	}
	// A day of a zone begins up to a day before that of UTC.
	return max(from, (v.first-1)*dayMS), min(to, (v.last+2)*dayMS)
}

// fives returns rollups over five minutes with from ≤ beginning < to, which are
// multiples of five minutes.
func (v *rollupView) fives(ctx context.Context, from, to int64) (all []Rollup, err error) {
	for at := from; at < to; {
		day := floorTo(at, dayMS) / dayMS
		end := min((day+1)*dayMS, to)
		var computed []Rollup
		if v.due[day] {
			for end < to && v.due[floorTo(end, dayMS)/dayMS] { // as many at once as there are
				end = min(end+dayMS, to)
			}
			if computed, err = v.compute(ctx, at, end); err != nil {
				return nil, err
			}
		}
		kept, err := v.read(ctx, at, end)
		if err != nil {
			return nil, err
		}
		all = append(all, keepFuller(kept, computed)...)
		at = end
	}
	return all, nil
}

// compute makes rollups from samples.
func (v *rollupView) compute(ctx context.Context, from, to int64) ([]Rollup, error) {
	s, _, err := readSeries(ctx, v.q, v.sid, from, to)
	if err != nil {
		return nil, err
	}
	return rollUp(merge(s, v.waiting.between(v.sid, from, to))), nil
}

// read returns the rollups that are kept.
func (v *rollupView) read(ctx context.Context, from, to int64) (all []Rollup, err error) {
	if !v.kept {
		return nil, nil
	}
	for day := floorTo(from, dayMS) / dayMS; day*dayMS < to; day++ {
		some, err := readRollups(ctx, v.q, "rollup_five", day, v.sid)
		if err != nil {
			return nil, err
		}
		all = append(all, between(some, from, to)...)
	}
	return all, nil
}

// between returns those of rollups in ascending order with from ≤ beginning < to.
func between(s []Rollup, from, to int64) []Rollup {
	for len(s) > 0 && s[0].Milli < from {
		s = s[1:]
	}
	for len(s) > 0 && s[len(s)-1].Milli >= to {
		s = s[:len(s)-1]
	}
	return s
}

// days returns rollups over days with from ≤ beginning < to, which are beginnings
// of days.
func (v *rollupView) days(ctx context.Context, from, to int64) (all []Rollup, err error) {
	month, kept := int64(-1), []Rollup(nil)
	computeFrom := from // of the days that were not kept, and end here
	compute := func(end int64) error {
		if computeFrom < end {
			five, err := v.fives(ctx, computeFrom, end)
			if err != nil {
				return err
			}
			all = append(all, joinRollups(five, v.zone)...)
		}
		return nil
	}
	for at := from; at < to; {
		_, end := civilDay(at, v.zone)
		if !v.dayKept(at, end) {
			at = end
			continue
		}
		if err := compute(at); err != nil {
			return nil, err
		}
		if m := monthOf(at, v.zone); m != month {
			month = m
			if kept, err = readRollups(ctx, v.q, "rollup_day", m, v.sid); err != nil {
				return nil, err
			}
		}
		all = append(all, between(kept, at, end)...)
		at, computeFrom = end, end
	}
	return all, compute(to)
}

// dayKept reports whether what is kept of a civil day is right.
func (v *rollupView) dayKept(from, to int64) bool {
	if !v.keptDay || v.months[monthOf(from, v.zone)] {
		return false
	}
	for day := floorTo(from, dayMS) / dayMS; day*dayMS < to; day++ {
		if v.due[day] {
			return false
		}
	}
	return true
}
