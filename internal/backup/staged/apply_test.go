package staged

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tree writes files (path to content) below dir.
func tree(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		name := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// contents is everything below dir but how the last restore ended.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		if rel == outcome {
			return nil
		}
		b, err := os.ReadFile(p)
		got[rel] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

var (
	before = map[string]string{
		"hems.yaml":           "old",
		"zigbee/network.json": "old",
		"zigbee/devices.json": "old",
		"store/hems.db":       "old",
		"store/hems.db-wal":   "old",
		"manager/update.json": "this card's own",
		"room/deep/file":      "old",
		"room/other":          "stays",
	}
	restored = map[string]string{
		"hems.yaml":           "new",
		"zigbee/network.json": "new",
		"zigbee/names.json":   "new",
		"store/hems.db":       "new",
		"room/deep/file":      "new",
		"pki/ca.key":          "new", // had nothing in its place
		"fresh/below/file":    "new", // nor its directory
	}
	after = map[string]string{
		"hems.yaml":           "new",
		"zigbee/network.json": "new",
		"zigbee/names.json":   "new",
		"store/hems.db":       "new",
		"room/deep/file":      "new",
		"pki/ca.key":          "new",
		"fresh/below/file":    "new",
		"manager/update.json": "this card's own",
		"room/other":          "stays",
	}
	items = []string{"zigbee", "hems.yaml", "store", "room/deep", "pki", "fresh/below/file"}
)

// waitingSet is a data directory with a sealed set: a copy of one that was made
// in earnest, because nothing is as slow as waiting for a disk.
func waitingSet(t *testing.T) string {
	t.Helper()
	if model == "" {
		var err error
		if model, err = os.MkdirTemp("", "waiting"); err != nil {
			t.Fatal(err)
		}
		seal(t, model)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(model)); err != nil {
		t.Fatal(err)
	}
	return dir
}

var model string

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(model)
	os.Exit(code)
}

// seal fills dir with the old set and a sealed new one.
func seal(t *testing.T, dir string) {
	t.Helper()
	tree(t, dir, before)
	to, err := Begin(dir)
	if err != nil {
		t.Fatal(err)
	}
	tree(t, to, restored)
	if err := Seal(dir, List{Items: items, HostName: "hems", MadeAt: time.Unix(1700000000, 0).UTC()}); err != nil {
		t.Fatal(err)
	}
}

var errCut = errors.New("the power is cut")

// power cuts off at a change to the disk: before it, or right after it.
func power(at int, after bool) func(string, string, func() error) error {
	n := -1
	return func(what, _ string, f func() error) error {
		n++
		switch {
		case n < at:
			return done(what, f)
		case n == at && after:
			if err := done(what, f); err != nil {
				return err
			}
		}
		return errCut
	}
}

// done does a change without waiting for the disk, which no power cut of these
// tests can tell from waiting.
func done(what string, f func() error) error {
	if what == "sync" {
		return nil
	}
	return f()
}

// again is Apply after a power cut.
func again(dir string) (Outcome, error) {
	return (&apply{dir: dir, write: os.WriteFile, do: power(1<<30, false)}).run()
}

// count is how many changes f makes.
func count(f func(do func(string, string, func() error) error)) (n int) {
	f(func(what, _ string, g func() error) error { n++; return done(what, g) })
	return n
}

