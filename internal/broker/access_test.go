package broker_test

import (
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/smartcore-ireland/hems/internal/broker"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

func TestAccessLists(t *testing.T) {
	h := startHouse(t)
	for _, tc := range []struct {
		user          string
		write, read   []string // allowed
		noWrite, deny []string // refused, to publish and to subscribe
	}{
		{
			user: "zigbee",
			write: []string{"zigbee2mqtt/bridge/state", "zigbee2mqtt/a/b/c/availability", "homeassistant/sensor/x/y/config",
				"homeassistant/device_automation/x/y/config", "hems/zigbee/health", "hems/zigbee/pairing"},
			read: []string{"zigbee2mqtt/bridge/request/#", "zigbee2mqtt/+/+/set/+", "homeassistant/status", "homeassistant/+/+/+/config",
				"$share/g/zigbee2mqtt/+/set"},
			noWrite: []string{"hems/metrics/health", "hems/zigbee/x", "hems/zigbee", "homeassistant/status", "homeassistant/sensor/x/config",
				"homeassistant/sensor/x/y/state", "shelly/x", "$SYS/x", "$SYS2/x"},
			deny: []string{"#", "+/x", "homeassistant/#", "hems/#", "hems/+/health", "hems/zigbee/health", "$SYS/#", "$share/g/#", "$SHARE/g/#", "shelly/x"},
		},
		{
			user:    "metrics",
			write:   []string{"hems/metrics/health"},
			read:    []string{"#", "hems/+/health", "$share/g/#"},
			noWrite: []string{"zigbee2mqtt/x", "homeassistant/x", "hems/zigbee/health", "hems/metricsx", "hems/metrics/x", "x"},
			deny:    []string{"$SYS/#", "$SYS/broker/uptime"},
		},
		{
			user:  "gateway",
			write: []string{"zigbee2mqtt/bridge/request/permit_join", "zigbee2mqtt/bridge/request/device/rename", "hems/gateway/health"},
			read:  []string{"#", "hems/zigbee/pairing"},
			noWrite: []string{"zigbee2mqtt/lamp", "zigbee2mqtt/lamp/set", "zigbee2mqtt/bridge/state", "homeassistant/status",
				"hems/zigbee/health", "hems/metrics/health", "x"},
			deny: []string{"$SYS/#"},
		},
		{
			user:    "manager",
			write:   []string{"hems/manager/health", "hems/manager/probe"},
			read:    []string{"hems/+/health", "hems/manager/probe", "zigbee2mqtt/#"},
			noWrite: []string{"zigbee2mqtt/bridge/request/restart", "hems/zigbee/health", "hems/manager/x", "homeassistant/status", "x"},
			deny:    []string{"#", "hems/#", "homeassistant/#", "$SYS/#"},
		},
		{
			user:    "home",
			write:   []string{"homeassistant/status", "zigbee2mqtt/bridge/request/permit_join", "zigbee2mqtt/lamp/set", "shelly/x/status", "/"},
			read:    []string{"#", "$SYS/#", "hems/+/health"},
			noWrite: []string{"hems/zigbee/health", "hems/gateway/x", "hems", "$other/x"},
		},
	} {
		t.Run(tc.user, func(t *testing.T) {
			c := h.client(t, tc.user)
			for _, topic := range tc.write {
				if err := c.Publish(t.Context(), msg(topic, "x", 1, false)); err != nil {
					t.Errorf("%v, want it allowed", err)
				}
			}
			for _, filter := range tc.read {
				if err := c.Subscribe(t.Context(), filter, 1, func(mqttclient.Message) {}); err != nil {
					t.Errorf("%v, want it allowed", err)
				}
			}
			for _, filter := range tc.deny {
				err := c.Subscribe(t.Context(), filter, 1, func(mqttclient.Message) {})
				if !errors.Is(err, mqttclient.ErrRefused) {
					t.Errorf("subscribing to %s: %v, want ErrRefused", filter, err)
				}
			}
			for _, topic := range tc.noWrite {
				if err := c.Publish(t.Context(), msg(topic, "x", 1, true)); !errors.Is(err, mqttclient.ErrRefused) {
					t.Errorf("publishing to %s: %v, want ErrRefused", topic, err)
				}
			}
		})
	}
	for _, user := range []string{"zigbee", "metrics", "gateway", "manager"} { // from the network, whoever has the password
		w := dial(t, h.tcp())
		w.connect(h.hello(t, 4, user, "stolen"), 5)
		w.closed(0)
	}
	if h.Stats().RefusedAccess == 0 {
		t.Error("refusals are not counted")
	}
}

// TestTheDocumentHasTheAccessOfOurOwnUsers compares ARCHITECTURE.md with the lists.
func TestTheDocumentHasTheAccessOfOurOwnUsers(t *testing.T) {
	list := func(filters []string) string {
		if len(filters) == 0 {
			return "–"
		}
		return "`" + strings.Join(filters, "`, `") + "`"
	}
	var b strings.Builder
	b.WriteString("| user | from | may read | may write |\n|---|---|---|---|\n")
	all := broker.DefaultUsers()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		a, from, write := all[name], "anywhere", list(all[name].Write)
		if a.Local {
			from = "`mqtt.sock`"
		}
		if len(a.Deny) > 0 {
			write += ", but not " + list(a.Deny)
		}
		if name == "bridge" {
			write = "what `mqtt.bridges` says"
			a.Read = nil
		}
		b.WriteString("| `" + name + "` | " + from + " | " + list(a.Read) + " | " + write + " |\n")
	}
	doc, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), b.String()) {
		t.Errorf("ARCHITECTURE.md does not have the table as it is; put this in its place:\n%s", b.String())
	}
}

