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
	r, s, err := h.find(ctx, entity)
	if err != nil {
		return 0, false, err
	}
	last, known, err := r.Before(ctx, s.ID, from)
	if err != nil {
		return 0, false, err
	}
	var sum float64
	err = each(ctx, r, s.ID, from, to, func(v store.Sample) {
		if known {
			sum += growth(last.Value, v.Value)
		}
		last, known, ok = v, true, true
	})
	if err != nil || !ok {
		return 0, false, err
	}
	return sum * unitFactor(s.Unit, kilowattHours), true, nil
}

// growth is what a counter counted between two of its values.
func growth(before, after float64) float64 {
	if after < resetBelow*before {
		return after
	}
	return after - before
}
