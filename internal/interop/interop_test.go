//go:build interop

package interop

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// meterTopic is where Zigbee2MQTT publishes the meter under its address.
const (
	meterEUI64 = "0x0015bc001b0211a5"
	meterTopic = "zigbee2mqtt/" + meterEUI64
)

// reading is what Zigbee2MQTT publishes of the meter.
type reading struct {
	Power       *float64 `json:"power"`       // W
	Energy      *float64 `json:"energy"`      // kWh
	Battery     *float64 `json:"battery"`     // %
	LinkQuality *float64 `json:"linkquality"` // 0 to 255
}

func parse(payload string) (r reading) {
	json.Unmarshal([]byte(payload), &r)
	return r
}

// TestZigbee2MQTT starts the real Zigbee2MQTT on the simulated dongle, pairs
// the meter, compares readings, restarts everything, replaces the dongle and
// removes the meter.
func TestZigbee2MQTT(t *testing.T) {
	t.Parallel()
	outer := t // what is started in a subtest lives on after it
	script, nodejs := zigbee2mqtt(t), node(t)
	h := newHouse(t)
	dongle := h.startDongle(t)
	settings := h.configure(t)
	begin := func() *process {
		// It would take this checkout for its own and build itself anew.
		notOurs := "GIT_DIR=" + filepath.Join(settings, "none")
		return start(outer, "zigbee2mqtt", []string{"ZIGBEE2MQTT_DATA=" + settings, notOurs}, nodejs, script)
	}
	z := begin()

	t.Logf("%.1f s: Zigbee2MQTT started, network formed", z.waitFor(t, "Zigbee2MQTT started!", time.Minute).Seconds())
	if len(z.said("zigbee-herdsman started (reset)")) == 0 {
		t.Errorf("the network was not formed anew: %q", z.said("zigbee-herdsman started"))
	}
	if v := h.look(t); !v.NetworkUp || v.Devices[0].Joined {
		t.Fatalf("before joining is permitted: network up %v, meter joined %v; want true and false", v.NetworkUp, v.Devices[0].Joined)
	}

	pair(t, h, z)
	before := h.look(t)
	compare(t, h, 12)

	t.Run("resumes after a restart of Zigbee2MQTT", func(t *testing.T) {
		z.stop(t)
		z = begin()
		t.Logf("%.1f s: started again", z.waitFor(t, "Zigbee2MQTT started!", time.Minute).Seconds())
		same(t, h, z, before)
		compare(t, h, 23)
	})
	t.Run("resumes after the dongle was killed", func(t *testing.T) {
		z.stop(t)
		energy := h.look(t).Devices[0].EnergyWh
		dongle.cmd.Process.Kill()
		<-dongle.ended
		dongle = h.startDongle(outer)
		if got := h.look(t).Devices[0].EnergyWh; got < energy {
			t.Errorf("the energy went back from %d Wh to %d Wh", energy, got)
		}
		z = begin()
		z.waitFor(t, "Zigbee2MQTT started!", time.Minute)
		same(t, h, z, before)
		compare(t, h, 34)
	})
	t.Run("restores its network to a dongle fresh from its box", func(t *testing.T) {
		z.stop(t)
		dongle.stop(t)
		h.replaceDongle(t)
		dongle = h.startDongle(outer)
		z = begin()
		z.waitFor(t, "zigbee-herdsman started (restored)", time.Minute)
		z.waitFor(t, "Zigbee2MQTT started!", time.Minute)
		compare(t, h, 45)
		if v := h.look(t); v.PAN != before.PAN || v.Devices[0].NodeID != before.Devices[0].NodeID {
			t.Errorf("PAN and node: got %v and %v, want %v and %v", v.PAN, v.Devices[0].NodeID, before.PAN, before.Devices[0].NodeID)
		}
	})
	t.Run("removes the meter", func(t *testing.T) {
		h.request(t, "device/remove", fmt.Sprintf(`{"id":%q}`, meterEUI64))
		for deadline := time.Now().Add(time.Minute); h.look(t).Devices[0].Joined; time.Sleep(100 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the meter is still part of the network 10 s after it was removed")
			}
		}
	})

	v := h.look(t)
	if v.NCP["refused"] != 0 || v.NCP["malformed"] != 0 || v.Line["bad_frames"] != 0 || v.Line["bad_acks"] != 0 {
		t.Errorf("the dongle refused or did not understand something: %v, line %v", v.NCP, v.Line)
	}
	z.stop(t)
	for _, bad := range []string{"fatal", "Failed to configure", "UNHANDLED"} {
		if lines := z.said(bad); len(lines) > 0 {
			t.Errorf("Zigbee2MQTT said %q", lines)
		}
	}
}

