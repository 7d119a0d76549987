package gateway

import (
	"context"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/broker"
	"github.com/smartcore-ireland/hems/internal/client/clienttest"
	"github.com/smartcore-ireland/hems/internal/gateway/signin"
	"github.com/smartcore-ireland/hems/internal/history"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/remote"
	"github.com/smartcore-ireland/hems/internal/remote/phones"
	"github.com/smartcore-ireland/hems/internal/store"
)

const (
	owner    = "owner"
	password = "a cup of tea"
)

// house is a gateway on a real broker, with a history that a test writes.
type house struct {
	*Gateway
	t          *testing.T
	data       string
	test       *mqttclient.Client // the test's own
	stopBroker func()
	past       *past
	manager    *clienttest.Manager
	metrics    *clienttest.Metrics
	url        string
	log        *logbook
}

type setting func(*Options)

// newHouse starts everything; stop is by the test's end.
func newHouse(t *testing.T, settings ...setting) *house {
	t.Helper()
	h := &house{t: t, data: t.TempDir(), past: &past{History: history.Open(filepath.Join(t.TempDir(), "hems.db"))}, log: &logbook{}}
	h.manager = clienttest.Start(t)
	h.metrics = clienttest.StartMetrics(t)
	h.startBroker()
	client, err := mqttclient.Open(context.Background(), h.mqtt("test"))
	if err != nil {
		t.Fatal(err)
	}
	h.test = client
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = client.Close(ctx) // the broker may be gone already
	})
	log := slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o := Options{
		Dir:       filepath.Join(h.data, "gateway"),
		MQTT:      h.mqtt("gateway"),
		History:   h.past,
		Home:      Home{TimeZone: time.UTC},
		Authority: authorityFileOf(t),
		Version:   "1.2.3",
		Manager:   h.manager.Socket,
		Metrics:   h.metrics.Socket,
		Processes: []string{"hems-broker", "hems-gateway"},
		Cloud:     CloudSettings{TokenFile: filepath.Join(h.data, "gateway", "cloudflare-token")},
		Phones:    phones.New(phones.Options{Dir: h.phonesDir(), Log: log}),
		Log:       log,
		Password:  signin.Params{Memory: 64, Time: 1, Threads: 1},
	}
	o.Tailnet = &tailnetNode{}
	for _, s := range settings {
		s(&o)
	}
	if err := Seed(o.Dir, owner, password); err != nil {
		t.Fatal(err)
	}
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	h.Gateway = g
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- g.Run(ctx) }()
	srv := httptest.NewUnstartedServer(remote.FromLAN(g))
	srv.Config.BaseContext = nil
	srv.Start()
	h.url = srv.URL
	t.Cleanup(func() {
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("Run: got %v, want nil after its context ended", err)
		}
		srv.Close()
	})
	return h
}

// startBroker runs the appliance's own broker on the house's directory, with
// one user more: the test, who may say everything.
func (h *house) startBroker() {
	h.t.Helper()
	users := broker.DefaultUsers()
	users["test"] = broker.Access{Read: []string{"#"}, Write: []string{"#"}}
	b, err := broker.New(broker.Options{
		Unix: h.socket(), Dir: filepath.Join(h.data, "broker"), Secrets: filepath.Join(h.data, "secrets"),
		Users: users, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- b.Run(ctx) }()
	h.stopBroker = sync.OnceFunc(func() {
		cancel()
		if err := <-ran; err != nil {
			h.t.Errorf("the broker: %v", err)
		}
	})
	h.t.Cleanup(h.stopBroker)
}

func (h *house) socket() string { return filepath.Join(h.data, "mqtt.sock") }

// mqtt is how a user of the broker reaches it.
func (h *house) mqtt(user string) mqttclient.Options {
	return mqttclient.Options{
		Server: "unix://" + h.socket(), ClientID: "hems-" + user, User: user, Log: slog.New(slog.DiscardHandler),
		Password: func() (string, error) { return broker.ReadPassword(filepath.Join(h.data, "secrets"), user) },
	}
}

// publish says something on MQTT, as the device or process would.
func (h *house) publish(topic, payload string, retain bool) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := h.test.AwaitConnection(ctx); err != nil {
		h.t.Fatal(err)
	}
	if err := h.test.Publish(ctx, mqttclient.Message{Topic: topic, Payload: []byte(payload), QoS: 1, Retain: retain}); err != nil {
		h.t.Fatal(err)
	}
}

const (
	meterTopic = "zigbee2mqtt/frient_blink_counter"
	meterIEEE  = "0x0015bc003f000001"
)

