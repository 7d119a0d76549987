package history

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/smartcore-ireland/hems/internal/store"
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
	l, err := h.find(ctx, entity, watts)
	if err != nil {
		return nil, err
	}
	step = step.Truncate(time.Millisecond)
	start, stepMS := from.UnixMilli(), step.Milliseconds()
	var points []Point
	bucket, sum := int64(-1), 0.0
	tooMany := false
	err = l.each(ctx, from, to, func(v store.Sample) {
		value := v.Value
		if b := (v.Milli - start) / stepMS; b != bucket {
			if len(points) == maxPoints {
				tooMany = true
				return
			}
			bucket, sum = b, 0
			points = append(points, Point{Time: from.Add(time.Duration(b) * step), Min: math.Inf(1), Max: math.Inf(-1)})
		}
		p := &points[len(points)-1]
		sum += value
		p.N++
		p.Min, p.Max, p.Mean = min(p.Min, value), max(p.Max, value), sum/float64(p.N)
	})
	if tooMany {
		return nil, fmt.Errorf("history of %s: more than %d points: ask for a longer step than %v", entity, maxPoints, step)
	}
	return points, err
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
