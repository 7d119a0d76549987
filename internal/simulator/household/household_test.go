package household

import (
	"slices"
	"testing"
	"time"
)

func TestADayUsesSixToTwelveKilowattHours(t *testing.T) {
	for seed := range uint64(5) {
		h := New(seed)
		for n := int64(20400); n < 20400+365; n++ {
			d := h.make(n)
			if kwh := float64(d.before[slotsPerDay]) / 3.6e6; kwh < 6 || kwh > 12 {
				t.Errorf("seed %d, day %d: got %.2f kWh, want 6 to 12", seed, n, kwh)
			}
			if got, want := d.before[slotsPerDay], h.until(n+1)-h.until(n); got != want {
				t.Errorf("seed %d, day %d: its power adds up to %d Ws, its energy to %d", seed, n, got, want)
			}
			if least := slices.Min(d.power[:]); least < 40 {
				t.Errorf("seed %d, day %d: got %d W at the least, want 40", seed, n, least)
			}
		}
	}
}

func TestPowerIsPositiveAndPlausible(t *testing.T) {
	h := New(1)
	start := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	highest := int64(0)
	for s := time.Duration(0); s < 7*24*time.Hour; s += slot {
		w := h.Power(start.Add(s))
		if w < 40 || w > 10000 {
			t.Fatalf("got %d W at %v, want 40 to 10000", w, start.Add(s))
		}
		highest = max(highest, w)
	}
	if highest < 2000 {
		t.Errorf("got at most %d W in a week: nobody had tea", highest)
	}
}

func TestEnergyIsTheSumOfPower(t *testing.T) {
	h := New(7)
	at := time.Date(2026, 10, 24, 22, 0, 0, 0, time.UTC)
	sum := h.Energy(at)
	for range 4 * 3600 { // over midnight
		sum += h.Power(at)
		at = at.Add(time.Second)
		if got := h.Energy(at); got != sum {
			t.Fatalf("at %v: got %d Ws, want %d", at, got, sum)
		}
	}
}

func TestTheSameQuestionHasTheSameAnswer(t *testing.T) {
	at := time.Date(2026, 11, 21, 18, 30, 5, 0, time.UTC)
	warm := New(3)
	for d := range 40 { // days asked out of order
		warm.Energy(at.AddDate(0, 0, (d*17)%40-20))
	}
	if got, want := warm.Energy(at), New(3).Energy(at); got != want {
		t.Errorf("got %d Ws after other questions, want %d", got, want)
	}
	if New(3).Energy(at) == New(4).Energy(at) {
		t.Error("two seeds make the same house")
	}
}

func TestEnergyBeforeTheEpoch(t *testing.T) {
	h := New(1)
	zero := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	if got := h.Energy(zero); got != 0 {
		t.Errorf("at the epoch: got %d, want 0", got)
	}
	before := h.Energy(zero.Add(-time.Second))
	if want := -h.Power(zero.Add(-time.Second)); before != want {
		t.Errorf("a second before: got %d, want %d", before, want)
	}
	if h.Energy(time.Unix(0, 0)) >= before {
		t.Error("1970 is not before 2000")
	}
}

func TestReportsChange(t *testing.T) {
	h := New(1)
	at := time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	changed := 0
	for range 360 {
		next := at.Add(slot)
		if d := h.Power(next) - h.Power(at); d >= 5 || d <= -5 {
			changed++
		}
		at = next
	}
	if changed < 180 {
		t.Errorf("got %d changes of 5 W in an hour of the night, want at least 180", changed)
	}
}
