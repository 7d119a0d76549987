//go:build e2e || bench

package readings

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait: generous, because the machine may be busy.
const patience = 2 * time.Minute

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

// process is a program that runs.
type process struct {
	name string
	cmd  *exec.Cmd
	said said
	done chan struct{} // closed at its end
}

// said keeps what a program prints, or the last of it.
type said struct {
	mu sync.Mutex
	b  []byte
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	const most = 1 << 20
	if s.b = append(s.b, p...); len(s.b) > 2*most {
		s.b = append([]byte(nil), s.b[len(s.b)-most:]...)
	}
	return len(p), nil
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.b)
}

// run starts a program, which ends with the test.
func run(t testing.TB, name string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{name: name, cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.said, &p.said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { cmd.Wait(); close(p.done) }()
	t.Cleanup(func() { p.end(t, syscall.SIGKILL) })
	return p
}

// end sends a signal and waits for the end. A second time does nothing.
func (p *process) end(t testing.TB, s syscall.Signal) {
	t.Helper()
	if p == nil {
		return
	}
	p.cmd.Process.Signal(s)
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Errorf("%s does not end:\n%s", p.name, tail(p.said.String()))
		p.cmd.Process.Kill()
		<-p.done
	}
}

// says waits until the program has printed a text and returns what follows it,
// up to the next space or quote.
func (p *process) says(t testing.TB, text string) (word string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s to say %q", p.name, text), func() bool {
		select {
		case <-p.done:
			t.Fatalf("%s ended:\n%s", p.name, tail(p.said.String()))
		default:
		}
		_, after, found := strings.Cut(p.said.String(), text)
		if i := strings.IndexAny(after, " \"\n,}/"); found && i >= 0 {
			word = after[:i]
			return true
		}
		return false
	})
	return word
}

func tail(s string) string { return s[max(0, len(s)-4000):] }

// ours is a program of the product's.
func ours(t testing.TB, name string) string {
	t.Helper()
	bin := os.Getenv("HEMS_BIN")
	if bin == "" {
		bin = filepath.Join("..", "..", "..", "build", "bin")
	}
	path, err := filepath.Abs(filepath.Join(bin, name))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("finding the program under test: %v: run \"make build\" first", err)
	}
	return path
}

// portBase is before some ports that are likely free: what listens there is not
// used in these tests, and a broker that cannot listen there tries again.
func portBase(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return min(l.Addr().(*net.TCPAddr).Port+1, 65000)
}

// tempDir is a directory whose sockets' paths stay under the 108 bytes a unix
// socket may have.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hems")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
