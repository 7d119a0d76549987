//go:build e2e || vm

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"log/slog"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// patience bounds every wait: generous, because the machine may be busy, and
// never the thing that is measured.
const patience = 90 * time.Second

// under is a running "hems run" and what is known of it.
type under struct {
	t    *testing.T
	dir  string
	wait time.Duration     // bounds every wait
	env  map[string]string // demo.env
	cmd  *exec.Cmd
	out  *capture
	done chan struct{}
}

// capture keeps what the programs print.
type capture struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (c *capture) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.Write(p)
}

func (c *capture) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.String()
}

func binary(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("HEMS_BIN")
	if dir == "" {
		dir = filepath.Join("..", "..", "build", "bin")
	}
	path, err := filepath.Abs(filepath.Join(dir, name))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("finding the program under test: %v: run \"make build\" first", err)
	}
	return path
}

// portBase finds eight free ports in a row.
func portBase(t *testing.T) int {
	t.Helper()
	for range 50 {
		first, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		base := first.Addr().(*net.TCPAddr).Port
		free := base+8 < 65000
		for p := base + 1; free && p < base+8; p++ {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p))
			if err != nil {
				free = false
				break
			}
			l.Close()
		}
		first.Close()
		if free {
			return base
		}
	}
	t.Fatal("no eight free ports in a row")
	return 0
}

// tempDir is a directory whose sockets' paths stay under the 108 bytes a unix
// socket may have.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hems")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// run starts the appliance on dir and waits until it says how to sign in.
func run(t *testing.T, dir string, base int, args ...string) *under {
	t.Helper()
	return await(start(t, dir, base, args...))
}

// start starts the appliance on dir.
func start(t *testing.T, dir string, base int, args ...string) *under {
	t.Helper()
	return command(t, patience, dir, base, append([]string{"run"}, args...)...)
}

// command starts "hems" with args on dir.
func command(t *testing.T, wait time.Duration, dir string, base int, args ...string) *under {
	t.Helper()
	u := &under{t: t, dir: dir, wait: wait, out: &capture{}, done: make(chan struct{})}
	u.cmd = exec.Command(binary(t, "hems"), args...)
	u.cmd.Env = append(os.Environ(), "HEMS_DATA="+dir, fmt.Sprintf("HEMS_PORT_BASE=%d", base), "HEMS_DONGLE=")
	u.cmd.Stdout, u.cmd.Stderr = u.out, u.out
	if err := u.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { u.cmd.Wait(); close(u.done) }()
	t.Cleanup(func() {
		u.stop()
		if t.Failed() {
			t.Logf("what the appliance printed:\n%s", tail(u.out.String(), 80))
		}
	})
	return u
}

func await(u *under) *under {
	u.t.Helper()
	u.eventually("the address of the dashboard", func() error {
		if !strings.Contains(u.out.String(), "Sign in") {
			return errors.New("not printed yet")
		}
		return nil
	})
	b, err := os.ReadFile(filepath.Join(u.dir, "demo.env"))
	if err != nil {
		u.t.Fatal(err)
	}
	u.env = map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^export (\w+)='([^']*)'$`).FindAllStringSubmatch(string(b), -1) {
		u.env[m[1]] = m[2]
	}
	return u
}

