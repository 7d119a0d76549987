package household

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Load is one thing in the house that draws or gives power, as a function of a
// seed and the time alone. Its methods may be called concurrently.
type Load struct {
	seed  uint64
	house *House
	add   func(p *plan, number int64)

	mu    sync.Mutex
	known int64
	plan  *loadDay
	sums  map[int64][2]int64 // Ws in and out of whole days
}

// loadDay is the power of a day by slots, in W, with what was drawn and given
// before each slot, in Ws since midnight.
type loadDay struct {
	power   [slotsPerDay]int32
	in, out [slotsPerDay + 1]int64
}

// longest is how far back a load adds up, so that a clock that was set by
// decades does not stop the world.
const longest = 3660

// kinds are the loads by name. "house" is the whole house of House.
var kinds = map[string]func(p *plan, number int64){
	"house":      nil,
	"fridge":     func(p *plan, _ int64) { p.add(0, 24*60, 1); p.fridge() },
	"television": func(p *plan, _ int64) { p.add(0, 24*60, 1); p.add(p.about(19*60, 20), 3.3*60, 118) },
	"washing": func(p *plan, number int64) {
		p.add(0, 24*60, 1)
		if number%2 == 0 {
			p.washing(p.about(10.5*60, 60))
		}
	},
	"computer":  func(p *plan, _ int64) { p.add(0, 24*60, 3); p.add(p.about(9*60, 15), 8*60, 62) },
	"boiler":    func(p *plan, _ int64) { p.add(p.about(2*60, 10), 95, 2900); p.add(p.about(15*60, 10), 25, 2900) },
	"heat-pump": func(p *plan, number int64) { p.heatPump(number) },
	"pv":        func(p *plan, number int64) { p.sun(number) },
	"grid":      nil, // the house without what the sun gives
	"phase": func(p *plan, _ int64) {
		p.add(0, 24*60, 140)
		p.fridge()
		p.kettle(7.2 * 60)
		p.hob(p.about(18*60, 20), 30)
	},
}

// Kinds returns the names that NewLoad knows.
func Kinds() []string {
	var names []string
	for name := range kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// NewLoad returns a load of a kind. Loads of the same kind and seed are the
// same.
func NewLoad(kind string, seed uint64) (*Load, error) {
	add, ok := kinds[kind]
	if !ok {
		return nil, fmt.Errorf("no load is called %q: choose one of %v", kind, Kinds())
	}
	l := &Load{seed: seed, add: add, sums: map[int64][2]int64{}}
	switch kind {
	case "house":
		l.house = New(seed)
	case "grid":
		house := New(seed)
		l.add = func(p *plan, number int64) {
			p.sun(number)
			house.mu.Lock()
			defer house.mu.Unlock()
			for i, w := range house.day(number).power {
				p.watts[i] += w
			}
		}
	}
	return l, nil
}

// Power returns the power drawn at t in W; what is given is negative.
func (l *Load) Power(t time.Time) int64 {
	if l.house != nil {
		return l.house.Power(t)
	}
	number, second := split(t)
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(l.day(number).power[second/slotSeconds])
}

// Used returns what was drawn and given from one moment to a later one, in Ws,
// to the whole second. It is the exact sum of Power.
func (l *Load) Used(from, to time.Time) (in, out int64) {
	if !to.After(from) {
		return 0, 0
	}
	if l.house != nil {
		return l.house.Energy(to) - l.house.Energy(from), 0
	}
	if most := to.Add(-longest * daySeconds * time.Second); from.Before(most) {
		from = most
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	first, second := split(from)
	last, end := split(to)
	for n := first; n < last; n++ {
		s, ok := l.sums[n]
		if !ok {
			d := l.make(n)
			s = [2]int64{d.in[slotsPerDay], d.out[slotsPerDay]}
			l.sums[n] = s
		}
		in, out = in+s[0], out+s[1]
	}
	a, b := l.since(first, second)
	c, d := l.since(last, end)
	return in - a + c, out - b + d
}

// Epoch returns when the loads that were always there count from.
func Epoch() time.Time { return time.Unix(epoch*daySeconds, 0) }

// since returns what a day used until a second of it.
func (l *Load) since(number, second int64) (in, out int64) {
	d := l.day(number)
	i := second / slotSeconds
	w := int64(d.power[i]) * (second % slotSeconds)
	return d.in[i] + max(w, 0), d.out[i] + max(-w, 0)
}

func (l *Load) day(number int64) *loadDay {
	if l.plan == nil || l.known != number {
		l.plan, l.known = l.make(number), number
	}
	return l.plan
}

func (l *Load) make(number int64) *loadDay {
	r := rand.New(rand.NewPCG(l.seed, uint64(number)^0x6c6f6164))
	p := &plan{random: r}
	l.add(p, number)
	var d loadDay
	for i, w := range p.watts {
		if w > 20 {
			w += int32(r.IntN(5)) - 2 // nothing draws the same twice
		}
		d.power[i] = w
		ws := int64(w) * slotSeconds
		d.in[i+1] = d.in[i] + max(ws, 0)
		d.out[i+1] = d.out[i] + max(-ws, 0)
	}
	return &d
}

// heatPump runs longer the colder it is, more at night and in winter.
func (p *plan) heatPump(number int64) {
	p.add(0, 24*60, 12)
	for m := p.random.Float64() * 30; m < 24*60; {
		run, pause := 12.0, 70.0
		switch time.Unix(number*daySeconds, 0).UTC().Month() {
		case time.November, time.December, time.January, time.February, time.March:
			run, pause = 38, 22
		case time.April, time.May, time.September, time.October:
			run, pause = 22, 40
		}
		if m < 7*60 || m > 21*60 {
			run *= 1.2
		}
		run += 6 * p.random.Float64()
		p.add(m, 2, 900) // the compressor starts gently
		p.add(m+2, run, 1750)
		m += run + pause + 8*p.random.Float64()
	}
}

// sun gives power by day, less in winter and under clouds.
func (p *plan) sun(number int64) {
	year := float64(time.Unix(number*daySeconds, 0).UTC().YearDay()) - 172 // days from midsummer
	season := 1 - 0.62*min(year*year/(182*182), 1)
	half := 4.0 + 4.4*season // hours from noon to sunset
	cloud := 0.25 + 0.75*p.random.Float64()
	for i := range p.watts {
		h := float64(i)/360 - 12.4
		x := 1 - h*h/(half*half)
		if x <= 0 {
			continue
		}
		if i%30 == 0 {
			cloud = min(max(cloud+0.5*(p.random.Float64()-0.5), 0.15), 1)
		}
		p.watts[i] -= int32(3600 * season * x * cloud)
	}
}