func TestNobodyPublishesToTheBrokersOwnTopics(t *testing.T) {
	h := startHouse(t)
	c := h.client(t, "home")
	s := subscribe(t, c, "$SYS/#")
	err := c.Subscribe(t.Context(), "marker", 1, func(m mqttclient.Message) { s.ch <- m })
	if err != nil {
		t.Fatal(err)
	}
	w := dial(t, h.tcp())
	w.connect(h.hello(t, 4, "home", "x"), 0)
	w.send(frame(0x31, text("$SYS/broker/version"), []byte("forged")))
	w.send(frame(0x30, text("marker")))
	for {
		m := s.next()
		if string(m.Payload) == "forged" {
			t.Fatal("the forged message was delivered")
		}
		if m.Topic == "marker" {
			break
		}
	}
	h.ping(t)
}

func TestWillsObeyTheAccessList(t *testing.T) {
	h := startHouse(t)
	s := subscribe(t, h.client(t, "metrics"), "#")
	for will, version := range map[string]byte{"hems/zigbee/health": 5, "$SYS/broker/version": 4, "hems/x": 3} {
		c := h.hello(t, version, "home", "w")
		c.will = will
		code := byte(5)
		if version == 5 {
			code = 0x87
		}
		w := dial(t, h.tcp())
		w.connect(c, code)
		w.closed(0)
	}
	c := h.hello(t, 4, "home", "w")
	c.will = "house/gone"
	w := dial(t, h.tcp())
	w.connect(c, 0)
	w.Close()
	s.want(msg("house/gone", "gone", 0, false)) // and no other came before it
}

func TestAReaderGetsOnlyWhatItMayRead(t *testing.T) {
	h := startHouse(t)
	zigbee := h.client(t, "zigbee")
	s := subscribe(t, zigbee, "zigbee2mqtt/#")
	home := h.client(t, "home")
	publish(t, home, msg("shelly/x", "no", 1, true))
	publish(t, home, msg("zigbee2mqtt/lamp/set", "yes", 1, false))
	s.want(msg("zigbee2mqtt/lamp/set", "yes", 1, false))
}
