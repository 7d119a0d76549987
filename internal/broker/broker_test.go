package broker_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/broker"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// house is a broker with its directories; it can be stopped and started again.
type house struct {
	*broker.Broker
	opt  broker.Options
	log  *logBuffer
	stop func()
}

// logBuffer collects a log for tests that look at it.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newHouse(t *testing.T) *house {
	t.Helper()
	dir, err := os.MkdirTemp("", "hems") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	h := &house{log: &logBuffer{}}
	h.opt = broker.Options{
		TCP:     []string{"127.0.0.1:0"},
		Unix:    filepath.Join(dir, "broker", "mqtt.sock"),
		Dir:     filepath.Join(dir, "broker"),
		Secrets: filepath.Join(dir, "secrets"),
		Log:     slog.New(slog.NewTextHandler(h.log, nil)),
	}
	return h
}

// start runs the broker until the end of the test or stop.
func (h *house) start(t *testing.T) *house {
	t.Helper()
	b, err := broker.New(h.opt)
	if err != nil {
		t.Fatal(err)
	}
	h.Broker = b
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		begin := time.Now()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if d := time.Since(begin); d > 5*time.Second {
			t.Errorf("stopping took %v", d)
		}
	})
	t.Cleanup(h.stop)
	<-b.Ready()
	eventually(t, "listening", func() bool { return len(b.Addresses()) == len(h.opt.TCP)+len(h.opt.Listeners)+1 })
	return h
}

func startHouse(t *testing.T) *house {
	t.Helper()
	return newHouse(t).start(t)
}

func (h *house) tcp() string { return h.Addresses()[0] }

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

func (h *house) options(user string) mqttclient.Options {
	return mqttclient.Options{
		Server: "unix://" + h.opt.Unix, ClientID: user + "-test", User: user,
		Password: func() (string, error) { return broker.ReadPassword(h.opt.Secrets, user) },
	}
}

func (h *house) open(t *testing.T, o mqttclient.Options) *mqttclient.Client {
	t.Helper()
	c, err := mqttclient.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		c.Close(ctx)
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.AwaitConnection(ctx); err != nil {
		t.Fatal(err)
	}
	return c
}

func (h *house) client(t *testing.T, user string) *mqttclient.Client {
	t.Helper()
	return h.open(t, h.options(user))
}

func msg(topic, payload string, qos byte, retain bool) mqttclient.Message {
	return mqttclient.Message{Topic: topic, Payload: []byte(payload), QoS: qos, Retain: retain}
}

func publish(t *testing.T, c *mqttclient.Client, m mqttclient.Message) {
	t.Helper()
	if err := c.Publish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

// subscription gathers messages for a test to wait for.
type subscription struct {
	t  *testing.T
	ch chan mqttclient.Message
}

func subscribe(t *testing.T, c *mqttclient.Client, filter string) subscription {
	t.Helper()
	s := subscription{t, make(chan mqttclient.Message, 50000)}
	if err := c.Subscribe(t.Context(), filter, 1, func(m mqttclient.Message) { s.ch <- m }); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s subscription) next() mqttclient.Message {
	s.t.Helper()
	select {
	case m := <-s.ch:
		return m
	case <-time.After(time.Minute):
		s.t.Fatal("no message came within 15 s")
		return mqttclient.Message{}
	}
}

func (s subscription) want(want mqttclient.Message) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.next()); diff != "" {
		s.t.Errorf("message (-want +got):\n%s", diff)
	}
}

