package ledger

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCompare(t *testing.T) {
	dublin, err := time.LoadLocation("Europe/Dublin")
	if err != nil {
		t.Fatal(err)
	}
	from, mid := Day(2026, 10, 25, dublin) // of 25 hours
	_, to := DayOf(mid, dublin)
	var own, file []Slot
	for at := from; at < to; at += SlotSeconds {
		n := (at - from) / SlotSeconds
		a, b := Slot{at, 100 * WattHour, 0}, Slot{at, 99 * WattHour, FromFile}
		switch n {
		case 3:
			a.Flags = Estimated
		case 4:
			a.Flags = Partial
		}
		if n != 10 && n != 60 {
			own = append(own, a)
		}
		if n < 50 && n != 20 {
			file = append(file, b)
		}
	}
	want := []DayComparison{
		{From: from, To: mid, Slots: 50, A: 4900 * WattHour, B: 49 * 99 * WattHour, AOfBoth: 4700 * WattHour, BOfBoth: 47 * 99 * WattHour,
			Both: 47, AMissing: 2, BMissing: 1, Estimated: 1},
		{From: mid, To: to, Slots: 48, A: 4700 * WattHour, AMissing: 1, BMissing: 48},
	}
	got := Compare(own, file, from-3*24*3600, to+3*24*3600, dublin)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got[0].Difference() != 47*WattHour {
		t.Errorf("difference %v, want 47 Wh", got[0].Difference())
	}
}
