package store

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/smartcore-ireland/hems/internal/ledger"
)

// Rollup is what the samples of one series in one period come to.
type Rollup struct {
	Milli     int64 // when the period begins, ms since 1970
	Count     int64 // samples in it, at least 1
	Min, Max  float64
	Sum       float64
	Last      float64 // the value with the greatest time
	LastMilli int64   // that time
}

// Mean is the mean of the values, each counting the same.
func (r Rollup) Mean() float64 { return r.Sum / float64(r.Count) }

// Period is what rollups are made over.
type Period int

// The periods of Reader.Rollups.
const (
	FiveMinutes Period = iota // from each multiple of 5 minutes since 1970
	Day                       // civil days of a zone, of 23, 24 or 25 hours
)

const (
	fiveMS = int64(5 * time.Minute / time.Millisecond)
	dayMS  = int64(24 * time.Hour / time.Millisecond)
)

// Rollups returns those of a series whose period begins at from or later and
// before to, in ascending order; periods without a sample are missing. They are
// complete up to now: what is not yet rolled up is computed, with the samples
// that wait when ReaderOptions.Pending is given. Values keep their exact sum, as
// far as a float64 can.
func (r *Reader) Rollups(ctx context.Context, series int64, p Period, from, to time.Time) (all []Rollup, err error) {
	waiting := r.waiting(ctx)
	begin, end := ceilMilli(from), ceilMilli(to)
	err = r.view(ctx, func(q querier) error {
		switch p {
		case FiveMinutes:
			begin, end = ceilTo(begin, fiveMS), ceilTo(end, fiveMS)
			all, err = rawRollups(ctx, q, waiting, series, begin, end)
		case Day:
			zone := r.o.Zone
			begin, end = ceilDay(begin, zone), ceilDay(end, zone)
			all, err = rawRollups(ctx, q, waiting, series, begin, end)
			all = joinRollups(all, func(ms int64) (from, to int64) { return civilDay(ms, zone) })
		default:
			err = fmt.Errorf("there are no rollups over the period %d", p)
		}
		return err
	})
	return all, err
}

// rawRollups computes those over five minutes of a range that both begins and
// ends with a period.
func rawRollups(ctx context.Context, q querier, waiting Pending, series, from, to int64) ([]Rollup, error) {
	s, _, err := readSeries(ctx, q, series, from, to)
	if err != nil {
		return nil, err
	}
	return rollUp(merge(s, waiting.between(series, from, to))), nil
}

// rollUp makes rollups over five minutes of samples in ascending time.
func rollUp(s []Sample) (all []Rollup) {
	for i := 0; i < len(s); {
		begin := floorTo(s[i].Milli, fiveMS)
		n := i
		for n < len(s) && s[n].Milli < begin+fiveMS {
			n++
		}
		all = append(all, rollUpOne(begin, s[i:n]))
		i = n
	}
	return all
}

func rollUpOne(begin int64, s []Sample) Rollup {
	last := s[len(s)-1]
	r := Rollup{Milli: begin, Count: int64(len(s)), Min: last.Value, Max: last.Value, Last: last.Value, LastMilli: last.Milli}
	var sum adder
	for _, v := range s {
		r.Min, r.Max = min(r.Min, v.Value), max(r.Max, v.Value)
		sum.add(v.Value)
	}
	r.Sum = sum.value()
	return r
}

// joinRollups makes rollups of longer periods from ones in ascending order.
func joinRollups(s []Rollup, period func(ms int64) (from, to int64)) (all []Rollup) {
	for i := 0; i < len(s); {
		from, to := period(s[i].Milli)
		r := s[i]
		r.Milli = from
		var sum adder
		var count int64
		for ; i < len(s) && s[i].Milli < to; i++ {
			v := s[i]
			sum.add(v.Sum)
			count += v.Count
			r.Min, r.Max = min(r.Min, v.Min), max(r.Max, v.Max)
			if v.LastMilli > r.LastMilli {
				r.Last, r.LastMilli = v.Last, v.LastMilli
			}
		}
		r.Sum, r.Count = sum.value(), count
		all = append(all, r)
	}
	return all
}

// adder adds numbers of few decimals without an error of rounding: as whole
// numbers of their last decimal, and as floats only where that cannot be.
type adder struct {
	decimals int
	whole    int64
	float    float64
	inexact  bool
}

func (a *adder) add(v float64) {
	a.float += v
	if a.inexact {
		return
	}
	const room = 1 << 52
	for {
		w := math.Round(v * pow10[a.decimals])
		if math.Abs(w) > room {
			break
		}
		if w/pow10[a.decimals] == v {
			a.whole += int64(w)
			if a.whole < -room || a.whole > room {
				break
			}
			return
		}
		if a.decimals++; a.decimals > maxDecimals || a.whole < -room/10 || a.whole > room/10 {
			break
		}
		a.whole *= 10
	}
	a.inexact = true
}

func (a *adder) value() float64 {
	if a.inexact {
		return a.float
	}
	return float64(a.whole) / pow10[a.decimals]
}

func floorTo(ms, step int64) int64 {
	r := ms % step
	if r < 0 {
		r += step
	}
	return ms - r
}

func ceilTo(ms, step int64) int64 {
	f := floorTo(ms, step)
	if f < ms && f <= math.MaxInt64-step {
		f += step
	}
	return f
}

// civilDay is when the day in a zone that holds a moment begins and ends, in ms.
func civilDay(ms int64, zone *time.Location) (from, to int64) {
	from, to = ledger.DayOf(floorTo(ms, 1000)/1000, zone)
	return from * 1000, to * 1000
}

// ceilDay is the first moment from ms on at which a day in the zone begins.
func ceilDay(ms int64, zone *time.Location) int64 {
	if ms <= 0 || ms >= maxMilli { // no samples there
		return ms
	}
	from, to := civilDay(ms, zone)
	if from < ms {
		return to
	}
	return from
}
