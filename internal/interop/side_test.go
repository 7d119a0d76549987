//go:build interop

package interop

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/bits"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

var record = flag.String("record", "", "directory that gets everything either side of TestDifferential published")

// The network of both sides.
const (
	thePAN    = 0x4c1b
	theExtPAN = 0x4e6f7468696e6773
	theKey    = "0d1f2e3c4b5a69788796a5b4c3d2e1f0"
)

// side is one coordinator in a house of its own: the real Zigbee2MQTT or ours.
type side struct {
	*house
	name     string
	z        *process
	begin    func() *process
	settings string // its configuration and data
	devices  []string
	moments  []moment
	mark     int // of house.all, where the step under way began
}

// moment is what a side had said when a step had ended: what is retained, and
// what came during the step.
type moment struct {
	name     string
	retained map[string]any // by topic
	states   map[string]any // the last state of each device and group until then
	said     map[string]any // the last answers and events of the step, these by their kind too
}

// theirs is the real Zigbee2MQTT, with its defaults, Home Assistant and
// availability on.
func theirs(t *testing.T, devices string) *side {
	script, nodejs := zigbee2mqtt(t), node(t)
	s := newSide(t, "zigbee2mqtt", devices)
	s.settings = filepath.Join(s.data, "zigbee2mqtt")
	password, err := s.password()
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`version: 5
mqtt:
  server: mqtt://127.0.0.1:%d
  user: %s
  password: %q
serial:
  port: %s
  adapter: ember
frontend:
  enabled: false
homeassistant:
  enabled: true
availability:
  enabled: true
advanced:
  log_output: [console]
  log_level: info
  network_key: %s
  pan_id: %d
  ext_pan_id: %s
`, s.port, person, password, s.pty, bytesOf(theKey), thePAN, bytesOf(fmt.Sprintf("%016x", bits.ReverseBytes64(theExtPAN))))
	put(t, filepath.Join(s.settings, "configuration.yaml"), text)
	s.begin = func() *process {
		notOurs := "GIT_DIR=" + filepath.Join(s.settings, "none")
		return start(t, "zigbee2mqtt", []string{"ZIGBEE2MQTT_DATA=" + s.settings, notOurs}, nodejs, script)
	}
	return s
}

// ours is hems-zigbee with Zigbee2MQTT's payloads.
func ours(t *testing.T, devices string) *side {
	s := newSide(t, "hems", devices)
	s.settings = s.data
	put(t, filepath.Join(s.data, "hems.yaml"), "zigbee:\n  channel: 11\n"+payloads)
	put(t, filepath.Join(s.data, "zigbee", "network.json"), fmt.Sprintf(`{"version":1,"pan_id":"0x%04x","extended_pan_id":"0x%016x",
"channel":11,"network_key":%q,"trust_centre_link_key":"f0e1d2c3b4a5968778695a4b3c2d1e0f","coordinator":"0x0000000000000000"}`,
		thePAN, uint64(theExtPAN), theKey))
	s.begin = func() *process {
		return start(t, "hems-zigbee", []string{"HEMS_DATA=" + s.data, "HEMS_DONGLE=" + s.pty, "HEMS_LISTEN=127.0.0.1", "HEMS_PORT_BASE=" + strconv.Itoa(s.port-4)},
			filepath.Join(s.bin, "hems-zigbee"))
	}
	return s
}

func newSide(t *testing.T, name, devices string) *side {
	s := &side{house: newHouse(t), name: name}
	s.house.devices = devices
	if *record != "" {
		s.trace = filepath.Join(*record, name, "reports.jsonl")
		put(t, s.trace, "")
	}
	return s
}

// bytesOf writes hexadecimal digits as a YAML list.
func bytesOf(digits string) string {
	var list []string
	for i := 0; i < len(digits); i += 2 {
		list = append(list, "0x"+digits[i:i+2])
	}
	return "[" + strings.Join(list, ", ") + "]"
}