// pair publishes what the bridge does when the meter has joined.
func (h *house) pair() {
	h.t.Helper()
	for _, d := range [][3]string{{"power", "W", "measurement"}, {"energy", "kWh", "total_increasing"}} {
		h.publish("homeassistant/sensor/frient_blink_counter/"+d[0]+"/config", `{"name":"Frient Blink Counter `+d[0]+`",
			"state_topic":"`+meterTopic+`","value_template":"{{ value_json.`+d[0]+` }}","unit_of_measurement":"`+d[1]+`",
			"device_class":"`+d[0]+`","state_class":"`+d[2]+`","unique_id":"`+meterIEEE+`_`+d[0]+`_zigbee2mqtt",
			"availability_topic":"`+meterTopic+`/availability","device":{"identifiers":["zigbee2mqtt_`+meterIEEE+`"],
			"name":"frient_blink_counter","model":"EMIZB-141","manufacturer":"frient"}}`, true)
	}
	h.publish("zigbee2mqtt/bridge/devices", `[{"ieee_address":"0x00124b0000000000","type":"Coordinator","friendly_name":"Coordinator"},
		{"ieee_address":"`+meterIEEE+`","friendly_name":"frient_blink_counter","type":"EndDevice","supported":true,
		"interview_state":"SUCCESSFUL","definition":{"model":"EMIZB-141","vendor":"frient","description":"Electricity meter interface 2"}}]`, true)
	h.publish(meterTopic+"/availability", "online", true)
}

func (h *house) well() {
	h.publish("hems/zigbee/health", `{"state":"ok"}`, true)
	h.publish("hems/metrics/health", `{"state":"ok"}`, true)
}

func (h *house) reads(payload string) { h.publish(meterTopic, payload, true) }

// visitor is a browser without a screen.
func (h *house) visitor() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: 10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// signedIn is a visitor with a session.
func (h *house) signedIn() *http.Client {
	h.t.Helper()
	c := h.visitor()
	if got := h.post(c, "/login", url.Values{"user": {owner}, "password": {password}}); got.StatusCode != http.StatusSeeOther {
		h.t.Fatalf("signing in: got %s, want 303", got.Status)
	}
	return c
}

func (h *house) post(c *http.Client, path string, form url.Values) *http.Response {
	h.t.Helper()
	res, err := c.PostForm(h.url+path, form)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res
}

func (h *house) get(c *http.Client, path string) (int, string) {
	h.t.Helper()
	res, err := c.Get(h.url + path)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// await asks until the answer has what is wanted.
func (h *house) await(c *http.Client, path, want string) {
	h.t.Helper()
	var body string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if _, body = h.get(c, path); strings.Contains(body, want) {
			return
		}
	}
	h.t.Fatalf("GET %s never had %q; the last answer was\n%s", path, want, body)
}

// past is a History that a test writes, as far as the dashboard asks it; the
// questions of programs go to a store.
type past struct {
	*history.History
	mu     sync.Mutex
	points []history.Point
	kWh    float64
	last   map[string]store.Reading
	err    error
}

func (p *past) Power(_ context.Context, entity string, from, to time.Time, _ time.Duration) ([]history.Point, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var got []history.Point
	for _, q := range p.points {
		if !q.Time.Before(from) && q.Time.Before(to) && strings.HasSuffix(entity, "_power") {
			got = append(got, q)
		}
	}
	return got, p.err
}

func (p *past) Counted(_ context.Context, entity string, _, _ time.Time) (history.Count, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.last[entity]
	return history.Count{KWh: p.kWh, Value: r.Value, At: r.Time}, ok, p.err
}

func (p *past) Before(_ context.Context, entity string, _ time.Time) (store.Reading, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.last[entity]
	return r, ok, p.err
}

// liveThrough fills the last 24 hours with a household's day: a fridge that
// comes and goes, a kettle, breakfast, a cooked dinner, an evening; and a gap.
func (p *past) liveThrough(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	rnd := rand.New(rand.NewPCG(1, 2))
	bump := func(h, at, width, height float64) float64 {
		return height * math.Exp(-(h-at)*(h-at)/(2*width*width))
	}
	end := now.Truncate(5 * time.Minute)
	for t := end.Add(-24 * time.Hour); !t.After(end); t = t.Add(5 * time.Minute) {
		h := float64(t.Hour()) + float64(t.Minute())/60
		if h > 3 && h < 3.9 {
			continue // the dongle was unplugged
		}
		base := 110.0
		if int(h*60)%45 < 18 {
			base += 85
		}
		w := base + bump(h, 7.6, 0.5, 1400) + bump(h, 12.8, 0.35, 900) + bump(h, 18.2, 0.8, 2900) + bump(h, 21, 1.2, 420)
		w += rnd.Float64() * 60
		q := history.Point{Time: t, Min: w * 0.82, Mean: w, Max: w*1.12 + 20, N: 30}
		if rnd.Float64() < 0.06 && h > 6 {
			q.Max += 1900 // a kettle
			q.Mean += 240
		}
		p.points = append(p.points, q)
	}
	p.kWh = 8.42
	p.last = map[string]store.Reading{
		"frient_blink_counter_energy": {Entity: "frient_blink_counter_energy", Time: now.Add(-5 * time.Second), Value: 1234.567},
		"frient_blink_counter_power":  {Entity: "frient_blink_counter_power", Time: now.Add(-5 * time.Second), Value: 342},
	}
}

// logbook keeps what was logged.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// onLAN is a door of the dashboard's on the home's network.
func (g *Gateway) onLAN(secure bool) remote.Door {
	if secure {
		return remote.OnLAN("the dashboard with HTTPS", remote.Dashboard, g.tls(), nil)
	}
	return remote.OnLAN("the dashboard", remote.Dashboard, nil, nil)
}
