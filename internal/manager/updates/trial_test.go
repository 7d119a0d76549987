package updates

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartcore-ireland/hems/internal/boot/keeper"
	"github.com/smartcore-ireland/hems/internal/manager/updates/updatestest"
	"github.com/smartcore-ireland/hems/internal/update/slot"
)

// TestFaultsAndVerdicts tries version 1.1.0 over 1.0.0 with everything that can
// go wrong, and looks at which system runs in the end and what it says.
func TestFaultsAndVerdicts(t *testing.T) {
	for _, tt := range []struct {
		name string
		// before changes the house that the old system sees.
		before func(*House)
		// trial is the life of the new system, from the firmware's choice to the
		// next restart, whose argument it returns. Nil: it never gets to its manager.
		trial   func(r *rig) string
		runs    string // the version that runs in the end
		verdict string
	}{
		{name: "Good", trial: func(r *rig) string { return r.confirmed() },
			runs: "1.1.0", verdict: "installed 1.1.0"},
		{name: "KernelPanic", trial: nil,
			runs: "1.0.0", verdict: "returned 1.1.0: it did not get as far as saying that it runs"},
		{name: "Hang", trial: func(r *rig) string { r.manager(); return "" },
			runs: "1.0.0", verdict: "returned 1.1.0: it started, and did not get as far as saying why it gave up"},
		{name: "BrokerNeverWell", trial: func(r *rig) string {
			r.setHouse(func(h *House) { h.Broken = []string{"the parts of the appliance cannot reach each other"} })
			return r.gaveUp(270*time.Second, 285*time.Second)
		}, runs: "1.0.0", verdict: "returned 1.1.0: it was not well in time: the parts of the appliance cannot reach each other"},
		{name: "CrashLoop", trial: func(r *rig) string {
			r.setHouse(func(h *House) { h.Looping = []string{"the radio"} })
			return r.gaveUp(0, 5*time.Second)
		}, runs: "1.0.0", verdict: "returned 1.1.0: the radio keeps stopping"},
		{name: "CrashLoopAfterAWhile", trial: func(r *rig) string {
			r.setHouse(func(h *House) { h.Broken = []string{"readings cannot be stored"} })
			r.manager()
			r.live(time.Minute)
			r.setHouse(func(h *House) { h.Looping = []string{"the recorder"} })
			return r.gaveUp(0, 5*time.Second)
		}, runs: "1.0.0", verdict: "returned 1.1.0: readings cannot be stored; the recorder keeps stopping"},
		{name: "RadioGone", trial: func(r *rig) string {
			r.setHouse(func(h *House) { h.Radio = "the dongle is away" })
			return r.gaveUp(270*time.Second, 285*time.Second)
		}, runs: "1.0.0", verdict: "returned 1.1.0: it was not well in time: the dongle is away"},
		{name: "RadioGoneBeforeToo", before: func(h *House) { h.Radio = "the dongle is away" }, trial: func(r *rig) string { return r.confirmed() },
			runs: "1.1.0", verdict: "installed 1.1.0"},
		{name: "NoReadings", trial: func(r *rig) string {
			r.setHouse(func(h *House) { h.Reading = time.Time{} })
			return r.gaveUp(270*time.Second, 285*time.Second)
		}, runs: "1.0.0", verdict: "returned 1.1.0: it was not well in time: no reading has come, and readings came before"},
		{name: "NoReadingsBeforeEither", before: func(h *House) { h.Reading = time.Now().Add(-time.Hour) }, trial: func(r *rig) string {
			r.setHouse(func(h *House) { h.Reading = time.Time{} })
			return r.confirmed()
		}, runs: "1.1.0", verdict: "installed 1.1.0"},
		{name: "TheReadingComesLate", trial: func(r *rig) string {
			r.setHouse(func(h *House) { h.Reading = time.Time{} })
			r.manager()
			if _, ended := r.live(4 * time.Minute); ended {
				r.t.Fatal("it gave up before its time")
			}
			r.setHouse(func(h *House) { h.Reading = time.Now() })
			return r.confirmed()
		}, runs: "1.1.0", verdict: "installed 1.1.0"},
		{name: "ClockNotSet", trial: func(r *rig) string {
			r.setHouse(func(h *House) { h.Clock = "the clock is not set" })
			return r.gaveUp(270*time.Second, 285*time.Second)
		}, runs: "1.0.0", verdict: "returned 1.1.0: it was not well in time: the clock is not set"},
		{name: "CardFullBeforeToo", before: func(h *House) { h.Perm = "the card is nearly full" }, trial: func(r *rig) string { return r.confirmed() },
			runs: "1.1.0", verdict: "installed 1.1.0"},
		{name: "NoDataDirectory", trial: func(r *rig) string {
			// It runs from memory: the story is not there, nor kept.
			real := filepath.Join(r.dir, "manager")
			r.rename(real, real+".away")
			r.setHouse(func(h *House) { h.Perm = "nothing is kept" })
			argument := r.gaveUp(270*time.Second, 285*time.Second)
			if err := os.RemoveAll(real); err != nil {
				r.t.Fatal(err)
			}
			r.rename(real+".away", real)
			return argument
		}, runs: "1.0.0", verdict: "returned 1.1.0: it did not get as far as saying that it runs"},
		{name: "ManagerCrashesInTheTrial", trial: func(r *rig) string {
			r.setHouse(func(h *House) { h.Broken = []string{"readings cannot be stored"} })
			for range 4 { // the time does not begin anew
				r.manager()
				r.live(time.Minute)
			}
			return r.gaveUp(20*time.Second, 45*time.Second)
		}, runs: "1.0.0", verdict: "returned 1.1.0: it was not well in time: readings cannot be stored"},
		{name: "CardTakesNoConfirmation", trial: func(r *rig) string {
			r.failOn("boot")
			argument := r.gaveUp(270*time.Second, 285*time.Second)
			r.failOn("")
			return argument
		}, runs: "1.0.0", verdict: "returned 1.1.0: it was not well in time: the card did not take its confirmation: committing slot b: writing hems.txt: EIO"},
		{name: "CardTakesItLater", trial: func(r *rig) string {
			r.failOn("boot")
			r.manager()
			r.live(time.Minute)
			r.failOn("")
			return r.confirmed()
		}, runs: "1.1.0", verdict: "installed 1.1.0"},
		{name: "PowerCutBeforeTheVerdictIsWritten", trial: func(r *rig) string {
			r.manager()
			story := made(os.ReadFile(r.m.path()))
			r.live(30 * time.Second)
			if err := os.WriteFile(r.m.path(), story, 0o600); err != nil {
				r.t.Fatal(err)
			}
			return ""
		}, runs: "1.1.0", verdict: "installed 1.1.0"},
		{name: "NotWellForLong", trial: func(r *rig) string {
			r.manager()
			for range 60 { // well for four seconds, not well for two
				r.setHouse(func(h *House) { h.Broken = nil })
				if _, ended := r.live(4 * time.Second); ended {
					break
				}
				r.setHouse(func(h *House) { h.Broken = []string{"the dashboard does not answer"} })
				if _, ended := r.live(2 * time.Second); ended {
					break
				}
			}
			argument, _ := r.restarted()
			return argument
		}, runs: "1.0.0", verdict: "returned 1.1.0: it was not well in time: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.boot("", true)
				if tt.before != nil {
					r.setHouse(tt.before)
				}
				argument := r.update("1.1.0")
				if argument != tryOnce {
					t.Fatalf("restarted with %q", argument)
				}
				r.boot(argument, false)
				if r.Slot != slot.B || r.Version() != "1.1.0" {
					t.Fatalf("slot %s with version %s is tried", r.Slot, r.Version())
				}
				argument = ""
				if tt.trial != nil {
					argument = tt.trial(r)
				}
				r.well()
				r.boot(argument, true)
				if got := r.Version(); got != tt.runs {
					t.Errorf("%s runs in the end, want %s", got, tt.runs)
				}
				if got := r.verdict(); got != tt.verdict && !(strings.HasSuffix(tt.verdict, ": ") && strings.HasPrefix(got, tt.verdict)) {
					t.Errorf("the verdict is %q, want %q", got, tt.verdict)
				}
				if v := r.m.View().Verdict; v.Seen || v.From != "1.0.0" || v.To != tt.runs {
					t.Errorf("the verdict is %+v", v)
				}
				if st := made(r.Open().Status()); st.Tries != "" {
					t.Errorf("a restart by chance would try slot %s", st.Tries)
				}
				// And another update goes well, whatever the first one left behind.
				if argument := r.update("1.2.0"); argument != tryOnce {
					t.Fatalf("the next one: restarted with %q", argument)
				}
				r.boot(tryOnce, true)
				r.confirmed()
				r.boot("", true)
				if got := r.verdict(); got != "installed 1.2.0" {
					t.Errorf("the next one: %q", got)
				}
			})
		})
	}
}