func put(t *testing.T, path, text string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// say publishes a message as a person would.
func (s *side) say(t *testing.T, topic, payload string) {
	t.Helper()
	if err := s.client.Publish(t.Context(), mqttclient.Message{Topic: topic, Payload: []byte(payload), QoS: 1}); err != nil {
		t.Fatal(err)
	}
}

// ask publishes a request and waits for its answer, good or bad.
func (s *side) ask(t *testing.T, what, payload string) string {
	t.Helper()
	response := "zigbee2mqtt/bridge/response/" + what
	before := s.count(response)
	s.say(t, "zigbee2mqtt/bridge/request/"+what, payload)
	return s.until(response, before, 30*time.Second, func(string) bool { return true })
}

// until is await for what one of the sides may not do: it returns "" when
// nothing came, and the comparison shows it.
func (s *side) until(topic string, skip int, within time.Duration, ok func(payload string) bool) string {
	deadline := time.After(within)
	for next := skip; ; {
		s.mu.Lock()
		all, more := s.seen[topic], s.more
		s.mu.Unlock()
		for ; next < len(all); next++ {
			if ok(all[next]) {
				return all[next]
			}
		}
		select {
		case <-more:
		case <-deadline:
			return ""
		}
	}
}

// quiet returns when nothing was published for a while.
func (s *side) quiet(for_, within time.Duration) {
	end := time.Now().Add(within)
	for {
		s.mu.Lock()
		more := s.more
		s.mu.Unlock()
		select {
		case <-more:
			if time.Now().After(end) {
				return
			}
		case <-time.After(for_):
			return
		}
	}
}

// end closes a step: what was said since the last one, and what is retained,
// under the name of the moment.
func (s *side) end(t *testing.T, name string) {
	t.Helper()
	s.mu.Lock()
	said := slices.Clone(s.all[s.mark:])
	s.mark = len(s.all)
	s.mu.Unlock()
	m := moment{name: name, states: map[string]any{}, said: map[string]any{}, retained: map[string]any{}}
	if n := len(s.moments); n > 0 {
		m.states = maps.Clone(s.moments[n-1].states)
	}
	for _, one := range said {
		what, value, kind := compared(one)
		switch kind {
		case aState:
			if m.states[what] = value; value == "" { // cleared
				delete(m.states, what)
			}
		case anAnswer:
			m.said[what] = value
		}
	}
	kept := s.kept(t)
	for topic, payload := range kept {
		m.retained[topic] = normal(topic, decode(payload))
	}
	s.moments = append(s.moments, m)
	if *record != "" {
		s.write(t, len(s.moments), name, said, kept)
	}
}

// kept asks the broker for everything that is retained.
func (s *side) kept(t *testing.T) map[string]string {
	t.Helper()
	c, err := mqttclient.Open(t.Context(), mqttclient.Options{
		Server:   "unix://" + filepath.Join(s.data, "broker", "mqtt.sock"),
		ClientID: "interop-kept", User: person, Password: s.password,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		c.Close(ctx)
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := c.AwaitConnection(ctx); err != nil {
		t.Fatal(err)
	}
	all, last := map[string]string{}, make(chan string, 1)
	for _, filter := range []string{"zigbee2mqtt/#", "homeassistant/#", "interop/end"} {
		err := c.Subscribe(t.Context(), filter, 1, func(m mqttclient.Message) {
			if m.Topic == "interop/end" {
				last <- ""
			} else if m.Retain {
				all[m.Topic] = string(m.Payload)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// Messages are handed over in the order in which the broker sent them.
	if err := c.Publish(t.Context(), mqttclient.Message{Topic: "interop/end", QoS: 1, Payload: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	<-last
	return all
}

// write keeps a moment as it was, for people.
func (s *side) write(t *testing.T, n int, name string, said []heard, kept map[string]string) {
	t.Helper()
	var live, retained strings.Builder
	for _, one := range said {
		fmt.Fprintf(&live, "%s %s %s\n", one.at.Format("05.000"), one.topic, one.payload)
	}
	for _, topic := range sorted(kept) {
		fmt.Fprintf(&retained, "%s %s\n", topic, kept[topic])
	}
	put(t, filepath.Join(*record, s.name, "simulator.json"), string(s.hand(t, http.MethodGet, "/state", "")))
	base := filepath.Join(*record, s.name, fmt.Sprintf("%02d-%s", n, strings.ReplaceAll(name, "/", "-")))
	put(t, base+".live.log", live.String())
	put(t, base+".retained.log", retained.String())
}

func sorted[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// decode reads a payload: JSON, or a text that stands for itself.
func decode(payload string) any {
	var v any
	if err := json.Unmarshal([]byte(payload), &v); err != nil {
		return payload
	}
	return v
}

// home is what the control socket shows of the devices.
func (s *side) home(t *testing.T) []map[string]any {
	t.Helper()
	var v struct {
		Devices []map[string]any `json:"devices"`
	}
	if err := json.Unmarshal(s.hand(t, http.MethodGet, "/state", ""), &v); err != nil {
		t.Fatal(err)
	}
	return v.Devices
}
