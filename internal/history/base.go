package history

import (
	"context"
	"slices"
	"time"
)

// leastNight is how many five minutes with readings a night must have to say what
// is always on: an hour's worth.
const leastNight = 12

// AlwaysOn is the power that a house draws when nobody does anything: the mean of
// the lowest twentieth of the five-minute means in the range, which the caller makes
// a night. ok is false where the range has less than an hour of readings.
func (h *History) AlwaysOn(ctx context.Context, entity string, from, to time.Time) (watt float64, ok bool, err error) {
	c, err := h.Curve(ctx, Query{Entity: entity, From: from, To: to, Steps: since{from.Truncate(fiveMinutes), fiveMinutes}})
	if err != nil {
		return 0, false, err
	}
	var means []float64
	_, err = c.Each(ctx, func(p Point) error {
		means = append(means, p.Mean)
		return nil
	})
	if err != nil || len(means) < leastNight {
		return 0, false, err
	}
	slices.Sort(means)
	lowest := means[:max(1, len(means)/20)]
	for _, v := range lowest {
		watt += v
	}
	return watt / float64(len(lowest)), true, nil
}