func (r *rig) rename(from, to string) {
	r.t.Helper()
	if err := os.Rename(from, to); err != nil {
		r.t.Fatal(err)
	}
}

// failOn has writes to a partition fail.
func (r *rig) failOn(name string) {
	r.Fail(func(partition string) error {
		if partition == name {
			return errors.New("EIO")
		}
		return nil
	})
}

// confirmed is a trial that goes well.
func (r *rig) confirmed() string {
	r.t.Helper()
	r.manager()
	if got := r.m.View().Phase; got != Trying {
		r.t.Errorf("phase %s at the beginning of a trial", got)
	}
	if got := r.m.Word(); got != keeper.Alive {
		r.t.Errorf("the keeper is told %q in a trial", got)
	}
	if err := r.m.Receive(r.t.Context(), torn(nil), 10, false); !errors.Is(err, ErrTrial) {
		r.t.Errorf("an update within a trial: %v", err)
	}
	if argument, ended := r.live(20 * time.Second); ended {
		r.t.Fatalf("restarted with %q: %s", argument, r.m.story.Says)
	}
	if v := r.m.View(); v.Phase != Probation || v.Verdict == nil || v.Verdict.Result != Installed || r.m.Word() != keeper.Confirmed {
		r.t.Errorf("after a good trial: %+v, and the keeper is told %q", v, r.m.Word())
	}
	return ""
}

