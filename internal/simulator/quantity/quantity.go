// Package quantity is what a simulated device measures: named quantities in
// the units a person uses, each with a rule that gives it a plausible value
// through the day, and each to be held at a value by a person. Counters
// integrate the powers they count and survive restarts. It knows watts,
// kilowatt-hours and switches, and must never know how they are asked for.
package quantity

import (
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator/household"
)

// Rule is how a quantity gets its value when nobody holds it.
type Rule uint8

// The rules. Of names the quantities that a rule needs.
const (
	Steady Rule = iota // Value, give or take Swing, slowly
	Daily              // Value, and Swing more in the afternoon, less before dawn
	Busy               // 1 now and then, more by day; else 0
	Kept               // what it was set to, Value at first
	Power              // W of the household's Load, 0 while the switch in Of is off
	Import             // kWh drawn by the powers in Of, Value at first
	Export             // kWh given by the powers in Of, Value at first
	Amps               // A: the power Of[0] at the voltage Of[1]
	Sum                // of the quantities in Of
	Share              // Value times the quantity Of[0]
	Below              // Value while the quantity Of[0] is below At, else Swing
)

// Quantity is one thing that a device measures or keeps.
type Quantity struct {
	Name         string
	Rule         Rule
	Value, Swing float64
	At           float64
	Load         string // of the household, for Power
	Of           []string
	Min, Max     float64 // what a person may set; both 0: anything from 0 to 1
}

// Counter is a counter that was read at a moment.
type Counter struct {
	WattSeconds int64     `json:"ws"`
	Since       time.Time `json:"since"`
}

// Setting is a value that the device keeps for others and does not measure.
type Setting struct {
	Number int64  `json:"number,omitempty"`
	Bytes  []byte `json:"bytes,omitempty"`
}

// Memory is what a device's quantities do not forget without power.
type Memory struct {
	Fixed    map[string]float64 `json:"fixed,omitempty"`    // what a person holds
	Kept     map[string]float64 `json:"kept,omitempty"`     // switches and settings
	Counters map[string]Counter `json:"counters,omitempty"` // as last settled
	Settings map[string]Setting `json:"settings,omitempty"`
	// Ticks is a bound that the count for measurements has not reached.
	Ticks int64 `json:"ticks,omitempty"`
}

// Options of a device's quantities.
type Options struct {
	Quantities []Quantity
	Memory     Memory
	Seed       uint64 // of the household and of what wanders
	Now        func() time.Time
	Changed    func() // the memory changed and must be kept
	// Ticking says that Tick counts, for measurements: powers then differ from
	// one tick to the next.
	Ticking bool
}

// Set is what one device measures. Its methods must not be called concurrently.
type Set struct {
	o        Options
	all      map[string]Quantity
	names    []string
	loads    map[string]*household.Load
	memory   Memory
	highest  map[string]int64 // Ws shown: a clock set back must not undo it
	ticks    int64
	zeroTill time.Time // counters read zero until then
	watchers []func()
}

// Highest reading of a counter in kWh: 48 bits of watt-hours without the value
// that means unknown.
const highestReading = float64(1<<48-2) / 1000

// New returns quantities as the memory left them. It fails when a rule names
// what is not there, which is a mistake in a table.
func New(o Options) (*Set, error) {
	s := &Set{o: o, all: map[string]Quantity{}, loads: map[string]*household.Load{}, highest: map[string]int64{}}
	s.memory = Memory{Fixed: maps.Clone(o.Memory.Fixed), Kept: maps.Clone(o.Memory.Kept), Counters: maps.Clone(o.Memory.Counters),
		Settings: maps.Clone(o.Memory.Settings), Ticks: o.Memory.Ticks}
	s.ticks = s.memory.Ticks
	if s.memory.Fixed == nil {
		s.memory.Fixed = map[string]float64{}
	}
	if s.memory.Kept == nil {
		s.memory.Kept = map[string]float64{}
	}
	if s.memory.Counters == nil {
		s.memory.Counters = map[string]Counter{}
	}
	if s.memory.Settings == nil {
		s.memory.Settings = map[string]Setting{}
	}
	for _, q := range o.Quantities {
		if _, twice := s.all[q.Name]; twice || q.Name == "" {
			return nil, fmt.Errorf("quantity %q: named twice or not at all", q.Name)
		}
		s.all[q.Name] = q
		s.names = append(s.names, q.Name)
	}
	for _, q := range o.Quantities {
		if err := s.prepare(q); err != nil {
			return nil, fmt.Errorf("quantity %s: %w", q.Name, err)
		}
	}
	return s, nil
}