func tail(s string, lines int) string {
	all := strings.Split(s, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// stop is Ctrl-C. It returns how long the appliance took to be gone.
func (u *under) stop() time.Duration {
	began := time.Now()
	_ = u.cmd.Process.Signal(os.Interrupt) // it may be gone already
	select {
	case <-u.done:
	case <-time.After(30 * time.Second):
		u.t.Error("the appliance did not stop within 30 s of Ctrl-C")
		_ = u.cmd.Process.Kill()
		<-u.done
	}
	return time.Since(began)
}

// eventually calls check until it returns nil.
func (u *under) eventually(what string, check func() error) {
	u.t.Helper()
	deadline := time.Now().Add(u.wait)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			u.t.Fatalf("waited %v for %s: %v", u.wait, what, err)
		}
		select {
		case <-u.done:
			u.t.Fatalf("the appliance ended while waiting for %s: %v", what, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// pid is the process id of the newest start of a program.
func (u *under) pid(program string) int {
	u.t.Helper()
	entries, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		u.t.Fatal(err)
	}
	for _, path := range entries {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // gone meanwhile
		}
		var pid, parent int
		var state string
		stat := string(b)
		i, j := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')')
		if i < 0 || j < i {
			continue
		}
		fmt.Sscan(stat[:i], &pid)
		fmt.Sscan(stat[j+1:], &state, &parent)
		if stat[i+1:j] == program && parent == u.cmd.Process.Pid && state != "Z" {
			return pid
		}
	}
	return 0
}

// kill is kill -9 of one program; it waits until another has been started.
func (u *under) kill(program string) {
	u.t.Helper()
	old := u.pid(program)
	if old == 0 {
		u.t.Fatalf("%s does not run", program)
	}
	if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
		u.t.Fatal(err)
	}
	u.eventually("another "+program, func() error {
		if now := u.pid(program); now == 0 || now == old {
			return errors.New("not started yet")
		}
		return nil
	})
}

// client is an MQTT client as the householder's.
func (u *under) client(id string) *mqttclient.Client {
	u.t.Helper()
	c, err := mqttclient.Open(u.t.Context(), mqttclient.Options{
		Server:   "mqtt://" + net.JoinHostPort(u.env["MQTT_HOST"], u.env["MQTT_PORT"]),
		ClientID: id,
		User:     u.env["MQTT_USER"],
		Password: func() (string, error) { return u.env["MQTT_PASSWORD"], nil },
		Log:      slog.New(slog.DiscardHandler),
	})
	if err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() { c.Close(context.Background()) })
	ctx, cancel := context.WithTimeout(u.t.Context(), u.wait)
	defer cancel()
	if err := c.AwaitConnection(ctx); err != nil {
		u.t.Fatalf("connecting to the broker: %v", err)
	}
	return c
}

// topics keeps the newest message of each topic.
type topics struct {
	mu     sync.Mutex
	newest map[string]mqttclient.Message
	all    []mqttclient.Message
}

func (u *under) watch(c *mqttclient.Client, filters ...string) *topics {
	u.t.Helper()
	w := &topics{newest: map[string]mqttclient.Message{}}
	for _, f := range filters {
		err := c.Subscribe(u.t.Context(), f, 1, func(m mqttclient.Message) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.newest[m.Topic] = m
			w.all = append(w.all, m)
		})
		if err != nil {
			u.t.Fatal(err)
		}
	}
	return w
}

func (w *topics) get(topic string) (mqttclient.Message, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m, ok := w.newest[topic]
	return m, ok
}

// first is the first message of a topic: to a client that came late, the
// retained one.
func (w *topics) first(topic string) (first mqttclient.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.all {
		if m.Topic == topic {
			return m
		}
	}
	return first
}

func (w *topics) count(match func(mqttclient.Message) bool) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.all {
		if match(m) {
			n++
		}
	}
	return n
}

// json decodes the newest message of a topic into v.
func (w *topics) json(topic string, v any) error {
	m, ok := w.get(topic)
	if !ok {
		return fmt.Errorf("nothing on %s yet", topic)
	}
	if err := json.Unmarshal(m.Payload, v); err != nil {
		return fmt.Errorf("%s is %q: %w", topic, m.Payload, err)
	}
	return nil
}

// hand is the person's hand on the simulated home.
func (u *under) hand(method, path, body string) string {
	u.t.Helper()
	answer, err := u.tryHand(method, path, body)
	if err != nil {
		u.t.Fatal(err)
	}
	return answer
}

// tryHand is hand for a home that may not answer.
func (u *under) tryHand(method, path, body string) (string, error) {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", filepath.Join(u.dir, "simulator", "control.sock"))
		},
	}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(u.t.Context(), method, "http://simulator"+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("the simulated home does not answer: %w", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		return "", fmt.Errorf("%s %s: %s %s %w", method, path, resp.Status, b, err)
	}
	return string(b), nil
}
