package metrics

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/smartcore-ireland/hems/internal/health"
	"github.com/smartcore-ireland/hems/internal/metrics/delivery"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/store"
)

// patience is how long a test waits for what happens in milliseconds.
const patience = 20 * time.Second

// broker is an MQTT broker of its own for a test.
type broker struct {
	*mqtt.Server
	url string

	mu     sync.Mutex
	health []health.Report
}

func newBroker(t *testing.T) *broker {
	t.Helper()
	b := &broker{Server: mqtt.New(&mqtt.Options{InlineClient: true, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})}
	if err := b.AddHook(new(auth.AllowHook), nil); err != nil {
		t.Fatal(err)
	}
	l := listeners.NewTCP(listeners.Config{ID: "t", Address: "127.0.0.1:0"})
	if err := b.AddListener(l); err != nil {
		t.Fatal(err)
	}
	if err := b.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	b.url = "mqtt://" + l.Address()
	err := b.Subscribe(health.Topic("metrics"), 1, func(_ *mqtt.Client, _ packets.Subscription, p packets.Packet) {
		var r health.Report
		if json.Unmarshal(p.Payload, &r) == nil {
			b.mu.Lock()
			b.health = append(b.health, r)
			b.mu.Unlock()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// publish is at QoS 0, because this broker mixes up its packet ids with ours.
func (b *broker) publish(t *testing.T, topic, payload string, retain bool) {
	t.Helper()
	if err := b.Publish(topic, []byte(payload), retain, 0); err != nil {
		t.Fatal(err)
	}
}

// lastHealth is the report that was published last.
func (b *broker) lastHealth() health.Report {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.health) == 0 {
		return health.Report{}
	}
	return b.health[len(b.health)-1]
}

// eventually waits until f is true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// subscribed waits until the writer has a subscription to the topic.
func (b *broker) subscribed(t *testing.T, topic string) {
	t.Helper()
	eventually(t, "a subscription to "+topic, func() bool { return len(b.Topics.Subscribers(topic).Subscriptions) > 0 })
}

// start runs a writer until the test ends or stop is called.
func start(t *testing.T, o Options) (w *Writer, stop func()) {
	t.Helper()
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-done:
				if err != nil {
					t.Errorf("Run: %v", err)
				}
			case <-time.After(patience):
				t.Error("Run does not end")
			}
		})
	}
	t.Cleanup(stop)
	return w, stop
}

func openAt(path string) func() (*store.Store, error) {
	return func() (*store.Store, error) { return store.Open(path, store.Options{CommitInterval: time.Hour}) }
}

