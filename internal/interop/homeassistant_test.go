//go:build interop

package interop

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// homeAssistantPython is the oldest Python that the pinned Home Assistant runs on.
// Newer releases of it want 3.13.2 (2025.5 to 2026.2) or 3.14.2 (from 2026.3 on).
const homeAssistantPython = "3.13"

// hass installs the real Home Assistant, once for each content of
// requirements.txt, and returns its program.
func hass(t *testing.T) string {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	python := ""
	candidates := []string{"python" + homeAssistantPython, "python3"}
	if home, err := os.UserHomeDir(); err == nil {
		more, _ := filepath.Glob(filepath.Join(home, ".pyenv", "versions", homeAssistantPython+".*", "bin", "python3"))
		candidates = append(candidates, more...)
	}
	for _, c := range candidates {
		if exec.Command(c, "-c", "import sys; sys.exit(not sys.version_info[:2] == (3, 13))").Run() == nil {
			python = c
			break
		}
	}
	if python == "" {
		t.Fatalf("Home Assistant needs Python %s, and none of %v is: install it", homeAssistantPython, candidates)
	}
	requirements, err := filepath.Abs(filepath.Join("homeassistant", "requirements.txt"))
	if err != nil {
		t.Fatal(err)
	}
	pinned, err := os.ReadFile(requirements)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root(t), "build", "interop", "homeassistant")
	program, stamp := filepath.Join(dir, "bin", "hass"), filepath.Join(dir, "installed")
	want := fmt.Appendf(nil, "%x\n", sha256.Sum256(append(pinned, python...)))
	if got, err := os.ReadFile(stamp); err == nil && bytes.Equal(got, want) {
		t.Logf("Home Assistant is in %s already", dir)
		return program
	}
	os.RemoveAll(dir)
	began := time.Now()
	t.Logf("installing Home Assistant into %s (about 820 MB, which takes minutes)", dir)
	run(t, root(t), python, "-m", "venv", dir)
	pip := []string{"-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--prefer-binary"}
	run(t, dir, filepath.Join(dir, "bin", "python3"), append(pip, "-r", requirements)...)
	t.Logf("installed in %.1f s", time.Since(began).Seconds())
	if err := os.WriteFile(stamp, want, 0o644); err != nil {
		t.Fatal(err)
	}
	return program
}

// assistant is a real Home Assistant, asked through hems-gateway.
type assistant struct {
	t     *testing.T
	front string // its address through the gateway
	token string
}

// ask asks its REST interface, and decodes the answer.
func (a *assistant) ask(method, path string, question, into any) error {
	var body io.Reader
	kind := "application/json"
	switch q := question.(type) {
	case nil:
	case url.Values:
		body, kind = strings.NewReader(q.Encode()), "application/x-www-form-urlencoded"
	default:
		b, err := json.Marshal(q)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.front+path, body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", kind)
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %.300s", method, path, res.Status, b)
	}
	if err == nil && into != nil {
		err = json.Unmarshal(b, into)
	}
	return err
}

func (a *assistant) must(method, path string, question, into any) {
	a.t.Helper()
	if err := a.ask(method, path, question, into); err != nil {
		a.t.Fatal(err)
	}
}