func (s *Set) prepare(q Quantity) error {
	for _, name := range q.Of {
		if _, ok := s.all[name]; !ok {
			return fmt.Errorf("it needs %s, which the device does not have", name)
		}
	}
	switch q.Rule {
	case Power:
		l, err := household.NewLoad(q.Load, s.seed(q))
		if err != nil {
			return err
		}
		s.loads[q.Name] = l
	case Amps:
		if len(q.Of) != 2 {
			return fmt.Errorf("a current needs a power and a voltage")
		}
	case Import, Export:
		for _, name := range q.Of {
			if s.all[name].Rule != Power {
				return fmt.Errorf("it counts %s, which is no power of the household", name)
			}
		}
		if _, ok := s.memory.Counters[q.Name]; ok {
			break
		}
		c := Counter{WattSeconds: int64(math.Round(q.Value * 3.6e6)), Since: s.o.Now()}
		for _, name := range q.Of {
			// The house was there before its meter.
			if s.all[name].Load == "house" && q.Rule == Import {
				l, _ := household.NewLoad("house", s.o.Seed)
				in, _ := l.Used(household.Epoch(), c.Since)
				c.WattSeconds += in
			}
		}
		s.memory.Counters[q.Name] = c
	}
	return nil
}

// seed makes two loads of a device differ; the house is the same for all.
func (s *Set) seed(q Quantity) uint64 {
	if q.Load == "house" {
		return s.o.Seed
	}
	return s.chance(q.Name, 1) ^ s.o.Seed
}

// Memory returns a copy of what must be kept.
func (s *Set) Memory() Memory {
	return Memory{Fixed: maps.Clone(s.memory.Fixed), Kept: maps.Clone(s.memory.Kept), Counters: maps.Clone(s.memory.Counters),
		Settings: maps.Clone(s.memory.Settings), Ticks: s.memory.Ticks}
}

// Keep keeps a setting.
func (s *Set) Keep(key string, number int64, bytes []byte) {
	s.memory.Settings[key] = Setting{number, bytes}
	s.changed()
}

// Recall returns a setting that was kept.
func (s *Set) Recall(key string) (number int64, bytes []byte, ok bool) {
	v, ok := s.memory.Settings[key]
	return v.Number, v.Bytes, ok
}

// Names returns the quantities in the order of the table.
func (s *Set) Names() []string { return slices.Clone(s.names) }

// Has reports whether the device has a quantity.
func (s *Set) Has(name string) bool { _, ok := s.all[name]; return ok }

// Fixed returns the value that a person holds a quantity at.
func (s *Set) Fixed(name string) (float64, bool) { v, ok := s.memory.Fixed[name]; return v, ok }

// Watch has f called after somebody set something.
func (s *Set) Watch(f func()) { s.watchers = append(s.watchers, f) }

// Get returns a quantity's value now; 0 when the device does not have it.
func (s *Set) Get(name string) float64 { return s.at(name, s.o.Now(), 0) }

func (s *Set) at(name string, t time.Time, depth int) float64 {
	q, ok := s.all[name]
	if !ok || depth > 8 {
		return 0
	}
	if v, held := s.memory.Fixed[name]; held {
		return v
	}
	of := func(i int) float64 { return s.at(q.Of[i], t, depth+1) }
	switch q.Rule {
	case Steady:
		return q.Value + q.Swing*s.wander(name, t)
	case Daily:
		hour := float64(t.Unix()%86400)/3600 - 15
		return q.Value + q.Swing*math.Cos(hour*math.Pi/12) + 0.1*q.Swing*s.wander(name, t)
	case Busy:
		if h := t.Unix() % 86400 / 3600; h < 7 || h >= 23 {
			return 0
		}
		if s.chance(name, t.Unix()/60)%5 == 0 {
			return 1
		}
		return 0
	case Kept:
		if v, ok := s.memory.Kept[name]; ok {
			return v
		}
		return q.Value
	case Power:
		return s.power(q, t, depth)
	case Import, Export:
		return s.reading(q, t)
	case Amps:
		if u := of(1); u > 0 {
			return math.Abs(of(0)) / u
		}
	case Sum:
		sum := 0.0
		for i := range q.Of {
			sum += of(i)
		}
		return sum
	case Share:
		return q.Value * of(0)
	case Below:
		if of(0) < q.At {
			return q.Value
		}
		return q.Swing
	}
	return 0
}

// power is what a load draws now, its switch considered.
func (s *Set) power(q Quantity, t time.Time, depth int) float64 {
	switch {
	case len(q.Of) > 0 && s.at(q.Of[0], t, depth+1) == 0:
		return 0
	case s.o.Ticking: // unlike the last ones, so that each is known by it
		return float64(200 + s.ticks%5000)
	}
	return float64(s.loads[q.Name].Power(t))
}

// chance is a number that only the device, the quantity and n decide.
func (s *Set) chance(name string, n int64) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %d", s.o.Seed, name, n)
	return h.Sum64() >> 8
}

// wander goes slowly between -1 and 1.
func (s *Set) wander(name string, t time.Time) float64 {
	phase := float64(s.chance(name, 0)%6283) / 1000
	x := float64(t.Unix())
	return 0.7*math.Sin(x/173+phase) + 0.3*math.Sin(x/29+2*phase)
}
