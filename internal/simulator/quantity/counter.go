package quantity

import (
	"fmt"
	"math"
	"time"
)

// count returns a counter's energy at t, in Ws, ticks included.
func (s *Set) count(q Quantity, t time.Time) int64 {
	c := s.memory.Counters[q.Name]
	ws := c.WattSeconds + s.ticks*3600
	for _, name := range q.Of {
		in, out := s.used(s.all[name], c.Since, t)
		if q.Rule == Export {
			in = out
		}
		ws += in
	}
	return ws
}

// used integrates a power that nobody has touched since from.
func (s *Set) used(q Quantity, from, to time.Time) (in, out int64) {
	if v, held := s.memory.Fixed[q.Name]; held {
		seconds := float64(max(to.Sub(from), 0) / time.Second)
		return int64(max(v, 0) * seconds), int64(max(-v, 0) * seconds)
	}
	if len(q.Of) > 0 && s.at(q.Of[0], to, 1) == 0 {
		return 0, 0
	}
	return s.loads[q.Name].Used(from, to)
}

// reading is what a counter shows, in kWh. It never falls, but when it is set
// or its device restarts.
func (s *Set) reading(q Quantity, t time.Time) float64 {
	if t.Before(s.zeroTill) {
		return 0
	}
	s.highest[q.Name] = max(s.highest[q.Name], s.count(q, t))
	return min(float64(s.highest[q.Name])/3.6e6, highestReading)
}

// settle reads all counters, so that what they count may change.
func (s *Set) settle() {
	now := s.o.Now()
	for name, c := range s.memory.Counters {
		q, ok := s.all[name]
		if !ok {
			continue
		}
		// Whole seconds are counted; what is left of one counts next time.
		whole := max(now.Sub(c.Since), 0) / time.Second * time.Second
		ws := s.count(q, now) - s.ticks*3600
		s.memory.Counters[name] = Counter{WattSeconds: ws, Since: c.Since.Add(whole)}
	}
}

// Set changes a quantity: a counter is set to a reading, a switch or setting
// keeps the value, anything else is held there until Release.
func (s *Set) Set(name string, v float64) error {
	if err := s.Check(name, v); err != nil {
		return err
	}
	q := s.all[name]
	s.settle()
	switch q.Rule {
	case Import, Export:
		ws := int64(math.Round(v * 3.6e6))
		s.memory.Counters[name] = Counter{WattSeconds: ws - s.ticks*3600, Since: s.o.Now()}
		s.highest[name] = ws
	case Kept:
		s.memory.Kept[name] = v
	default:
		s.memory.Fixed[name] = v
	}
	s.changed()
	return nil
}

// Check says whether Set would take a value.
func (s *Set) Check(name string, v float64) error {
	q, ok := s.all[name]
	if !ok {
		return fmt.Errorf("the device has no %s: it has %v", name, s.names)
	}
	low, high := q.Min, q.Max
	if low == 0 && high == 0 {
		high = 1
		if q.Rule == Import || q.Rule == Export {
			high = highestReading
		}
	}
	if math.IsNaN(v) || v < low || v > high {
		return fmt.Errorf("%s cannot be %v: choose %v to %v", name, v, low, high)
	}
	return nil
}

// Release lets a quantity go its own way again.
func (s *Set) Release(name string) {
	if _, held := s.memory.Fixed[name]; !held {
		return
	}
	s.settle()
	delete(s.memory.Fixed, name)
	s.changed()
}

func (s *Set) changed() {
	s.o.Changed()
	for _, f := range s.watchers {
		f()
	}
}

// Restart does to the counters what a power cut does: they read zero for a
// while, and the last Ws that were counted are lost.
func (s *Set) Restart(zero time.Duration, lost int64) {
	s.settle()
	now := s.o.Now()
	s.zeroTill = now.Add(zero)
	if lost > 0 {
		for name, c := range s.memory.Counters {
			c.WattSeconds = max(c.WattSeconds-lost, 0)
			s.memory.Counters[name] = c
			s.highest[name] = c.WattSeconds + s.ticks*3600
		}
	}
	s.changed()
}

// Tick counts one Wh beside what the powers use. The memory is kept ahead of
// the count, in steps, so that counting costs no writing and still never goes
// backwards.
func (s *Set) Tick() {
	const step = 1000
	if s.ticks++; s.ticks > s.memory.Ticks {
		s.memory.Ticks += step
		s.o.Changed()
	}
}