// await asks until ok, and returns how long that took.
func (a *assistant) await(what string, within time.Duration, ok func() error) time.Duration {
	a.t.Helper()
	began := time.Now()
	for {
		err := ok()
		if err == nil {
			return time.Since(began)
		}
		if time.Since(began) > within {
			a.t.Fatalf("%s: not within %v: %v", what, within, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

type entityState struct {
	ID         string `json:"entity_id"`
	State      string `json:"state"`
	Attributes struct {
		Unit string `json:"unit_of_measurement"`
	} `json:"attributes"`
}

// known says whether an entity has a state.
func (a *assistant) known(id string) error {
	var s entityState
	if err := a.ask("GET", "/api/states/"+id, nil, &s); err != nil {
		var all []entityState
		if a.ask("GET", "/api/states", nil, &all) == nil {
			err = fmt.Errorf("%w; there are %v", err, all)
		}
		return err
	}
	if s.State == "unknown" || s.State == "unavailable" || s.State == "" {
		return fmt.Errorf("%s is %q", id, s.State)
	}
	return nil
}

const (
	clientID  = "http://hems.test/"
	meterName = "frient_blink_counter"
)

// TestHomeAssistant puts the real Home Assistant behind hems-gateway: its pages and
// its sign-in, its WebSocket interface for a while, and its MQTT integration on our
// broker, which makes the meter's entities of our discovery and has their states at
// once after a restart. Without trusted_proxies it answers 400, which the gateway
// knows and says.
func TestHomeAssistant(t *testing.T) {
	t.Parallel()
	program := hass(t)
	h := newHouse(t)
	port, base := freePort(t), h.port-4
	to := fmt.Sprintf("http://127.0.0.1:%d", port)
	put(t, filepath.Join(h.data, "hems.yaml"), "home_assistant:\n  url: "+to+"\n")
	h.startDongle(t)
	h.hold(t, 342)
	environment := []string{"HEMS_DATA=" + h.data, "HEMS_DONGLE=" + h.pty, "HEMS_LISTEN=127.0.0.1", "HEMS_PORT_BASE=" + strconv.Itoa(base)}
	start(t, "hems-zigbee", environment, filepath.Join(h.bin, "hems-zigbee"))
	h.await(t, "zigbee2mqtt/bridge/state", 0, time.Minute, "online", func(p string) bool { return strings.Contains(p, "online") })
	gateway := start(t, "hems-gateway", environment, filepath.Join(h.bin, "hems-gateway"))
	front := fmt.Sprintf("http://127.0.0.1:%d", base+2)
	gateway.waitFor(t, "Home Assistant is at", time.Minute)

	// A meter joins and gets its name.
	h.request(t, "permit_join", `{"time":120}`)
	meter := ""
	h.await(t, "zigbee2mqtt/bridge/event", 0, 2*time.Minute, "a meter that has joined", func(p string) bool {
		var e struct {
			Type string `json:"type"`
			Data struct {
				Address string `json:"ieee_address"`
				Status  string `json:"status"`
			} `json:"data"`
		}
		meter = ""
		if json.Unmarshal([]byte(p), &e) == nil && e.Type == "device_interview" && e.Data.Status == "successful" {
			meter = e.Data.Address
		}
		return meter != ""
	})
	h.request(t, "device/rename", fmt.Sprintf(`{"from":%q,"to":%q}`, meter, meterName))
	// And a device that speaks once: what is known of it later was retained.
	for topic, payload := range map[string]string{
		"homeassistant/sensor/once/power/config": `{"name":"Power","object_id":"once_power","unique_id":"once_power","state_topic":"once/power","unit_of_measurement":"W","device_class":"power"}`,
		"once/power":                             "17",
	} {
		if err := h.client.Publish(t.Context(), mqttclient.Message{Topic: topic, Payload: []byte(payload), QoS: 1, Retain: true}); err != nil {
			t.Fatal(err)
		}
	}

	config := filepath.Join(h.data, "hass")
	if err := os.Mkdir(config, 0o700); err != nil {
		t.Fatal(err)
	}
	// As a home has it that was not told about the appliance yet.
	listen := fmt.Sprintf("http:\n  server_host: 127.0.0.1\n  server_port: %d\n", port)
	put(t, filepath.Join(config, "configuration.yaml"), listen+"frontend:\n")
	const startTime = 6 * time.Minute // on a machine with much else to do
	run := func() *process {
		return start(t, "hass", nil, program, "-c", config, "--skip-pip", "--log-no-color")
	}
	a := &assistant{t: t, front: front}
	p := run()
	a.await("Home Assistant's own port", startTime, func() error {
		res, err := http.Get(to + "/manifest.json")
		if err == nil {
			res.Body.Close()
		}
		return err
	})
	t.Logf("%.1f s: Home Assistant answers", time.Since(p.start).Seconds())
	a.await("the page about trusted_proxies", time.Minute, func() error {
		r, err := http.NewRequest("GET", front+"/", nil)
		if err != nil {
			return err
		}
		r.Header.Set("Accept", "text/html")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		if res.StatusCode != http.StatusBadGateway || !strings.Contains(string(b), "trusted_proxies") {
			return fmt.Errorf("got %s: %.200s", res.Status, b)
		}
		return nil
	})
	p.stop(t)
	// The lines that the page prints.
	put(t, filepath.Join(config, "configuration.yaml"), listen+"  use_x_forwarded_for: true\n  trusted_proxies:\n    - 127.0.0.1\n    - ::1\nfrontend:\n")
	p = run()
	a.await("Home Assistant through the gateway", startTime, func() error { return a.ask("GET", "/manifest.json", nil, nil) })
	t.Logf("%.1f s: Home Assistant answers through the gateway", time.Since(p.start).Seconds())

	// Its own pages, its own sign-in.
	a.await("the page for a new home", time.Minute, func() error {
		res, err := http.Get(front + "/onboarding.html")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		if res.StatusCode != http.StatusOK || !strings.Contains(string(b), "ha-onboarding") {
			return fmt.Errorf("got %s: %.200s", res.Status, b)
		}
		return nil
	})
	if err := a.ask("GET", "/api/states", nil, nil); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("before sign-in: got %v, want 401 of Home Assistant's own", err)
	}
	var user struct {
		Code string `json:"auth_code"`
	}
	a.must("POST", "/api/onboarding/users", map[string]string{"client_id": clientID, "name": "Owner", "username": "owner", "password": "a cup of tea", "language": "en"}, &user)
	var tokens struct {
		Access string `json:"access_token"`
	}
	a.must("POST", "/auth/token", url.Values{"grant_type": {"authorization_code"}, "code": {user.Code}, "client_id": {clientID}}, &tokens)
	a.token = tokens.Access

	// Its MQTT integration on our broker.
	password, err := h.password()
	if err != nil {
		t.Fatal(err)
	}
	var flow struct {
		ID     string         `json:"flow_id"`
		Type   string         `json:"type"`
		Errors map[string]any `json:"errors"`
	}
	a.must("POST", "/api/config/config_entries/flow", map[string]any{"handler": "mqtt"}, &flow)
	a.must("POST", "/api/config/config_entries/flow/"+flow.ID, map[string]any{"broker": "127.0.0.1", "port": h.port, "username": person, "password": password}, &flow)
	if flow.Type != "create_entry" {
		t.Fatalf("its MQTT integration does not take our broker: %+v", flow)
	}
	// The documents of the contract name a whole entity, "Frient Blink Counter Power";
	// this Home Assistant puts the device's name before it once more. An entity that a
	// home has already keeps its id, by the unique_id.
	prefix := "sensor." + meterName + "_" + meterName
	power, energy, once := prefix+"_power", prefix+"_energy", "sensor.once_power"
	entities := []string{power, energy, once}
	for _, id := range entities {
		took := a.await("the state of "+id, 2*time.Minute, func() error { return a.known(id) })
		t.Logf("%s after %.1f s", id, took.Seconds())
	}
	var s entityState
	a.must("GET", "/api/states/"+power, nil, &s)
	if s.State != "342" && s.State != "342.0" || s.Attributes.Unit != "W" {
		t.Errorf("%s: got %s %s, want 342 W", power, s.State, s.Attributes.Unit)
	}
	a.socket(t, h, power)

	// After a restart they are there at once: of what is retained.
	p.stop(t)
	run()
	a.await("Home Assistant after its restart", startTime, func() error { return a.ask("GET", "/manifest.json", nil, nil) })
	a.await("its MQTT integration", time.Minute, func() error { return a.ask("GET", "/api/states/"+once, nil, nil) })
	for _, id := range entities {
		took := a.await("the state of "+id+" after a restart", 20*time.Second, func() error { return a.known(id) })
		t.Logf("%s after %.1f s", id, took.Seconds())
	}
}

// socket speaks with the WebSocket interface through the gateway, for a while.
func (a *assistant) socket(t *testing.T, h *house, entity string) {
	t.Helper()
	c, _, err := websocket.DefaultDialer.Dial(strings.Replace(a.front, "http", "ws", 1)+"/api/websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(3 * time.Minute))
	expect := func(kind string) map[string]any {
		t.Helper()
		for {
			var m map[string]any
			if err := c.ReadJSON(&m); err != nil {
				t.Fatalf("waiting for %s: %v", kind, err)
			}
			if m["type"] == kind {
				return m
			}
		}
	}
	say := func(m map[string]any) {
		t.Helper()
		if err := c.WriteJSON(m); err != nil {
			t.Fatal(err)
		}
	}
	expect("auth_required")
	say(map[string]any{"type": "auth", "access_token": a.token})
	expect("auth_ok")
	say(map[string]any{"id": 1, "type": "subscribe_entities", "entity_ids": []string{entity}})
	expect("result")
	expect("event")
	const messages = 500
	began := time.Now()
	for id := 2; id < 2+messages; id++ {
		say(map[string]any{"id": id, "type": "ping"})
		if m := expect("pong"); m["id"] != float64(id) {
			t.Fatalf("got the answer to %v, want %d", m["id"], id)
		}
	}
	t.Logf("%d pings through the gateway in %.1f s", messages, time.Since(began).Seconds())
	h.hold(t, 1234)
	for {
		if b, _ := json.Marshal(expect("event")); strings.Contains(string(b), `"1234`) {
			return
		}
	}
}