func TestNewRefusesIncompleteOptions(t *testing.T) {
	for name, o := range map[string]broker.Options{
		"NoDirectory": {TCP: []string{"127.0.0.1:0"}, Secrets: "x"},
		"NoSecrets":   {TCP: []string{"127.0.0.1:0"}, Dir: "x"},
		"NoListener":  {Dir: "x", Secrets: "x"},
	} {
		if _, err := broker.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestRetainedMessagesSurviveARestart(t *testing.T) {
	h := startHouse(t)
	c := h.client(t, "home")
	publish(t, c, msg("kept/qos0", "0", 0, true))
	publish(t, c, msg("kept/qos1", "1", 1, true))
	publish(t, c, msg("kept/qos2", "2", 2, true))
	publish(t, c, msg("kept/changed", "old", 1, true))
	publish(t, c, msg("kept/changed", "new", 1, true))
	publish(t, c, msg("kept/deleted", "x", 1, true))
	publish(t, c, msg("kept/deleted", "", 1, true))
	publish(t, c, msg("kept/news", "x", 1, false))
	h.stop()
	h.start(t)
	s := subscribe(t, h.client(t, "metrics"), "kept/#")
	got := map[string]string{}
	for range 4 {
		m := s.next()
		if !m.Retain {
			t.Errorf("%s came without the retain flag", m.Topic)
		}
		got[m.Topic] = string(m.Payload)
	}
	if err := c.AwaitConnection(t.Context()); err != nil { // it reconnects by itself
		t.Fatal(err)
	}
	publish(t, c, msg("kept/end", "", 1, false))
	want := map[string]string{"kept/qos0": "0", "kept/qos1": "1", "kept/qos2": "2", "kept/changed": "new"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("after the restart (-want +got):\n%s", diff)
	}
	s.want(msg("kept/end", "", 1, false))
}

func TestATakenPortIsTriedAgainWhileTheSocketServes(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	h := newHouse(t)
	h.opt.TCP = []string{other.Addr().String()}
	b, err := broker.New(h.opt)
	if err != nil {
		t.Fatal(err)
	}
	h.Broker = b
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	defer func() { cancel(); <-done }()
	h.client(t, "home") // through the socket
	want := "listening on " + other.Addr().String() + ": address already in use: stop the other broker on this machine, or set HEMS_PORT_BASE"
	eventually(t, "the error in the log", func() bool { return strings.Contains(h.log.String(), want) })
	other.Close()
	eventually(t, "the port is taken over", func() bool { return len(b.Addresses()) == 2 })
	if n := strings.Count(h.log.String(), "address already in use"); n != 1 {
		t.Errorf("the error was logged %d times, want once", n)
	}
}

func TestASocketLeftByAKilledBrokerIsRemoved(t *testing.T) {
	h := newHouse(t)
	if err := os.MkdirAll(h.opt.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: h.opt.Unix, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	h.start(t)
	h.client(t, "home")
	info, err := os.Stat(h.opt.Unix)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o660 {
		t.Errorf("mode of the socket = %v, want 0660", got)
	}
}

func TestASecondBrokerWaitsForTheFirst(t *testing.T) {
	h := startHouse(t)
	second := &house{opt: h.opt, log: &logBuffer{}}
	second.opt.Log = slog.New(slog.NewTextHandler(second.log, nil))
	b, err := broker.New(second.opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	defer func() { cancel(); <-done }()
	eventually(t, "the error in the log", func() bool { return strings.Contains(second.log.String(), "another broker uses it") })
	publish(t, h.client(t, "home"), msg("still/served", "", 1, false))
	h.stop()
	select {
	case <-b.Ready():
	case <-time.After(time.Minute):
		t.Error("the second broker has not begun")
	}
}

func TestPasswordsAreGeneratedOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "secrets")
	users := []string{"zigbee", "metrics", "gateway", "home"}
	var wg sync.WaitGroup
	for range 8 { // all processes of the appliance at once
		wg.Go(func() {
			if err := broker.EnsureCredentials(dir, users...); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	seen := map[string]string{}
	for _, u := range users {
		p, err := broker.ReadPassword(dir, u)
		if err != nil {
			t.Fatal(err)
		}
		if len(p) != 32 || strings.Trim(p, "0123456789abcdef") != "" {
			t.Errorf("password of %s is %q, want 32 hexadecimal characters", u, p)
		}
		if other, ok := seen[p]; ok {
			t.Errorf("%s and %s have the same password", u, other)
		}
		seen[p] = u
		info, err := os.Stat(broker.PasswordFile(dir, u))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("mode of %s's password = %v, want 0600", u, got)
		}
	}
	before, _ := broker.ReadPassword(dir, "home")
	if err := broker.EnsureCredentials(dir, users...); err != nil {
		t.Fatal(err)
	}
	if after, _ := broker.ReadPassword(dir, "home"); after != before {
		t.Error("a password that was there was changed")
	}
	if _, err := broker.ReadPassword(dir, "nobody"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadPassword of nobody: %v, want ErrNotExist", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(users) {
		t.Errorf("%d files in the directory, want %d", len(entries), len(users))
	}
}
