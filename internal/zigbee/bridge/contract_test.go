package bridge

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

func TestReadings(t *testing.T) {
	f := start(t)
	// Keys not yet known are absent.
	f.says(report(zcl.ClusterMetering, 60, demand(341)))
	p := f.await("zigbee2mqtt/frient_blink_counter", nil)
	sameJSON(t, `{"power": 341, "linkquality": 60}`, p.Payload)
	if !p.Retain || p.QoS != 0 {
		t.Errorf("state has retain %v and QoS %d, want true and 0", p.Retain, p.QoS)
	}
	f.says(report(zcl.ClusterPowerConfig, 61,
		zcl.Attribute{ID: zcl.AttrBatteryPercentage, Value: zcl.Number(zcl.Uint8, 178)},
		zcl.Attribute{ID: zcl.AttrBatteryVoltage, Value: zcl.Number(zcl.Uint8, 30)}))
	f.says(report(zcl.ClusterMetering, 67, demand(342),
		zcl.Attribute{ID: zcl.AttrSummationDelivered, Value: zcl.Number(zcl.Uint48, 1234567)}))
	p = f.await("zigbee2mqtt/frient_blink_counter", func(p published) bool {
		return len(fromJSON(t, p.Payload).(map[string]any)) == 5
	})
	sameJSON(t, reference(t, "state.json"), p.Payload)
	// One MQTT message for one Zigbee message.
	f.says(report(zcl.ClusterMetering, 67, demand(343)))
	f.await("zigbee2mqtt/frient_blink_counter", nil)
	states := 0
	for _, p := range f.messages() {
		if p.Topic == "zigbee2mqtt/frient_blink_counter" {
			states++
		}
	}
	if states != 4 {
		t.Errorf("four reports gave %d messages", states)
	}
}

func TestUnknownValuesAreNotPublished(t *testing.T) {
	f := start(t)
	f.says(report(zcl.ClusterMetering, 60,
		zcl.Attribute{ID: zcl.AttrSummationDelivered, Value: zcl.Number(zcl.Uint48, 0xffffffffffff)}))
	private := report(zcl.ClusterMetering, 61, demand(9999))
	private.Message.Frame.Manufacturer = zcl.ManufacturerDevelco
	f.says(private)
	f.says(report(zcl.ClusterMetering, 62, demand(5)))
	sameJSON(t, `{"power": 5, "linkquality": 62}`, f.await("zigbee2mqtt/frient_blink_counter", nil).Payload)
}

func TestDiscoveryDocuments(t *testing.T) {
	f := start(t)
	const prefix = "homeassistant/sensor/frient_blink_counter/"
	plain := func(key, unit, class string) string {
		doc := fmt.Sprintf(`{
			"name": "Frient Blink Counter %s", "state_topic": "zigbee2mqtt/frient_blink_counter",
			"value_template": "{{ value_json.%s }}", "unit_of_measurement": %q, "state_class": "measurement",
			"unique_id": "0x0015bc003f000001_%s_zigbee2mqtt",
			"availability_topic": "zigbee2mqtt/frient_blink_counter/availability",`, title(key), key, unit, key)
		if class != "" {
			doc += fmt.Sprintf(`"device_class": %q,`, class)
		}
		return doc + `"device": {"identifiers": ["zigbee2mqtt_0x0015bc003f000001"],
			"name": "Frient Blink Counter", "model": "EMIZB-141", "manufacturer": "Frient"}}`
	}
	for key, want := range map[string]string{
		"power":       reference(t, "power.json"),
		"energy":      reference(t, "energy.json"),
		"battery":     plain("battery", "%", "battery"),
		"voltage":     plain("voltage", "V", "voltage"),
		"linkquality": plain("linkquality", "lqi", ""),
	} {
		t.Run(key, func(t *testing.T) {
			f.rewind()
			p := f.await(prefix+key+"/config", nil)
			sameJSON(t, want, p.Payload)
			if !p.Retain || p.QoS != 1 {
				t.Errorf("document has retain %v and QoS %d, want true and 1", p.Retain, p.QoS)
			}
		})
	}
}

