package refusal

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

func TestAParticularKeepsItsReason(t *testing.T) {
	late := New("late", "it came late", "come again tomorrow")
	other := New("late", "it came late", "come again tomorrow")
	err := fmt.Errorf("opening the door: %w", late.With("by %d minutes: %w", 5, fs.ErrClosed))
	if got, want := err.Error(), "opening the door: it came late: by 5 minutes: file already closed"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(err, late) || !errors.Is(err, fs.ErrClosed) {
		t.Error("the error is neither its reason nor its cause")
	}
	if errors.Is(err, other) {
		t.Error("two reasons are one because they read alike")
	}
	if got := Of(err); got != late {
		t.Errorf("the reason is %v, want %v", got, late)
	}
	if got := Of(fs.ErrClosed); got != nil {
		t.Errorf("the reason of another error is %v, want none", got)
	}
}
