package manager

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestLastResort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reboots.json")
	l := &lastResort{path: path}
	due := func(now time.Time, both bool) bool {
		t.Helper()
		is, err := l.due(now, both)
		if err != nil {
			t.Error(err)
		}
		return is
	}
	now := noon
	for range 300 { // ten minutes, but for a moment in between
		now = now.Add(2 * time.Second)
		if due(now, now.Sub(noon) != 5*time.Minute) {
			t.Fatal("due although one of them worked in between")
		}
	}
	for ; !due(now, true); now = now.Add(2 * time.Second) {
		if now.Sub(noon) > time.Hour {
			t.Fatal("never due")
		}
	}
	if got := now.Sub(noon); got < 15*time.Minute || got > 15*time.Minute+3*time.Second {
		t.Errorf("due %v after the beginning, want 10 minutes after the last good moment", got)
	}

	// The machine was started again; the clock may not be set yet.
	for _, clock := range []time.Time{now, now.Add(-3 * time.Hour)} {
		l = &lastResort{path: path}
		for d := time.Duration(0); d < 2*time.Hour; d += 2 * time.Second {
			if due(clock.Add(d), true) {
				t.Fatalf("due again %v after the start", d)
			}
		}
	}
	l = &lastResort{path: path}
	again := now.Add(notAgain)
	due(again, true)
	if !due(again.Add(bothFail), true) {
		t.Error("not due six hours later")
	}
}

func TestLastResortMustBeRemembered(t *testing.T) {
	l := &lastResort{path: filepath.Join(t.TempDir(), "gone", "reboots.json")}
	if _, err := l.due(noon, true); err != nil {
		t.Fatal(err)
	}
	if due, err := l.due(noon.Add(bothFail), true); due || err == nil {
		t.Errorf("due %v, %v; want an error", due, err)
	}
	if err := os.Mkdir(filepath.Dir(l.path), 0o700); err != nil {
		t.Fatal(err)
	}
	if due, err := l.due(noon.Add(2*bothFail), true); !due || err != nil {
		t.Errorf("due %v, %v; want it due", due, err)
	}
}