// gaveUp is a trial that ends by itself within these times.
func (r *rig) gaveUp(from, to time.Duration) string {
	r.t.Helper()
	r.manager()
	began := time.Now()
	argument, ended := r.live(to)
	if took := time.Since(began); !ended || argument != "" || took < from {
		r.t.Fatalf("ended %v with %q after %v, want a plain restart after %v to %v", ended, argument, took, from, to)
	}
	if v := r.m.View(); v.Phase != Restarting {
		r.t.Errorf("phase %s", v.Phase)
	}
	return argument
}

func TestProbation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.boot("", true)
		r.update("1.1.0")
		r.boot(tryOnce, true)
		r.live(10 * time.Second)
		ledger := func() slot.Ledger { return made(r.Open().Status()).Ledger }
		if got := ledger(); !got.Probation || got.Good != slot.A {
			t.Errorf("after the confirmation: %+v", got)
		}
		r.live(20 * time.Minute)
		r.setHouse(func(h *House) { h.Broken = []string{"the dashboard does not answer"} })
		r.live(20 * time.Minute)
		if !ledger().Probation {
			t.Error("probation ended although half of it was not well")
		}
		r.well()
		r.live(11 * time.Minute)
		if got := ledger(); got.Probation || got.Good != slot.A || r.m.View().Phase != Idle {
			t.Errorf("after half an hour: %+v, phase %s", got, r.m.View().Phase)
		}
		r.boot("", true)
		if got := ledger().Boots; got != 1 {
			t.Errorf("%d starts counted, want 1", got)
		}
		r.live(3 * time.Minute)
		if got := ledger().Boots; got != 0 {
			t.Errorf("%d starts counted after two healthy minutes", got)
		}
	})
}