// stored reads all values in the store of an entity.
func stored(t *testing.T, path, entity string) (values []float64) {
	t.Helper()
	r, err := store.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	all, err := r.Series(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Entity != entity {
			continue
		}
		samples, err := r.Samples(context.Background(), s.ID, time.UnixMilli(0), time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range samples {
			values = append(values, v.Value)
		}
	}
	return values
}

const (
	powerTopic  = "homeassistant/sensor/frient_blink_counter/power/config"
	stateTopic  = "zigbee2mqtt/frient_blink_counter"
	powerConfig = `{"name":"Frient Blink Counter Power","state_topic":"zigbee2mqtt/frient_blink_counter","value_template":"{{ value_json.power }}",
		"unit_of_measurement":"W","device_class":"power","state_class":"measurement","unique_id":"0x0015bc003f000001_power_zigbee2mqtt",
		"device":{"identifiers":["zigbee2mqtt_0x0015bc003f000001"],"name":"Frient Blink Counter"}}`
	energyConfig = `{"name":"Frient Blink Counter Energy","state_topic":"zigbee2mqtt/frient_blink_counter","value_template":"{{ value_json.energy }}",
		"unit_of_measurement":"kWh","device_class":"energy","state_class":"total_increasing","unique_id":"0x0015bc003f000001_energy_zigbee2mqtt",
		"device":{"identifiers":["zigbee2mqtt_0x0015bc003f000001"],"name":"Frient Blink Counter"}}`
)

func TestWriterStoresLiveReadings(t *testing.T) {
	b := newBroker(t)
	path := filepath.Join(t.TempDir(), "hems.db")
	b.publish(t, powerTopic, powerConfig, true)
	b.publish(t, "homeassistant/sensor/frient_blink_counter/energy/config", energyConfig, true)
	b.publish(t, "homeassistant/sensor/broken/config", `{"value_template":"{% for %}"}`, true)
	b.publish(t, stateTopic, `{"power":1,"energy":1}`, true) // retained before we came: of unknown age
	w, stop := start(t, Options{MQTT: mqttclient.Options{Server: b.url}, OpenStore: openAt(path)})
	b.subscribed(t, stateTopic)
	for _, payload := range []string{
		`{"power":342.0,"energy":1234.567,"linkquality":67}`,
		`{"power":343,"energy":null}`,
		`{"energy":1234.6}`,
		`{"power":"unknown"}`,
		`{"power":"much"}`,
		`{"power":`,
		`{"power":344}`,
	} {
		b.publish(t, stateTopic, payload, true) // retained, but live to us
	}
	eventually(t, "all readings", func() bool { return w.Counts().Readings == 5 })
	b.publish(t, powerTopic, "", true)
	b.publish(t, "homeassistant/sensor/frient_blink_counter/energy/config", "", true)
	eventually(t, "the end of the subscription", func() bool { return len(b.Topics.Subscribers(stateTopic).Subscriptions) == 0 })
	b.publish(t, stateTopic, `{"power":999,"energy":999}`, false)
	got := w.Counts()
	stop()

	want := Counts{Readings: 5, NotNumbers: 1, BadStates: 2, BadDocuments: 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]float64{342, 343, 344}, stored(t, path, "frient_blink_counter_power")); diff != "" {
		t.Errorf("power (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]float64{1234.567, 1234.6}, stored(t, path, "frient_blink_counter_energy")); diff != "" {
		t.Errorf("energy (-want +got):\n%s", diff)
	}
}

func TestWriterDescribesSeries(t *testing.T) {
	b := newBroker(t)
	path := filepath.Join(t.TempDir(), "hems.db")
	b.publish(t, powerTopic, powerConfig, true)
	_, stop := start(t, Options{MQTT: mqttclient.Options{Server: b.url}, OpenStore: openAt(path)})
	b.subscribed(t, stateTopic)
	stop()
	r, err := store.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := r.Series(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := []store.Series{{
		ID: 1, Entity: "frient_blink_counter_power", Unit: "W", DeviceClass: "power", StateClass: "measurement",
		Device: "Frient Blink Counter", Key: "power", UniqueID: "0x0015bc003f000001_power_zigbee2mqtt", Domain: "sensor",
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
}

// TestReadingsAtOneMomentAreAllKept: the clock has stopped, and still each
// reading has a time of its own.
func TestReadingsAtOneMomentAreAllKept(t *testing.T) {
	b := newBroker(t)
	path := filepath.Join(t.TempDir(), "hems.db")
	b.publish(t, powerTopic, powerConfig, true)
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	w, stop := start(t, Options{MQTT: mqttclient.Options{Server: b.url}, OpenStore: openAt(path), Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}})
	b.subscribed(t, stateTopic)
	for range 3 {
		b.publish(t, stateTopic, `{"power":5}`, false)
	}
	eventually(t, "three readings", func() bool { return w.Counts().Readings == 3 })
	mu.Lock()
	now = now.Add(-time.Hour) // set back: believed
	mu.Unlock()
	b.publish(t, stateTopic, `{"power":6}`, false)
	eventually(t, "four readings", func() bool { return w.Counts().Readings == 4 })
	stop()
	if diff := cmp.Diff([]float64{6, 5, 5, 5}, stored(t, path, "frient_blink_counter_power")); diff != "" {
		t.Errorf("values by time (-want +got):\n%s", diff)
	}
}

func TestHealthOfAStoreThatCannotBeOpened(t *testing.T) {
	b := newBroker(t)
	path := filepath.Join(t.TempDir(), "hems.db")
	var mu sync.Mutex
	openErr := errors.New("no space left on device")
	var log lockedBuffer
	_, stop := start(t, Options{
		MQTT: mqttclient.Options{Server: b.url},
		Log:  slog.New(slog.NewTextHandler(&log, nil)),
		OpenStore: func() (*store.Store, error) {
			mu.Lock()
			defer mu.Unlock()
			if openErr != nil {
				return nil, openErr
			}
			return openAt(path)()
		},
	})
	eventually(t, "a failing report", func() bool {
		r := b.lastHealth()
		return r.State == health.Failing && strings.Contains(r.Message, "no space left") && r.Hint != ""
	})
	mu.Lock()
	openErr = nil
	mu.Unlock()
	eventually(t, "a report that all is well", func() bool { return b.lastHealth() == health.Report{State: health.OK} })
	stop()
	if got := b.lastHealth().State; got != health.Offline {
		t.Errorf("health after the end: got %q, want %q", got, health.Offline)
	}
	if n := strings.Count(log.String(), "no space left"); n != 1 {
		t.Errorf("the reason was logged %d times, want once", n)
	}
}

// lockedBuffer is a log that can be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// token is that of the destinations of the tests.
const token = "secret-token-of-the-test"

func TestHealthNamesADestinationThatIsAway(t *testing.T) {
	b := newBroker(t)
	path := filepath.Join(t.TempDir(), "hems.db")
	b.publish(t, powerTopic, powerConfig, true)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"code":"unauthorized","message":"unauthorized access"}`)
	}))
	t.Cleanup(srv.Close)
	var log lockedBuffer
	w, stop := start(t, Options{
		MQTT: mqttclient.Options{Server: b.url}, OpenStore: openAt(path), Log: slog.New(slog.NewTextHandler(&log, nil)),
		Destinations: []delivery.Destination{{Name: "influx", URL: srv.URL, Token: func() (string, error) { return token, nil }}},
	})
	b.subscribed(t, stateTopic)
	b.publish(t, stateTopic, `{"power":5}`, false)
	eventually(t, "a reading", func() bool { return w.Counts().Readings == 1 })
	eventually(t, "a word about the destination", func() bool {
		r := b.lastHealth()
		return r.State == health.OK && strings.Contains(r.Message, "one reading waits for influx: it answers 401") && strings.Contains(r.Hint, "token")
	})
	stop()
	if strings.Contains(log.String(), token) {
		t.Error("the token is in the log")
	}
}

func TestHealthWhenReadingsCannotBeStored(t *testing.T) {
	for dropped, want := range map[uint64]string{
		0:    "readings cannot be stored and wait in memory: disk full",
		1234: "readings cannot be stored, and about 1200 were lost: disk full",
	} {
		got := storeTrouble(errors.New("disk full"), dropped)
		if got.State != health.Failing || got.Message != want || got.Hint == "" {
			t.Errorf("got %+v, want %q", got, want)
		}
	}
}

func TestReadingsThatFindNoRoomAreCounted(t *testing.T) {
	var log lockedBuffer
	w, err := New(Options{
		Log: slog.New(slog.NewTextHandler(&log, nil)),
		OpenStore: func() (*store.Store, error) {
			return store.Open(filepath.Join(t.TempDir(), "hems.db"), store.Options{CommitInterval: time.Hour, MaxPending: 2})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.openStore(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer w.store.Close()
	w.topics = newTopics(nil, w.wantedTopics, w.takeState, w.log)
	w.take(mqttclient.Message{Topic: powerTopic, Payload: []byte(powerConfig), Retain: true})
	for range 5 {
		w.takeState(mqttclient.Message{Topic: stateTopic, Payload: []byte(`{"power":1}`)})
	}
	if got, want := w.Counts(), (Counts{Readings: 2, Dropped: 3, Entities: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if n := strings.Count(log.String(), "readings were lost"); n != 2 {
		t.Errorf("logged %d times, want at the first and the second", n)
	}
}

func TestAbout(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 99: "99", 100: "about 100", 12345: "about 12000", 995_000: "about 1000000"} {
		if got := about(n); got != want {
			t.Errorf("about(%d): got %q, want %q", n, got, want)
		}
	}
}

func TestNewRefusesTwoDestinationsOfOneName(t *testing.T) {
	d := delivery.Destination{Name: "a", URL: "http://192.0.2.1"}
	if _, err := New(Options{OpenStore: openAt("x"), Destinations: []delivery.Destination{d, d}}); err == nil {
		t.Error("got no error")
	}
}
