package manager

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/broker"
	"github.com/smartcore-ireland/hems/internal/health"
	"github.com/smartcore-ireland/hems/internal/manager/gokrazy/gokrazytest"
	"github.com/smartcore-ireland/hems/internal/manager/tree"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/reply"
)

// bench is a manager among real neighbours: a broker, an init, a dashboard, a
// recorder, a keeper.
type bench struct {
	t    *testing.T
	o    Options
	init *gokrazytest.Server
	http *http.Client
	stop func()     // ends the manager
	done chan error // its end

	mu      sync.Mutex
	words   []string // told to the keeper
	reboots []string // their arguments
	set     Settings
	store   int // the status of the store's check
}

const zigbeePath = "/user/hems-zigbee"

func setUp(t *testing.T) *bench {
	t.Helper()
	dir := t.TempDir()
	b := &bench{t: t, store: http.StatusOK, done: make(chan error, 1)}
	b.init = gokrazytest.Start(t, programPaths...)
	mqtt, err := broker.New(broker.Options{Unix: filepath.Join(dir, "mqtt.sock"), Dir: filepath.Join(dir, "broker"), Secrets: filepath.Join(dir, "secrets"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { mqtt.Run(ctx); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	dashboard := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "ok") }))
	t.Cleanup(dashboard.Close)
	l, err := net.Listen("unix", filepath.Join(dir, "metrics.sock"))
	if err != nil {
		t.Fatal(err)
	}
	recorder := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		w.WriteHeader(b.store)
	})}
	go recorder.Serve(l)
	t.Cleanup(func() { recorder.Close() })
	b.set.Dashboard = dashboard.URL
	b.o = Options{
		Card: true, Version: "1.2.3", Updates: Updates{Board: "pi", Password: filepath.Join(dir, "secrets", "update-password")}, Data: dir, Dir: filepath.Join(dir, "manager"), Runtime: filepath.Join(dir, "runtime"),
		MQTT:     b.user(dir, "manager"),
		Metrics:  filepath.Join(dir, "metrics.sock"),
		Programs: []string{"hems-broker", "hems-zigbee", "hems-metrics", "hems-gateway"},
		Settings: func() Settings { b.mu.Lock(); defer b.mu.Unlock(); return b.set },
		Tell:     func(word string) error { b.mu.Lock(); defer b.mu.Unlock(); b.words = append(b.words, word); return nil },
		Restart: func(argument string) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.reboots = append(b.reboots, argument)
			return nil
		},
		Init: b.init.Socket, Root: filepath.Join(dir, "root"), Mount: filepath.Join(dir, "not mounted"),
		Log: slog.New(slog.DiscardHandler),
	}
	b.http = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(b.o.Runtime, Socket))
	}}}
	b.boot(`{"slot":"a","committed":"a","boots":1,"perm":{"state":"ok"},"watchdog":{"identity":"test"}}`)
	return b
}

// anotherInit is a machine that was started again.
func (b *bench) anotherInit() string {
	b.init = gokrazytest.Start(b.t, programPaths...)
	return b.init.Socket
}

var programPaths = []string{"/user/hems-broker", zigbeePath, "/user/hems-metrics", "/user/hems-gateway", "/user/hems-manager", "/gokrazy/ntp"}

