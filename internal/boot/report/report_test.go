package report

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWriteAndRead(t *testing.T) {
	dir := t.TempDir()
	want := Boot{
		Slot: "b", Committed: "a", Trial: true, TrialLimit: 300, Boots: 1,
		Perm:     Perm{State: Repaired, Message: "m", Detail: "d", Grown: true},
		Watchdog: Watchdog{Identity: "Broadcom BCM2835 Watchdog timer", Timeout: 15},
		At:       time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC),
	}
	if err := Write(dir, want); err != nil {
		t.Fatal(err)
	}
	got, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	st, err := os.Stat(filepath.Join(dir, Name))
	if err != nil {
		t.Fatal(err)
	}
	if got := st.Mode().Perm(); got != 0o644 {
		t.Errorf("mode %v, want 0644", got)
	}
	text, err := os.ReadFile(filepath.Join(dir, Name))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"trial_limit_s": 300`, `"state": "repaired"`, `"timeout_s": 15`, `"at": "2026-11-24T12:00:00Z"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
}

func TestNothingBooted(t *testing.T) {
	if got, err := Read(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, %v, want that it does not exist", got, err)
	}
}

func TestReadRefusesOtherText(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, Name), []byte(`{"slot":`), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(dir); err == nil || got != (Boot{}) {
		t.Errorf("got %v, %v, want an error", got, err)
	}
}
