package history

import (
	"context"
	"fmt"
	"time"
)

// Peak is the least, the mean and the most that readings of one step had.
type Peak struct {
	Span
	Extreme
	Windows map[string]Extreme // by name; nil where no windows were asked for
}

// Extreme is the most of some readings, and what goes with it.
type Extreme struct {
	Min, Mean, Max float64
	At             time.Time // of Max, to five minutes: where those begin
	N              int64     // readings; 0: there are none, and no figures
	sum            float64
}

func (e *Extreme) take(p piece) {
	if e.N == 0 || p.min < e.Min {
		e.Min = p.min
	}
	if e.N == 0 || p.max > e.Max {
		e.Max, e.At = p.max, time.UnixMilli(p.from)
	}
	e.N += p.n
	e.sum += p.sum
	e.Mean = min(max(e.sum/float64(e.N), e.Min), e.Max)
}

// Peaks returns the peaks of a curve by step, in ascending time and without a hole:
// a step without a reading is there, with N 0. window gives the name of the window
// that a moment lies in; nil: windows are not asked for. Steps and windows begin on
// the clock's five minutes. Units and errors are as for Curve, and ErrSteps.
func (h *History) Peaks(ctx context.Context, q Query, window func(time.Time) string) (peaks []Peak, total Peak, unit string, c Coverage, err error) {
	fail := func(err error) ([]Peak, Peak, string, Coverage, error) { return nil, Peak{}, "", Coverage{}, err }
	if err := q.check(); err != nil {
		return fail(err)
	}
	l, err := h.find(ctx, q.Entity, watts)
	if err != nil {
		return fail(err)
	}
	if q.Steps == nil || q.Steps.Length() < fiveMinutes || q.Steps.Length()%fiveMinutes != 0 {
		return fail(fmt.Errorf("history of %s: %w: peaks are of five minutes or more of them", q.Entity, ErrSteps))
	}
	if q.To.Sub(q.From)/q.Steps.Length() > MaxRows {
		return fail(fmt.Errorf("history of %s: %w: that is more than %d steps, ask for a longer one or a shorter range", q.Entity, ErrSteps, MaxRows))
	}
	for at := q.From; at.Before(q.To); {
		_, next := q.Steps.Around(at)
		if next.After(q.To) {
			next = q.To
		}
		peaks = append(peaks, Peak{Span: Span{at, next}})
		at = next
	}
	total.Span = Span{q.From, q.To}
	found := newCover(q.From, Gap)
	i := 0
	err = l.pieces(ctx, q.From, q.To, fine, nil, func(p piece) error {
		found.see(p.from, p.last)
		for i < len(peaks)-1 && p.from >= ceilMilli(peaks[i].To) {
			i++
		}
		name := ""
		if window != nil {
			name = window(time.UnixMilli(p.from))
		}
		for _, k := range []*Peak{&peaks[i], &total} {
			k.take(p)
			if window != nil {
				k.in(name, p)
			}
		}
		return nil
	})
	if err != nil {
		return fail(err)
	}
	return peaks, total, l.unit, found.end(q.To), nil
}

func (k *Peak) in(name string, p piece) {
	if k.Windows == nil {
		k.Windows = map[string]Extreme{}
	}
	e := k.Windows[name]
	e.take(p)
	k.Windows[name] = e
}
