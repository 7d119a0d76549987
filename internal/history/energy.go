package history

import (
	"context"
	"time"

	"github.com/smartcore-ireland/hems/internal/store"
)

// resetBelow is the share of its last value below which a counter is taken to
// have begun again, and above which a smaller value is a correction. It is
// Home Assistant's rule for state class total_increasing.
const resetBelow = 0.9

// Consumed returns the kWh by which an entity's counter grew with from ≤ time
// < to: the sum of the differences from one reading to the next, the first
// from the last reading before from. So the parts of a longer time add up to
// the whole. A counter that was reset (a new meter, a flat battery) counts on
// from zero; one that falls by less than a tenth has corrected itself, and the
// correction is counted. ok is false when there is no reading in the range.
func (h *History) Consumed(ctx context.Context, entity string, from, to time.Time) (kWh float64, ok bool, err error) {
	c, ok, err := h.Counted(ctx, entity, from, to)
	if err != nil || !ok || c.At.Before(from) {
		return 0, false, err
	}
	return c.KWh, true, nil
}

// Count is how far a counter has come.
type Count struct {
	KWh   float64   // what it counted from the beginning of the time asked for, see Consumed
	Value float64   // its last reading before the end of that time, kWh
	At    time.Time // of that reading, which may be before the beginning
}

// Counted is Consumed with the reading that it ends with, so that who knows a
// newer one can go on from there. ok is false when there is no reading before
// to.
func (h *History) Counted(ctx context.Context, entity string, from, to time.Time) (c Count, ok bool, err error) {
	l, err := h.find(ctx, entity, kilowattHours)
	if err != nil {
		return Count{}, false, err
	}
	last, known, err := l.before(ctx, from)
	if err != nil {
		return Count{}, false, err
	}
	err = l.each(ctx, from, to, func(v store.Sample) error {
		if known {
			c.KWh += Growth(last.Value, v.Value)
		}
		last, known = v, true
		return nil
	})
	if err != nil || !known {
		return Count{}, false, err
	}
	c.Value, c.At = last.Value, time.UnixMilli(last.Milli)
	return c, true, nil
}

// Growth is what a counter counted between two of its values: from zero when it
// was reset.
func Growth(before, after float64) float64 {
	if after < resetBelow*before {
		return after
	}
	return after - before
}
