package history

import (
	"math"
	"testing"
	"time"
)

// TestADayWithAClockThatWasSetBackAddsUp: an hour is there twice, and the
// readings of both passes lie between one another. What was consumed is what
// the counter counted, before, during and after it, and over midnight too.
func TestADayWithAClockThatWasSetBackAddsUp(t *testing.T) {
	for _, tt := range []struct {
		name     string
		back     time.Duration
		at, days time.Duration
	}{
		{"AnHourAtNoon", time.Hour, 12 * time.Hour, 1},
		{"AnHourOverMidnight", time.Hour, 24*time.Hour + 30*time.Minute, 2},
		{"ASecond", time.Second, 12 * time.Hour, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, h := home(t)
			const every, perStep = time.Minute, 0.01
			counter := 1000.0
			var all []reading
			at := time.Duration(0)
			stepped := false
			for at < tt.days*24*time.Hour-time.Second {
				all = append(all, reading{at, counter})
				counter += perStep
				at += every
				if !stepped && at >= tt.at {
					at -= tt.back - time.Millisecond
					stepped = true
				}
			}
			fill(t, s, "e", "kWh", all...)
			want := all[len(all)-1].value - all[0].value
			got, ok, err := h.Consumed(t.Context(), "e", midnight, after(tt.days*24*time.Hour))
			if err != nil || !ok || math.Abs(got-want) > 1e-6 {
				t.Errorf("consumed %v kWh, %v, %v; want %v", got, ok, err, want)
			}
			// The parts of it add up, wherever they are cut.
			for _, cut := range []time.Duration{tt.at - tt.back, tt.at - tt.back/2, tt.at} {
				a, _, err := h.Consumed(t.Context(), "e", midnight, after(cut))
				if err != nil {
					t.Fatal(err)
				}
				b, _, err := h.Consumed(t.Context(), "e", after(cut), after(tt.days*24*time.Hour))
				if err != nil {
					t.Fatal(err)
				}
				if math.Abs(a+b-want) > 1e-6 {
					t.Errorf("cut at %v: %v + %v kWh, want %v", cut, a, b, want)
				}
			}
			points, err := h.Power(t.Context(), "e", midnight, after(tt.days*24*time.Hour), time.Hour)
			n := 0
			for _, p := range points {
				n += p.N
			}
			if err != nil || n != len(all) {
				t.Errorf("%d readings in the curve, %v; want %d", n, err, len(all))
			}
		})
	}
}
