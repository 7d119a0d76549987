package meter

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator/household"
)

func watts(n int64) *int64 { return &n }

func TestEnergyNeverFalls(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	house := household.New(1)
	r := New(house, clock, Start(), false, func() {})
	last := r.Energy()
	check := func(when string) {
		t.Helper()
		if got := r.Energy(); got < last {
			t.Fatalf("%s: the energy went from %d to %d Wh", when, last, got)
		} else {
			last = got
		}
	}
	for step := range 500 {
		now = now.Add(97 * time.Second)
		switch step % 7 {
		case 1:
			r.Fix(watts(int64(step * 10)))
		case 4:
			r.Fix(nil)
		case 5: // the process is killed and starts again on what it kept
			r = New(house, clock, r.Memory(), false, func() {})
		}
		check("running")
	}
	now = now.Add(-time.Hour)
	check("the clock was set back")
}

func TestFixedLoad(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	kept := 0
	r := New(household.New(1), func() time.Time { return now }, Start(), false, func() { kept++ })
	r.Fix(watts(3600))
	before := r.Energy()
	now = now.Add(1000 * time.Second)
	if got := r.Power(); got != 3600 {
		t.Errorf("power: got %d, want 3600", got)
	}
	if got, want := r.Energy(), before+1000; got != want {
		t.Errorf("energy: got %d Wh, want %d", got, want)
	}
	r.Fix(nil)
	if got, want := r.Energy(), before+1000; got != want {
		t.Errorf("energy after the load was released: got %d Wh, want %d", got, want)
	}
	if kept != 2 {
		t.Errorf("kept %d times, want 2", kept)
	}
}

func TestSetReading(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	r := New(household.New(1), func() time.Time { return now }, Start(), false, func() {})
	r.Energy()
	r.SetReading(570)
	if got := r.Energy(); got != 570 {
		t.Errorf("got %d Wh, want 570", got)
	}
	if got := New(household.New(1), func() time.Time { return now }, r.Memory(), false, func() {}).Energy(); got != 570 {
		t.Errorf("after a restart: got %d Wh, want 570", got)
	}
}

func TestTicksMakeEveryReportDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := 0
		r := New(household.New(1), time.Now, Start(), true, func() { kept++ })
		energy, power := r.Energy(), r.Power()
		for range 2500 {
			r.Tick()
			if r.Energy() <= energy || r.Power() == power {
				t.Fatalf("after a tick: %d Wh and %d W, before %d Wh and %d W", r.Energy(), r.Power(), energy, power)
			}
			energy, power = r.Energy(), r.Power()
		}
		if kept != 3 {
			t.Errorf("kept %d times, want 3", kept)
		}
		if got := New(household.New(1), time.Now, r.Memory(), true, func() {}).Energy(); got < energy {
			t.Errorf("after a kill: got %d Wh, want at least %d", got, energy)
		}
	})
}
