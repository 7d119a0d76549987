package gateway

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/gateway/signin"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

func TestTakenPortIsSaidOnceAndTriedAgain(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := taken.Addr().String()
	log := &logbook{}
	logger := slog.New(slog.NewTextHandler(log, nil))
	g, err := New(Options{
		Listen: []string{addr}, Dir: t.TempDir(), History: &past{}, Log: logger,
		MQTT:     mqttclient.Options{Server: "mqtt://127.0.0.1:1", ClientID: "hems-gateway", Log: slog.New(slog.DiscardHandler)},
		Password: signin.Params{Memory: 64, Time: 1, Threads: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	g.retry = 20 * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- g.Run(ctx) }()

	deadline := time.Now().Add(time.Minute)
	for !strings.Contains(log.String(), "another program has this port") {
		if time.Now().After(deadline) {
			t.Fatalf("the taken port was never said; the log has\n%s", log)
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond)
	if got := strings.Count(log.String(), "another program has this port"); got != 1 {
		t.Errorf("the taken port was said %d times, want once", got)
	}
	taken.Close()
	for {
		// The broker is away as well, and the page is served all the same.
		res, err := http.Get("http://" + addr + "/healthz")
		if err == nil {
			res.Body.Close()
			if res.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("without a broker: got %s, want 503", res.Status)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the freed port was never taken: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	start := time.Now()
	cancel()
	if err := <-ran; err != nil {
		t.Errorf("Run: got %v, want nil after its context ended", err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("stopping took %v, want at most 2 s", took)
	}
}

func TestVisitorsWaitBetweenTwoRuns(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	free.Close()
	sockets := &Sockets{}
	run := func(listen string) (stop func()) {
		t.Helper()
		log := &logbook{}
		g, err := New(Options{
			Listen: []string{listen}, Sockets: sockets, Dir: t.TempDir(), History: &past{}, Log: slog.New(slog.NewTextHandler(log, nil)),
			MQTT:     mqttclient.Options{Server: "mqtt://127.0.0.1:1", ClientID: "hems-gateway", Log: slog.New(slog.DiscardHandler)},
			Password: signin.Params{Memory: 64, Time: 1, Threads: 1},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- g.Run(ctx) }()
		for deadline := time.Now().Add(time.Minute); !strings.Contains(log.String(), "the dashboard is at"); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("it never listened; the log has\n%s", log)
			}
		}
		return func() {
			cancel()
			if err := <-ran; err != nil {
				t.Errorf("Run: %v", err)
			}
		}
	}
	run(addr)()
	answered := make(chan error, 1)
	go func() { // between two runs
		res, err := http.Get("http://" + addr + "/healthz")
		if err == nil {
			res.Body.Close()
		}
		answered <- err
	}()
	select {
	case err := <-answered:
		t.Fatalf("between two runs: got %v at once, want to wait", err)
	case <-time.After(100 * time.Millisecond):
	}
	stop := run(addr)
	if err := <-answered; err != nil {
		t.Errorf("who came between two runs: %v", err)
	}
	stop()
	run("127.0.0.1:0")() // another address: the old one is free again
	if again, err := net.Listen("tcp", addr); err != nil {
		t.Errorf("an address that is used no more: %v", err)
	} else {
		again.Close()
	}
}

func TestSlowAndManyConnectionsAreLetGo(t *testing.T) {
	h := newHouse(t)
	h.limits = limits{header: 200 * time.Millisecond, read: 300 * time.Millisecond, write: time.Second, idle: 200 * time.Millisecond, conns: 4, each: 4}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- h.serve(ctx, l, h.onLAN(false)) }()
	defer func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: got %v, want nil", err)
		}
	}()
	for _, begin := range []string{"", "GET / HT", "POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nuser="} {
		for range 4 { // as many as there is room for, and all of them stall
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Write([]byte(begin)); err != nil {
				t.Fatal(err)
			}
		}
	}
	client := http.Client{Timeout: 10 * time.Second}
	res, err := client.Get("http://" + l.Addr().String() + "/login")
	if err != nil {
		t.Fatalf("a visitor behind twelve stalled connections: %v", err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("a visitor behind twelve stalled connections: got %s, want 200", res.Status)
	}
}

func TestLargeHeadersAreRefused(t *testing.T) {
	h := newHouse(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- h.serve(ctx, l, h.onLAN(false)) }()
	defer func() { cancel(); <-served }()
	r, err := http.NewRequest("GET", "http://"+l.Addr().String()+"/login", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Cookie", strings.Repeat("a=b; ", 10_000))
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("50 kB of cookies: got %s, want 431", res.Status)
	}
}
