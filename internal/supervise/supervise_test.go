package supervise

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMain lets the test binary be its own children: what they do is named in
// the environment.
func TestMain(m *testing.M) {
	switch os.Getenv("SUPERVISE_CHILD") {
	case "":
		os.Exit(m.Run())
	case "end":
		os.Exit(3)
	case "stay":
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGTERM)
		<-c
		fmt.Println("stopping")
		os.Exit(0)
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("deaf")
		time.Sleep(time.Minute)
	}
}

func child(t *testing.T, what string) Process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Process{Name: what, Path: exe, Env: append(os.Environ(), "SUPERVISE_CHILD="+what)}
}

// logTo collects output where a test can wait for it.
type logTo struct{ ch chan string }

func (l logTo) Write(b []byte) (int, error) {
	l.ch <- string(b)
	return len(b), nil
}

func await[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(30 * time.Second):
		t.Fatalf("waited 30 s for %s", what)
		panic("unreachable")
	}
}

func start(t *testing.T, s *Supervisor, p ...Process) (stop context.CancelFunc, done <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	d := make(chan struct{})
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if s.Output == nil {
		s.Output = func(string) io.Writer { return io.Discard }
	}
	go func() { s.Run(ctx, p); close(d) }()
	return cancel, d
}

func TestRestartsAfterAnEnd(t *testing.T) {
	pids := make(chan int, 8)
	stop, done := start(t, &Supervisor{
		RestartDelay: time.Millisecond,
		Started:      func(_ string, pid int) { pids <- pid },
	}, child(t, "end"))
	first := await(t, pids, "the first start")
	if second := await(t, pids, "the second start"); second == first {
		t.Errorf("second start has the pid of the first, %d", first)
	}
	stop()
	go func() {
		for range pids { // a restart under way may still report itself
		}
	}()
	await(t, done, "Run to return")
}

func TestRestartsAfterAKill(t *testing.T) {
	pids := make(chan int, 8)
	stop, done := start(t, &Supervisor{
		RestartDelay: time.Millisecond,
		Started:      func(_ string, pid int) { pids <- pid },
	}, child(t, "stay"))
	if err := syscall.Kill(await(t, pids, "the first start"), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, pids, "the start after the kill")
	stop()
	await(t, done, "Run to return")
}

func TestACrashLoopIsHeldBack(t *testing.T) {
	pids := make(chan int, 8)
	lines := make(chan string, 8)
	stop, done := start(t, &Supervisor{
		RestartDelay: time.Millisecond,
		Started:      func(_ string, pid int) { pids <- pid },
		Log:          slog.New(slog.NewTextHandler(logTo{lines}, &slog.HandlerOptions{Level: slog.LevelError})),
	}, child(t, "end"))
	for range 6 {
		await(t, pids, "a start")
	}
	if line := await(t, lines, "the hold to be told"); !strings.Contains(line, "keeps ending") || !strings.Contains(line, "for=10s") {
		t.Errorf("told %q, want that it is held back for 10 s", line)
	}
	select {
	case <-pids:
		t.Error("started while it is held back")
	default:
	}
	stop()
	await(t, done, "Run to return although a process is held back")
}

func TestKillsWhatDoesNotStop(t *testing.T) {
	lines := make(chan string, 8)
	stop, done := start(t, &Supervisor{
		StopGrace: 50 * time.Millisecond,
		Output:    func(string) io.Writer { return logTo{lines} },
	}, child(t, "deaf"))
	await(t, lines, "the deaf child to be ready")
	stop()
	await(t, done, "Run to return although the child ignores SIGTERM")
}

func TestAMissingProgramDoesNotStopTheOthers(t *testing.T) {
	pids := make(chan string, 8)
	stop, done := start(t, &Supervisor{
		RestartDelay: time.Millisecond,
		Started:      func(name string, _ int) { pids <- name },
	}, Process{Name: "none", Path: filepath.Join(t.TempDir(), "none")}, child(t, "stay"))
	if got, want := await(t, pids, "a start"), "stay"; got != want {
		t.Errorf("started %q, want %q", got, want)
	}
	stop()
	await(t, done, "Run to return")
}

func TestPrefixerKeepsLinesWhole(t *testing.T) {
	var b strings.Builder
	p := &Prefixer{W: &b, Width: 4}
	x, y := p.Writer("x"), p.Writer("long")
	io.WriteString(x, "one")
	io.WriteString(y, "two\nthr")
	io.WriteString(x, " and\n")
	io.WriteString(y, "ee\n")
	want := "long │ two\nx    │ one and\nlong │ three\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

func TestPrefixerBoundsALine(t *testing.T) {
	var b strings.Builder
	w := (&Prefixer{W: &b}).Writer("x")
	for range 3 {
		io.WriteString(w, strings.Repeat("a", maxLine/2))
	}
	if got, want := strings.Count(b.String(), "\n"), 1; got != want {
		t.Errorf("%d lines written of an endless line, want %d", got, want)
	}
}
