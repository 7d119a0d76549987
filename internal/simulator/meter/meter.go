// Package meter is the register of a pulse-reading electricity meter interface:
// it turns the household's power into what the device shows, can be held at a
// fixed load, set to the reading of the meter it sits on, and made to count for
// measurements. It knows watts and watt-hours and must never know how they are
// asked for.
package meter

import (
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator/household"
)

// Highest reading of the register: 48 bits, all ones meaning unknown.
const maxReading = 1<<48 - 2

// Memory is what the register does not forget without power.
type Memory struct {
	// Offset is added to the house's energy, in Wh.
	Offset int64 `json:"offset_wh"`
	// Fixed, when set, is the load in W that replaces the house's since a
	// moment at which EnergyThen (watt-seconds, without Offset) had been used.
	Fixed      *int64    `json:"fixed_w,omitempty"`
	Since      time.Time `json:"since,omitzero"`
	EnergyThen int64     `json:"energy_then_ws,omitempty"`
	// Shift is what fixed loads used more or less than the house, in watt-seconds.
	Shift int64 `json:"shift_ws,omitempty"`
	// Pulses is the pulse configuration, in pulses per kWh.
	Pulses uint16 `json:"pulses"`
	// Ticks is a bound that the count for measurements has not reached.
	Ticks int64 `json:"ticks,omitempty"`
}

// Start is the memory of a register that was in the house before the house's
// own count began.
func Start() Memory { return Memory{Offset: 4_000_000, Pulses: 1000} }

// Register is a meter's count. Its methods must not be called concurrently.
type Register struct {
	house   *household.House
	now     func() time.Time
	memory  Memory
	changed func()
	highest int64 // Wh shown so far: a clock set back must not undo it
	ticking bool
	ticks   int64
}

// New returns a register over a house. changed is called when the memory has
// to be kept. ticking says that Tick counts, for measurements: the power then
// differs from one report to the next.
func New(house *household.House, now func() time.Time, m Memory, ticking bool, changed func()) *Register {
	return &Register{house: house, now: now, memory: m, changed: changed, ticking: ticking, ticks: m.Ticks}
}

// Memory returns what must be kept.
func (r *Register) Memory() Memory { return r.memory }

// Power is the load in W.
func (r *Register) Power() int64 {
	switch {
	case r.memory.Fixed != nil:
		return *r.memory.Fixed
	case r.ticking: // unlike the last reports, so that each is known by it
		return 200 + r.ticks%5000
	}
	return r.house.Power(r.now())
}

// Energy is the reading in Wh. It never falls, but for SetReading.
func (r *Register) Energy() int64 {
	wh := r.memory.Offset + r.ticks + floor(r.used(r.now()), 3600)
	r.highest = max(r.highest, min(max(wh, 0), maxReading))
	return r.highest
}

// used is the energy in watt-seconds, fixed loads included.
func (r *Register) used(t time.Time) int64 {
	m := &r.memory
	if m.Fixed != nil {
		return m.EnergyThen + *m.Fixed*int64(max(t.Sub(m.Since), 0)/time.Second)
	}
	return r.house.Energy(t) + m.Shift
}

// Fix holds the load at watts from now on; nil follows the house again. The
// reading goes on from where it is.
func (r *Register) Fix(watts *int64) {
	t := r.now()
	used := r.used(t)
	m := &r.memory
	if watts != nil {
		w := *watts
		m.Fixed, m.Since, m.EnergyThen = &w, t, used
	} else if m.Fixed != nil {
		m.Fixed, m.Since, m.EnergyThen = nil, time.Time{}, 0
		m.Shift = used - r.house.Energy(t)
	}
	r.changed()
}

// SetReading sets the register to a reading in Wh.
func (r *Register) SetReading(wh int64) {
	r.memory.Offset += wh - (r.memory.Offset + r.ticks + floor(r.used(r.now()), 3600))
	r.highest = wh
	r.changed()
}

// Pulses is the pulse configuration in pulses per kWh.
func (r *Register) Pulses() uint16 { return r.memory.Pulses }

// SetPulses changes the pulse configuration.
func (r *Register) SetPulses(n uint16) {
	r.memory.Pulses = n
	r.changed()
}

// Tick counts one Wh beside what the house uses. The memory is kept ahead of the count, in steps, so that
// counting costs no writing and still never goes backwards.
func (r *Register) Tick() {
	const step = 1000
	if r.ticks++; r.ticks > r.memory.Ticks {
		r.memory.Ticks += step
		r.changed()
	}
}

func floor(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
