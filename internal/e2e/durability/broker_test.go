//go:build e2e || bench

package durability

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

// program is a broker that runs.
type program struct {
	t    testing.TB
	dir  string
	base int // of its ports
	cmd  *exec.Cmd
	said said
	done chan struct{}
}

// said keeps what a program prints.
type said struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func (p *program) socket() string { return filepath.Join(p.dir, "broker", "mqtt.sock") }

// start starts the broker on a directory and waits until it listens.
func start(t testing.TB, dir string) *program {
	t.Helper()
	bin := os.Getenv("HEMS_BIN")
	if bin == "" {
		bin = filepath.Join("..", "..", "..", "build", "bin")
	}
	path, err := filepath.Abs(filepath.Join(bin, "hems-broker"))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("finding the program under test: %v: run \"make build\" first", err)
	}
	p := &program{t: t, dir: dir, base: portBase(t), done: make(chan struct{})}
	p.cmd = exec.Command(path)
	p.cmd.Env = append(os.Environ(), "HEMS_DATA="+dir, fmt.Sprintf("HEMS_PORT_BASE=%d", p.base), "HEMS_DONGLE=")
	p.cmd.Stdout, p.cmd.Stderr = &p.said, &p.said
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.cmd.Wait(); close(p.done) }()
	t.Cleanup(func() { p.end(syscall.SIGKILL) })
	for deadline := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		c, err := net.Dial("unix", p.socket())
		if err == nil {
			c.Close()
			return p
		}
		select {
		case <-p.done:
			t.Fatalf("the broker ended:\n%s", p.said.String())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("the broker does not listen: %v\n%s", err, p.said.String())
		}
	}
}

// end sends a signal and waits for the end.
func (p *program) end(s syscall.Signal) {
	p.cmd.Process.Signal(s)
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Errorf("the broker does not end")
		p.cmd.Process.Kill()
	}
}

func (p *program) password(user string) string {
	p.t.Helper()
	b, err := os.ReadFile(filepath.Join(p.dir, "secrets", "mqtt-"+user))
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// connect is a connection of the user home.
func (p *program) connect(h hello) *wire {
	p.t.Helper()
	h.user, h.password = "home", p.password("home")
	w, err := connect(p.socket(), h)
	if err != nil {
		p.t.Fatalf("%v\n%s", err, tail(p.said.String()))
	}
	p.t.Cleanup(func() { w.Close() })
	return w
}

func tail(s string) string { return s[max(0, len(s)-4000):] }

// portBase finds some free ports in a row.
func portBase(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port + 1
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
