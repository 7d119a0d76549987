package house

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/broker"
	"github.com/smartcore-ireland/hems/internal/health"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// aBroker runs until stop, and answers on the socket it returns.
func aBroker(t *testing.T, dir string) (socket string, stop func()) {
	t.Helper()
	b, err := broker.New(broker.Options{
		Unix: filepath.Join(dir, "mqtt.sock"), Dir: dir, Secrets: filepath.Join(dir, "secrets"), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { b.Run(ctx); close(done) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return filepath.Join(dir, "mqtt.sock"), stop
}

func connect(t *testing.T, dir, socket, user string) *mqttclient.Client {
	t.Helper()
	c, err := mqttclient.Open(t.Context(), mqttclient.Options{
		Server: "unix://" + socket, ClientID: user, User: user,
		Password: func() (string, error) { return broker.ReadPassword(filepath.Join(dir, "secrets"), user) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 2000 {
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s", what)
}

func TestWithARealBroker(t *testing.T) {
	dir := t.TempDir()
	socket, stop := aBroker(t, dir)
	zigbee := connect(t, dir, socket, "zigbee")
	publish := func(topic, payload string, retain bool) {
		t.Helper()
		if err := zigbee.Publish(t.Context(), mqttclient.Message{Topic: topic, Payload: []byte(payload), QoS: 1, Retain: retain}); err != nil {
			t.Fatal(err)
		}
	}
	if err := zigbee.AwaitConnection(t.Context()); err != nil {
		t.Fatal(err)
	}
	publish(health.Topic("zigbee"), `{"state":"failing","message":"the radio is starting"}`, true)
	// The broker acknowledges before it delivers: who listens too early would get
	// what is to be remembered as news.
	delivered := make(chan struct{}, 1)
	witness := connect(t, dir, socket, "gateway")
	if err := witness.AwaitConnection(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := witness.Subscribe(t.Context(), "zigbee2mqtt/meter", 0, func(mqttclient.Message) {
		select {
		case delivered <- struct{}{}:
		default:
		}
	}); err != nil {
		t.Fatal(err)
	}
	publish("zigbee2mqtt/meter", `{"power":1}`, true)
	<-delivered

	h, err := Listen(t.Context(), connect(t, dir, socket, "manager"))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the report", func() bool { r, ok := h.Report("zigbee"); return ok && r.Message == "the radio is starting" })
	if _, ok := h.Report("metrics"); ok {
		t.Error("a process reported that never did")
	}
	eventually(t, "what was retained", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.topics["meter"] != nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for range 3 {
		if err := h.Probe(ctx); err != nil {
			t.Fatal(err)
		}
	}
	publish("zigbee2mqtt/meter", `{"power":1}`, true) // remembered, not measured
	publish("zigbee2mqtt/bridge/state", `{"state":"online"}`, true)
	publish("zigbee2mqtt/meter/availability", `{"state":"online"}`, true)
	publish(health.Topic("zigbee"), `{"state":"ok"}`, true)
	eventually(t, "the report", func() bool { r, _ := h.Report("zigbee"); return r.State == health.OK })
	if !h.Reading().IsZero() {
		t.Error("what was remembered counts as a reading")
	}
	publish("zigbee2mqtt/meter", `{"power":2}`, true)
	eventually(t, "the reading", func() bool { return !h.Reading().IsZero() })

	stop()
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := h.Probe(short); err == nil {
		t.Error("a broker that is away carries messages")
	}
}

// deaf is a broker that takes messages and delivers none.
type deaf struct{}

func (deaf) Subscribe(context.Context, string, byte, func(mqttclient.Message)) error { return nil }
func (deaf) Publish(context.Context, mqttclient.Message) error                       { return nil }

func TestAMessageThatDoesNotComeBack(t *testing.T) {
	h, err := Listen(t.Context(), deaf{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Probe(ctx); err == nil || !strings.Contains(err.Error(), "did not give it back") {
		t.Errorf("got %v", err)
	}
}

func TestWhatCountsAsAReading(t *testing.T) {
	const meter = "zigbee2mqtt/kitchen/meter"
	type m struct {
		topic, payload string
		retain         bool
	}
	for _, tt := range []struct {
		name string
		come []m
		want bool
	}{
		{"Retained", []m{{meter, "{1}", true}}, false},
		{"RepeatedByTheBridge", []m{{meter, "{1}", true}, {meter, "{1}", false}}, false},
		{"TheSameMeasuredAgain", []m{{meter, "{1}", true}, {meter, "{1}", false}, {meter, "{1}", false}}, true},
		{"Another", []m{{meter, "{1}", true}, {meter, "{2}", false}}, true},
		{"TheVeryFirst", []m{{meter, "{1}", false}}, true},
		{"AfterAReconnection", []m{{meter, "{1}", true}, {meter, "{1}", false}, {meter, "{1}", true}, {meter, "{1}", false}}, false},
		{"Availability", []m{{meter + "/availability", `{"state":"online"}`, false}}, false},
		{"ACommand", []m{{meter + "/set", `{"state":"ON"}`, false}}, false},
		{"TheBridge", []m{{"zigbee2mqtt/bridge/info", "{}", false}}, false},
		{"NotAState", []m{{meter, "hello", false}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, err := Listen(t.Context(), deaf{})
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range tt.come {
				h.hearReading(mqttclient.Message{Topic: m.topic, Payload: []byte(m.payload), Retain: m.retain})
			}
			if got := !h.Reading().IsZero(); got != tt.want {
				t.Errorf("a reading: %v, want %v", got, tt.want)
			}
		})
	}
}

func TestStrangersFillNothing(t *testing.T) {
	h, err := Listen(t.Context(), deaf{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 * maxTopics {
		h.hearReading(mqttclient.Message{Topic: fmt.Sprintf("zigbee2mqtt/%d", i), Payload: []byte("{}")})
		h.hearReport(mqttclient.Message{Topic: fmt.Sprintf("hems/%d/health", i), Payload: []byte(`{"state":"ok"}`)})
	}
	if len(h.topics) > maxTopics || len(h.reports) > maxReports {
		t.Errorf("%d topics and %d reports are kept", len(h.topics), len(h.reports))
	}
}

func FuzzHear(f *testing.F) {
	f.Add("hems/zigbee/health", `{"state":"ok"}`)
	f.Add("zigbee2mqtt/x", `{"power":1}`)
	f.Fuzz(func(t *testing.T, topic, payload string) {
		h, err := Listen(t.Context(), deaf{})
		if err != nil {
			t.Fatal(err)
		}
		m := mqttclient.Message{Topic: topic, Payload: []byte(payload)}
		h.hearReport(m)
		h.hearReading(m)
		h.hearProbe(m)
		for _, r := range h.reports {
			if r.State == "" || !json.Valid(m.Payload) {
				t.Errorf("%q is a report", payload)
			}
		}
	})
}