// TestGivenUpByTheBootCounter: a version that is confirmed and then does not get
// well any more.
func TestGivenUpByTheBootCounter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.boot("", true)
		r.update("1.1.0")
		r.boot(tryOnce, true)
		r.live(10 * time.Second)
		for range slot.ProbationBoots {
			r.boot("", true)
			r.live(time.Minute) // and then it hangs
		}
		if got, want := r.Version(), "1.0.0"; got != want {
			t.Fatalf("%s runs, want %s", got, want)
		}
		const want = "returned 1.1.0: it was installed, but then started again and again without getting well"
		if got := r.verdict(); got != want {
			t.Errorf("the verdict is %q, want %q", got, want)
		}
		if err := r.m.Seen(); err != nil {
			t.Fatal(err)
		}
		r.boot("", true)
		if v := r.m.View().Verdict; v == nil || !v.Seen {
			t.Errorf("told again: %+v", v)
		}
		r.update("1.2.0")
		r.boot(tryOnce, true)
		r.live(10 * time.Second)
		for range slot.ProbationBoots {
			r.boot("", true)
			r.live(time.Minute)
		}
		if got, want := r.verdict(), strings.Replace(want, "1.1.0", "1.2.0", 1); got != want {
			t.Errorf("the second time: %q, want %q", got, want)
		}
	})
}

func TestRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.boot("", true)
		if err := r.m.Rollback(t.Context()); !errors.Is(err, ErrOther) {
			t.Errorf("with an empty slot: %v", err)
		}
		r.update("1.1.0")
		r.boot(tryOnce, true)
		r.live(10 * time.Second)
		if o, ok := r.m.Slots(); !ok || o != (Slots{slot.B, slot.B, Other{slot.A, "1.0.0", true}}) {
			t.Errorf("the other slot is %+v, %v", o, ok)
		}
		if err := r.m.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := r.await(); got != tryOnce {
			t.Fatalf("restarted with %q", got)
		}
		r.boot(tryOnce, true)
		r.live(10 * time.Second)
		r.boot("", true)
		if got := r.verdict(); got != "installed 1.0.0" || r.Version() != "1.0.0" {
			t.Errorf("the verdict is %q, and %s runs", got, r.Version())
		}
	})
}

func TestRollbackToWhatIsDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.boot("", true)
		r.update("1.1.0")
		r.boot(tryOnce, true)
		r.live(10 * time.Second)
		f := made(os.OpenFile(filepath.Join(r.Dir, "a"), os.O_WRONLY, 0))
		made(f.WriteAt([]byte("rot"), 20<<10))
		f.Close()
		if err := r.m.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		for r.m.View().Phase == Verifying {
			time.Sleep(time.Second)
		}
		if _, ended := r.restarted(); ended || !strings.HasPrefix(r.verdict(), "failed 1.0.0: ") || r.m.View().Phase != Probation {
			t.Errorf("restarted %v, verdict %q, phase %s", ended, r.verdict(), r.m.View().Phase)
		}
	})
}

func TestAStoryThatIsDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, text := range []string{"", "{", `{"trying":"yes"}`, strings.Repeat("x", 2*maxStory), "\x00\x00"} {
			r := newRig(t)
			r.boot("", true)
			if err := os.WriteFile(r.m.path(), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			r.boot("", true)
			if got := r.verdict(); got != "" {
				t.Errorf("%.10q: verdict %q", text, got)
			}
			if got := r.update("1.1.0"); got != tryOnce {
				t.Errorf("%.10q: restarted with %q", text, got)
			}
		}
	})
}

// TestSomebodyElseTriesASlot: the slot was armed by hand, and the story knows
// nothing of it.
func TestSomebodyElseTriesASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		if err := r.Open().Stage(t.Context(), slot.B, updatestest.Content("9.0.0"), nil); err != nil {
			t.Fatal(err)
		}
		r.Arm(slot.B)
		r.boot(tryOnce, true)
		r.live(10 * time.Second)
		if got := r.verdict(); got != "installed 9.0.0" {
			t.Errorf("the verdict is %q", got)
		}
	})
}
