package store

import (
	"math"
	"time"

	"github.com/smartcore-ireland/hems/internal/calendar"
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

// joinRollups makes rollups over days of a zone from ones over five minutes in
// ascending order.
func joinRollups(s []Rollup, zone *time.Location) (all []Rollup) {
	for i := 0; i < len(s); {
		from, to := civilDay(s[i].Milli, zone)
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
	f, t := calendar.Day(time.UnixMilli(ms), zone)
	return f.UnixMilli(), t.UnixMilli()
}

// ceilDay is the first moment from ms on at which a day in the zone begins.
func ceilDay(ms int64, zone *time.Location) int64 {
	from, to := civilDay(ms, zone)
	if from < ms {
		return to
	}
	return from
}

// keepFuller merges rollups over the same periods, both in ascending order: of
// two of one period the one of more samples is kept, since the other lacks
// samples that retention has deleted or that are damaged; of two of equally many
// the computed one, which is newer.
func keepFuller(kept, computed []Rollup) []Rollup {
	all := make([]Rollup, 0, max(len(kept), len(computed)))
	for len(kept) > 0 && len(computed) > 0 {
		switch k, c := kept[0], computed[0]; {
		case k.Milli < c.Milli:
			all, kept = append(all, k), kept[1:]
		case k.Milli > c.Milli:
			all, computed = append(all, c), computed[1:]
		case k.Count > c.Count:
			all, kept, computed = append(all, k), kept[1:], computed[1:]
		default:
			all, kept, computed = append(all, c), kept[1:], computed[1:]
		}
	}
	return append(append(all, kept...), computed...)
}
