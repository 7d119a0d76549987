package discovery

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// seen is what the tests compare of an entity.
type seen struct {
	Component, Key, ID, Name, Topic, Template, Unit, Class, State, Unique, Device string
	Available                                                                     []string
	Mode                                                                          string
}

func look(e Entity) seen {
	s := seen{
		Component: e.Component, Key: e.Key, ID: e.EntityID, Name: e.Name, Topic: e.StateTopic, Template: e.ValueTemplate,
		Unit: e.UnitOfMeasurement, Class: e.DeviceClass, State: e.StateClass, Unique: e.UniqueID, Mode: e.AvailabilityMode,
	}
	if e.Device != nil {
		s.Device = e.Device.Name
	}
	for _, a := range e.Available {
		s.Available = append(s.Available, a.Topic+" "+a.Available+"/"+a.NotAvail)
	}
	return s
}

var documents = []struct {
	name, topic, payload string
	want                 []seen
}{
	{
		"Reference", "homeassistant/sensor/frient_blink_counter/power/config",
		`{"name":"Frient Blink Counter Power","state_topic":"zigbee2mqtt/frient_blink_counter","value_template":"{{ value_json.power }}",
		"unit_of_measurement":"W","device_class":"power","state_class":"measurement","unique_id":"0x0015bc003f000001_power_zigbee2mqtt",
		"availability_topic":"zigbee2mqtt/frient_blink_counter/availability","device":{"identifiers":["zigbee2mqtt_0x0015bc003f000001"],
		"name":"Frient Blink Counter","model":"SMSZB-120","manufacturer":"Frient","sw_version":"20230413"}}`,
		[]seen{{
			Component: "sensor", Key: "power", ID: "frient_blink_counter_power", Name: "Frient Blink Counter Power",
			Topic: "zigbee2mqtt/frient_blink_counter", Template: "{{ value_json.power }}", Unit: "W", Class: "power", State: "measurement",
			Unique: "0x0015bc003f000001_power_zigbee2mqtt", Device: "Frient Blink Counter", Mode: "latest",
			Available: []string{"zigbee2mqtt/frient_blink_counter/availability online/offline"},
		}},
	},
	{
		"Zigbee2MQTT2", "homeassistant/sensor/0x0015bc001b0211a5/energy/config",
		`{"availability":[{"topic":"zigbee2mqtt/bridge/state","value_template":"{{ value_json.state }}"},{"topic":"zigbee2mqtt/meter/availability","value_template":"{{ value_json.state }}"}],
		"availability_mode":"all","default_entity_id":"sensor.meter_energy","device":{"identifiers":["zigbee2mqtt_0x0015bc001b0211a5"],"name":"meter"},
		"device_class":"energy","enabled_by_default":true,"object_id":"ignored","origin":{"name":"Zigbee2MQTT"},"state_class":"total_increasing",
		"state_topic":"zigbee2mqtt/meter","unique_id":"0x0015bc001b0211a5_energy_zigbee2mqtt","unit_of_measurement":"kWh","value_template":"{{ value_json.energy }}"}`,
		[]seen{{
			Component: "sensor", Key: "energy", ID: "meter_energy", Topic: "zigbee2mqtt/meter", Template: "{{ value_json.energy }}", Unit: "kWh",
			Class: "energy", State: "total_increasing", Unique: "0x0015bc001b0211a5_energy_zigbee2mqtt", Device: "meter", Mode: "all",
			Available: []string{"zigbee2mqtt/bridge/state online/offline", "zigbee2mqtt/meter/availability online/offline"},
		}},
	},
	{
		"AbbreviatedWithBase", "homeassistant/sensor/boiler_temp/config",
		`{"~":"esp/boiler","name":"Temp","stat_t":"~/sensor/temp","uniq_id":"ESPtemp","unit_of_meas":"°C","dev_cla":"temperature","stat_cla":"measurement",
		"avty_t":"~/status","pl_avail":"up","pl_not_avail":"down","exp_aft":120,"dev":{"ids":"aabbcc","name":"Boiler","mf":"Espressif","mdl":"esp32","sw":"2026.1"}}`,
		[]seen{{
			Component: "sensor", Key: "boiler_temp", ID: "boiler_temp", Name: "Temp", Topic: "esp/boiler/sensor/temp", Unit: "°C", Class: "temperature",
			State: "measurement", Unique: "ESPtemp", Device: "Boiler", Mode: "latest", Available: []string{"esp/boiler/status up/down"},
		}},
	},
	{
		"BaseAtTheEndAndInAvailability", "homeassistant/binary_sensor/n/door/config",
		`{"~":"door","stat_t":"shelly/~","avty":[{"t":"~/lwt"}],"obj_id":"Front Door","name":"x"}`,
		[]seen{{Component: "binary_sensor", Key: "door", ID: "front_door", Name: "x", Topic: "shelly/door", Mode: "latest", Available: []string{"door/lwt online/offline"}}},
	},
	{
		"SingleAvailabilityObject", "homeassistant/sensor/x/config", `{"name":"x","availability":{"topic":"a","payload_available":true}}`,
		[]seen{{Component: "sensor", Key: "x", ID: "x", Name: "x", Mode: "latest", Available: []string{"a true/offline"}}},
	},
	{
		"NameFromDeviceClass", "homeassistant/sensor/x/config", `{"device_class":"signal_strength","device":{"name":"Meter"}}`,
		[]seen{{Component: "sensor", Key: "x", ID: "meter_signal_strength", Class: "signal_strength", Device: "Meter", Mode: "latest"}},
	},
	{
		"NullNameIsTheDevices", "homeassistant/sensor/x/config", `{"name":null,"device_class":"power","device":{"name":"Heat Pump"}}`,
		[]seen{{Component: "sensor", Key: "x", ID: "heat_pump", Class: "power", Device: "Heat Pump", Mode: "latest"}},
	},
	{
		"NoNameAtAll", "homeassistant/sensor/x/config", `{"state_topic":"x"}`,
		[]seen{{Component: "sensor", Key: "x", ID: "mqtt_sensor", Topic: "x", Mode: "latest"}},
	},
	{
		"WholeDevice", "homeassistant/device/shelly-1/config",
		`{"dev":{"ids":["s1"],"name":"Shelly Plug"},"o":{"name":"bridge"},"state_topic":"shelly/1","~":"shelly",
		"cmps":{"power":{"p":"sensor","dev_cla":"power","unit_of_meas":"W","val_tpl":"{{ value_json.apower }}","uniq_id":"s1p"},
		"gone":{"p":"sensor"},"bad":{"p":"sensor","val_tpl":"{% for x in y %}"},"relay":{"p":"switch","name":"Relay","state_topic":"~/1/relay"}}}`,
		[]seen{
			{Component: "sensor", Key: "power", ID: "shelly_plug_power", Topic: "shelly/1", Template: "{{ value_json.apower }}", Unit: "W", Class: "power", Unique: "s1p", Device: "Shelly Plug", Mode: "latest"},
			{Component: "switch", Key: "relay", ID: "shelly_plug_relay", Name: "Relay", Topic: "shelly/1/relay", Device: "Shelly Plug", Mode: "latest"},
		},
	},
	{"Removal", "homeassistant/sensor/frient/power/config", ``, nil},
}

