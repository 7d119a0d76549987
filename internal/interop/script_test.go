//go:build interop

package interop

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// step is one thing that happens to both sides.
type step struct {
	name string
	do   func(t *testing.T, s *side)
}

// What the devices measure, by the name of the quantity or, before that, of
// model and quantity: at first, and when they are to report something else.
// What is not here is left as it is.
var (
	first = map[string]float64{
		"power": 0, "power_reactive": 0, "power_phase_b": 0, "power_phase_c": 0, "total_power": 0, "apparent_power": 0, "power_factor": 1,
		"power_l1": 0, "power_l2": 0, "power_l3": 0, "power_a": 0, "power_b": 0, "power_ab": 0, "power_factor_a": 100, "power_factor_b": 100,
		"energy": 1234.5, "produced_energy": 432.1, "energy_tier_1": 1000, "energy_tier_2": 234.5, "produced_energy_tier_1": 400,
		"produced_energy_tier_2": 32.1, "gas": 2950.49, "energy_l1": 3000.1, "energy_l2": 1100.2, "energy_l3": 1020.1, "reactive_energy": 409.63,
		"energy_a": 310.42, "energy_b": 1204.77, "energy_produced_a": 95.1, "energy_produced_b": 0, "current_summ_delivered": 95795,
		"voltage": 230, "voltage_phase_b": 231, "voltage_phase_c": 229, "voltage_l1": 230, "voltage_l2": 231, "voltage_l3": 229,
		"current": 0, "current_phase_b": 0, "current_phase_c": 0, "current_l1": 0, "current_l2": 0, "current_l3": 0,
		"current_a": 0, "current_b": 0, "rms_current": 0, "ac_frequency": 50,
		"temperature": 21, "device_temperature": 30, "humidity": 50, "battery": 80, "illuminance": 200, "occupancy": 0,
		"EMIZB-141/voltage": 3000, "HMSZB-110/voltage": 2900, "MOSZB-140/voltage": 2900, "SMSZB-120/voltage": 2900,
		"SNZB-03P/voltage": 3000, "WISZB-120/voltage": 2900, "3RSP02028BZ/voltage": 120, "3RSP02028BZ/ac_frequency": 60,
	}
	// Small loads: what they count meanwhile is not to be seen.
	second = map[string]float64{
		"power": 12, "power_reactive": 7, "power_phase_b": 8, "total_power": 12, "apparent_power": 20, "power_l2": 9, "power_a": 11,
		"voltage": 240, "voltage_phase_b": 238, "voltage_l3": 235, "current": 5, "current_phase_c": 3, "current_l1": 4, "current_a": 4, "rms_current": 6,
		"temperature": 23.5, "device_temperature": 33, "humidity": 61.25, "battery": 70, "illuminance": 900, "occupancy": 1, "smoke": 1, "open": 1, "tamper": 1,
		"EMIZB-141/voltage": 3000, "HMSZB-110/voltage": 2500, "MOSZB-140/voltage": 2500, "SMSZB-120/voltage": 2500,
		"SNZB-03P/voltage": 2700, "WISZB-120/voltage": 2500, "3RSP02028BZ/voltage": 125,
	}
)

// holdAll fixes what the devices measure.
func (s *side) holdAll(t *testing.T, to map[string]float64) {
	t.Helper()
	for _, d := range s.home(t) {
		model, _ := d["model"].(string)
		values, _ := d["values"].(map[string]any)
		body := map[string]float64{}
		for name := range values {
			v, ok := to[model+"/"+name]
			if !ok {
				v, ok = to[name]
			}
			if ok {
				body[name] = v
			}
		}
		// The load first: a counter set before it would run on meanwhile.
		if watts, ok := body["power"]; ok {
			s.values(t, d["eui64"].(string), map[string]float64{"power": watts})
		}
		s.values(t, d["eui64"].(string), body)
	}
}

func (s *side) values(t *testing.T, eui string, body map[string]float64) {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	s.hand(t, http.MethodPut, "/devices/"+eui+"/values", string(b))
}

// of returns the addresses of the devices of a model, in order.
func (s *side) of(t *testing.T, model string) (euis []string) {
	t.Helper()
	for _, d := range s.home(t) {
		if d["model"] == model {
			euis = append(euis, d["eui64"].(string))
		}
	}
	return euis
}

