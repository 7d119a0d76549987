package history

import (
	"context"
	"fmt"
	"time"
)

// Point is what the readings of one bucket of time have in common.
type Point struct {
	Time           time.Time // where the bucket begins
	Min, Mean, Max float64
	N              int // readings in the bucket, at least 1
}

// Power returns an entity's readings with from ≤ time < to in buckets of step,
// the first of which begins at from. Watts are returned where the series is
// one of power in another unit (kW, MW, mW); every other series is returned in
// its own. Buckets without a reading are absent. The mean is that of the
// readings, each counted once.
func (h *History) Power(ctx context.Context, entity string, from, to time.Time, step time.Duration) ([]Point, error) {
	if step < time.Millisecond {
		return nil, fmt.Errorf("history of %s: a step of %v is too short: ask for 1ms or more", entity, step)
	}
	step = step.Truncate(time.Millisecond)
	if !from.Before(to) {
		_, err := h.find(ctx, entity, watts)
		return nil, err
	}
	c, err := h.Curve(ctx, Query{Entity: entity, From: from, To: to, Steps: since{from, step}})
	if err != nil {
		return nil, err
	}
	var points []Point
	_, err = c.Each(ctx, func(p Point) error {
		if len(points) == maxPoints {
			return fmt.Errorf("history of %s: more than %d points: ask for a longer step than %v", entity, maxPoints, step)
		}
		points = append(points, p)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return points, nil
}

// since are steps of one length from a moment on.
type since struct {
	start time.Time
	step  time.Duration
}

func (s since) Around(t time.Time) (from, to time.Time) {
	from = s.start.Add(t.Sub(s.start) / s.step * s.step)
	return from, from.Add(s.step)
}

// Length is odd where steps do not lie on the clock's five minutes.
func (s since) Length() time.Duration {
	if !s.start.Truncate(fiveMinutes).Equal(s.start) {
		return 1
	}
	return s.step
}

var (
	watts         = map[string]float64{"W": 1, "kW": 1e3, "MW": 1e6, "mW": 1e-3}
	kilowattHours = map[string]float64{"kWh": 1, "Wh": 1e-3, "MWh": 1e3, "GWh": 1e6, "J": 1 / 3.6e6, "kJ": 1 / 3.6e3, "MJ": 1 / 3.6, "GJ": 1e3 / 3.6}
)

// unitFactor is what a value in the unit is multiplied by; 1 for a unit that
// is not in the table.
func unitFactor(unit string, table map[string]float64) float64 {
	if f, ok := table[unit]; ok {
		return f
	}
	return 1
}

// base is the unit that a table's factors lead to.
func base(table map[string]float64) string {
	for unit, factor := range table {
		if factor == 1 {
			return unit
		}
	}
	return ""
}
