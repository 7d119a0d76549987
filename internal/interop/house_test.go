//go:build interop

package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// person is the MQTT user of whoever lives in the house.
const person = "home"

// house is the broker and the simulated dongle, started as their programs are,
// and a person with an MQTT client.
type house struct {
	data    string
	bin     string
	port    int
	pty     string
	control string
	client  *mqttclient.Client

	devices string // what --devices of the simulator says; "" for the meter alone
	ezsp    int    // the protocol version the dongle speaks; 0 for the simulator's own
	adapter string // Zigbee2MQTT's; "" for ember
	trace   string // the file that gets what the devices report; "" for none

	mu   sync.Mutex
	seen map[string][]string // payloads by topic, in order
	all  []heard             // everything, in order
	more chan struct{}
}

// heard is one message as it came.
type heard struct {
	topic, payload string
	at             time.Time
}

// newHouse starts the broker and connects the person.
func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{data: t.TempDir(), bin: programs(t), seen: map[string][]string{}, more: make(chan struct{})}
	h.pty = filepath.Join(h.data, "dongle")
	h.control = filepath.Join(h.data, "control.sock")
	h.port = freePort(t)
	start(t, "hems-broker", []string{"HEMS_DATA=" + h.data, "HEMS_LISTEN=127.0.0.1", "HEMS_PORT_BASE=" + strconv.Itoa(h.port-4)},
		filepath.Join(h.bin, "hems-broker"))
	client, err := mqttclient.Open(t.Context(), mqttclient.Options{
		Server:   "unix://" + filepath.Join(h.data, "broker", "mqtt.sock"),
		ClientID: "interop", User: person, Password: h.password,
	})
	if err != nil {
		t.Fatal(err)
	}
	h.client = client
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		client.Close(ctx)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := client.AwaitConnection(ctx); err != nil {
		t.Fatalf("connecting to hems-broker as %s: %v", person, err)
	}
	for _, filter := range []string{"zigbee2mqtt/#", "homeassistant/#"} {
		if err := client.Subscribe(ctx, filter, 1, h.receive); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// startDongle starts the simulator on its pseudo-terminal.
func (h *house) startDongle(t *testing.T) *process {
	t.Helper()
	flags := []string{"--pty", h.pty, "--state", filepath.Join(h.data, "simulator.json"), "--control", h.control}
	if h.devices != "" {
		flags = append(flags, "--devices", h.devices)
	}
	if h.ezsp != 0 {
		flags = append(flags, "--ezsp", strconv.Itoa(h.ezsp))
	}
	if h.trace != "" {
		flags = append(flags, "--trace", h.trace)
	}
	p := start(t, "hems-simulator", nil, filepath.Join(h.bin, "hems-simulator"), flags...)
	p.waitFor(t, "dongle simulator runs", 10*time.Second)
	return p
}

// replaceDongle puts a dongle without a network in the place of the one that
// was stopped. The meter remembers what it was part of.
func (h *house) replaceDongle(t *testing.T) {
	t.Helper()
	path := filepath.Join(h.data, "simulator.json")
	var state map[string]json.RawMessage
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &state)
	}
	if err == nil {
		delete(state, "dongle")
		b, err = json.Marshal(state)
	}
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (h *house) password() (string, error) {
	b, err := os.ReadFile(filepath.Join(h.data, "secrets", "mqtt-"+person))
	return strings.TrimSpace(string(b)), err
}

// freePort returns a TCP port that nobody has at the moment.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (h *house) receive(m mqttclient.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen[m.Topic] = append(h.seen[m.Topic], string(m.Payload))
	h.all = append(h.all, heard{m.Topic, string(m.Payload), time.Now()})
	close(h.more)
	h.more = make(chan struct{})
}

// count returns how many messages of a topic have come.
func (h *house) count(topic string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.seen[topic])
}

// last returns the last message of a topic.
func (h *house) last(topic string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if all := h.seen[topic]; len(all) > 0 {
		return all[len(all)-1]
	}
	return "(nothing)"
}

// await returns the first message of a topic, after the first skip ones, that
// satisfies ok.
func (h *house) await(t *testing.T, topic string, skip int, within time.Duration, what string, ok func(payload string) bool) string {
	t.Helper()
	deadline := time.After(within)
	for next := skip; ; {
		h.mu.Lock()
		all, more := h.seen[topic], h.more
		h.mu.Unlock()
		for ; next < len(all); next++ {
			if ok(all[next]) {
				return all[next]
			}
		}
		select {
		case <-more:
		case <-deadline:
			t.Fatalf("no message with %s on %s within %v; %d came, the last was %s", what, topic, within, len(all), h.last(topic))
		}
	}
}

// request publishes what a person asks of Zigbee2MQTT and returns its answer.
func (h *house) request(t *testing.T, what, payload string) {
	t.Helper()
	response := "zigbee2mqtt/bridge/response/" + what
	before := h.count(response)
	if err := h.client.Publish(t.Context(), mqttclient.Message{Topic: "zigbee2mqtt/bridge/request/" + what, Payload: []byte(payload), QoS: 1}); err != nil {
		t.Fatalf("asking for %s: %v", what, err)
	}
	h.await(t, response, before, 20*time.Second, `"status":"ok"`, func(p string) bool { return strings.Contains(p, `"status":"ok"`) })
}

// view is what the control socket shows.
type view struct {
	NetworkUp  bool   `json:"network_up"`
	PermitOpen bool   `json:"permit_open"`
	PAN        uint16 `json:"pan"`
	Devices    []struct {
		EUI64    string `json:"eui64"`
		Joined   bool   `json:"joined"`
		NodeID   uint16 `json:"node_id"`
		PowerW   int64  `json:"power_w"`
		EnergyWh int64  `json:"energy_wh"`
	} `json:"devices"`
	Line map[string]uint64 `json:"line"`
	NCP  map[string]uint64 `json:"ncp"`
}

// look asks the control socket what is to be seen.
func (h *house) look(t *testing.T) view {
	t.Helper()
	var v view
	b := h.hand(t, http.MethodGet, "/state", "")
	if err := json.Unmarshal(b, &v); err != nil || len(v.Devices) != 1 {
		t.Fatalf("the control socket shows %s (%v)", b, err)
	}
	return v
}

// hold fixes the meter's load.
func (h *house) hold(t *testing.T, watts int) {
	t.Helper()
	h.hand(t, http.MethodPut, "/meter/power", strconv.Itoa(watts))
}

func (h *house) hand(t *testing.T, method, path, body string) []byte {
	t.Helper()
	b, err := h.try(t.Context(), method, path, body)
	if err != nil {
		t.Fatalf("%s %s on the simulator's control socket: %v", method, path, err)
	}
	return b
}

func (h *house) try(ctx context.Context, method, path, body string) ([]byte, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", h.control)
	}}}
	r, err := http.NewRequestWithContext(ctx, method, "http://simulator"+path, bytes.NewBufferString(body))
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode >= 300 {
		err = fmt.Errorf("%s: %s", answer.Status, b)
	}
	return b, err
}