func TestDeviceList(t *testing.T) {
	f := start(t)
	f.rewind()
	p := f.await("zigbee2mqtt/bridge/devices", nil)
	if !p.Retain {
		t.Error("bridge/devices is not retained")
	}
	list := fromJSON(t, p.Payload).([]any)
	if len(list) != 2 {
		t.Fatalf("got %d devices, want the coordinator and the meter", len(list))
	}
	coordinator := list[0].(map[string]any)
	if got := coordinator["type"]; got != "Coordinator" {
		t.Errorf("the first device is a %v, want the Coordinator", got)
	}
	if got := coordinator["ieee_address"]; got != dongleEUI.String() {
		t.Errorf("the coordinator is %v, want %v", got, dongleEUI)
	}
	got := list[1].(map[string]any)
	for key, want := range fromJSON(t, reference(t, "devices.json")).([]any)[0].(map[string]any) {
		if diff := cmp.Diff(want, got[key]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", key, diff)
		}
		if _, ok := coordinator[key]; !ok {
			t.Errorf("the coordinator has no %s", key)
		}
	}
	for key, want := range map[string]string{
		"date_code": `"20230510"`, "disabled": "false", "interview_completed": "true",
		"interview_state": `"SUCCESSFUL"`, "interviewing": "false", "model_id": `"EMIZB-141"`,
		"network_address": "31292", "power_source": `"Battery"`, "software_build_id": `"20230413"`,
		"endpoints": `{"2": {
			"bindings": [{"cluster": "seMetering", "target": {"endpoint": 1, "ieee_address": "0x00124b0012345678", "type": "endpoint"}}],
			"clusters": {"input": ["genBasic", "genPowerCfg", "genIdentify", "genPollCtrl", "seMetering"], "output": ["genIdentify", "genTime", "genOta"]},
			"configured_reportings": [
				{"attribute": "instantaneousDemand", "cluster": "seMetering", "maximum_report_interval": 300, "minimum_report_interval": 10, "reportable_change": 5},
				{"attribute": 768, "cluster": "seMetering", "maximum_report_interval": 300, "minimum_report_interval": 10, "reportable_change": 0}],
			"scenes": []}}`,
	} {
		if diff := cmp.Diff(fromJSON(t, want), got[key]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", key, diff)
		}
	}
	def := got["definition"].(map[string]any)
	var keys []string
	for _, e := range def["exposes"].([]any) {
		keys = append(keys, e.(map[string]any)["property"].(string))
	}
	if diff := cmp.Diff([]string{"power", "energy", "battery", "voltage", "pulse_configuration", "current_summation", "linkquality"}, keys); diff != "" {
		t.Errorf("exposes (-want +got):\n%s", diff)
	}
	if def["vendor"] != "Frient" || def["model"] != "EMIZB-141" || def["supports_ota"] != true {
		t.Errorf("definition: got %v", def)
	}
}

