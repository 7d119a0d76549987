package household

import (
	"testing"
	"time"
)

func load(t *testing.T, kind string, seed uint64) *Load {
	t.Helper()
	l, err := NewLoad(kind, seed)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestUsedIsTheSumOfPower(t *testing.T) {
	for _, kind := range Kinds() {
		l := load(t, kind, 3)
		from := time.Date(2026, 6, 14, 21, 30, 3, 0, time.UTC)
		at, in, out := from, int64(0), int64(0)
		for range 15 * 3600 { // over midnight and noon
			if w := l.Power(at); w > 0 {
				in += w
			} else {
				out -= w
			}
			at = at.Add(time.Second)
		}
		if gotIn, gotOut := l.Used(from, at); gotIn != in || gotOut != out {
			t.Errorf("%s: got %d and %d Ws, want %d and %d", kind, gotIn, gotOut, in, out)
		}
		if in, out := l.Used(at, from); in != 0 || out != 0 {
			t.Errorf("%s: got %d and %d Ws backwards, want nothing", kind, in, out)
		}
	}
}

func TestLoadsArePlausible(t *testing.T) {
	midsummer := time.Date(2026, 6, 21, 0, 0, 0, 0, time.UTC)
	winter := time.Date(2026, 12, 21, 0, 0, 0, 0, time.UTC)
	// kWh drawn and given on a day, at the least and at the most.
	tests := []struct {
		kind            string
		day             time.Time
		in, most        float64
		out, outAtWorst float64
	}{
		{"fridge", winter, 0.4, 1.2, 0, 0},
		{"television", winter, 0.2, 0.6, 0, 0},
		{"computer", winter, 0.3, 0.8, 0, 0},
		{"boiler", winter, 4, 8, 0, 0},
		{"heat-pump", winter, 15, 40, 0, 0},
		{"heat-pump", midsummer, 2, 15, 0, 0},
		{"pv", midsummer, 0, 0, 5, 40},
		{"pv", winter, 0, 0, 0.5, 12},
		{"phase", winter, 4, 10, 0, 0},
	}
	for _, tt := range tests {
		in, out := load(t, tt.kind, 2).Used(tt.day, tt.day.AddDate(0, 0, 1))
		if got := float64(in) / 3.6e6; got < tt.in || got > tt.most {
			t.Errorf("%s on %v draws %.2f kWh, want %v to %v", tt.kind, tt.day, got, tt.in, tt.most)
		}
		if got := float64(out) / 3.6e6; got < tt.out || got > tt.outAtWorst {
			t.Errorf("%s on %v gives %.2f kWh, want %v to %v", tt.kind, tt.day, got, tt.out, tt.outAtWorst)
		}
	}
	if w := load(t, "pv", 2).Power(midsummer.Add(time.Hour)); w != 0 {
		t.Errorf("the sun gives %d W at night", w)
	}
	in, out := load(t, "grid", 2).Used(midsummer, midsummer.AddDate(0, 0, 1))
	if in == 0 || out == 0 {
		t.Errorf("the grid on a summer day: got %d and %d Ws, want both", in, out)
	}
}

func TestALoadAddsUpDecadesInTime(t *testing.T) {
	l := load(t, "fridge", 1)
	in, _ := l.Used(time.Unix(0, 0), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	if kwh := float64(in) / 3.6e6; kwh < 1000 || kwh > 10000 {
		t.Errorf("got %.0f kWh, want that of ten years", kwh)
	}
	if _, err := NewLoad("nonsense", 1); err == nil {
		t.Error("nonsense is a load")
	}
}
