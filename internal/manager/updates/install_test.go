package updates

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartcore-ireland/hems/internal/manager/updates/updatestest"
	"github.com/smartcore-ireland/hems/internal/update/bundle"
	"github.com/smartcore-ireland/hems/internal/update/refusal"
	"github.com/smartcore-ireland/hems/internal/update/sign"
	"github.com/smartcore-ireland/hems/internal/update/slot"
)

func TestRefused(t *testing.T) {
	r := newRig(t)
	r.boot("", true)
	good := r.Bundle("1.1.0")
	stranger := newRig(t).Bundle("1.1.0")
	changed := bytes.Clone(good)
	changed[len(changed)-3000] ^= 1
	for _, tt := range []struct {
		name string
		body io.Reader
		size int64
		free int64
		want *refusal.Refusal
	}{
		{"NoBundle", bytes.NewReader(make([]byte, 5000)), -1, 1 << 30, bundle.ErrNotBundle},
		{"Nothing", bytes.NewReader(nil), 0, 1 << 30, bundle.ErrCutShort},
		{"OfAStranger", bytes.NewReader(stranger), int64(len(stranger)), 1 << 30, sign.ErrUnknownKey},
		{"Older", bytes.NewReader(r.Bundle("0.9.0")), -1, 1 << 30, bundle.ErrOlder},
		{"Changed", bytes.NewReader(changed), -1, 1 << 30, bundle.ErrContents},
		{"CutShort", bytes.NewReader(good[:len(good)-512]), -1, 1 << 30, bundle.ErrCutShort},
		{"Interrupted", torn(good), int64(len(good)), 1 << 30, bundle.ErrCutShort},
		{"SaidToBeTooLarge", bytes.NewReader(good), bundle.DefaultMaxSize + 1, 1 << 40, bundle.ErrTooLarge},
		{"NoRoom", bytes.NewReader(good), int64(len(good)), reserve + 1000, ErrSpace},
		{"NoRoomAndNoSize", bytes.NewReader(good), -1, reserve + 1000, ErrSpace},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r.mu.Lock()
			r.free = tt.free
			r.mu.Unlock()
			err := r.m.Receive(t.Context(), tt.body, tt.size, false)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			v := r.m.View()
			if v.Phase != Idle || v.Verdict == nil || v.Verdict.Result != Refused || !v.Verdict.Seen || v.Verdict.To != "1.0.0" {
				t.Errorf("the view is %+v, %+v", v, v.Verdict)
			}
			if left := r.left(); left != nil {
				t.Errorf("left behind: %q", left)
			}
			if st := made(r.Open().Status()); st.Tries != "" || st.Ledger.Good != "" {
				t.Errorf("the card: %+v", st)
			}
		})
	}
	if _, ended := r.restarted(); ended {
		t.Error("restarted")
	}
}

func TestAnOlderVersionWhenAskedFor(t *testing.T) {
	r := newRig(t)
	r.boot("", true)
	if err := r.m.Receive(t.Context(), bytes.NewReader(r.Bundle("0.9.0")), -1, true); err != nil {
		t.Fatal(err)
	}
	if got := r.await(); got != tryOnce {
		t.Errorf("restarted with %q", got)
	}
}

func TestOneUpdateAtATime(t *testing.T) {
	r := newRig(t)
	r.boot("", true)
	body, w := io.Pipe()
	done := make(chan error)
	go func() { done <- r.m.Receive(t.Context(), body, -1, false) }()
	b := r.Bundle("1.1.0")
	if _, err := w.Write(b[:10000]); err != nil {
		t.Fatal(err)
	}
	if v := r.m.View(); v.Phase != Receiving || v.Version != "1.1.0" {
		t.Errorf("while it comes: %+v", v)
	}
	if err := r.m.Receive(t.Context(), bytes.NewReader(b), -1, false); !errors.Is(err, ErrBusy) {
		t.Errorf("a second one: %v", err)
	}
	if err := r.m.InstallFiles(t.Context(), "", ""); err == nil {
		t.Error("gok is let in beside it")
	}
	if _, err := w.Write(b[10000:]); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	r.await()
	if err := r.m.Receive(t.Context(), bytes.NewReader(b), -1, false); !errors.Is(err, ErrBusy) {
		t.Errorf("while it restarts: %v", err)
	}
	if left := r.left(); len(left) > 1 { // one may be being removed
		t.Errorf("left behind: %q", left)
	}
}