func TestBridgeTopics(t *testing.T) {
	f := start(t)
	for _, tt := range []struct {
		topic, want string
		qos         byte
	}{
		{"zigbee2mqtt/bridge/state", "online", 1},
		{"zigbee2mqtt/frient_blink_counter/availability", "online", 1},
		{"zigbee2mqtt/bridge/groups", "[]", 0},
		{"hems/zigbee/health", `{"state":"ok"}`, 1},
	} {
		t.Run(tt.topic, func(t *testing.T) {
			f.rewind()
			got := f.await(tt.topic, nil)
			if diff := cmp.Diff(published{tt.topic, tt.want, true, tt.qos}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestBridgeInfo(t *testing.T) {
	f := start(t)
	f.ask("group/add", `{"friendly_name":"plugs","id":7}`)
	f.ask("device/options", `{"id":"frient_blink_counter","options":{"description":"in the hall","retain":false}}`)
	f.awaitHolds("zigbee2mqtt/bridge/info", func(s string) bool { return strings.Contains(s, "in the hall") })
	got := fromJSON(t, f.holds("zigbee2mqtt/bridge/info")).(map[string]any)
	for _, key := range []string{"os", "config_schema"} { // of this machine; of a table
		if v, ok := got[key].(map[string]any); !ok || len(v) == 0 {
			t.Errorf("%s is %v", key, got[key])
		}
		delete(got, key)
	}
	server := got["mqtt"].(map[string]any)["server"]
	want := fromJSON(t, `{
		"config": {
			"advanced": {"cache_state": true, "cache_state_persistent": true, "cache_state_send_on_startup": true,
				"channel": 11, "elapsed": false, "ext_pan_id": [221,221,221,221,221,221,221,221], "last_seen": "disable",
				"log_level": "info", "output": "json", "pan_id": 6754},
			"availability": {"active": {"backoff": true, "max_jitter": 30000, "pause_on_backoff_gt": 0, "timeout": 10},
				"enabled": true, "passive": {"timeout": 1500}},
			"blocklist": [], "device_options": {},
			"devices": {"0x0015bc003f000001": {"friendly_name": "frient_blink_counter", "description": "in the hall", "retain": false}},
			"frontend": {"enabled": false}, "groups": {"7": {"friendly_name": "plugs"}},
			"health": {"interval": 10, "reset_on_check": false},
			"homeassistant": {"discovery_topic": "homeassistant", "enabled": true, "experimental_event_entities": false,
				"legacy_action_sensor": false, "status_topic": "homeassistant/status"},
			"mqtt": {"base_topic": "zigbee2mqtt", "force_disable_retain": false, "include_device_information": false, "version": 5},
			"ota": {"disable_automatic_update_check": true}, "passlist": [], "serial": {"adapter": "ember"}, "version": 5},
		"coordinator": {"ieee_address": "0x00124b0012345678", "type": "EmberZNet",
			"meta": {"build": 0, "ezsp": 13, "major": 7, "minor": 4, "patch": 4, "revision": "7.4.4 build 0 [GA]"}},
		"log_level": "info", "mqtt": {"version": 5},
		"network": {"channel": 11, "extended_pan_id": "0xdddddddddddddddd", "pan_id": 6754},
		"permit_join": false, "restart_required": false, "version": "1.2.3",
		"zigbee_herdsman": {"version": "1.2.3"}, "zigbee_herdsman_converters": {"version": "1.2.3"}}`).(map[string]any)
	want["mqtt"].(map[string]any)["server"] = server
	want["config"].(map[string]any)["mqtt"].(map[string]any)["server"] = server
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("bridge/info (-want +got):\n%s", diff)
	}
}

func TestAvailabilityFollowsTheNetwork(t *testing.T) {
	f := start(t)
	gone := meter()
	gone.Available = false
	f.says(network.Event{Kind: network.AvailabilityChanged, Device: gone})
	f.awaitRetained("zigbee2mqtt/frient_blink_counter/availability", "offline")
	f.says(network.Event{Kind: network.AvailabilityChanged})
	f.awaitRetained("zigbee2mqtt/frient_blink_counter/availability", "online")
}

func TestStopSaysOffline(t *testing.T) {
	f := start(t)
	f.stop()
	if got := f.holds("zigbee2mqtt/bridge/state"); got != "offline" {
		t.Errorf("bridge/state holds %q, want offline", got)
	}
	if got := f.holds("hems/zigbee/health"); got != `{"state":"offline"}` {
		t.Errorf("health holds %q, want offline", got)
	}
}

func TestWillSaysOffline(t *testing.T) {
	f := start(t)
	got := f.lastWill()
	if diff := cmp.Diff(published{"zigbee2mqtt/bridge/state", "offline", true, 1}, got); diff != "" {
		t.Errorf("will (-want +got):\n%s", diff)
	}
}

func TestHealthFollowsTheNetwork(t *testing.T) {
	f := start(t)
	down := network.Info{State: network.Down, Err: &network.Error{
		Message: "the dongle at /dev/ttyUSB0 does not answer", Advice: "plug it back in; readings resume by themselves",
	}}
	f.says(network.Event{Kind: network.StateChanged, Info: down})
	const failing = `{"state":"failing","message":"the dongle at /dev/ttyUSB0 does not answer","hint":"plug it back in; readings resume by themselves"}`
	f.awaitRetained("hems/zigbee/health", failing)
	// Trying again is not yet better.
	f.says(network.Event{Kind: network.StateChanged, Info: network.Info{State: network.Starting}})
	f.says(network.Event{Kind: network.StateChanged, Info: f.net.Info()})
	f.awaitRetained("hems/zigbee/health", `{"state":"ok"}`)
	var states []string
	for _, p := range f.messages() {
		if p.Topic == "hems/zigbee/health" {
			states = append(states, p.Payload)
		}
	}
	if diff := cmp.Diff([]string{`{"state":"ok"}`, failing, `{"state":"ok"}`}, states); diff != "" {
		t.Errorf("health said (-want +got):\n%s", diff)
	}
}
