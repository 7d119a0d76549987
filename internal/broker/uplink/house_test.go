package uplink

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/broker"
	"github.com/smartcore-ireland/hems/internal/broker/uplink/mapping"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// patience is how long a test waits for what takes moments.
const patience = 30 * time.Second

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	within(t, patience, what, ok)
}

func within(t *testing.T, d time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(d); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", d, what)
		}
	}
}

// house is a broker of ours.
type house struct {
	*broker.Broker
	dir  string
	told sync.Map // topic → payload, of its bridges
}

func newHouse(t *testing.T) *house {
	t.Helper()
	dir, err := os.MkdirTemp("", "hems") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	users := broker.DefaultUsers()
	users["bridge"] = broker.Access{Read: []string{"#"}, Write: []string{"#"}}
	b, err := broker.New(broker.Options{
		TCP: []string{"127.0.0.1:0"}, Unix: filepath.Join(dir, "broker", "mqtt.sock"),
		Dir: filepath.Join(dir, "broker"), Secrets: filepath.Join(dir, "secrets"), Users: users,
		SyncEvery: -1, // nobody waits for the next message
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	<-b.Ready()
	eventually(t, "listening", func() bool { return len(b.Addresses()) == 2 })
	return &house{Broker: b, dir: dir}
}

func (h *house) tcp() string { return h.Addresses()[0] }

func (h *house) password(user string) func() (string, error) {
	return func() (string, error) { return broker.ReadPassword(filepath.Join(h.dir, "secrets"), user) }
}

func lines(t *testing.T, topics ...string) (ts mapping.Table) {
	t.Helper()
	for _, l := range topics {
		p, err := mapping.Parse(l)
		if err != nil {
			t.Fatal(err)
		}
		ts = append(ts, p)
	}
	return ts
}

// to is a bridge to another house, by the person's name.
func (h *house) to(t *testing.T, name string, address string, topics ...string) Connection {
	t.Helper()
	return Connection{Name: name, Addresses: []string{address}, Topics: lines(t, topics...), Username: "home", Password: h.password("home"), TryPrivate: true, Notify: true}
}

// bridge runs bridges of h until the end of the test or stop.
func (h *house) bridge(t *testing.T, connections ...Connection) (u *Uplink, stop func()) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	u, err := New(Options{
		Connections: connections, Dir: filepath.Join(h.dir, "broker"), User: "bridge", Password: h.password("bridge"), Log: log,
		Dial: func(ctx context.Context) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", filepath.Join(h.dir, "broker", "mqtt.sock"))
		},
		Tell: func(topic string, payload []byte) { h.told.Store(topic, string(payload)) },
		pace: pace{first: 20 * time.Millisecond, most: 200 * time.Millisecond, home: 50 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- u.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return u, stop
}

func connected(t *testing.T, us ...*Uplink) {
	t.Helper()
	for _, u := range us {
		eventually(t, "the bridges are up", func() bool {
			for _, s := range u.Stats() {
				if !s.Connected {
					return false
				}
			}
			return true
		})
	}
}

// listener is somebody who has heard messages.
type listener struct {
	*mqttclient.Client
	mu    sync.Mutex
	heard []string // topic=payload
}

func (l *listener) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.heard...)
}

func (h *house) listen(t *testing.T, filters ...string) *listener {
	t.Helper()
	return listen(t, mqttclient.Options{Server: "mqtt://" + h.tcp(), ClientID: fmt.Sprintf("l%p", h), User: "home", Password: h.password("home")}, filters...)
}

func listen(t *testing.T, o mqttclient.Options, filters ...string) *listener {
	t.Helper()
	c, err := mqttclient.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{Client: c}
	for _, f := range filters {
		err := c.Subscribe(t.Context(), f, 2, func(m mqttclient.Message) {
			text := m.Topic + "=" + string(m.Payload)
			if m.Retain {
				text += " (retained)"
			}
			l.mu.Lock()
			l.heard = append(l.heard, text)
			l.mu.Unlock()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.AwaitConnection(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return l
}

func (l *listener) publish(t *testing.T, topic, payload string, qos byte, retain bool) {
	t.Helper()
	if err := l.Publish(t.Context(), mqttclient.Message{Topic: topic, Payload: []byte(payload), QoS: qos, Retain: retain}); err != nil {
		t.Fatal(err)
	}
}

// line is a network between a bridge and a broker that can be cut.
type line struct {
	ln     net.Listener
	target string
	mu     sync.Mutex
	conns  map[net.Conn]bool
	dead   bool
	budget int // bytes until the next cut; 0: none
}

func newLine(t *testing.T, target string) *line {
	t.Helper()
	return newLineAt(t, "127.0.0.1:0", target)
}

func newLineAt(t *testing.T, address, target string) *line {
	t.Helper()
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	l := &line{ln: ln, target: target, conns: map[net.Conn]bool{}}
	t.Cleanup(func() { ln.Close(); l.cut(true) })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go l.carry(c)
		}
	}()
	return l
}

func (l *line) address() string { return l.ln.Addr().String() }

func (l *line) carry(c net.Conn) {
	defer c.Close()
	up, err := net.Dial("tcp", l.target)
	if err != nil {
		return
	}
	defer up.Close()
	l.mu.Lock()
	if l.dead {
		l.mu.Unlock()
		return
	}
	l.conns[c], l.conns[up] = true, true
	l.mu.Unlock()
	var wg sync.WaitGroup
	for _, way := range [][2]net.Conn{{c, up}, {up, c}} {
		wg.Go(func() {
			_, _ = io.Copy(meter{l, way[1]}, way[0])
			c.Close()
			up.Close()
		})
	}
	wg.Wait()
	l.mu.Lock()
	delete(l.conns, c)
	delete(l.conns, up)
	l.mu.Unlock()
}

// meter ends the connections of a line in the middle of a write when its budget
// is spent.
type meter struct {
	l *line
	w io.Writer
}

func (m meter) Write(p []byte) (int, error) {
	m.l.mu.Lock()
	n := len(p)
	if m.l.budget > 0 {
		if m.l.budget -= n; m.l.budget <= 0 {
			n = max(0, n+m.l.budget-1)
			m.l.budget = 0
		}
	}
	m.l.mu.Unlock()
	if w, err := m.w.Write(p[:n]); err != nil || n < len(p) {
		return w, io.ErrClosedPipe
	}
	return n, nil
}

// cut ends all connections; dead: and takes no new ones.
func (l *line) cut(dead bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = dead
	for c := range l.conns {
		c.Close()
	}
}

// cutAfter ends the connections after so many more bytes.
func (l *line) cutAfter(bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.budget = bytes
}
