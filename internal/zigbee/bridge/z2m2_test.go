package bridge

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	model "github.com/smartcore-ireland/hems/internal/zigbee/device"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// z2m2 is a fixture with Zigbee2MQTT 2's forms.
func z2m2(f *fixture) { f.options.Payloads = Z2M2 }

func TestPresenceInBothForms(t *testing.T) {
	for name, tt := range map[string]struct {
		form            Payloads
		online, offline string
	}{
		"Reference": {Reference, "online", "offline"},
		"Z2M2":      {Z2M2, `{"state":"online"}`, `{"state":"offline"}`},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, func(f *fixture) { f.options.Payloads = tt.form })
			f.awaitRetained("zigbee2mqtt/bridge/state", tt.online)
			f.awaitRetained("zigbee2mqtt/frient_blink_counter/availability", tt.online)
			gone := meter()
			gone.Available = false
			f.says(network.Event{Kind: network.AvailabilityChanged, Device: gone})
			f.awaitRetained("zigbee2mqtt/frient_blink_counter/availability", tt.offline)
			if got := f.lastWill().Payload; got != tt.offline {
				t.Errorf("the will says %s, want %s", got, tt.offline)
			}
			f.stop()
			f.awaitRetained("zigbee2mqtt/bridge/state", tt.offline)
		})
	}
}

// The documents that the real Zigbee2MQTT 2.14 published for the same device,
// but for its version, the address of the dongle and the name.
func TestZ2M2Documents(t *testing.T) {
	f := start(t, z2m2)
	const (
		availability = `"availability":[{"topic":"zigbee2mqtt/bridge/state","value_template":"{{ value_json.state }}"},{"topic":"zigbee2mqtt/frient_blink_counter/availability","value_template":"{{ value_json.state }}"}],"availability_mode":"all"`
		device       = `"device":{"identifiers":["zigbee2mqtt_0x0015bc003f000001"],"manufacturer":"Frient","model":"Electricity meter interface 2 LED","model_id":"EMIZB-141","name":"frient_blink_counter","sw_version":"20230413","via_device":"zigbee2mqtt_bridge_0x00124b0012345678"}`
		origin       = `"origin":{"name":"Zigbee2MQTT","sw":"2.14.1+hems.1.2.3","url":"https://www.zigbee2mqtt.io"}`
		state        = `"state_topic":"zigbee2mqtt/frient_blink_counter"`
		both         = availability + "," + device + "," + origin + "," + state
	)
	for object, want := range map[string]string{
		"energy":      `{` + both + `,"default_entity_id":"sensor.frient_blink_counter_energy","device_class":"energy","enabled_by_default":true,"object_id":"frient_blink_counter_energy","state_class":"total_increasing","unique_id":"0x0015bc003f000001_energy_zigbee2mqtt","unit_of_measurement":"kWh","value_template":"{{ value_json[\"energy\"] }}"}`,
		"battery":     `{` + both + `,"default_entity_id":"sensor.frient_blink_counter_battery","device_class":"battery","enabled_by_default":true,"entity_category":"diagnostic","object_id":"frient_blink_counter_battery","state_class":"measurement","unique_id":"0x0015bc003f000001_battery_zigbee2mqtt","unit_of_measurement":"%","value_template":"{{ value_json[\"battery\"] }}"}`,
		"linkquality": `{` + both + `,"default_entity_id":"sensor.frient_blink_counter_linkquality","enabled_by_default":false,"entity_category":"diagnostic","icon":"mdi:signal","name":"Linkquality","object_id":"frient_blink_counter_linkquality","state_class":"measurement","unique_id":"0x0015bc003f000001_linkquality_zigbee2mqtt","unit_of_measurement":"lqi","value_template":"{{ value_json[\"linkquality\"] }}"}`,
	} {
		t.Run(object, func(t *testing.T) {
			f.rewind()
			p := f.await("homeassistant/sensor/0x0015bc003f000001/"+object+"/config", nil)
			sameJSON(t, want, p.Payload)
			if !p.Retain || p.QoS != 1 {
				t.Errorf("retain %v, QoS %d, want true and 1", p.Retain, p.QoS)
			}
		})
	}
}

