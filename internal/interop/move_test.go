//go:build interop

package interop

import (
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// takeOver gives the files of another program to hems import, into the data of
// a coordinator that does not run yet, and returns what it said.
func (h *house) takeOver(t *testing.T, what, path string, more ...string) string {
	t.Helper()
	args := append([]string{"import", what, path, "-data", h.data}, more...)
	c := exec.CommandContext(t.Context(), filepath.Join(h.bin, "hems"), args...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("hems %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// coordinate starts our coordinator on the stick that the other program had.
func (h *house) coordinate(t *testing.T) *process {
	t.Helper()
	put(t, filepath.Join(h.data, "hems.yaml"), "zigbee:\n"+payloads)
	skip := h.count("zigbee2mqtt/bridge/state")
	p := start(t, "hems-zigbee", []string{"HEMS_DATA=" + h.data, "HEMS_DONGLE=" + h.pty, "HEMS_LISTEN=127.0.0.1", "HEMS_PORT_BASE=" + strconv.Itoa(h.port-4)},
		filepath.Join(h.bin, "hems-zigbee"))
	h.await(t, "zigbee2mqtt/bridge/state", skip, 30*time.Second, "online", func(p string) bool { return strings.Contains(p, "online") })
	h.await(t, "zigbee2mqtt/bridge/info", 0, 30*time.Second, "its version and the dongle", func(p string) bool {
		return strings.Contains(p, "+hems.") && strings.Contains(p, "0x0012")
	})
	return p
}

// membership is what a device keeps when it is moved: its address and that it
// is in the network.
func (s *side) membership(t *testing.T) map[string]string {
	t.Helper()
	m := make(map[string]string)
	for _, d := range s.home(t) {
		m[d["eui64"].(string)] = fmt.Sprint(d["joined"], " ", d["node_id"])
	}
	return m
}

// TestMoveFromZigbee2MQTT has the real Zigbee2MQTT pair devices, name them,
// group them and set options; gives its directory to hems import; and has ours
// go on with the same stick: every device reports under its name, nothing is
// paired again, and what was set is there.
func TestMoveFromZigbee2MQTT(t *testing.T) {
	t.Parallel()
	// Values that the simulated home never has by itself, whatever the hour: a
	// device reports nothing that is within its reportable change of the value
	// it reported last (1 °C here, as Zigbee2MQTT configures it).
	moved := []struct {
		model, name, quantity, key string
		value                      float64
	}{
		{"EMIZB-141", "meters/Main meter", "power", "power", 23210},
		{"SPLZB-131", "Washing machine", "power", "power", 3045},
		{"SNZB-02D", "Bedroom", "temperature", "temperature", 35.5},
		{"PJ-1203A", "Clamp", "power_a", "power_a", 9250},
	}
	var list []string
	for _, m := range moved {
		list = append(list, m.model)
	}
	s := theirs(t, strings.Join(list, ","))
	s.startDongle(t)
	for _, d := range s.home(t) {
		s.devices = append(s.devices, d["eui64"].(string))
	}
	z := s.begin()
	z.waitFor(t, "Zigbee2MQTT started!", time.Minute)
	s.request(t, "permit_join", `{"time":120}`)
	for _, e := range s.devices {
		z.waitFor(t, "Successfully interviewed '"+e+"'", 2*time.Minute)
		z.waitFor(t, "Successfully configured '"+e+"'", 2*time.Minute)
	}
	s.request(t, "permit_join", `{"time":0}`)
	names := make(map[string]string)
	for _, m := range moved {
		e := s.of(t, m.model)[0]
		names[e] = m.name
		s.request(t, "device/rename", fmt.Sprintf(`{"from":%q,"to":%q}`, e, m.name))
	}
	s.request(t, "device/options", `{"id":"meters/Main meter","options":{"power_precision":0,"retain":true}}`)
	s.request(t, "group/add", `{"friendly_name":"All plugs","id":7}`)
	s.request(t, "group/members/add", `{"group":"All plugs","device":"Washing machine"}`)
	before := s.membership(t)
	z.stop(t)

	t.Log(s.takeOver(t, "zigbee2mqtt", s.settings))
	events := s.count("zigbee2mqtt/bridge/event")
	skip := make(map[string]int)
	for _, m := range moved {
		skip[m.name] = s.count("zigbee2mqtt/" + m.name)
	}
	began := time.Now()
	ours := s.coordinate(t)
	t.Logf("%.1f s: ours is online", time.Since(began).Seconds())
	for _, m := range moved {
		t.Run(m.model+"GoesOn", func(t *testing.T) {
			s.values(t, s.of(t, m.model)[0], map[string]float64{m.quantity: m.value})
			s.await(t, "zigbee2mqtt/"+m.name, skip[m.name], 2*time.Minute, fmt.Sprintf("%s of %v", m.key, m.value), func(p string) bool {
				state, _ := decode(p).(map[string]any)
				v, _ := state[m.key].(float64)
				return v == m.value
			})
			t.Logf("%.1f s: it has reported", time.Since(began).Seconds())
		})
	}
	t.Run("NothingIsPairedAgain", func(t *testing.T) {
		if diff := cmp.Diff(before, s.membership(t)); diff != "" {
			t.Errorf("addresses in the network (-before +after):\n%s", diff)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, e := range s.seen["zigbee2mqtt/bridge/event"][events:] {
			if strings.Contains(e, "device_joined") || strings.Contains(e, "device_interview") {
				t.Errorf("an event of pairing: %s", e)
			}
		}
	})
	t.Run("NamesGroupsAndOptionsAreThere", func(t *testing.T) {
		kept := s.kept(t)
		var devices []struct {
			IEEE string `json:"ieee_address"`
			Name string `json:"friendly_name"`
			Type string
			OK   bool `json:"interview_completed"`
		}
		var groups []struct {
			ID      int
			Name    string           `json:"friendly_name"`
			Members []map[string]any `json:"members"`
		}
		var info struct {
			Config struct{ Devices map[string]map[string]any }
		}
		for topic, v := range map[string]any{"devices": &devices, "groups": &groups, "info": &info} {
			if err := json.Unmarshal([]byte(kept["zigbee2mqtt/bridge/"+topic]), v); err != nil {
				t.Fatalf("%s: %v", topic, err)
			}
		}
		got := make(map[string]string)
		for _, d := range devices {
			if d.Type != "Coordinator" {
				got[d.IEEE] = d.Name
				if !d.OK {
					t.Errorf("%s is not known in full", d.Name)
				}
			}
		}
		if diff := cmp.Diff(names, got); diff != "" {
			t.Errorf("names (-want +got):\n%s", diff)
		}
		plug := s.of(t, "SPLZB-131")[0]
		if len(groups) != 1 || groups[0].ID != 7 || groups[0].Name != "All plugs" || len(groups[0].Members) != 1 || groups[0].Members[0]["ieee_address"] != plug {
			t.Errorf("groups: got %+v", groups)
		}
		want := map[string]any{"friendly_name": "meters/Main meter", "power_precision": 0.0, "retain": true}
		if diff := cmp.Diff(want, info.Config.Devices[s.of(t, "EMIZB-141")[0]]); diff != "" {
			t.Errorf("options of the meter (-want +got):\n%s", diff)
		}
		if !strings.Contains(kept["zigbee2mqtt/meters/Main meter"], `"power":23210`) {
			t.Errorf("the meter's state is not retained: %q", kept["zigbee2mqtt/meters/Main meter"])
		}
	})
	t.Run("TheGroupIsSwitched", func(t *testing.T) {
		for _, word := range []string{"OFF", "ON"} {
			at := s.count("zigbee2mqtt/Washing machine")
			s.say(t, "zigbee2mqtt/All plugs/set", fmt.Sprintf(`{"state":%q}`, word))
			s.await(t, "zigbee2mqtt/Washing machine", at, 20*time.Second, word, func(p string) bool { return strings.Contains(p, `"state":"`+word+`"`) })
		}
	})
	ours.stop(t)
}

// TestMoveFromZHA has bellows, the library below ZHA, pair the meter; gives its
// database to hems import; and has ours go on with the same stick. A backup of
// the coordinator in the open format is read the same.
func TestMoveFromZHA(t *testing.T) {
	t.Parallel()
	lib, python := bellows(t)
	h := newHouse(t)
	h.startDongle(t)
	database, backup := filepath.Join(h.data, "zigbee.db"), filepath.Join(h.data, "backup.json")
	b := start(t, "bellows", []string{"PYTHONPATH=" + lib, "PYTHONDONTWRITEBYTECODE=1"}, python, filepath.Join("bellows", "pair.py"), h.pty, database, backup)
	b.waitFor(t, "permitted", time.Minute)
	b.waitFor(t, "initialized 00:15:bc:00:1b:02:11:a5", time.Minute)
	b.end(t)
	if len(b.said("backed up")) != 1 {
		t.Fatalf("bellows made no backup; its log ends:\n%s", b.tail())
	}
	before := h.look(t)

	// Both say the same of the network.
	network := func(path string) map[string]any {
		var said struct{ Network map[string]any }
		out := h.takeOver(t, "zha", path, "-dry-run", "-json")
		if err := json.Unmarshal([]byte(out), &said); err != nil {
			t.Fatalf("%s: %v\n%s", path, err, out)
		}
		return said.Network
	}
	if of := network(database); len(of) == 0 || !maps.Equal(network(backup), of) {
		t.Errorf("the network of the backup and of the database: got %v and %v, want the same", network(backup), of)
	}

	t.Log(h.takeOver(t, "zha", database))
	began := time.Now()
	z := h.coordinate(t)
	t.Logf("%.1f s: ours is online", time.Since(began).Seconds())
	skip := h.count(meterTopic)
	h.hold(t, 23210)
	h.await(t, meterTopic, skip, 2*time.Minute, "power 23210", func(p string) bool {
		r := parse(p)
		return r.Power != nil && *r.Power == 23210
	})
	t.Logf("%.1f s: the meter reports", time.Since(began).Seconds())
	after := h.look(t)
	if after.PAN != before.PAN || after.Devices[0].NodeID != before.Devices[0].NodeID || !after.Devices[0].Joined {
		t.Errorf("PAN, node and membership: got %v %v %v, want %v %v true",
			after.PAN, after.Devices[0].NodeID, after.Devices[0].Joined, before.PAN, before.Devices[0].NodeID)
	}
	h.mu.Lock()
	joined := slices.ContainsFunc(h.seen["zigbee2mqtt/bridge/event"], func(p string) bool { return strings.Contains(p, "device_joined") })
	h.mu.Unlock()
	if joined {
		t.Error("the meter was paired again")
	}
	z.stop(t)
}
