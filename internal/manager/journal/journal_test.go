package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func open(t *testing.T, dir string) *Journal {
	t.Helper()
	j, err := Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func texts(t *testing.T, j *Journal, program string, n int) (out []string) {
	t.Helper()
	lines, err := j.Tail(program, n)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		out = append(out, l.Program+": "+l.Text)
	}
	return out
}

// onDisk is how many bytes all files have, and how many lines.
func onDisk(t *testing.T, dir string) (size int64, lines int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		size += int64(len(b))
		lines += strings.Count(string(b), "\n")
	}
	return size, lines
}

func TestLinesSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	j.Add("hems-broker", "stderr", "one")
	j.Add("hems-zigbee", "stdout", "two\twith a tab\x1b[31m")
	j.Flush()
	j = open(t, dir)
	j.Add("hems-broker", "stderr", "three")
	if diff := cmp.Diff([]string{"hems-broker: one", "hems-zigbee: two with a tab[31m", "hems-broker: three"}, texts(t, j, "", 10)); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"hems-broker: three"}, texts(t, j, "hems-broker", 1)); diff != "" {
		t.Errorf("the broker's last (-want +got):\n%s", diff)
	}
	tails, err := j.Tails(1)
	if err != nil {
		t.Fatal(err)
	}
	want := map[Key][]string{{"hems-broker", "stderr"}: {"three"}, {"hems-zigbee", "stdout"}: {"two with a tab[31m"}}
	if diff := cmp.Diff(want, tails); diff != "" {
		t.Errorf("tails (-want +got):\n%s", diff)
	}
}

func TestAPowerCutCostsTheUnfinishedLineAlone(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	j.Add("a", "stdout", "whole")
	j.Add("a", "stdout", "unfinished")
	j.Flush()
	file := j.path(1)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{string(b[:len(b)-4]), string(b) + "\x00\x00\x00", string(b[:len(b)/2+20])} {
		if err := os.WriteFile(file, []byte(end), 0o600); err != nil {
			t.Fatal(err)
		}
		j = open(t, dir)
		j.Add("a", "stdout", "after")
		j.Flush()
		got := texts(t, open(t, dir), "a", 10)
		if len(got) < 2 || got[0] != "a: whole" || got[len(got)-1] != "a: after" {
			t.Errorf("after the end %q: %q", end[len(end)-5:], got)
		}
		os.Remove(j.path(2))
	}
}

func TestStaysWithinItsSize(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	text := strings.Repeat("x", maxLine-20)
	n := 2 * Size / maxLine
	for i := range n {
		j.Add("a", "stdout", fmt.Sprintf("%d %s", i, text))
	}
	j.Flush()
	size, lines := onDisk(t, dir)
	if size > Size || size < Size/2 {
		t.Errorf("%d bytes on disk, want at most %d and more than half of it", size, Size)
	}
	if got := len(texts(t, j, "", n)); got != lines {
		t.Errorf("%d lines read, %d on disk", got, lines)
	}
	last := texts(t, open(t, dir), "a", 1)[0]
	if want := fmt.Sprintf("a: %d x", n-1); !strings.HasPrefix(last, want) {
		t.Errorf("the last line is %.20q…, want %q…", last, want)
	}
	if got := j.Dropped(); got != 0 {
		t.Errorf("%d lines dropped", got)
	}
}

func TestTheCardIsWrittenSeldom(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		j := open(t, dir)
		done, ended := make(chan struct{}), make(chan struct{})
		go func() { j.Run(done); close(ended) }()
		wantLines := func(when string, want int) {
			t.Helper()
			synctest.Wait()
			if _, got := onDisk(t, dir); got != want {
				t.Errorf("%s: %d lines on disk, want %d", when, got, want)
			}
		}
		for range 50 {
			j.Add("a", "stderr", "level=INFO msg=ordinary")
			time.Sleep(time.Second)
		}
		wantLines("before a minute has passed", 0)
		time.Sleep(10*time.Second + time.Millisecond)
		wantLines("after a minute", 50)
		j.Add("a", "stderr", "level=INFO msg=ordinary")
		j.Add("a", "stderr", "level=WARN msg=careful")
		time.Sleep(soon + time.Millisecond)
		wantLines("a second after a warning", 52)
		for range 100 { // a storm
			j.Add("a", "stderr", "level=ERROR msg=bad")
			time.Sleep(10 * time.Millisecond)
		}
		wantLines("within a storm of errors", 52)
		time.Sleep(atMost)
		wantLines("after it", 152)
		j.Add("a", "stderr", "level=INFO msg=last words")
		close(done)
		<-ended
		wantLines("after a stop", 153)
	})
}

func TestADiskThatTakesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	j := open(t, dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	const n = 200
	for range n {
		j.Add("a", "stdout", strings.Repeat("x", maxLine))
	}
	kept := maxPending / (maxLine + 30)
	if got := j.Dropped(); got < n-kept-2 || got > n-kept+2 {
		t.Errorf("%d of %d lines dropped, want all but about %d", got, n, kept)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	waiting := len(texts(t, j, "", n))
	j.Flush()
	if _, got := onDisk(t, dir); got != waiting {
		t.Errorf("%d lines on disk once it takes them again, want the %d that waited", got, waiting)
	}
}

func TestFollow(t *testing.T) {
	j := open(t, t.TempDir())
	j.Add("a", "stdout", "before")
	j.Add("b", "stdout", "of another")
	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan string, 8)
	done := make(chan error)
	go func() {
		done <- j.Follow(ctx, "a", 5, func(l Line) error { heard <- l.Text; return nil })
	}()
	got := []string{<-heard}
	j.Add("b", "stdout", "of another")
	j.Add("a", "stdout", "after")
	got = append(got, <-heard)
	if diff := cmp.Diff([]string{"before", "after"}, got); diff != "" {
		t.Errorf("heard (-want +got):\n%s", diff)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}

	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	for range maxFollowers {
		go j.Follow(ctx, "", 1, func(Line) error { heard <- ""; return nil })
		<-heard
	}
	if err := j.Follow(ctx, "", 1, nil); !errors.Is(err, ErrTooMany) {
		t.Errorf("one more: %v, want ErrTooMany", err)
	}
}

func TestUnheard(t *testing.T) {
	s := func(s string) []string { return strings.Split(s, "") }
	for _, tt := range []struct{ name, known, replay, want string }{
		{"NothingKnown", "", "abc", "abc"},
		{"AllKnown", "xabc", "abc", ""},
		{"SomeNew", "abc", "bcde", "de"},
		{"AfterAGap", "abc", "xyz", "xyz"},
		{"AnotherBoot", "abcabc", "abcd", "d"},
		{"Repeats", "aaa", "aaaa", "a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			known, replay := s(tt.known), s(tt.replay)
			if got := strings.Join(Unheard(known, replay), ""); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(Line{time.Unix(1700000000, 0), "hems-broker", "stderr", "level=INFO msg=x"}.encode())
	f.Add("2026-11-21T10:00:00.000Z a o \n")
	f.Fuzz(func(t *testing.T, s string) {
		l, ok := decode(s)
		if !ok {
			return
		}
		again, ok := decode(l.encode())
		if !ok || again != l {
			t.Errorf("%q is %+v, and again %+v (%v)", s, l, again, ok)
		}
	})
}