func TestZ2M2BridgeEntities(t *testing.T) {
	f := start(t, z2m2)
	const device = `"device":{"hw_version":"EmberZNet 7.4.4 [GA]","identifiers":["zigbee2mqtt_bridge_0x00124b0012345678"],"manufacturer":"Zigbee2MQTT","model":"Bridge","name":"Zigbee2MQTT Bridge","sw_version":"2.14.1+hems.1.2.3"},"origin":{"name":"Zigbee2MQTT","sw":"2.14.1+hems.1.2.3","url":"https://www.zigbee2mqtt.io"}`
	const availability = `"availability":[{"topic":"zigbee2mqtt/bridge/state","value_template":"{{ value_json.state }}"}],"availability_mode":"all"`
	for topic, want := range map[string]string{
		"binary_sensor/1221051039810110150109113116116_0x00124b0012345678/connection_state": `{` + device + `,"default_entity_id":"binary_sensor.zigbee2mqtt_bridge_connection_state","device_class":"connectivity","entity_category":"diagnostic","name":"Connection state","object_id":"zigbee2mqtt_bridge_connection_state","payload_off":"offline","payload_on":"online","state_topic":"zigbee2mqtt/bridge/state","unique_id":"bridge_0x00124b0012345678_connection_state_zigbee2mqtt","value_template":"{{ value_json.state }}"}`,
		"button/1221051039810110150109113116116_0x00124b0012345678/restart":                 `{` + availability + `,` + device + `,"command_topic":"zigbee2mqtt/bridge/request/restart","default_entity_id":"button.zigbee2mqtt_bridge_restart","device_class":"restart","name":"Restart","object_id":"zigbee2mqtt_bridge_restart","payload_press":"","unique_id":"bridge_0x00124b0012345678_restart_zigbee2mqtt"}`,
		"switch/1221051039810110150109113116116_0x00124b0012345678/permit_join":             `{` + availability + `,` + device + `,"command_topic":"zigbee2mqtt/bridge/request/permit_join","default_entity_id":"switch.zigbee2mqtt_bridge_permit_join","icon":"mdi:human-greeting-proximity","name":"Permit join","object_id":"zigbee2mqtt_bridge_permit_join","payload_off":"{\"time\": 0}","payload_on":"{\"time\": 254}","state_off":"false","state_on":"true","state_topic":"zigbee2mqtt/bridge/info","unique_id":"bridge_0x00124b0012345678_permit_join_zigbee2mqtt","value_template":"{{ value_json.permit_join | lower }}"}`,
	} {
		t.Run(topic, func(t *testing.T) {
			f.rewind()
			sameJSON(t, want, f.await("homeassistant/"+topic+"/config", nil).Payload)
		})
	}
	for topic := range f.server.Topics.Retained.GetAll() {
		if strings.Contains(topic, "_0x00124b0012345678/") && !strings.HasPrefix(topic, "homeassistant/") {
			t.Errorf("%s", topic)
		}
	}
}

// A state has all keys from the beginning, and is not retained.
func TestZ2M2StateHasNulls(t *testing.T) {
	f := start(t, z2m2)
	f.says(report(zcl.ClusterMetering, 200, demand(1500)))
	p := f.await("zigbee2mqtt/frient_blink_counter", nil)
	got := fromJSON(t, p.Payload).(map[string]any)
	if got["power"] != 1500.0 || got["linkquality"] != 200.0 {
		t.Errorf("got %s", p.Payload)
	}
	if v, ok := got["energy"]; !ok || v != nil {
		t.Errorf("energy: got %v, %v, want null", v, ok)
	}
	if p.Retain || p.QoS != 0 {
		t.Errorf("retain %v, QoS %d, want false and 0", p.Retain, p.QoS)
	}
	var keys []string
	dec := json.NewDecoder(strings.NewReader(p.Payload))
	for depth := 0; ; {
		token, err := dec.Token()
		if err != nil {
			break
		}
		switch v := token.(type) {
		case json.Delim:
			if depth++; v == '}' || v == ']' {
				depth -= 2
			}
		case string:
			if depth == 1 && (len(keys) == 0 || keys[len(keys)-1] != v) {
				keys = append(keys, v)
			}
		}
	}
	if !slices.IsSorted(keys) {
		t.Errorf("keys are not in order: %v", keys)
	}
	if f.holds("zigbee2mqtt/frient_blink_counter") != "" {
		t.Error("the broker holds the state")
	}
}

