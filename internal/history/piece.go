package history

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/calendar"
	"github.com/smartcore-ireland/hems/internal/store"
)

// grain is what pieces are.
type grain int

const (
	raw   grain = iota // readings
	fine               // five minutes of them
	daily              // a day of them
)

const (
	fiveMinutes  = 5 * time.Minute
	rollupWindow = 31 * 24 * time.Hour // of five minutes in memory at a time
)

// piece is one reading, or what the store keeps of those of five minutes or a day.
type piece struct {
	from, last    int64 // ms: where it begins, and its last reading
	n             int64
	min, max, sum float64
}

func pieceOf(v store.Sample) piece { return piece{v.Milli, v.Milli, 1, v.Value, v.Value, v.Value} }

// pieces calls f with what there is of from ≤ time < to, in ascending time, in
// pieces of at most the grain: none lies over a multiple of it, and what the range
// cuts is read in a finer one. place is whose days are meant.
func (l line) pieces(ctx context.Context, from, to time.Time, g grain, place *time.Location, f func(piece) error) error {
	switch g {
	case fine:
		return l.fine(ctx, from, to, f)
	case daily:
		return l.daily(ctx, from, to, place, f)
	}
	return l.each(ctx, from, to, func(v store.Sample) error { return f(pieceOf(v)) })
}

// fine reads five minutes at a time, and readings at the ends of the range.
func (l line) fine(ctx context.Context, from, to time.Time, f func(piece) error) error {
	first, last := from.Truncate(fiveMinutes), to.Truncate(fiveMinutes)
	if first.Before(from) {
		first = first.Add(fiveMinutes)
	}
	if !first.Before(last) {
		return l.pieces(ctx, from, to, raw, nil, f)
	}
	if err := l.pieces(ctx, from, first, raw, nil, f); err != nil {
		return err
	}
	for at := first; at.Before(last); at = at.Add(rollupWindow) {
		end := at.Add(rollupWindow)
		if end.After(last) {
			end = last
		}
		all, err := l.rollups(ctx, store.FiveMinutes, at, end)
		if err != nil {
			return err
		}
		for _, p := range all {
			if err := f(p); err != nil {
				return err
			}
		}
	}
	return l.pieces(ctx, last, to, raw, nil, f)
}

// daily reads days, and five minutes at the ends of the range. The days that the
// store keeps are those of the home; where place has others, it is five minutes
// all along.
func (l line) daily(ctx context.Context, from, to time.Time, place *time.Location, f func(piece) error) error {
	first, after := calendar.Day(from, place)
	if first.Before(from) {
		first = after
	}
	last, _ := calendar.Day(to, place)
	if !first.Before(last) {
		return l.fine(ctx, from, to, f)
	}
	days, err := l.rollups(ctx, store.Day, first, last)
	if err != nil {
		return err
	}
	// A day that began before the range and ends in it would be left out.
	before, err := l.rollups(ctx, store.Day, first.Add(-36*time.Hour), first)
	if err != nil {
		return err
	}
	for _, d := range slices.Concat(before, days) {
		if midnight, _ := calendar.Day(time.UnixMilli(d.from), place); midnight.UnixMilli() != d.from {
			return l.fine(ctx, from, to, f)
		}
	}
	if err := l.fine(ctx, from, first, f); err != nil {
		return err
	}
	for _, d := range days {
		if err := f(d); err != nil {
			return err
		}
	}
	return l.fine(ctx, last, to, f)
}

// rollups are what the store keeps of the line, in ascending time. There may be
// several of one time: one of each series that had readings then.
func (l line) rollups(ctx context.Context, p store.Period, from, to time.Time) ([]piece, error) {
	var all []piece
	for _, part := range l.parts {
		rolled, err := l.reader.Rollups(ctx, part.series, p, from, to)
		if err != nil {
			return nil, err
		}
		for _, r := range rolled {
			all = append(all, piece{r.Milli, r.LastMilli, r.Count, r.Min * part.factor, r.Max * part.factor, r.Sum * part.factor})
		}
	}
	if len(l.parts) > 1 {
		slices.SortStableFunc(all, func(a, b piece) int { return cmp.Compare(a.from, b.from) })
	}
	return all, nil
}