func TestApplyPutsTheNewSetInPlace(t *testing.T) {
	dir := waitingSet(t)
	if !Waiting(dir) {
		t.Error("no set waits, want one")
	}
	o, err := Apply(dir)
	if err != nil || o.Result != Restored || o.From.HostName != "hems" {
		t.Errorf("got %+v, %v, want the result %q", o, err, Restored)
	}
	if diff := cmp.Diff(after, contents(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if last, ok := LastOutcome(dir); !ok || last.Result != Restored {
		t.Errorf("last outcome: got %+v, %v, want the result %q", last, ok, Restored)
	}
	if o, err := Apply(dir); err != nil || o.Result != "" || Waiting(dir) {
		t.Errorf("a second time: got %+v, %v, want nothing", o, err)
	}
}

func TestApplyCutOffAnywhereEndsInTheNewSet(t *testing.T) {
	dir := waitingSet(t)
	steps := count(func(do func(string, string, func() error) error) {
		(&apply{dir: dir, write: os.WriteFile, do: do}).run()
	})
	if steps < 3*len(items) {
		t.Fatalf("%d changes to the disk are fewer than there must be", steps)
	}
	for at := range steps {
		for _, late := range []bool{false, true} {
			dir := waitingSet(t)
			if _, err := (&apply{dir: dir, write: os.WriteFile, do: power(at, late)}).run(); err == nil && !late {
				t.Fatalf("cut off at change %d of %d: no error", at, steps)
			}
			if _, err := again(dir); err != nil {
				t.Errorf("cut off at change %d: %v", at, err)
			}
			if diff := cmp.Diff(after, contents(t, dir)); diff != "" {
				t.Errorf("cut off at change %d (after it: %v): files (-want +got):\n%s", at, late, diff)
			}
		}
	}
}

func TestApplyCutOffTwiceEndsInTheNewSet(t *testing.T) {
	dir := waitingSet(t)
	steps := count(func(do func(string, string, func() error) error) {
		(&apply{dir: dir, write: os.WriteFile, do: do}).run()
	})
	for first := range steps {
		for second := first % 13; second < steps-first; second += 13 { // enough pairs
			dir := waitingSet(t)
			_, _ = (&apply{dir: dir, write: os.WriteFile, do: power(first, true)}).run()
			_, _ = (&apply{dir: dir, write: os.WriteFile, do: power(second, true)}).run()
			if _, err := again(dir); err != nil {
				t.Errorf("cut off at changes %d and %d: %v", first, second, err)
			}
			if diff := cmp.Diff(after, contents(t, dir)); diff != "" {
				t.Errorf("cut off at changes %d and %d: files (-want +got):\n%s", first, second, diff)
			}
		}
	}
}

// refuse fails one change, and then cuts the power off some changes later.
func refuse(at, cutAt int) func(string, string, func() error) error {
	n := -1
	return func(what, _ string, f func() error) error {
		n++
		switch {
		case n == at:
			return syscall.EIO
		case n >= cutAt:
			return errCut
		}
		return done(what, f)
	}
}

// TestApplyOnADiskThatRefuses: the first refusal is the one that turns Apply
// back, and being cut off on the way back still ends in one set or the other.
func TestApplyOnADiskThatRefuses(t *testing.T) {
	dir := waitingSet(t)
	steps := count(func(do func(string, string, func() error) error) {
		(&apply{dir: dir, write: os.WriteFile, do: do}).run()
	})
	kept := 0
	for at := range steps {
		dir := waitingSet(t)
		o, err := (&apply{dir: dir, write: os.WriteFile, do: refuse(at, 1<<30)}).run()
		want := after
		if o.Result == Kept {
			kept++
			want = before
			if !strings.Contains(o.Why, "input/output error") {
				t.Errorf("refused at change %d: the reason is %q", at, o.Why)
			}
			if last, ok := LastOutcome(dir); !ok || last.Result != Kept {
				t.Errorf("refused at change %d: the last outcome is %+v", at, last)
			}
		}
		if err != nil { // it is in clearing up
			if o2, err := again(dir); err != nil || o2.Result != "" && o2.Result != o.Result {
				t.Errorf("refused at change %d: after %+v the next Apply gave %+v, %v", at, o, o2, err)
			}
		}
		if diff := cmp.Diff(want, contents(t, dir)); diff != "" {
			t.Errorf("refused at change %d: %+v, files (-want +got):\n%s", at, o, diff)
		}
	}
	if kept < len(items) {
		t.Errorf("the old set was kept %d times, want at least %d", kept, len(items))
	}
}

func TestApplyCutOffOnTheWayBack(t *testing.T) {
	dir := waitingSet(t)
	steps := count(func(do func(string, string, func() error) error) {
		(&apply{dir: dir, write: os.WriteFile, do: do}).run()
	})
	ends := map[Result]int{}
	for at := range steps {
		for cut := at + 1 + at%9; cut < at+steps/2; cut += 9 {
			dir := waitingSet(t)
			_, _ = (&apply{dir: dir, write: os.WriteFile, do: refuse(at, cut)}).run()
			if _, err := again(dir); err != nil {
				t.Errorf("refused at %d, cut off at %d: %v", at, cut, err)
			}
			got := contents(t, dir)
			switch {
			case cmp.Equal(got, before):
				ends[Kept]++
			case cmp.Equal(got, after):
				ends[Restored]++
			default:
				t.Fatalf("refused at change %d, cut off at %d: neither the old set nor the new one:\n%v", at, cut, got)
			}
		}
	}
	if ends[Kept] == 0 || ends[Restored] == 0 {
		t.Errorf("ends %v: want both kinds", ends)
	}
}

func TestApplyClearsAwayWhatWasNotSealed(t *testing.T) {
	dir := t.TempDir()
	tree(t, dir, before)
	to, err := Begin(dir)
	if err != nil {
		t.Fatal(err)
	}
	tree(t, to, restored)
	if Waiting(dir) {
		t.Error("a set that is not sealed waits")
	}
	if o, err := Apply(dir); err != nil || o.Result != "" {
		t.Errorf("got %+v, %v, want nothing", o, err)
	}
	if diff := cmp.Diff(before, contents(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestApplyTouchesNothingThatItDoesNotUnderstand(t *testing.T) {
	for name, text := range map[string]string{
		"not JSON":     "{",
		"outside":      `{"items":["../zigbee"]}`,
		"absolute":     `{"items":["/etc"]}`,
		"its own":      `{"items":[".replaced"]}`,
		"overlap":      `{"items":["zigbee","zigbee/network.json"]}`,
		"not clean":    `{"items":["zigbee/"]}`,
		"twice":        `{"items":["zigbee","zigbee"]}`,
		"control":      `{"items":["zig\u0007bee"]}`,
		"whole of it":  `{"items":["."]}`,
		"nothing":      `{"items":[""]}`,
		"very deep":    `{"items":["a/b/c/d/e"]}`,
		"hidden below": `{"items":["a/.b"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			tree(t, dir, before)
			tree(t, dir, map[string]string{".restore/files/zigbee/network.json": "new"})
			tree(t, dir, map[string]string{".restore/ready": text})
			want := contents(t, dir)
			if _, err := Apply(dir); err == nil {
				t.Error("no error")
			}
			if diff := cmp.Diff(want, contents(t, dir)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBeginReplacesWhatWaits(t *testing.T) {
	dir := waitingSet(t)
	to, err := Begin(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{}, contents(t, to)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if Waiting(dir) {
		t.Error("the earlier set still waits")
	}
}

func TestBeginLeavesAHalfDoneRestoreAlone(t *testing.T) {
	dir := waitingSet(t)
	_, _ = (&apply{dir: dir, write: os.WriteFile, do: power(8, true)}).run()
	want := contents(t, dir)
	if _, err := Begin(dir); !errors.Is(err, ErrHalf) {
		t.Errorf("got error %v, want %v", err, ErrHalf)
	}
	if diff := cmp.Diff(want, contents(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestSealRefusesAnItemThatIsNotThere(t *testing.T) {
	dir := t.TempDir()
	if _, err := Begin(dir); err != nil {
		t.Fatal(err)
	}
	if err := Seal(dir, List{Items: []string{"zigbee"}}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v, want %v", err, fs.ErrNotExist)
	}
	if Waiting(dir) {
		t.Error("the set waits although it is not whole")
	}
}

func FuzzList(f *testing.F) {
	f.Add(`{"items":["zigbee","hems.yaml"]}`)
	f.Add(`{"items":["../x",".restore"]}`)
	f.Fuzz(func(t *testing.T, text string) {
		outer := t.TempDir()
		dir := filepath.Join(outer, "data")
		tree(t, dir, before)
		tree(t, outer, map[string]string{"outside": "stays"})
		tree(t, dir, map[string]string{".restore/ready": text})
		if _, err := Apply(dir); err != nil {
			return
		}
		got := contents(t, outer)
		if got["outside"] != "stays" || got["data/hems.yaml"] != "old" || got["data/manager/update.json"] != "this card's own" {
			t.Errorf("%q changed files although nothing waited: %v", text, got)
		}
	})
}