// plug is a device with all kinds of entities, by the exposes of its model.
var plug = []model.Expose{
	{Type: model.Switch, Features: []model.Expose{{Access: 7, Label: "State", Name: "state", Property: "state", Type: model.Binary, ValueOff: "OFF", ValueOn: "ON", ValueToggle: "TOGGLE"}}},
	{Access: 3, Label: "Countdown", Name: "countdown", Property: "countdown", Type: model.Numeric, Unit: "s", ValueMax: number(43200), ValueMin: number(0), ValueStep: number(1)},
	{Access: 7, Category: config, Label: "Power outage memory", Name: "power_outage_memory", Property: "power_outage_memory", Type: model.Enum, Values: []string{"on", "off", "restore"}},
	{Access: 1, Label: "Voltage", Name: "voltage", Property: "voltage", Type: model.Numeric, Unit: "V"},
	{Access: 3, Label: "Child lock", Name: "child_lock", Property: "child_lock", Type: model.Binary, ValueOff: "UNLOCK", ValueOn: "LOCK"},
	{Access: 2, Category: config, Label: "Identify", Name: "identify", Property: "identify", Type: model.Enum, Values: []string{"identify"}},
	{Access: 1, Label: "Occupancy", Name: "occupancy", Property: "occupancy", Type: model.Binary, ValueOff: false, ValueOn: true},
}

func number(v float64) *float64 { return &v }

