package crashloop

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHoldsGrowAndAreForgotten(t *testing.T) {
	now := time.Unix(1700000000, 0)
	var l Loop
	burst := func() (hold time.Duration) {
		for range limit {
			if hold := l.Restarted(now); hold != 0 {
				t.Fatalf("held back %v after fewer than %d restarts", hold, limit+1)
			}
			now = now.Add(2 * time.Second)
		}
		return l.Restarted(now)
	}
	var got []time.Duration
	for range 7 {
		hold := burst()
		got = append(got, hold)
		now = now.Add(hold)
		l.Released(now)
	}
	want := []time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 5 * time.Minute, 5 * time.Minute}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("holds (-want +got):\n%s", diff)
	}
	if got, want := l.Restarts(), 7*(limit+1); got != want {
		t.Errorf("%d restarts counted, want %d", got, want)
	}

	now = now.Add(quiet - time.Second)
	if l.Settle(now); !l.Looping() {
		t.Error("forgotten before ten quiet minutes")
	}
	now = now.Add(time.Second)
	if l.Settle(now); l.Looping() {
		t.Error("still a crash loop after ten quiet minutes")
	}
	if got, want := burst(), holds[0]; got != want {
		t.Errorf("held back %v after quiet minutes, want %v", got, want)
	}
}

func TestSlowRestartsAreNoLoop(t *testing.T) {
	now := time.Unix(1700000000, 0)
	var l Loop
	for range 100 {
		if hold := l.Restarted(now); hold != 0 {
			t.Fatalf("held back %v", hold)
		}
		now = now.Add(window/limit + time.Second)
	}
}

func TestAClockThatStepsBackHoldsNothingBackForEver(t *testing.T) {
	now := time.Unix(1700000000, 0)
	var l Loop
	for range limit {
		l.Restarted(now)
	}
	now = now.Add(-24 * time.Hour)
	if hold := l.Restarted(now); hold < 0 || hold > holds[len(holds)-1] {
		t.Errorf("held back %v", hold)
	}
}
