package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// home is a bridge on a real coordinator with a simulated dongle and its
// devices: the meter and two plugs, which have the names meter, plug and lamp.

type home struct {
	*fixture
	sim     *simulator.Simulator
	network *network.Network
	address map[string]zcl.EUI64
}

func newHome(t *testing.T) *home {
	t.Helper()
	sim, err := simulator.Start(context.Background(), simulator.Options{
		Devices: []string{"EMIZB-141", "TS011F", "TS011F"}, Latency: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sim.Close() })
	h := &home{sim: sim, address: make(map[string]zcl.EUI64)}
	h.fixture = start(t, func(f *fixture) {
		f.skipMeter = true
		if f.state, err = statefile.Open(filepath.Join(t.TempDir(), statefile.Name)); err != nil {
			t.Fatal(err)
		}
		h.network, err = network.New(network.Options{Dial: sim.Dial, State: f.state, Dir: f.dir})
		if err != nil {
			t.Fatal(err)
		}
		f.real = h.network
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- h.network.Run(ctx) }()
		t.Cleanup(func() {
			f.stop()
			cancel()
			if err := <-done; err != nil {
				t.Errorf("network: %v", err)
			}
		})
	})
	h.awaitRetained("hems/zigbee/health", `{"state":"ok"}`)
	h.asks("permit_join", `{"time":254}`)
	for i, v := range sim.State().Devices {
		e, name := zcl.EUI64(v.EUI64), []string{"meter", "plug", "lamp"}[i]
		h.address[name] = e
		if err := sim.Press(v.EUI64); err != nil {
			t.Fatal(err)
		}
		h.until(func() bool { d, ok := h.network.Device(e); return ok && d.Interview == network.InterviewSuccessful })
		h.asks("device/rename", fmt.Sprintf(`{"from":%q,"to":%q}`, e, name))
	}
	return h
}

// until waits for something to become true.
func (h *home) until(ok func() bool) {
	h.t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatal("it did not become true")
		}
	}
}

// asks is ask for a request that must be good; it gives the data.
func (h *home) asks(name, payload string) map[string]any {
	h.t.Helper()
	a := h.answers(name, payload)
	if a.Status != "ok" {
		h.t.Fatalf("%s %s: got %+v", name, payload, a)
	}
	return a.Data
}

// answer is a response as clients read it.
type answer struct {
	Data        map[string]any `json:"data"`
	Error       string         `json:"error"`
	Status      string         `json:"status"`
	Transaction any            `json:"transaction"`
}

// answers is ask for any request; the answer of one that has another topic is
// found there.
func (h *home) answers(name, payload string) answer {
	h.t.Helper()
	h.mu.Lock()
	h.from = len(h.all)
	h.mu.Unlock()
	topic := name
	if c := contract[name]; c.answer != "" {
		topic = c.answer
	}
	h.publish("zigbee2mqtt/bridge/request/"+name, payload, false)
	p := h.await("zigbee2mqtt/bridge/response/"+topic, nil)
	var a answer
	if err := json.Unmarshal([]byte(p.Payload), &a); err != nil || a.Data == nil || p.Retain {
		h.t.Fatalf("%s: got %+v (%v)", name, p, err)
	}
	return a
}

// device is an entry of bridge/devices by name; view is the device itself.
func (h *home) device(name string) map[string]any {
	h.t.Helper()
	for _, x := range decoded[[]map[string]any](h.t, h.holds("zigbee2mqtt/bridge/devices")) {
		if x["friendly_name"] == name {
			return x
		}
	}
	h.t.Fatalf("bridge/devices has no %s", name)
	return nil
}

func (h *home) view(name string) simulator.DeviceView {
	h.t.Helper()
	for _, v := range h.sim.State().Devices {
		if zcl.EUI64(v.EUI64) == h.address[name] {
			return v
		}
	}
	h.t.Fatalf("the house has no %s", name)
	return simulator.DeviceView{}
}

func decoded[T any](t testing.TB, s string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return v
}
