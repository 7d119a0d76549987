//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/history"
)

// TestTheApplianceWalks follows one reading from the radio to an MQTT
// subscriber, the store and the page, then kills, stops and starts things.
func TestTheApplianceWalks(t *testing.T) {
	dir, base := tempDir(t), portBase(t)
	u := run(t, dir, base)
	c := u.client("walk")
	w := u.watch(c, "zigbee2mqtt/#", "homeassistant/#", "hems/#")

	u.eventually("the meter's first reading", func() error {
		var r struct{ Power, Energy *float64 }
		if err := w.json(meter, &r); err != nil {
			return err
		}
		if r.Power == nil || r.Energy == nil {
			return errors.New("without power or energy")
		}
		return nil
	})
	t.Run("EveryTopicOfTheContract", func(t *testing.T) { contract(t, u, w) })

	const watts = 42 // less than any house draws: the meter reports changes of 5 W and more
	u.hand("PUT", "/meter/power", fmt.Sprint(watts))
	t.Run("ReachesTheSubscriber", func(t *testing.T) { u.awaitPower(w, watts) })
	t.Run("ReachesTheStore", func(t *testing.T) { u.awaitStored(t, watts) })
	t.Run("ReachesThePage", func(t *testing.T) { page(t, u, watts) })

	network := u.network(w)
	joins := w.count(isJoin)
	t.Run("EveryProcessComesBackFromAKill", func(t *testing.T) {
		for i, program := range []string{"hems-zigbee", "hems-broker", "hems-metrics", "hems-gateway", "hems-simulator"} {
			u.kill(program)
			u.t = t
			want := 11 + 11*i
			u.eventually("the simulated home", func() error {
				if u.pid("hems-simulator") == 0 {
					return errors.New("is not up")
				}
				_, err := filepath.EvalSymlinks(filepath.Join(dir, "simulator", "control.sock"))
				return err
			})
			time.Sleep(500 * time.Millisecond) // a simulator that was just started listens a moment later
			u.hand("PUT", "/meter/power", fmt.Sprint(want))
			u.awaitPower(w, want)
			u.awaitStored(t, want)
		}
	})
	u.t = t
	if took := u.stop(); took > 3*time.Second {
		t.Errorf("stopping took %v, want no more than 3 s", took)
	}

	u = run(t, dir, base)
	w2 := u.watch(u.client("walk-again"), "zigbee2mqtt/#")
	u.hand("PUT", "/meter/power", "17")
	u.awaitPower(w2, 17)
	if diff := cmp.Diff(network, u.network(w2)); diff != "" {
		t.Errorf("network after a restart (-before +after):\n%s", diff)
	}
	if got := w.count(isJoin) + w2.count(isJoin); got != joins {
		t.Errorf("the meter was paired again: %d joins, want %d", got, joins)
	}
}

func (u *under) awaitStored(t *testing.T, want int) {
	t.Helper()
	h := history.Open(filepath.Join(u.dir, "store", "hems.db"))
	defer h.Close()
	u.eventually(fmt.Sprintf("%d W in the store", want), func() error {
		r, ok, err := h.Last(t.Context(), "frient_blink_counter_power")
		if err != nil {
			return err
		}
		if !ok || r.Value != float64(want) {
			return fmt.Errorf("last reading is %v (%v)", r.Value, ok)
		}
		return nil
	})
}

// contract looks at every retained message as a client that comes later sees
// them: topics, keys, units, types.
func contract(t *testing.T, u *under, w *topics) {
	u.eventually("everything to be announced", func() error {
		for _, topic := range []string{"homeassistant/sensor/frient_blink_counter/voltage/config", meter} {
			if _, ok := w.get(topic); !ok {
				return fmt.Errorf("nothing on %s yet", topic)
			}
		}
		return nil
	})
	late := u.watch(u.client("late"), "zigbee2mqtt/#", "homeassistant/#")
	for topic, want := range map[string]string{
		"zigbee2mqtt/bridge/state": "online",
		meter + "/availability":    "online",
	} {
		u.eventually(topic, func() error {
			m, ok := late.get(topic)
			if !ok || string(m.Payload) != want || !m.Retain {
				return fmt.Errorf("%q (retained %v), want %q retained", m.Payload, m.Retain, want)
			}
			return nil
		})
	}
	u.eventually("all keys of the meter", func() error {
		var state map[string]any
		if err := w.json(meter, &state); err != nil {
			return err
		}
		got := slices.Sorted(maps.Keys(state))
		want := []string{"battery", "energy", "linkquality", "power", "pulse_configuration", "voltage"}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("keys (-want +got):\n%s", diff)
		}
		for k, v := range state {
			if _, ok := v.(float64); !ok {
				return fmt.Errorf("%s is %T, want a number", k, v)
			}
		}
		return nil
	})
	var devices []map[string]any
	u.eventually("the meter in bridge/devices", func() error {
		if err := late.json("zigbee2mqtt/bridge/devices", &devices); err != nil {
			return err
		}
		for _, d := range devices {
			if d["friendly_name"] == "frient_blink_counter" {
				for key, want := range map[string]any{"type": "EndDevice", "model": "EMIZB-141", "manufacturer": "Frient", "supported": true} {
					if d[key] != want {
						return fmt.Errorf("%s is %v, want %v", key, d[key], want)
					}
				}
				return nil
			}
		}
		return fmt.Errorf("not among %v", devices)
	})
	for key, want := range map[string]map[string]any{
		"power":       {"unit_of_measurement": "W", "device_class": "power", "state_class": "measurement"},
		"energy":      {"unit_of_measurement": "kWh", "device_class": "energy", "state_class": "total_increasing"},
		"linkquality": {"unit_of_measurement": "lqi", "state_class": "measurement"},
	} {
		topic := "homeassistant/sensor/frient_blink_counter/" + key + "/config"
		u.eventually(topic, func() error {
			var doc map[string]any
			if err := late.json(topic, &doc); err != nil {
				return err
			}
			want["state_topic"] = meter
			want["value_template"] = "{{ value_json." + key + " }}"
			want["availability_topic"] = meter + "/availability"
			want["name"] = "Frient Blink Counter " + map[string]string{"power": "Power", "energy": "Energy", "linkquality": "Linkquality"}[key]
			for k, v := range want {
				if doc[k] != v {
					return fmt.Errorf("%s is %v, want %v", k, doc[k], v)
				}
			}
			return nil
		})
		if m := late.first(topic); !m.Retain {
			t.Errorf("%s is not retained", topic)
		}
	}
	if m := late.first(meter); !m.Retain || !json.Valid(m.Payload) {
		t.Errorf("%s: retained %v, payload %q", meter, m.Retain, m.Payload)
	}
	for topic := range late.newest {
		if strings.Contains(topic, "0x0015bc") {
			t.Errorf("%s is left of the meter's time without a name", topic)
		}
	}
}
