//go:build interop

package interop

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a program of the test with its log, standard output and error
// together.
type process struct {
	name  string
	cmd   *exec.Cmd
	start time.Time
	input io.Closer // its standard input, open until it is closed
	ended chan struct{}

	mu    sync.Mutex
	lines []string
	more  chan struct{} // closed and replaced at each line
}

var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

// start starts a program; it is stopped at the end of the test at the latest.
func start(t *testing.T, name string, environment []string, path string, args ...string) *process {
	t.Helper()
	p := &process{name: name, cmd: exec.Command(path, args...), start: time.Now(), ended: make(chan struct{}), more: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), environment...)
	input, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.input = input
	r, w := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", name, err)
	}
	go func() {
		s := bufio.NewScanner(r)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			p.mu.Lock()
			p.lines = append(p.lines, colours.ReplaceAllString(s.Text(), ""))
			close(p.more)
			p.more = make(chan struct{})
			p.mu.Unlock()
		}
		io.Copy(io.Discard, r)
	}()
	go func() {
		p.cmd.Wait()
		w.Close()
		close(p.ended)
	}()
	t.Cleanup(func() { p.stop(t) })
	return p
}

// stop ends the program as a person would with Ctrl-C.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.input.Close()
	p.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-p.ended:
	case <-time.After(15 * time.Second):
		p.cmd.Process.Kill()
		<-p.ended
		t.Errorf("%s did not stop within 15 s; its log ends:\n%s", p.name, p.tail())
	}
}

// waitFor returns when a line of the log holds text, with the time since the
// program's start.
func (p *process) waitFor(t *testing.T, text string, within time.Duration) time.Duration {
	t.Helper()
	deadline := time.After(within)
	for next := 0; ; {
		p.mu.Lock()
		lines, more := p.lines[next:], p.more
		p.mu.Unlock()
		for _, l := range lines {
			if strings.Contains(l, text) {
				return time.Since(p.start)
			}
		}
		next += len(lines)
		select {
		case <-more:
		case <-p.ended:
			t.Fatalf("%s ended before it said %q; its log ends:\n%s", p.name, text, p.tail())
		case <-deadline:
			t.Fatalf("%s did not say %q within %v; its log ends:\n%s", p.name, text, within, p.tail())
		}
	}
}

// said returns the lines of the log that hold text.
func (p *process) said(text string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []string
	for _, l := range p.lines {
		if strings.Contains(l, text) {
			found = append(found, l)
		}
	}
	return found
}

func (p *process) tail() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var short []string
	for _, l := range p.lines[max(0, len(p.lines)-25):] {
		short = append(short, l[:min(len(l), 300)])
	}
	return strings.Join(short, "\n")
}
