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
	slotsPerDay = int(daySeconds / slotSeconds)
)

// epoch is when the energy counts from, in days since 1970-01-01: 2026-01-01.
const epoch = 20454

// House is one family's house. Its days are those of Irish winter time (UTC)
// all year round, which keeps every day 24 hours long.
type House struct {
	seed uint64

	mu    sync.Mutex
	total map[int64]int64 // watt-seconds from the epoch to the beginning of a day
	known int64           // the day whose plan is kept
	plan  *day
}

// day is the power of a day by slots, in W, and the sum before each slot.
type day struct {
	power  [slotsPerDay]int32
	before [slotsPerDay + 1]int64 // watt-seconds since midnight
}

// New returns the house of a seed.
func New(seed uint64) *House {
	return &House{seed: seed, total: map[int64]int64{epoch: 0}}
}

// Power returns the power drawn at t, in W, always positive.
func (h *House) Power(t time.Time) int64 {
	number, second := split(t)
	h.mu.Lock()
	defer h.mu.Unlock()
	return int64(h.day(number).power[second/slotSeconds])
}

// Energy returns what was used from the beginning of 2026 until t, in
// watt-seconds, to the whole second; negative before 2026. It never falls as t
// grows and is the exact sum of Power.
func (h *House) Energy(t time.Time) int64 {
	number, second := split(t)
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.until(number)
	d := h.day(number)
	i := second / slotSeconds
	return before + d.before[i] + int64(d.power[i])*(second%slotSeconds)
}

func split(t time.Time) (number, second int64) {
	s := t.Unix()
	number = s / daySeconds
	if s%daySeconds < 0 {
		number--
	}
	return number, s - number*daySeconds
}

// until returns the energy from the epoch to the beginning of a day. Days are
// summed once.
func (h *House) until(number int64) int64 {
	if v, ok := h.total[number]; ok {
		return v
	}
	step := int64(1)
	if number < epoch {
		step = -1
	}
	d, sum := int64(epoch), int64(0)
	for d != number {
		next, ok := h.total[d+step]
		if !ok {
			if step > 0 {
				next = sum + h.day(d).before[slotsPerDay]
			} else {
				next = sum - h.day(d - 1).before[slotsPerDay]
			}
			h.total[d+step] = next
		}
		d, sum = d+step, next
	}
	return sum
}

func (h *House) day(number int64) *day {
	if h.plan == nil || h.known != number {
		h.plan, h.known = h.make(number), number
	}
	return h.plan
}

// make plans a day: what always runs, what switches by itself, and what the
// family does. All of it together is 6 to 12 kWh.
func (h *House) make(number int64) *day {
	r := rand.New(rand.NewPCG(h.seed, uint64(number)))
	weekday := (number + 4) % 7 // 1970-01-01 was a Thursday; 0 is Sunday
	p := &plan{random: r}
	p.always(110 + r.IntN(15)) // router, standby, ventilation
	p.fridge()
	if weekday == 0 || weekday == 6 {
		p.weekend()
	} else {
		p.working()
	}
	p.evening()
	var d day
	for i := range d.power {
		noise := int32(r.IntN(31)) - 15 // small electronics
		d.power[i] = p.watts[i] + noise
		d.before[i+1] = d.before[i] + int64(d.power[i])*slotSeconds
	}
	return &d
}
