package history

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/store"
)

// line is the past of one entity: the series of its name, and those of other
// names that the same entity had (it was renamed) or of other units that it was
// measured in. The oldest comes first, the current one last.
type line struct {
	reader *store.Reader
	parts  []part
	unit   string // of the answer
	binary bool   // its states are on and off
}

// part is a series of a line, and the factor to the unit of the answer.
type part struct {
	series int64
	factor float64
}

// find returns the line of an entity, in the table's base unit where its
// current series is in a unit of the table, and otherwise in that series' unit.
func (h *History) find(ctx context.Context, entity string, table map[string]float64) (line, error) {
	r, err := h.open()
	if err != nil {
		return line{}, err
	}
	all, err := r.Series(ctx)
	if err != nil {
		return line{}, err
	}
	current := -1
	for i, s := range all {
		if s.Entity == entity {
			current = i
		}
	}
	if current < 0 {
		return line{}, fmt.Errorf("history of %s: %w", entity, ErrUnknownEntity)
	}
	c := all[current]
	_, convertible := table[c.Unit]
	l := line{reader: r, unit: c.Unit, binary: c.Domain == "binary_sensor" || c.Domain == "switch"}
	if convertible {
		l.unit = base(table)
	}
	for i, s := range all {
		same := s.Entity == c.Entity || s.UniqueID != "" && s.UniqueID == c.UniqueID
		factor, known := table[s.Unit]
		switch {
		case !same || i == current:
		case convertible && known:
			l.parts = append(l.parts, part{s.ID, factor})
		case s.Unit == c.Unit:
			l.parts = append(l.parts, part{s.ID, 1})
		}
	}
	l.parts = append(l.parts, part{c.ID, unitFactor(c.Unit, table)})
	return l, nil
}

// before returns the last sample before t. Of the parts but the first that has
// one, only what is later is looked at.
func (l line) before(ctx context.Context, t time.Time) (last store.Sample, ok bool, err error) {
	for _, p := range slices.Backward(l.parts) {
		var v store.Sample
		found := false
		if !ok {
			v, found, err = l.reader.Before(ctx, p.series, t)
		} else {
			var later []store.Sample
			later, err = l.reader.Samples(ctx, p.series, time.UnixMilli(last.Milli+1), t)
			if n := len(later); n > 0 {
				v, found = later[n-1], true
			}
		}
		if err != nil {
			return store.Sample{}, false, err
		}
		if found {
			last, ok = store.Sample{Milli: v.Milli, Value: v.Value * p.factor}, true
		}
	}
	return last, ok, nil
}

// each calls f with the samples with from ≤ time < to, in ascending time. An error
// of f ends it.
func (l line) each(ctx context.Context, from, to time.Time, f func(store.Sample) error) error {
	for from.Before(to) {
		end := from.Add(window)
		if end.After(to) {
			end = to
		}
		var merged []store.Sample
		for _, p := range l.parts {
			samples, err := l.reader.Samples(ctx, p.series, from, end)
			if err != nil {
				return err
			}
			for _, v := range samples {
				merged = append(merged, store.Sample{Milli: v.Milli, Value: v.Value * p.factor})
			}
		}
		if len(l.parts) > 1 {
			slices.SortStableFunc(merged, func(a, b store.Sample) int { return cmp.Compare(a.Milli, b.Milli) })
		}
		for _, v := range merged {
			if err := f(v); err != nil {
				return err
			}
		}
		from = end
	}
	return nil
}
