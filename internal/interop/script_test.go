//go:build interop

package interop

import (
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

// script is what happens, in order. A step returns when what it is about has
// come; what comes after that until it is quiet belongs to it too.
var script = []step{
	{"start", func(t *testing.T, s *side) {
		s.startDongle(t)
		s.z = s.begin()
		s.await(t, "zigbee2mqtt/bridge/state", 0, time.Minute, "online", func(p string) bool { return strings.Contains(p, "online") })
		s.await(t, "zigbee2mqtt/bridge/info", 0, 20*time.Second, "the coordinator", func(p string) bool { return strings.Contains(p, "0x0012") })
		for _, d := range s.home(t) {
			s.devices = append(s.devices, d["eui64"].(string))
		}
		if s.name == "hems" {
			return
		}
		s.z.waitFor(t, "Zigbee2MQTT started!", time.Minute)
	}},
	{"pair", func(t *testing.T, s *side) {
		s.ask(t, "permit_join", `{"time":254}`)
		for _, e := range s.devices {
			s.until("zigbee2mqtt/bridge/event", 0, time.Minute, func(p string) bool {
				return strings.Contains(p, e) && strings.Contains(p, `"device_interview"`) && !strings.Contains(p, `"started"`)
			})
		}
		s.quiet(4*time.Second, time.Minute)
	}},
	{"permit_join off", func(t *testing.T, s *side) { s.ask(t, "permit_join", `{"time":0,"transaction":17}`) }},
	{"power", func(t *testing.T, s *side) {
		topic := "zigbee2mqtt/" + meterEUI64
		skip := s.count(topic)
		s.hand(t, http.MethodPut, "/meter/power", "0")
		s.until(topic, skip, 30*time.Second, func(p string) bool { return strings.Contains(p, `"power":0`) })
	}},
	{"get", func(t *testing.T, s *side) {
		topic := "zigbee2mqtt/" + meterEUI64
		skip := s.count(topic)
		s.say(t, topic+"/get", `{"pulse_configuration":""}`)
		s.until(topic, skip, 20*time.Second, func(p string) bool { return true })
	}},
	{"set", func(t *testing.T, s *side) {
		topic := "zigbee2mqtt/" + meterEUI64
		skip := s.count(topic)
		s.say(t, topic+"/set", `{"pulse_configuration":2000}`)
		s.until(topic, skip, 20*time.Second, func(p string) bool { return true })
		skip = s.count(topic)
		s.say(t, topic+"/set/pulse_configuration", `1000`)
		s.until(topic, skip, 20*time.Second, func(p string) bool { return true })
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
		s.ask(t, "group/add", `{}`)
		s.ask(t, "group/remove", `nothing`)
		s.ask(t, "group/members/add", `{"group":"nothing","device":"nobody"}`)
		s.ask(t, "permit_join", `{"times":1}`)
		s.ask(t, "networkmap", `{"type":"nonsense"}`)
		s.ask(t, "options", `{}`)
		s.ask(t, "health_check", ``)
		s.ask(t, "coordinator_check", `{"transaction":null}`)
		s.ask(t, "device/ota_update/check", `{"id":"nobody"}`)
		s.say(t, "zigbee2mqtt/bridge/request/device/rename", `{"from":`) // answered by ours alone
		s.say(t, "zigbee2mqtt/bridge/request/nonsense", `{}`)            // by neither
	}},
	{"rename", func(t *testing.T, s *side) {
		s.ask(t, "device/rename", fmt.Sprintf(`{"from":%q,"to":"kitchen/meter","transaction":"r"}`, meterEUI64))
		s.quiet(3*time.Second, 20*time.Second)
	}},
	{"options", func(t *testing.T, s *side) {
		s.ask(t, "device/options", `{"id":"kitchen/meter","options":{"retain":true,"power_precision":0}}`)
	}},
	{"report", func(t *testing.T, s *side) {
		topic := "zigbee2mqtt/kitchen/meter"
		skip := s.count(topic)
		s.hand(t, http.MethodPut, "/meter/power", "77")
		s.until(topic, skip, 30*time.Second, func(p string) bool { return strings.Contains(p, `"power":77`) })
		s.hand(t, http.MethodPut, "/meter/power", "0")
		s.until(topic, skip, 30*time.Second, func(p string) bool { return strings.Contains(p, `"power":0`) })
	}},
	{"groups", func(t *testing.T, s *side) {
		s.ask(t, "group/add", `{"friendly_name":"all","id":7}`)
		s.ask(t, "group/rename", `{"from":"all","to":"everything"}`)
		s.ask(t, "group/options", `{"id":"everything","options":{"retain":false}}`)
		s.ask(t, "group/remove", `{"id":"everything","force":true}`)
	}},
	{"networkmap", func(t *testing.T, s *side) { s.ask(t, "networkmap", `{"type":"raw","routes":false}`) }},
	{"bind", func(t *testing.T, s *side) {
		s.ask(t, "device/configure_reporting", `{"id":"kitchen/meter","endpoint":2,"cluster":"seMetering","attribute":"instantaneousDemand","minimum_report_interval":5,"maximum_report_interval":600,"reportable_change":2}`)
		s.ask(t, "device/unbind", `{"from":"kitchen/meter","from_endpoint":2,"to":"Coordinator","clusters":["seMetering"]}`)
		s.ask(t, "device/bind", `{"from":"kitchen/meter","from_endpoint":2,"to":"Coordinator","clusters":["seMetering"]}`)
	}},
	{"birth", func(t *testing.T, s *side) {
		topic := "zigbee2mqtt/kitchen/meter"
		skip := s.count(topic)
		s.say(t, "homeassistant/status", "online")
		s.until(topic, skip, 45*time.Second, func(p string) bool { return true })
	}},
	{"restart", func(t *testing.T, s *side) {
		skip := s.count("zigbee2mqtt/bridge/state")
		s.z.stop(t)
		s.z = s.begin()
		s.until("zigbee2mqtt/bridge/state", skip+1, 30*time.Second, func(p string) bool { return strings.Contains(p, "online") })
		s.quiet(7*time.Second, 30*time.Second)
	}},
	{"remove", func(t *testing.T, s *side) {
		s.ask(t, "device/remove", `{"id":"kitchen/meter"}`)
		s.quiet(3*time.Second, 20*time.Second)
	}},
	{"stop", func(t *testing.T, s *side) { s.z.stop(t) }},
}
