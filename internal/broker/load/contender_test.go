//go:build interop && bench

package load

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// contender is one broker's program on a directory of its own.
type contender struct {
	name string
	dir  string
	port int
	run  func() *exec.Cmd
	cmd  *exec.Cmd
	Broker
}

func ours(t *testing.T) *contender {
	bin := os.Getenv("HEMS_BIN")
	if bin == "" {
		t.Fatal("HEMS_BIN is not set: run make bench")
	}
	c := &contender{name: "hems-broker", dir: t.TempDir(), port: freePort(t)}
	c.run = func() *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, "hems-broker"))
		cmd.Env = append(os.Environ(), "HEMS_DATA="+c.dir, "HEMS_LISTEN=127.0.0.1", "HEMS_PORT_BASE="+strconv.Itoa(c.port-4))
		return cmd
	}
	return c
}

// theirs is Debian's Mosquitto with its default configuration, but that it may
// be connected to without a name and drops nothing that waits.
func theirs(t *testing.T) *contender {
	program, err := exec.LookPath("mosquitto")
	if err != nil {
		program = "/usr/sbin/mosquitto"
	}
	c := &contender{name: "mosquitto", dir: t.TempDir(), port: freePort(t)}
	config := fmt.Sprintf("listener %d 127.0.0.1\nallow_anonymous true\nuser root\npersistence true\npersistence_location %s/\nmax_queued_messages 0\nlog_dest none\n", c.port, c.dir)
	file := filepath.Join(c.dir, "mosquitto.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	c.run = func() *exec.Cmd { return exec.Command(program, "-c", file) }
	return c
}

func freePort(t *testing.T) int {
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		if port > 1100 {
			return port
		}
	}
}

// start starts the program and returns how long it was until it took a client.
func (c *contender) start(t *testing.T) time.Duration {
	t.Helper()
	c.cmd = c.run()
	var said bytes.Buffer
	c.cmd.Stdout, c.cmd.Stderr = &said, &said
	begin := time.Now()
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.stop(t) })
	c.Address = fmt.Sprintf("127.0.0.1:%d", c.port)
	for {
		if c.name == "hems-broker" {
			if p, err := os.ReadFile(filepath.Join(c.dir, "secrets", "mqtt-home")); err == nil {
				c.User, c.Password = "home", strings.TrimSpace(string(p))
			}
		}
		client, err := c.Dial("probe", true)
		if err == nil {
			took := time.Since(begin)
			client.Close()
			return took
		}
		if time.Since(begin) > 20*time.Second {
			t.Fatalf("%s took no client within 20 s: %v; it said:\n%s", c.name, err, said.String())
		}
		time.Sleep(time.Millisecond)
	}
}

func (c *contender) stop(t *testing.T) {
	if c.cmd == nil {
		return
	}
	c.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(15*time.Second, func() { c.cmd.Process.Kill() })
	c.cmd.Wait()
	late.Stop()
	c.cmd = nil
}

// fresh forgets what the program has kept, but for its configuration.
func (c *contender) fresh(t *testing.T) {
	t.Helper()
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "mosquitto.conf" {
			os.RemoveAll(filepath.Join(c.dir, e.Name()))
		}
	}
}

// cpu is the program's CPU time so far, of all its threads that live.
func (c *contender) cpu(t *testing.T) time.Duration {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", c.cmd.Process.Pid))
	if err != nil || len(tasks) == 0 {
		t.Fatalf("reading /proc: %v, %d threads", err, len(tasks))
	}
	var sum time.Duration
	for _, task := range tasks {
		b, err := os.ReadFile(task)
		if err != nil {
			continue // it has ended
		}
		ns, err := strconv.ParseInt(strings.Fields(string(b))[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += time.Duration(ns)
	}
	return sum
}

// rss is the program's resident memory in MB.
func (c *contender) rss(t *testing.T) float64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb / 1024
}
