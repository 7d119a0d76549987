package hemsyaml

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// noTabs is a check for tests: a line with the word wrong is wrong.
func noTabs(text []byte) (problems []Problem) {
	n := 0
	for line := range strings.Lines(string(text)) {
		if n++; strings.Contains(line, "wrong") {
			problems = append(problems, Problem{Line: n, Text: "this is wrong"})
		}
	}
	return problems
}

// opened is a hems.yaml that says text, seen once.
func opened(t *testing.T, text string) (*File, string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "hems.yaml")
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	f := Open(Options{Path: path, History: filepath.Join(dir, "manager", "config"), Check: noTabs, Perm: 0o640,
		Now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }})
	if _, err := f.Read(); err != nil {
		t.Fatal(err)
	}
	return f, path
}

func onDisk(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func history(t *testing.T, f *File) []Version {
	t.Helper()
	s, err := f.Read()
	if err != nil {
		t.Fatal(err)
	}
	return s.History
}

var moment = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestSetChangesTheFileAndKeepsWhatItSaid(t *testing.T) {
	f, path := opened(t, "home:\n  name: a # mine\n")
	if err := f.Set("Aoife", Change{"home.name", "b"}, Change{"update.developer", true}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("home:\n  name: b # mine\nupdate:\n  developer: true\n", onDisk(t, path)); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	want := []Version{{ID: "000001", At: moment, By: "Aoife", What: "home.name, update.developer", Text: "home:\n  name: a # mine\n"}}
	if diff := cmp.Diff(want, history(t, f)); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fi.Mode().Perm(), os.FileMode(0o640); got != want {
		t.Errorf("mode %v, want %v", got, want)
	}
	if err := f.Set("Aoife", Change{"home.name", "b"}); err != nil || len(history(t, f)) != 1 {
		t.Errorf("setting what is there already: %v, %d versions, want no change", err, len(history(t, f)))
	}
}

func TestNothingWrongIsWritten(t *testing.T) {
	f, path := opened(t, "home:\n  name: a\n")
	for name, change := range map[string]func() error{
		"Set":     func() error { return f.Set("x", Change{"home.name", "wrong"}, Change{"home.meter", "wrong"}) },
		"Replace": func() error { return f.Replace([]byte("a: wrong\nb: wrong\n"), "x", "") },
	} {
		t.Run(name, func(t *testing.T) {
			var invalid *Invalid
			if err := change(); !errors.As(err, &invalid) || len(invalid.Problems) != 2 {
				t.Errorf("got %v, want two problems", err)
			}
		})
	}
	if err := f.Replace([]byte("\xff"), "x", ""); err == nil {
		t.Error("a text that is not UTF-8 was taken")
	}
	if err := f.Replace(make([]byte, MaxText+1), "x", ""); !errors.Is(err, ErrLarge) {
		t.Errorf("got %v, want %v", err, ErrLarge)
	}
	if got, want := onDisk(t, path), "home:\n  name: a\n"; got != want {
		t.Errorf("file %q, want %q", got, want)
	}
	if got := history(t, f); len(got) > 0 {
		t.Errorf("history %v, want none", got)
	}
}

func TestReplaceOnlyWhatWasSeen(t *testing.T) {
	f, path := opened(t, "a: 1\n")
	seen, err := f.Read()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Replace([]byte("a: 2\n"), "one", seen.ETag); err != nil {
		t.Fatal(err)
	}
	if err := f.Replace([]byte("a: 3\n"), "other", seen.ETag); !errors.Is(err, ErrChanged) {
		t.Errorf("got %v, want %v", err, ErrChanged)
	}
	if got, want := onDisk(t, path), "a: 2\n"; got != want {
		t.Errorf("file %q, want %q", got, want)
	}
}

func TestTheLastTenAreKeptAndComeBack(t *testing.T) {
	f, path := opened(t, "n: 0\n")
	for i := 1; i <= Keep+5; i++ {
		if err := f.Replace(fmt.Appendf(nil, "n: %d\n", i), "x", ""); err != nil {
			t.Fatal(err)
		}
	}
	h := history(t, f)
	var got []string
	for _, v := range h {
		got = append(got, v.ID+" "+v.Text)
	}
	var want []string
	for i := Keep + 4; i >= 5; i-- {
		want = append(want, fmt.Sprintf("%06d n: %d\n", i+1, i))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	if err := f.Restore(h[3].ID, "x"); err != nil {
		t.Fatal(err)
	}
	if got, want := onDisk(t, path), h[3].Text; got != want {
		t.Errorf("file %q, want %q", got, want)
	}
	if got, want := history(t, f)[0].Text, "n: 15\n"; got != want {
		t.Errorf("newest in the history %q, want %q", got, want)
	}
	for _, id := range []string{"000001", "", "../../hems.yaml", "999999", "current.yaml"} {
		if err := f.Restore(id, "x"); !errors.Is(err, ErrUnknown) {
			t.Errorf("restoring %q: got %v, want %v", id, err, ErrUnknown)
		}
	}
	entries, err := os.ReadDir(filepath.Join(filepath.Dir(path), "manager", "config"))
	if err != nil || len(entries) != Keep+1 {
		t.Errorf("%d files in the history (%v), want %d", len(entries), err, Keep+1)
	}
}

func TestAnEditorsChangeIsNoticedAndKept(t *testing.T) {
	f, path := opened(t, "a: 1\n")
	if err := os.WriteFile(path, []byte("a: 2 # by hand\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := f.Set("page", Change{"a", "3"}); err != nil {
		t.Fatal(err)
	}
	if got, want := onDisk(t, path), "a: \"3\" # by hand\n"; got != want {
		t.Errorf("file %q, want %q", got, want)
	}
	var got []string
	for _, v := range history(t, f) {
		got = append(got, v.By+": "+v.Text)
	}
	want := []string{"page: a: 2 # by hand\n", ByHand + ": a: 1\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := history(t, f); len(got) != 3 || got[0].By != ByHand {
		t.Errorf("after the file was removed: history %v", got)
	}
	if err := f.Restore("000003", "page"); err != nil || onDisk(t, path) != "a: \"3\" # by hand\n" {
		t.Errorf("bringing it back: %v", err)
	}
}

// TestAPowerCutBetweenTheWrites: what was kept, but not replaced, is not kept
// twice.
func TestAPowerCutBetweenTheWrites(t *testing.T) {
	f, path := opened(t, "a: 1\n")
	if err := f.keep([]byte("a: 1\n"), "page", "a", moment); err != nil { // and here the power is cut
		t.Fatal(err)
	}
	if err := f.Set("page", Change{"a", 2.0}); err != nil {
		t.Fatal(err)
	}
	if err := f.keep([]byte("a: 2\n"), "page", "a", moment); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("a: 3\n"), 0o640); err != nil { // and here, before it was seen
		t.Fatal(err)
	}
	var got []string
	for _, v := range history(t, f) {
		got = append(got, v.Text)
	}
	if diff := cmp.Diff([]string{"a: 2\n", "a: 1\n"}, got); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}

func TestChangesHappenOneAfterTheOther(t *testing.T) {
	f, _ := opened(t, "")
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			if err := f.Set("x", Change{fmt.Sprintf("group.key%d", i), float64(i)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s, err := f.Read()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		if !strings.Contains(s.Text, fmt.Sprintf("  key%d: %d\n", i, i)) {
			t.Errorf("key%d is lost:\n%s", i, s.Text)
		}
	}
}

func TestADamagedVersionHidesNoOther(t *testing.T) {
	f, path := opened(t, "a: 1\n")
	for _, text := range []string{"a: 2\n", "a: 3\n"} {
		if err := f.Replace([]byte(text), "x\n"+strings.Repeat("é", 200), ""); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(filepath.Dir(path), "manager", "config")
	if err := os.WriteFile(filepath.Join(dir, "000002.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := history(t, f)
	if len(h) != 1 || h[0].ID != "000001" || len([]rune(h[0].By)) > 80 || strings.Contains(h[0].By, "\n") {
		t.Errorf("history %+v, want the first alone", h)
	}
	if err := f.Set("x", Change{"a", 4.0}); err != nil {
		t.Error(err)
	}
}
