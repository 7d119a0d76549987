// Package household says how much power an Irish family's house draws at any
// moment, and how much energy it has used since a fixed day, as functions of a
// seed and the time alone: the same question always has the same answer, so a
// meter that was switched off in between never goes backwards. It knows
// kettles and weekends, and must never know how its numbers are read.
package household

import (
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// slot is the shortest time the power stays the same.
	slot        = 10 * time.Second
	slotSeconds = int64(slot / time.Second)
	daySeconds  = 86400
	slotsPerDay = daySeconds / slotSeconds
)

// epoch is when the energy counts from, in days since 1970-01-01: 2000-01-01.
const epoch = 10957

// What a day uses, in watt-seconds, before its own more or less: 8.4 kWh on
// working days, 10.2 kWh at weekends. That days add up by a formula makes the
// sum of many years as cheap as that of one.
const (
	workingDay = 30_240_000
	weekendDay = 36_720_000
	week       = 5*workingDay + 2*weekendDay
	swing      = 1_000_000
)

// House is one family's house. Its days are those of Irish winter time (UTC)
// all year round, which keeps every day 24 hours long.
type House struct {
	seed uint64

	mu    sync.Mutex
	known int64 // the day whose plan is kept
	plan  *day
}

// day is the power of a day by slots, in W, and the sum before each slot.
type day struct {
	power  [slotsPerDay]int32
	before [slotsPerDay + 1]int64 // watt-seconds since midnight
}

// New returns the house of a seed.
func New(seed uint64) *House { return &House{seed: seed} }

// Power returns the power drawn at t, in W, always positive.
func (h *House) Power(t time.Time) int64 {
	number, second := split(t)
	h.mu.Lock()
	defer h.mu.Unlock()
	return int64(h.day(number).power[second/slotSeconds])
}

// Energy returns what was used from the beginning of 2000 until t, in
// watt-seconds, to the whole second; negative before. It never falls as t
// grows and is the exact sum of Power.
func (h *House) Energy(t time.Time) int64 {
	number, second := split(t)
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.day(number)
	i := second / slotSeconds
	return h.until(number) + d.before[i] + int64(d.power[i])*(second%slotSeconds)
}

func split(t time.Time) (number, second int64) {
	s := t.Unix()
	number = floor(s, daySeconds)
	return number, s - number*daySeconds
}

func floor(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// weekday of a day; 0 is Monday. 1970-01-01 was a Thursday.
func weekday(number int64) int64 { return number + 3 - 7*floor(number+3, 7) }

// until returns the energy from the epoch to the beginning of a day: whole
// weeks, the days since Monday, and how far this midnight is shifted.
func (h *House) until(number int64) int64 {
	sum := func(n int64) int64 {
		since := weekday(n)
		return floor(n+3, 7)*week + min(since, 5)*workingDay + max(since-5, 0)*weekendDay + h.shift(n)
	}
	return sum(number) - sum(epoch)
}

// shift lets a day end before or after its formula says, the next one pays for
// it.
func (h *House) shift(number int64) int64 {
	r := rand.New(rand.NewPCG(h.seed, ^uint64(number)))
	return (r.Int64N(2*swing+1) - swing) / slotSeconds * slotSeconds
}

func (h *House) day(number int64) *day {
	if h.plan == nil || h.known != number {
		h.plan, h.known = h.make(number), number
	}
	return h.plan
}

// make plans a day: what always runs, what switches by itself, and what the
// family does. What is always on makes up for the difference from the day's
// sum.
func (h *House) make(number int64) *day {
	r := rand.New(rand.NewPCG(h.seed, uint64(number)))
	p := &plan{random: r}
	p.fridge()
	if weekday(number) >= 5 {
		p.weekend()
	} else {
		p.working()
	}
	p.evening()
	sum := int64(0)
	for i := range p.watts {
		p.watts[i] += int32(r.IntN(31)) - 15 // small electronics
		sum += int64(p.watts[i]) * slotSeconds
	}
	missing := (h.until(number+1) - h.until(number) - sum) / slotSeconds
	always := floor(missing, slotsPerDay)
	rest := int(missing - always*slotsPerDay)
	var d day
	for i := range d.power {
		d.power[i] = p.watts[i] + int32(always)
		if i < rest {
			d.power[i]++
		}
		d.before[i+1] = d.before[i] + int64(d.power[i])*slotSeconds
	}
	return &d
}