// boot writes boot.json.
func (b *bench) boot(text string) {
	b.t.Helper()
	if err := os.MkdirAll(b.o.Runtime, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.o.Runtime, "boot.json"), []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// user is a connection to the broker.
func (b *bench) user(dir, name string) mqttclient.Options {
	return mqttclient.Options{Server: "unix://" + filepath.Join(dir, "mqtt.sock"), ClientID: name, User: name,
		Password: func() (string, error) { return broker.ReadPassword(filepath.Join(dir, "secrets"), name) }, Log: slog.New(slog.DiscardHandler)}
}

// says publishes a process's health.
func (b *bench) says(process string, r health.Report) {
	b.t.Helper()
	c, err := mqttclient.Open(b.t.Context(), b.user(b.o.Data, process))
	if err != nil {
		b.t.Fatal(err)
	}
	defer c.Close(context.Background())
	if err := c.AwaitConnection(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	if err := c.Publish(b.t.Context(), mqttclient.Message{Topic: health.Topic(process), Payload: r.Payload(), QoS: 1, Retain: true}); err != nil {
		b.t.Fatal(err)
	}
}

// run starts the manager.
func (b *bench) run() {
	b.t.Helper()
	m, err := New(b.o)
	if err != nil {
		b.t.Fatal(err)
	}
	m.every = 50 * time.Millisecond
	if m.init != nil {
		m.init.Alive = b.init.Alive
		m.watch = m.newWatch()
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { b.done <- m.Run(ctx); close(ended) }()
	b.stop = func() { cancel(); <-ended }
	b.t.Cleanup(b.stop)
}

// ask is one request on the socket.
func (b *bench) ask(method, path, body string) (status int, text string) {
	req, err := http.NewRequest(method, "http://manager"+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err := b.http.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, string(all)
}

func (b *bench) health() (a tree.Answer) {
	if status, text := b.ask("GET", "/v1/health", ""); status == http.StatusOK {
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			b.t.Fatal(err)
		}
	}
	return a
}

func (b *bench) eventually(what string, ok func() bool) {
	b.t.Helper()
	for range 2000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	_, text := b.ask("GET", "/v1/health", "")
	b.t.Fatalf("waited in vain for %s; health: %s", what, text)
}

func TestAmongItsNeighbours(t *testing.T) {
	t.Parallel()
	b := setUp(t)
	b.says("zigbee", health.Report{State: health.OK})
	b.says("metrics", health.Report{State: health.OK})
	b.init.Write(zigbeePath, "stderr", "level=INFO msg=before")
	b.o.Handlers = map[string]http.Handler{"POST /v1/backup": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "an archive") })}
	b.run()
	b.eventually("all to be well", func() bool { return b.health().State == tree.OK })

	t.Run("TheKeeperHears", func(t *testing.T) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.words) == 0 || b.words[0] != "alive" {
			t.Errorf("told %q", b.words)
		}
	})
	t.Run("System", func(t *testing.T) {
		_, text := b.ask("GET", "/v1/system", "")
		for _, want := range []string{`"version":"1.2.3"`, `"kind":"card"`, `"slot":"a"`, `"boots":1`, `"total_bytes":`} {
			if !strings.Contains(text, want) {
				t.Errorf("%s is not in %s", want, text)
			}
		}
	})
	t.Run("Metrics", func(t *testing.T) {
		_, text := b.ask("GET", "/v1/metrics", "")
		for _, want := range []string{`hems_health{node="broker"} 1`, `hems_process_restarts_total{process="hems-zigbee"} 0`, `hems_boots 1`} {
			if !strings.Contains(text, want+"\n") {
				t.Errorf("%s is not in %s", want, text)
			}
		}
	})
	t.Run("Logs", func(t *testing.T) {
		b.eventually("the line of before", func() bool {
			_, text := b.ask("GET", "/v1/logs?process=zigbee", "")
			return strings.HasSuffix(text, " hems-zigbee level=INFO msg=before\n")
		})
		if _, text := b.ask("GET", "/v1/logs?process=broker", ""); text != "" {
			t.Errorf("the broker's lines are %q", text)
		}
	})
	t.Run("LogsFollowed", func(t *testing.T) {
		resp, err := b.http.Get("http://manager/v1/logs?follow=1&process=hems-gateway")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b.init.Write("/user/hems-gateway", "stdout", "just now")
		line := make([]byte, 200)
		n, err := resp.Body.Read(line)
		if err != nil || !strings.HasSuffix(string(line[:n]), " hems-gateway just now\n") {
			t.Errorf("read %q, %v", line[:n], err)
		}
	})
	t.Run("WhatOthersServe", func(t *testing.T) {
		if status, text := b.ask("POST", "/v1/backup", ""); status != 200 || text != "an archive" {
			t.Errorf("answer %d %q", status, text)
		}
	})
	t.Run("Refusals", func(t *testing.T) {
		for _, tt := range []struct {
			method, path, body string
			status             int
			code               string
		}{
			{"GET", "/v1/none", "", 404, "not_found"},
			{"DELETE", "/v1/health", "", 404, "not_found"},
			{"GET", "/v1/logs?lines=-1", "", 400, "bad_request"},
			{"GET", "/v1/logs?lines=x", "", 400, "bad_request"},
			{"POST", "/v1/restart", "", 400, "bad_request"},
			{"POST", "/v1/restart", `{"process":"hems-zigbee"} x`, 400, "bad_request"},
			{"POST", "/v1/restart", `{"proces":"hems-zigbee"}`, 400, "bad_request"},
			{"POST", "/v1/restart", `{"process":"` + strings.Repeat("x", maxAsked) + `"}`, 400, "bad_request"},
			{"POST", "/v1/restart", `{"process":"ntp"}`, 404, "no_process"},
		} {
			status, text := b.ask(tt.method, tt.path, tt.body)
			var p reply.Refusal
			if err := json.Unmarshal([]byte(text), &p); err != nil || status != tt.status || p.Code != tt.code || p.Error == "" {
				t.Errorf("%s %s: %d %s, want %d %s", tt.method, tt.path, status, text, tt.status, tt.code)
			}
		}
	})
	t.Run("Restart", func(t *testing.T) {
		if status, text := b.ask("POST", "/v1/restart", `{"process":"zigbee"}`); status != 200 || !b.init.Running(zigbeePath) {
			t.Errorf("answer %d %s, running %v", status, text, b.init.Running(zigbeePath))
		}
	})
	t.Run("ItSaysWhatIsItsOwn", func(t *testing.T) {
		heard := make(chan string, 8)
		c, err := mqttclient.Open(t.Context(), b.user(b.o.Data, "gateway"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(context.Background())
		c.Subscribe(t.Context(), health.Topic("manager"), 1, func(m mqttclient.Message) { heard <- string(m.Payload) })
		if got := <-heard; got != `{"state":"ok"}` {
			t.Errorf("said %s", got)
		}
		b.boot(`{"slot":"a","committed":"a","perm":{"state":"memory","message":"nothing is kept"}}`)
		if got := <-heard; !strings.Contains(got, "nothing is kept") {
			t.Errorf("said %s", got)
		}
		b.boot(`{"slot":"a","committed":"a","perm":{"state":"ok"}}`)
		<-heard
		b.stop()
		if got := <-heard; got != `{"state":"offline"}` {
			t.Errorf("said %s at its end", got)
		}
		if err := <-b.done; err != nil {
			t.Error(err)
		}
	})
	t.Run("LogsAfterARestart", func(t *testing.T) {
		b.init.Write(zigbeePath, "stderr", "level=INFO msg=meanwhile")
		b.run()
		b.eventually("the line of meanwhile", func() bool {
			_, text := b.ask("GET", "/v1/logs?process=zigbee", "")
			return strings.Count(text, "msg=before\n") == 1 && strings.Count(text, "msg=meanwhile\n") == 1
		})
	})
	t.Run("Reboot", func(t *testing.T) {
		if status, _ := b.ask("POST", "/v1/reboot", ""); status != http.StatusAccepted {
			t.Errorf("answer %d", status)
		}
		if err := <-b.done; err != nil {
			t.Error(err)
		}
		if len(b.reboots) != 1 || b.reboots[0] != "" {
			t.Errorf("reboots %q, want a plain one", b.reboots)
		}
		asked := b.init.Asked()
		if got := asked[len(asked)-1]; got != "stop /user/hems-broker" || b.init.Running(zigbeePath) || b.init.Running("/gokrazy/ntp") {
			t.Errorf("asked of init %q", asked)
		}
		if !b.init.Running("/user/hems-manager") {
			t.Error("the manager was stopped by itself")
		}
	})
}

func TestPartsThatFail(t *testing.T) {
	t.Parallel()
	b := setUp(t)
	b.store = http.StatusInternalServerError
	b.says("zigbee", health.Report{State: health.Failing, Message: "the dongle is away", Hint: "plug it in"})
	b.says("metrics", health.Report{State: health.OK})
	b.set.Dashboard = "http://127.0.0.1:1/healthz"
	b.run()
	b.eventually("what works to be known", func() bool { a := b.health(); return a.Tree != nil && a.Tree.Find("broker").State == tree.OK })
	a := b.health()
	for _, name := range []string{"zigbee", "gateway", "store"} {
		if n := a.Tree.Find(name); n.State != tree.Starting {
			t.Errorf("%s is %s, want it starting for a minute", name, n.State)
		}
	}
	if a.State != tree.Starting {
		t.Errorf("the whole is %s", a.State)
	}
}

func TestDevelopmentHasNoCard(t *testing.T) {
	t.Parallel()
	b := setUp(t)
	b.o.Card = false
	b.run()
	b.eventually("an answer", func() bool { return b.health().Tree != nil })
	for _, tt := range [][3]string{{"POST", "/v1/reboot"}, {"GET", "/v1/logs"}, {"POST", "/v1/update", "x"}, {"POST", "/v1/rollback"}, {"POST", "/v1/update/check"}, {"POST", "/v1/restart", `{"process":"zigbee"}`}} {
		if status, text := b.ask(tt[0], tt[1], tt[2]); status != http.StatusConflict || !strings.Contains(text, `"development"`) {
			t.Errorf("%s: %d %s", tt[1], status, text)
		}
	}
	if len(b.words) != 0 || len(b.init.Asked()) != 0 {
		t.Errorf("told the keeper %q, asked init %q", b.words, b.init.Asked())
	}
}

func TestASecondManagerIsRefused(t *testing.T) {
	t.Parallel()
	b := setUp(t)
	b.run()
	b.eventually("an answer", func() bool { return b.health().Tree != nil })
	m, err := New(b.o)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "another manager") {
		t.Errorf("got %v", err)
	}
}

func TestWhoMayAsk(t *testing.T) {
	m := &Manager{o: Options{GatewayUID: 904}}
	for uid, want := range map[int]bool{0: true, os.Getuid(): true, 904: true, 903: false, 1000000: false, -1: false} {
		if got := m.welcome(uid); got != want {
			t.Errorf("%d may ask: %v, want %v", uid, got, want)
		}
	}
	m.o.GatewayUID = 0
	if m.welcome(-1) || m.welcome(904) {
		t.Error("without a gateway's user others may ask")
	}
	w := httptest.NewRecorder()
	m.guard(m.routes()).ServeHTTP(w, httptest.NewRequest("GET", "/v1/system", nil))
	if w.Code != http.StatusForbidden {
		t.Errorf("one whom the kernel does not name: %d, want 403", w.Code)
	}
}