// configure writes Zigbee2MQTT's settings: our pty, our broker, random keys.
func (h *house) configure(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(h.data, "zigbee2mqtt")
	password, err := h.password()
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
  adapter: %s
frontend:
  enabled: false
homeassistant:
  enabled: true
availability:
  enabled: true
advanced:
  log_output: [console]
  log_level: info
  network_key: GENERATE
  pan_id: GENERATE
  ext_pan_id: GENERATE
`, h.port, person, password, h.pty, cmp.Or(h.adapter, "ember"))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "configuration.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// pair permits joining and follows the meter until it is configured.
func pair(t *testing.T, h *house, z *process) {
	t.Helper()
	asked := time.Now()
	h.request(t, "permit_join", `{"time":60}`)
	z.waitFor(t, "Successfully interviewed '"+meterEUI64+"'", time.Minute)
	t.Logf("+%.1f s: interviewed", time.Since(asked).Seconds())
	total := z.waitFor(t, "Successfully configured '"+meterEUI64+"'", time.Minute)
	t.Logf("+%.1f s: successfully configured, %.1f s after Zigbee2MQTT's start", time.Since(asked).Seconds(), total.Seconds())
	for _, want := range []string{"is supported, identified as: Frient Electricity meter interface 2 LED (EMIZB-141)"} {
		if len(z.said(want)) == 0 {
			t.Errorf("Zigbee2MQTT did not say %q; its log ends:\n%s", want, z.tail())
		}
	}
	h.request(t, "permit_join", `{"time":0}`)
	if h.look(t).PermitOpen {
		t.Error("joining is still permitted after it was closed")
	}
	topic := "homeassistant/sensor/" + meterEUI64 + "/power/config"
	h.await(t, topic, 0, 10*time.Second, "its state topic", func(p string) bool { return strings.Contains(p, `"`+meterTopic+`"`) })
	if got, want := h.last(meterTopic+"/availability"), `{"state":"online"}`; got != want {
		t.Errorf("availability: got %s, want %s", got, want)
	}
}

// compare holds the load and waits until Zigbee2MQTT publishes it, with the
// energy that the meter shows.
func compare(t *testing.T, h *house, watts int) {
	t.Helper()
	skip := h.count(meterTopic)
	began := time.Now()
	h.hold(t, watts)
	payload := h.await(t, meterTopic, skip, 40*time.Second, fmt.Sprintf("power %d", watts), func(p string) bool {
		r := parse(p)
		return r.Power != nil && *r.Power == float64(watts)
	})
	r, v := parse(payload), h.look(t)
	t.Logf("+%.1f s: reads %s", time.Since(began).Seconds(), payload)
	// The energy is reported by every 100 Wh, or when it was read.
	if shown := float64(v.Devices[0].EnergyWh) / 1000; r.Energy == nil || math.Abs(*r.Energy-shown) > 0.12 {
		t.Errorf("energy in %s, want %.3f kWh within 0.12", payload, shown)
	}
	if r.Battery == nil || *r.Battery != 89 {
		t.Errorf("battery in %s, want 89 %%", payload)
	}
	if r.LinkQuality == nil || *r.LinkQuality < 150 || *r.LinkQuality > 255 {
		t.Errorf("linkquality in %s, want 150 to 255", payload)
	}
}

// same checks that Zigbee2MQTT went on with the network and the meter it had.
func same(t *testing.T, h *house, z *process, before view) {
	t.Helper()
	if len(z.said("zigbee-herdsman started (resumed)")) == 0 {
		t.Errorf("the network was not resumed: %q", z.said("zigbee-herdsman started"))
	}
	for _, again := range []string{"' joined", "Starting interview", "Configuring '"} {
		if lines := z.said(again); len(lines) > 0 {
			t.Errorf("the meter was paired a second time: %q", lines)
		}
	}
	after := h.look(t)
	if after.PAN != before.PAN || after.Devices[0].NodeID != before.Devices[0].NodeID || !after.Devices[0].Joined {
		t.Errorf("PAN, node and membership: got %v %v %v, want %v %v true",
			after.PAN, after.Devices[0].NodeID, after.Devices[0].Joined, before.PAN, before.Devices[0].NodeID)
	}
}