// What is particular to each entity of a plug, as Zigbee2MQTT 2.14 published it
// for a Nous A1Z; the occupancy is of another device.
func TestEntitiesOfAPlug(t *testing.T) {
	w := describer{form: Z2M2, topics: topics{"zigbee2mqtt", "homeassistant"}, name: "plug", all: plug}
	want := map[string]string{
		"switch/switch":              `{"command_topic":"zigbee2mqtt/plug/set","name":null,"payload_off":"OFF","payload_on":"ON","state_topic":"zigbee2mqtt/plug","value_template":"{{ value_json[\"state\"] }}"}`,
		"number/countdown":           `{"command_topic":"zigbee2mqtt/plug/set/countdown","max":43200,"min":0,"name":"Countdown","state_topic":"zigbee2mqtt/plug","step":1,"unit_of_measurement":"s","value_template":"{{ value_json[\"countdown\"] }}"}`,
		"select/power_outage_memory": `{"command_topic":"zigbee2mqtt/plug/set/power_outage_memory","entity_category":"config","icon":"mdi:power-settings","name":"Power outage memory","options":["on","off","restore"],"state_topic":"zigbee2mqtt/plug","value_template":"{{ value_json[\"power_outage_memory\"] }}"}`,
		"sensor/voltage":             `{"device_class":"voltage","enabled_by_default":true,"state_class":"measurement","state_topic":"zigbee2mqtt/plug","unit_of_measurement":"V","value_template":"{{ value_json[\"voltage\"] }}"}`,
		"switch/switch_child_lock":   `{"command_topic":"zigbee2mqtt/plug/set/child_lock","entity_category":"config","icon":"mdi:account-lock","name":"Child lock","payload_off":"UNLOCK","payload_on":"LOCK","state_topic":"zigbee2mqtt/plug","value_template":"{{ value_json[\"child_lock\"] }}"}`,
		"button/identify":            `{"command_topic":"zigbee2mqtt/plug/set/identify","device_class":"identify","entity_category":"config","payload_press":"identify"}`,
		"binary_sensor/occupancy":    `{"device_class":"occupancy","payload_off":false,"payload_on":true,"state_topic":"zigbee2mqtt/plug","value_template":"{{ value_json[\"occupancy\"] }}"}`,
	}
	got := make(map[string]string)
	for _, e := range plug {
		for _, x := range w.entities(e) {
			got[x.component+"/"+x.object] = string(marshal(x.doc))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entities (-want +got):\n%s", diff)
	}
}

func TestModeChangeClearsTheOldForms(t *testing.T) {
	f := start(t)
	f.says(report(zcl.ClusterMetering, 67, demand(342)))
	f.awaitTopics(topicsOf("frient_blink_counter", "frient_blink_counter"))
	f.stop()
	f.options.Payloads = Z2M2
	f.again()
	f.awaitDeviceTopics(func(topics []string) bool {
		return !slices.ContainsFunc(topics, func(topic string) bool {
			return strings.HasPrefix(topic, "homeassistant/") && strings.Contains(topic, "/frient_blink_counter/") ||
				topic == "zigbee2mqtt/frient_blink_counter"
		})
	})
	f.awaitHolds("homeassistant/sensor/0x0015bc003f000001/power/config", func(s string) bool { return s != "" })
	f.stop()
	f.options.Payloads = Reference
	f.again()
	f.awaitDeviceTopics(func(topics []string) bool {
		return !slices.ContainsFunc(topics, func(topic string) bool {
			return strings.Contains(topic, "/0x0015bc003f000001/") || strings.Contains(topic, "_0x00124b0012345678/")
		})
	})
	f.awaitHolds("homeassistant/sensor/frient_blink_counter/power/config", func(s string) bool { return s != "" })
}

func TestOptionsOfAState(t *testing.T) {
	f := start(t, z2m2)
	options := func(change string) {
		t.Helper()
		p := f.ask("device/options", `{"id":"frient_blink_counter","options":`+change+`}`)
		if !strings.Contains(p.Payload, `"ok"`) {
			t.Fatalf("options: %s", p.Payload)
		}
	}
	next := func(w uint64) published {
		t.Helper()
		f.says(report(zcl.ClusterMetering, 60, demand(w)))
		return f.await("zigbee2mqtt/frient_blink_counter", nil)
	}
	options(`{"retain":true,"qos":1,"filtered_attributes":["link.*","battery"]}`)
	p := next(341)
	if !p.Retain || p.QoS != 1 || strings.Contains(p.Payload, "linkquality") || strings.Contains(p.Payload, "battery") || !strings.Contains(p.Payload, "energy") {
		t.Errorf("got %+v", p)
	}
	options(`{"retain":false,"qos":0,"filtered_attributes":null,"throttle":3600}`)
	next(342) // the first at once
	f.says(report(zcl.ClusterMetering, 60, demand(343)))
	f.ask("health_check", "")
	if got := f.count(); slices.ContainsFunc(f.messages()[:got], func(p published) bool { return strings.Contains(p.Payload, `"power":343`) }) {
		t.Error("a throttled state was published")
	}
	options(`{"throttle":null,"debounce":0.05}`)
	for w := range uint64(5) {
		f.says(report(zcl.ClusterMetering, 60, demand(350+w)))
	}
	if p := f.await("zigbee2mqtt/frient_blink_counter", nil); !strings.Contains(p.Payload, `"power":354`) {
		t.Errorf("after five reports at once: got %s", p.Payload)
	}
}

func TestLastSeen(t *testing.T) {
	at := time.Date(2026, 3, 1, 15, 32, 45, 941_000_000, time.UTC)
	for form, want := range map[LastSeen]string{
		LastSeenISO:   `"last_seen":"2026-03-01T15:32:45.941Z"`,
		LastSeenLocal: `"last_seen":"` + at.Local().Format("2006-01-02T15:04:05-07:00") + `"`,
		LastSeenEpoch: `"last_seen":1772379165941`,
	} {
		t.Run(string(form), func(t *testing.T) {
			f := start(t, func(f *fixture) { f.options.LastSeen = form })
			e := report(zcl.ClusterMetering, 60, demand(1))
			e.Time = at
			f.says(e)
			if p := f.await("zigbee2mqtt/frient_blink_counter", nil); !strings.Contains(p.Payload, want) {
				t.Errorf("got %s, want %s", p.Payload, want)
			}
			f.awaitHolds("homeassistant/sensor/frient_blink_counter/last_seen/config", func(s string) bool { return s != "" })
		})
	}
}

func TestOutputByAttribute(t *testing.T) {
	f := start(t, func(f *fixture) { f.options.Output = OutputBoth })
	f.says(report(zcl.ClusterMetering, 60, demand(341)))
	f.await("zigbee2mqtt/frient_blink_counter", nil)
	if p := f.await("zigbee2mqtt/frient_blink_counter/power", nil); p.Payload != "341" {
		t.Errorf("got %s, want 341", p.Payload)
	}
}

// A person may say what Home Assistant is told of an entity, or that it is told
// nothing of it.
func TestHomeAssistantOverrides(t *testing.T) {
	f := start(t, z2m2)
	const prefix = "homeassistant/sensor/0x0015bc003f000001/"
	f.awaitHolds(prefix+"battery/config", func(s string) bool { return s != "" })
	p := f.ask("device/options", `{"id":"frient_blink_counter","options":{"homeassistant":{"name":"Meter","expire_after":60,
		"device":{"suggested_area":"Hall"},"battery":null,"power":{"name":"Draw","icon":"mdi:flash","device_class":null,"object_id":"draw"}}}}`)
	if !strings.Contains(p.Payload, `"ok"`) {
		t.Fatal(p.Payload)
	}
	f.awaitRetained(prefix+"battery/config", "")
	f.awaitRetained(prefix+"power/config", "")
	f.awaitHolds(prefix+"draw/config", func(s string) bool {
		return strings.Contains(s, `"name":"Draw"`) && strings.Contains(s, `"icon":"mdi:flash"`) && !strings.Contains(s, "device_class") &&
			strings.Contains(s, `"expire_after":60`) && strings.Contains(s, `"unique_id":"0x0015bc003f000001_draw_zigbee2mqtt"`) &&
			strings.Contains(s, `"suggested_area":"Hall"`) && strings.Contains(s, `"object_id":"meter_draw"`)
	})
}

// FuzzFoundDocument: no document that a broker holds stops the bridge, and none
// of others is cleared.
func FuzzFoundDocument(f *testing.F) {
	for _, doc := range []string{
		`{"state_topic":"zigbee2mqtt/a","unique_id":"0x0015bc003f000009_power_zigbee2mqtt","availability_topic":"zigbee2mqtt/a/availability"}`,
		`{"unique_id":"x","availability":[{"topic":"zigbee2mqtt/bridge/state"},{"topic":"zigbee2mqtt/a/availability"}]}`,
		`{"topic":"zigbee2mqtt/a/action","subtype":"single","device":{"identifiers":["zigbee2mqtt_0x0015bc003f000001"]}}`,
		`{"availability":{}}`, `null`, `[]`,
	} {
		f.Add("sensor/0x0015bc003f000001/power", []byte(doc))
		f.Add("device_automation/a/action_single", []byte(doc))
		f.Add("sensor/1221051039810110150109113116116_7/x", []byte(doc))
	}
	bridges := make(map[Payloads]*Bridge)
	for _, form := range []Payloads{Reference, Z2M2} {
		b, err := New(Options{Network: &fakeNetwork{}, Dir: f.TempDir(), Payloads: form})
		if err != nil {
			f.Fatal(err)
		}
		b.devices[meterEUI] = b.newDevice(meter())
		bridges[form] = b
	}
	f.Fuzz(func(t *testing.T, topic string, payload []byte) {
		topic = "homeassistant/" + topic + "/config"
		for form, b := range bridges {
			clear(b.retained.want)
			b.foundDocument(mqttclient.Message{Topic: topic, Payload: payload, Retain: true})
			if _, cleared := b.retained.want[topic]; cleared && !slices.ContainsFunc(stringsIn(payload), func(s string) bool { return strings.HasPrefix(s, "zigbee2mqtt") }) {
				t.Errorf("%s: a document of somebody else was cleared: %s", form, payload)
			}
		}
	})
}

// stringsIn is every string of a JSON text.
func stringsIn(text []byte) (list []string) {
	dec := json.NewDecoder(bytes.NewReader(text))
	for {
		token, err := dec.Token()
		if err != nil {
			return list
		}
		if s, ok := token.(string); ok {
			list = append(list, s)
		}
	}
}