func TestTheAskerGoesAway(t *testing.T) {
	r := newRig(t)
	r.boot("", true)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.m.Receive(ctx, bytes.NewReader(r.Bundle("1.1.0")), -1, false); err == nil {
		t.Error("no error")
	}
	if v := r.m.View(); v.Phase != Idle || r.left() != nil {
		t.Errorf("%+v, left behind %q", v, r.left())
	}
}

// TestPowerCutWhileWriting: the old system says that the update was interrupted.
func TestPowerCutWhileWriting(t *testing.T) {
	for part, writes := range map[string]int{"boot": 3, "b": 0} {
		r := newRig(t)
		r.boot("", true)
		n := 0
		r.Fail(func(name string) error {
			if name == part {
				n++
			}
			if n > writes {
				return errors.New("cut")
			}
			return nil
		})
		b := r.Bundle("1.1.0")
		if err := r.m.Receive(t.Context(), bytes.NewReader(b), int64(len(b)), false); err != nil {
			t.Fatal(err)
		}
		for r.m.View().Phase != Idle {
			time.Sleep(time.Millisecond)
		}
		if got := r.verdict(); len(got) < 20 || got[:13] != "failed 1.1.0:" {
			t.Errorf("a card that takes no more: %q", got)
		}
		r.Fail(nil)
		// The same, had the power been cut before that was written.
		r.m.mu.Lock()
		r.m.story = story{Writing: true, Version: "1.1.0"}
		if err := r.m.save(); err != nil {
			t.Fatal(err)
		}
		r.m.mu.Unlock()
		r.boot("", true)
		if got, want := r.verdict(), "failed 1.1.0: it was interrupted while it was written; what ran goes on"; got != want {
			t.Errorf("the verdict is %q, want %q", got, want)
		}
		if got := r.update("1.1.0"); got != tryOnce {
			t.Errorf("restarted with %q", got)
		}
	}
}

func TestWithoutACard(t *testing.T) {
	m := made(New(Options{Dir: t.TempDir(), Version: "1.0.0"}))
	if err := m.Receive(t.Context(), nil, 1, false); !errors.Is(err, ErrCard) {
		t.Errorf("an update: %v", err)
	}
	if err := m.Rollback(t.Context()); !errors.Is(err, ErrOther) {
		t.Errorf("a rollback: %v", err)
	}
	m.Tick()
	if v := m.View(); v.Phase != Idle {
		t.Errorf("%+v", v)
	}
}

// TestGok installs what a developer sends, tries it, and keeps the story apart
// from the restart, which gok asks for by itself.
func TestGok(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.boot("", true)
		if err := r.m.Allowed(); refusal.Of(err) == nil || refusal.Of(err).Code != "developer_off" {
			t.Errorf("with the setting off: %v", err)
		}
		r.set.Developer = true
		if err := r.m.Allowed(); err != nil {
			t.Error(err)
		}
		if err := r.m.InstallFiles(t.Context(), r.Dir+"/boot", r.dir+"/none"); err == nil {
			t.Error("a root that is not there was installed")
		}
		s, err := r.m.stage(t.Context(), updatestest.Content("dev-1"))
		if err != nil {
			t.Fatal(err)
		}
		r.m.mu.Lock()
		r.m.armed = &s
		r.m.mu.Unlock()
		if err := r.m.RestartFiles(); err != nil {
			t.Fatal(err)
		}
		if err := r.m.RestartFiles(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(r.restarts, []string{tryOnce}) {
			t.Fatalf("restarts %q", r.restarts)
		}
		r.boot(tryOnce, true)
		r.live(10 * time.Second)
		if got := r.verdict(); got != "installed dev-1" || r.Slot != slot.B {
			t.Errorf("verdict %q in slot %s", got, r.Slot)
		}
		r.boot("", true)
		if err := r.m.RestartFiles(); err != nil { // nothing was sent
			t.Fatal(err)
		}
		if !slices.Equal(r.restarts, []string{""}) {
			t.Errorf("restarts %q, want a plain one", r.restarts)
		}
	})
}