func TestParse(t *testing.T) {
	for _, tc := range documents {
		t.Run(tc.name, func(t *testing.T) {
			c, err := Parse(DefaultPrefix, tc.topic, []byte(tc.payload))
			if err != nil {
				t.Fatal(err)
			}
			var got []seen
			for _, e := range c.Entities {
				got = append(got, look(e))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("entities (-want +got):\n%s", diff)
			}
			if want := strings.TrimSuffix(strings.TrimPrefix(tc.topic, "homeassistant/"), "/config"); c.ID != want {
				t.Errorf("ID: got %q, want %q", c.ID, want)
			}
			if want := strings.Count(tc.payload, "{% for"); len(c.Faults) != want {
				t.Errorf("faults: got %v, want %d", c.Faults, want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	const topic = "homeassistant/sensor/x/config"
	many := map[string]any{}
	for i := range MaxComponents + 1 {
		many[fmt.Sprint(i)] = map[string]string{"p": "sensor"}
	}
	tooMany, err := json.Marshal(map[string]any{"cmps": many})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		topic, payload string
		wantTopic      bool
	}{
		"OtherPrefix":        {"other/sensor/x/config", `{}`, true},
		"Status":             {"homeassistant/status", `online`, true},
		"TooDeep":            {"homeassistant/sensor/a/b/c/config", `{}`, true},
		"BadObjectID":        {"homeassistant/sensor/a b/config", `{}`, true},
		"LongTopic":          {"homeassistant/sensor/" + strings.Repeat("x", 1000) + "/config", `{}`, true},
		"NotJSON":            {topic, `{"name":`, false},
		"Null":               {topic, `null`, false},
		"List":               {topic, `[]`, false},
		"Number":             {topic, `3`, false},
		"LongName":           {topic, `{"name":"` + strings.Repeat("x", 1000) + `"}`, false},
		"Wildcard":           {topic, `{"state_topic":"#"}`, false},
		"BadTemplate":        {topic, `{"value_template":"{{ value_json.power"}`, false},
		"BadAvailability":    {topic, `{"availability":[{"topic":""}]}`, false},
		"AvailabilityNumber": {topic, `{"availability":3}`, false},
		"ComponentsList":     {"homeassistant/device/x/config", `{"cmps":[]}`, false},
		"TooManyComponents":  {"homeassistant/device/x/config", string(tooMany), false},
		"TooLong":            {topic, `{"x":"` + strings.Repeat("x", MaxDocument) + `"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Parse(DefaultPrefix, tc.topic, []byte(tc.payload))
			if err == nil {
				t.Fatalf("got %+v and no error", c)
			}
			if got := errors.Is(err, ErrTopic); got != tc.wantTopic {
				t.Errorf("ErrTopic: got %v, want %v (%v)", got, tc.wantTopic, err)
			}
		})
	}
}

func TestEntityID(t *testing.T) {
	for _, tc := range []struct{ device, name, want string }{
		{"Frient Blink Counter", "Frient Blink Counter Power", "frient_blink_counter_power"},
		{"frient_blink_counter", "Frient Blink Counter Power", "frient_blink_counter_power"},
		{"Meter", "Power", "meter_power"},
		{"Meter", "Metering", "meter_metering"},
		{"Meter", "Meter", "meter"},
		{"Meter", "", "meter"},
		{"", "Power", "power"},
	} {
		if got := EntityID(tc.device, tc.name); got != tc.want {
			t.Errorf("EntityID(%q, %q): got %q, want %q", tc.device, tc.name, got, tc.want)
		}
	}
}

func TestAvailabilityTemplates(t *testing.T) {
	c, err := Parse(DefaultPrefix, documents[1].topic, []byte(documents[1].payload))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range c.Entities[0].Available {
		got, err := a.Template.Text(NewState([]byte(`{"state":"online"}`)))
		if err != nil || got != a.Available {
			t.Errorf("%s: got %q, %v; want %q", a.Topic, got, err, a.Available)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, d := range documents {
		f.Add(d.topic, []byte(d.payload))
	}
	f.Fuzz(func(t *testing.T, topic string, payload []byte) {
		c, err := Parse(DefaultPrefix, topic, payload)
		if err != nil {
			return
		}
		for _, e := range c.Entities {
			if e.EntityID != Slug(e.EntityID) {
				t.Errorf("the entity id %q is not its own slug", e.EntityID)
			}
			if strings.ContainsAny(e.StateTopic, "#+") {
				t.Errorf("the state topic %q has a wildcard", e.StateTopic)
			}
			_, _ = e.Template.Number(NewState(payload))
		}
	})
}
