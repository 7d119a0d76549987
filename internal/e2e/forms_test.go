//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestZigbee2MQTTsForms follows a reading to a subscriber and into the store
// when everything is published as Zigbee2MQTT 2 does, and then changes the form
// back: nothing of the other is left.
func TestZigbee2MQTTsForms(t *testing.T) {
	dir, base := tempDir(t), portBase(t)
	config := filepath.Join(dir, "hems.yaml")
	if err := os.WriteFile(config, []byte("zigbee:\n  payloads: z2m2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	u := run(t, dir, base)
	w := u.watch(u.client("forms"), "zigbee2mqtt/#", "homeassistant/#", "hems/#")
	state := func(topic string) {
		t.Helper()
		u.eventually(topic+" online", func() error {
			var r struct{ State string }
			if err := w.json(topic, &r); err != nil {
				return err
			}
			if r.State != "online" {
				return fmt.Errorf("it is %q", r.State)
			}
			return nil
		})
	}
	state("zigbee2mqtt/bridge/state")
	state(meter + "/availability")
	u.eventually("the meter's energy", func() error {
		var r struct{ Energy *float64 }
		if err := w.json(meter, &r); err != nil {
			return err
		}
		if r.Energy == nil {
			return errors.New("none yet")
		}
		return nil
	})
	const watts = 42
	u.hand("PUT", "/meter/power", fmt.Sprint(watts))
	u.awaitPower(w, watts)
	u.awaitStored(t, watts)
	if took := u.stop(); took.Seconds() > 3 {
		t.Errorf("stopping took %v, want no more than 3 s", took)
	}

	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	u = run(t, dir, base)
	w = u.watch(u.client("forms-again"), "zigbee2mqtt/#", "homeassistant/#")
	u.eventually("the contract's form", func() error {
		if m, _ := w.get("zigbee2mqtt/bridge/state"); string(m.Payload) != "online" {
			return fmt.Errorf("bridge/state is %q", m.Payload)
		}
		reference := false
		w.mu.Lock()
		defer w.mu.Unlock()
		for topic, m := range w.newest {
			reference = reference || topic == "homeassistant/sensor/frient_blink_counter/power/config" && len(m.Payload) > 0
			if strings.HasPrefix(topic, "homeassistant/") && strings.Contains(string(m.Payload), `"origin"`) {
				return fmt.Errorf("%s is still there", topic)
			}
		}
		if !reference {
			return errors.New("the meter is not described")
		}
		return nil
	})
	u.hand("PUT", "/meter/power", fmt.Sprint(watts+11))
	u.awaitStored(t, watts+11)
	u.stop()
}
