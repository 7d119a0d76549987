package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/gateway/live"
)

// feed reads a stream of events.
type feed struct {
	t      *testing.T
	lines  chan string
	cancel context.CancelFunc
}

func (h *house) follow(c *http.Client, url string) *feed {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	c.Timeout = 0
	res, err := c.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	if got := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || got != "text/event-stream" {
		h.t.Fatalf("events: got %s %s, want 200 text/event-stream", res.Status, got)
	}
	f := &feed{t: h.t, lines: make(chan string, 1000), cancel: cancel}
	go func() {
		defer close(f.lines)
		defer res.Body.Close()
		for s := bufio.NewScanner(res.Body); s.Scan(); {
			f.lines <- s.Text()
		}
	}()
	h.t.Cleanup(cancel)
	return f
}

// next returns the data of the next event of a name for which ok holds.
func (f *feed) next(name string, ok func(data string) bool) string {
	f.t.Helper()
	timeout := time.After(time.Minute)
	event := ""
	for {
		select {
		case line, open := <-f.lines:
			if !open {
				f.t.Fatalf("the stream ended before the event %q", name)
			}
			if e, found := strings.CutPrefix(line, "event: "); found {
				event = e
			}
			if data, found := strings.CutPrefix(line, "data: "); found && event == name && ok(data) {
				return data
			}
		case <-timeout:
			f.t.Fatalf("the event %q never came", name)
		}
	}
}

// ended waits for the end of the stream.
func (f *feed) ended(within time.Duration) {
	f.t.Helper()
	timeout := time.After(within)
	for {
		select {
		case _, open := <-f.lines:
			if !open {
				return
			}
		case <-timeout:
			f.t.Fatalf("the stream did not end within %v", within)
		}
	}
}

func anything(string) bool { return true }

func has(part string) func(string) bool {
	return func(data string) bool { return strings.Contains(data, part) }
}

func TestEventsBringEverythingAndThenWhatChanges(t *testing.T) {
	h := newHouse(t)
	h.past.liveThrough(time.Now())
	h.well()
	h.pair()
	c := h.signedIn()
	h.await(c, "/api/v1/devices", "EMIZB-141")
	h.reads(`{"power":342,"energy":1234.567,"linkquality":134,"battery":89}`)
	h.await(c, "/api/v1/now", `"power_w":342`)

	f := h.follow(c, h.url+"/events")
	f.next("health", anything)
	f.next("now", has(`"power_w":342`))
	f.next("devices", has(`"battery_percent":89`))

	start := time.Now()
	h.reads(`{"power":1500.5,"energy":1234.6,"linkquality":130,"battery":88}`)
	data := f.next("now", has(`"power_w":1500.5`))
	t.Logf("from the broker to the page in %v", time.Since(start))
	var now live.Now
	if err := json.Unmarshal([]byte(data), &now); err != nil {
		t.Fatal(err)
	}
	if now.Stage != live.Fresh || now.AgeInSec == nil || *now.AgeInSec > 5 {
		t.Errorf("got stage %q, age %v, want live and young", now.Stage, now.AgeInSec)
	}
	f.next("devices", has(`"battery_percent":88`))
	h.publish("hems/metrics/health", `{"state":"failing","message":"the disk is full"}`, true)
	f.next("health", has(`"message":"The disk is full."`))
}

func TestEventsHaveTheListReadyForThePage(t *testing.T) {
	h := newHouse(t)
	c := h.signedIn()
	f := h.follow(c, h.url+"/events?view=devices")
	f.next("list", has("No devices yet"))
	h.pair()
	h.publish("zigbee2mqtt/bridge/devices", `[{"ieee_address":"0x1","friendly_name":"<script>alert(1)</script>","type":"Router"}]`, true)
	f.next("list", has(`\u0026lt;script`))
}

func TestEventsEndWithTheSession(t *testing.T) {
	h := newHouse(t)
	h.beat = 20 * time.Millisecond
	c := h.signedIn()
	f := h.follow(c, h.url+"/events")
	f.next("now", anything)
	for range 3 {
		f.next("beat", has(`{"every_s":0.02}`))
	}
	h.reads(`{"power":1}`)
	h.post(c, "/logout", nil)
	f.ended(5 * time.Second)
}

func TestEventsOutliveTheServersTimeouts(t *testing.T) {
	h := newHouse(t)
	h.beat = 50 * time.Millisecond
	h.limits.read, h.limits.write = 200*time.Millisecond, 200*time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- h.serve(ctx, l, h.onLAN(false)) }()

	r, err := http.NewRequest("GET", "http://"+l.Addr().String()+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(owner, password)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for s := bufio.NewScanner(res.Body); s.Scan(); {
		}
	}()
	select {
	case <-ended:
		t.Fatal("the stream ended with the server's timeouts")
	case <-time.After(time.Second):
	}
	start := time.Now()
	cancel()
	if err := <-served; err != nil {
		t.Errorf("serve: got %v, want nil", err)
	}
	<-ended
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("stopping with a stream open took %v, want at most 2 s", took)
	}
}

func TestEventsAreForAFew(t *testing.T) {
	h := newHouse(t)
	var stops []func()
	for range live.MaxWatchers {
		_, _, stop, err := h.model.Watch()
		if err != nil {
			t.Fatal(err)
		}
		stops = append(stops, stop)
	}
	c := h.signedIn()
	if status, body := h.get(c, "/events"); status != http.StatusServiceUnavailable || !strings.Contains(body, "too many pages") {
		t.Errorf("one more: got %d %q, want 503 and why", status, body)
	}
	stops[0]()
	h.follow(c, h.url+"/events").next("now", anything)
}

func TestEventsOutliveTheBroker(t *testing.T) {
	h := newHouse(t)
	h.well()
	h.pair()
	c := h.signedIn()
	h.await(c, "/api/v1/devices", "EMIZB-141")
	f := h.follow(c, h.url+"/events")
	h.reads(`{"power":100}`)
	f.next("now", has(`"power_w":100`))

	h.stopBroker()
	f.next("health", has(`"part":"broker"`))
	h.await(c, "/healthz", "broker\n")
	h.startBroker()
	h.well()
	h.pair()
	f.next("health", has(`"ok":true`))
	h.reads(`{"power":200}`)
	f.next("now", has(`"power_w":200`))
	h.await(c, "/healthz", "ok\n")
}
