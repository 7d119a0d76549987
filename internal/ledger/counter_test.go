package ledger

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// midnight is 2026-11-20 00:00 UTC, in seconds.
var midnight = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC).Unix()

// at is a reading of a value in kWh some time after midnight.
func at(d time.Duration, kWh float64) Reading {
	e, ok := FromUnit(kWh, "kWh")
	if !ok {
		panic(kWh)
	}
	return Reading{Milli: midnight*1000 + d.Milliseconds(), Value: e}
}

// got is a slot as a test writes it: its number after midnight and kWh.
type got struct {
	N     int64
	KWh   string
	Flags Flags
}

func run(readings []Reading) (slots []got, events []Event, c Counter) {
	for _, r := range readings {
		if e := c.Add(r); e != Nothing {
			events = append(events, e)
		}
	}
	all := c.Done()
	if s, ok := c.Running(); ok {
		all = append(all, s)
	}
	for _, s := range all {
		slots = append(slots, got{(s.Start - midnight) / SlotSeconds, s.Energy.Decimal(3), s.Flags})
	}
	return slots, events, c
}

func TestCounter(t *testing.T) {
	const m, h = time.Minute, time.Hour
	for _, tc := range []struct {
		name     string
		readings []Reading
		want     []got
		events   []Event
	}{
		{"NoReading", nil, nil, nil},
		{"OneReadingIsNoEnergy", []Reading{at(0, 5)}, nil, nil},
		{"WithinASlot", []Reading{at(0, 5), at(10*m, 5.25)}, []got{{0, "0.250", Partial}}, nil},
		{"OnTheBoundary", []Reading{at(0, 5), at(30*m, 5.5), at(60*m, 5.75)}, []got{{0, "0.500", 0}, {1, "0.250", 0}}, nil},
		{"FirstSlotIsPartial", []Reading{at(20*m, 5), at(30*m, 5.5)}, []got{{0, "0.500", Partial}}, nil},
		{"SplitAtTheBoundary", []Reading{at(25*m, 5), at(35*m, 5.1)}, []got{{0, "0.050", Partial}, {1, "0.050", Partial}}, nil},
		{"GapIsSpreadAndEstimated", []Reading{at(0, 5), at(90*m, 6.5), at(2*h, 7)},
			[]got{{0, "0.500", Estimated}, {1, "0.500", Estimated}, {2, "0.500", Estimated}, {3, "0.500", 0}}, nil},
		{"GapWithoutEnergyIsCertain", []Reading{at(0, 5), at(90*m, 5)}, []got{{0, "0.000", 0}, {1, "0.000", 0}, {2, "0.000", 0}}, nil},
		{"RestartCountsFromZero", []Reading{at(0, 5), at(10*m, 5.5), at(11*m, 0.125), at(30*m, 0.25)},
			[]got{{0, "0.750", Reset}}, []Event{WasReset}},
		{"NewMeterBelow", []Reading{at(0, 30000), at(10*m, 30000.5), at(20*m, 812), at(30*m, 812.25)},
			[]got{{0, "0.750", Replaced}}, []Event{WasReplaced}},
		{"NewMeterAbove", []Reading{at(0, 100), at(10*m, 100.5), at(20*m, 812), at(30*m, 812.25)},
			[]got{{0, "0.750", Implausible}}, []Event{WasJump}},
		{"WholeKWhStep", []Reading{at(0, 100), at(9*m, 100), at(9*m+10*time.Second, 101), at(30*m, 101)},
			[]got{{0, "1.000", 0}}, nil},
		{"CorrectionIsMadeUpFor", []Reading{at(0, 100), at(10*m, 102), at(15*m, 101.95), at(20*m, 101.99), at(30*m, 102.5)},
			[]got{{0, "2.500", 0}}, []Event{WasCorrection, WasCorrection}},
		{"ZeroOnceIsNothing", []Reading{at(0, 100), at(10*m, 102), at(11*m, 0), at(12*m, 102.125), at(30*m, 102.5)},
			[]got{{0, "2.500", Reset}}, []Event{WasReset, WasBack}},
		{"ZeroOnceOfASmallCounter", []Reading{at(0, 5), at(10*m, 5.5), at(11*m, 0), at(12*m, 5.5), at(30*m, 6)},
			[]got{{0, "1.000", Reset}}, []Event{WasReset, WasBack}},
		{"NonsenseOnceIsNothing", []Reading{at(0, 100), at(10*m, 102), at(11*m, 4e6), at(12*m, 102.125), at(30*m, 102.5)},
			[]got{{0, "2.500", Implausible}}, []Event{WasJump, WasBack}},
		{"BackwardsInTimeIsLeftOut", []Reading{at(10*m, 5), at(5*m, 7), at(10*m, 8), at(30*m, 5.5)}, []got{{0, "0.500", Partial}}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, events, _ := run(tc.readings)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("slots (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.events, events); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// However readings lie and wherever the counter is written down and taken up
// again, the slots of a counter that only rises add up to what it rose by.
func TestSlotsAddUp(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 6))
		var c Counter
		var sum Energy
		take := func() {
			for _, s := range c.Done() {
				sum += s.Energy
				if s.Energy < 0 || s.Start%SlotSeconds != 0 {
					t.Fatalf("seed %d: slot %+v", seed, s)
				}
			}
		}
		first := Reading{midnight*1000 + r.Int64N(3600_000), Energy(r.Int64N(int64(30000 * KilowattHour)))}
		last := first
		c.Add(first)
		for range 500 {
			ms := []int64{1, 9_999, 60_000, 1_800_000, 7_000_001, 200_000_000}[r.IntN(6)]
			last.Milli += 1 + r.Int64N(ms)
			last.Value += Energy(r.Int64N(int64(12 * KilowattHour)))
			if e := c.Add(last); e != Nothing {
				t.Fatalf("seed %d: %v", seed, e)
			}
			if r.IntN(3) == 0 {
				take()
				c = Counter{Known: c.Known, Last: c.Last, HasBefore: c.HasBefore, Before: c.Before, Open: c.Open}
			}
		}
		take()
		if want := last.Value - first.Value; sum+c.Open.Energy != want {
			t.Fatalf("seed %d: slots add up to %v, the counter rose by %v", seed, sum+c.Open.Energy, want)
		}
	}
}

func TestAwayForLongerThanCanBeSpread(t *testing.T) {
	var c Counter
	c.Add(at(0, 5))
	if e := c.Add(at(500*24*time.Hour, 900)); e != WasReplaced {
		t.Errorf("got %v, want a replacement", e)
	}
	for _, s := range c.Done() {
		if s.Energy != 0 {
			t.Fatalf("slot %+v, want nothing counted", s)
		}
	}
}

func FuzzCounter(f *testing.F) {
	f.Add(int64(0), int64(5), int64(1800_000), int64(7), int64(1), int64(0))
	f.Add(int64(-1), int64(-5), int64(1<<50), int64(1<<61), int64(1), int64(-1<<61))
	f.Fuzz(func(t *testing.T, m1, v1, m2, v2, m3, v3 int64) {
		const years = int64(140) * 365 * 24 * 3600 * 1000
		var c Counter
		milli := int64(0)
		for _, r := range [][2]int64{{m1, v1}, {m2, v2}, {m3, v3}} {
			milli = (milli + r[0]&(1<<38-1)) % years
			c.Add(Reading{milli, Energy(r[1] >> 2)})
		}
		for _, s := range c.Done() {
			if s.Energy < 0 || s.Start%SlotSeconds != 0 {
				t.Errorf("slot %+v", s)
			}
		}
	})
}