// press does something with a device by its control.
func (s *side) press(t *testing.T, model, what string) {
	t.Helper()
	for _, eui := range s.of(t, model) {
		s.hand(t, http.MethodPost, "/devices/"+eui+"/"+what, "")
	}
}

// command publishes on a device's topic and waits for the state that follows.
func (s *side) command(t *testing.T, name, verb, payload string) {
	t.Helper()
	topic := "zigbee2mqtt/" + name
	skip := s.count(topic)
	s.say(t, topic+"/"+verb, payload)
	s.until(topic, skip, 5*time.Second, func(string) bool { return true })
	s.quiet(500*time.Millisecond, 5*time.Second)
}

// script is what happens, in order. A step returns when what it is about has
// come; what comes after that until it is quiet belongs to it too.
var script = []step{
	{"start", func(t *testing.T, s *side) {
		s.startDongle(t)
		for _, d := range s.home(t) {
			s.devices = append(s.devices, d["eui64"].(string))
		}
		s.holdAll(t, first)
		for _, clamp := range s.of(t, "PJ-1203A") { // its energies come with every tenth burst
			s.values(t, clamp, map[string]float64{"update_frequency": 3})
		}
		s.z = s.begin()
		s.await(t, "zigbee2mqtt/bridge/state", 0, time.Minute, "online", func(p string) bool { return strings.Contains(p, "online") })
		s.await(t, "zigbee2mqtt/bridge/info", 0, 20*time.Second, "the coordinator", func(p string) bool { return strings.Contains(p, "0x0012") })
		s.quiet(6*time.Second, 20*time.Second)
	}},
	{"pair", func(t *testing.T, s *side) {
		s.ask(t, "permit_join", `{"time":254}`)
		interviewed := func(e string) {
			s.until("zigbee2mqtt/bridge/event", 0, time.Minute, func(p string) bool {
				return strings.Contains(p, e) && strings.Contains(p, `"device_interview"`) && !strings.Contains(p, `"started"`)
			})
		}
		// When it is asked by itself is chance: it is only asked when the script says so.
		for _, plug := range s.of(t, "TS011F-poll") {
			interviewed(plug)
			s.ask(t, "device/options", fmt.Sprintf(`{"id":%q,"options":{"measurement_poll_interval":-1}}`, plug))
		}
		for _, e := range s.devices {
			interviewed(e)
		}
		for _, clamp := range s.of(t, "PJ-1203A") {
			s.until("zigbee2mqtt/"+clamp, 0, time.Minute, func(p string) bool {
				return strings.Contains(p, `"energy_a":310`) && strings.Contains(p, `"energy_produced_a":9`) &&
					strings.Contains(p, `"energy_b":1204`) && strings.Contains(p, `"energy_produced_b":0`)
			})
			s.values(t, clamp, map[string]float64{"update_frequency": 10})
		}
		s.quiet(8*time.Second, time.Minute)
	}},
	{"permit_join off", func(t *testing.T, s *side) { s.ask(t, "permit_join", `{"time":0,"transaction":17}`) }},
	{"reports", func(t *testing.T, s *side) {
		s.holdAll(t, second)
		time.Sleep(13 * time.Second)
	}},
	{"errors", func(t *testing.T, s *side) {
		s.ask(t, "device/rename", `{"from":"nobody","to":"x","transaction":"t1"}`)
		s.ask(t, "device/remove", `{"id":"nobody","transaction":{"a":1}}`)
		s.ask(t, "device/options", `{"id":"nobody","options":{}}`)
		s.ask(t, "device/interview", `{"transaction":"t2"}`)
		s.ask(t, "device/configure", `nobody`)
		s.ask(t, "device/bind", `{"from":"nobody","to":"Coordinator"}`)
		s.ask(t, "device/unbind", `{"to":1}`)
		s.ask(t, "device/configure_reporting", `{"id":"nobody"}`)
		s.ask(t, "device/reporting/configure", `{"id":"nobody"}`)
		s.ask(t, "device/reporting/read", `{"id":"nobody"}`)
		s.ask(t, "device/generate_external_definition", `{"id":"nobody"}`)
		s.ask(t, "group/add", `{}`)
		s.ask(t, "group/remove", `nothing`)
		s.ask(t, "group/rename", `{"from":"nothing","to":"x"}`)
		s.ask(t, "group/options", `{"id":"nothing","options":{}}`)
		s.ask(t, "group/members/add", `{"group":"nothing","device":"nobody"}`)
		s.ask(t, "group/members/remove", `{"group":"nothing","device":"nobody"}`)
		s.ask(t, "group/members/remove_all", `{"device":"nobody"}`)
		s.ask(t, "permit_join", `{"times":1}`)
		s.ask(t, "networkmap", `{"type":"nonsense"}`)
		s.ask(t, "options", `{}`)
		s.ask(t, "install_code/add", `{}`)
		s.ask(t, "action", `{"action":"nonsense"}`)
		s.ask(t, "touchlink/identify", `{}`)
		s.ask(t, "health_check", ``)
		s.ask(t, "coordinator_check", `{"transaction":null}`)
		s.ask(t, "device/ota_update/check", `{"id":"nobody"}`)
	}},
	{"malformed", func(t *testing.T, s *side) {
		s.say(t, "zigbee2mqtt/bridge/request/device/rename", `{"from":`)
		s.say(t, "zigbee2mqtt/bridge/request/device/options", `[]`)
		s.say(t, "zigbee2mqtt/bridge/request/nonsense", `{}`)
		s.say(t, "zigbee2mqtt/bridge/request/device/remove", ``)
		s.say(t, "zigbee2mqtt/bridge/request/group/add", `{"friendly_name":7}`)
	}},
	{"get and set", func(t *testing.T, s *side) {
		for _, plug := range s.of(t, "TS011F") {
			s.command(t, plug, "set", `{"state":"OFF"}`)
			s.command(t, plug, "set/state", `ON`)
			s.command(t, plug, "set", `{"state":"toggle"}`)
			s.command(t, plug, "set", `{"state":"ON"}`)
			s.command(t, plug, "get", `{"state":""}`)
			s.command(t, plug, "get/power", ``)
			s.command(t, plug, "set", `{"power_outage_memory":"off"}`)
			s.command(t, plug, "get", `{"power_outage_memory":""}`)
			s.command(t, plug, "set", `{"nonsense":1}`)
			s.command(t, plug, "set", `not json`)
		}
		for _, plug := range s.of(t, "TS011F-poll") {
			s.command(t, plug, "get", `{"state":""}`)
			s.command(t, plug, "set", `{"state":"OFF"}`)
			s.command(t, plug, "set", `{"state":"ON"}`)
		}
		for _, meter := range s.of(t, "EMIZB-141") {
			s.command(t, meter, "get", `{"pulse_configuration":""}`)
			s.command(t, meter, "set", `{"pulse_configuration":2000}`)
			s.command(t, meter, "set/pulse_configuration", `1000`)
		}
		for _, meter := range s.of(t, "EMIZB-132") {
			s.command(t, meter, "get", `{"interface_mode":""}`)
			s.command(t, meter, "set", `{"interface_mode":"norwegian_han_extra_load"}`)
		}
	}},
	{"get and set, later", func(t *testing.T, s *side) { time.Sleep(12 * time.Second) }},
	{"rename", func(t *testing.T, s *side) {
		s.ask(t, "device/rename", fmt.Sprintf(`{"from":%q,"to":"kitchen/meter","transaction":"r"}`, meterEUI64))
		for _, plug := range s.of(t, "TS011F") {
			s.ask(t, "device/rename", fmt.Sprintf(`{"from":%q,"to":"Kettle plug","homeassistant_rename":true}`, plug))
		}
		s.ask(t, "device/rename", `{"from":"kitchen/meter","to":"Kettle plug"}`)
		s.quiet(3*time.Second, 20*time.Second)
	}},
	{"options", func(t *testing.T, s *side) {
		s.ask(t, "device/options", `{"id":"kitchen/meter","options":{"retain":true,"power_precision":0}}`)
		s.ask(t, "options", `{"options":{"advanced":{"log_level":"info"}}}`)
		s.holdAll(t, first)
		time.Sleep(13 * time.Second)
	}},
	{"groups", func(t *testing.T, s *side) {
		s.ask(t, "group/add", `{"friendly_name":"all","id":7}`)
		s.ask(t, "group/add", `{"friendly_name":"all"}`)
		s.ask(t, "group/rename", `{"from":"all","to":"everything"}`)
		s.ask(t, "group/options", `{"id":"everything","options":{"retain":false}}`)
		s.ask(t, "group/members/add", `{"group":"everything","device":"Kettle plug","endpoint":1}`)
		s.command(t, "everything", "set", `{"state":"OFF"}`)
		s.command(t, "everything", "set", `{"state":"ON"}`)
		s.quiet(3*time.Second, 10*time.Second)
	}},
	{"group gone", func(t *testing.T, s *side) {
		s.ask(t, "group/members/remove", `{"group":"everything","device":"Kettle plug","endpoint":1}`)
		s.ask(t, "group/members/add", `{"group":"everything","device":"Kettle plug"}`)
		s.ask(t, "group/members/remove_all", `{"device":"Kettle plug"}`)
		s.ask(t, "group/remove", `{"id":"everything"}`)
	}},
	{"networkmap", func(t *testing.T, s *side) {
		s.ask(t, "networkmap", `{"type":"raw","routes":true}`)
	}},
	{"bind", func(t *testing.T, s *side) {
		s.ask(t, "device/configure_reporting", `{"id":"kitchen/meter","endpoint":2,"cluster":"seMetering","attribute":"instantaneousDemand","minimum_report_interval":5,"maximum_report_interval":600,"reportable_change":2}`)
		s.ask(t, "device/reporting/read", `{"id":"kitchen/meter","endpoint":2,"cluster":"seMetering","configs":[{"attribute":"instantaneousDemand"}]}`)
		s.ask(t, "device/unbind", `{"from":"kitchen/meter","from_endpoint":2,"to":"Coordinator","clusters":["seMetering"]}`)
		s.ask(t, "device/bind", `{"from":"kitchen/meter","from_endpoint":2,"to":"Coordinator","clusters":["seMetering"]}`)
		s.ask(t, "device/bind", `{"from":"kitchen/meter","to":"Kettle plug"}`)
	}},
	{"configure", func(t *testing.T, s *side) {
		s.ask(t, "device/configure", `{"id":"kitchen/meter"}`)
		s.ask(t, "device/interview", `{"id":"Kettle plug"}`)
	}},
	{"power cuts", func(t *testing.T, s *side) {
		for _, model := range []string{"TS011F", "EMIZB-132"} {
			s.press(t, model, "restart")
		}
		time.Sleep(5 * time.Second)
	}},
	{"another address", func(t *testing.T, s *side) {
		s.press(t, "TS011F", "rejoin")
		time.Sleep(5 * time.Second)
	}},
	{"birth", func(t *testing.T, s *side) {
		topic := "zigbee2mqtt/kitchen/meter"
		skip := s.count(topic)
		s.say(t, "homeassistant/status", "online")
		if s.until(topic, skip, 45*time.Second, func(p string) bool { return true }) == "" {
			t.Error("no state came after Home Assistant's birth")
		}
	}},
	{"restart", func(t *testing.T, s *side) {
		skip := s.count("zigbee2mqtt/bridge/state")
		s.z.stop(t)
		s.z = s.begin()
		s.until("zigbee2mqtt/bridge/state", skip+1, 30*time.Second, func(p string) bool { return strings.Contains(p, "online") })
		s.quiet(7*time.Second, 30*time.Second)
	}},
	{"leave", func(t *testing.T, s *side) {
		s.press(t, "EMIZB-132", "leave")
		time.Sleep(2 * time.Second)
	}},
	{"remove", func(t *testing.T, s *side) {
		s.ask(t, "device/remove", `{"id":"kitchen/meter"}`)
		s.ask(t, "device/remove", `{"id":"Kettle plug","force":true,"block":true}`)
		s.quiet(3*time.Second, 20*time.Second)
	}},
	{"stop", func(t *testing.T, s *side) { s.z.stop(t) }},
}

// models are those that are paired.
var models = []string{
	"EMIZB-141", "EMIZB-132", "EMIZB-151", "ZHEMI101", "SPLZB-131", "SMSZB-120", "HMSZB-110", "WISZB-120", "SNZB-02D", "SNZB-03P",
	"TS011F", "TS011F-poll", "PJ-1203A", "INSPELNING", "3RSP02028BZ", "EM Mini", "SIN-4-1-21",
}
