package metrics

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// What Zigbee2MQTT 2 announces and says of a meter and a plug, with templates
// in its form, lists of availability, keys that are null, and entities of all
// kinds.
func TestWriterReadsZigbee2MQTT2(t *testing.T) {
	b := newBroker(t)
	path := filepath.Join(t.TempDir(), "hems.db")
	const rest = `"availability":[{"topic":"zigbee2mqtt/bridge/state","value_template":"{{ value_json.state }}"},{"topic":"zigbee2mqtt/meter/availability","value_template":"{{ value_json.state }}"}],"availability_mode":"all",
		"device":{"hw_version":102,"identifiers":["zigbee2mqtt_0x0015bc001b0211a5"],"manufacturer":"Frient","model":"Electricity meter interface 2 LED","model_id":"EMIZB-141","name":"meter","sw_version":"3.1.2","via_device":"zigbee2mqtt_bridge_0x00124b0012345678"},
		"origin":{"name":"Zigbee2MQTT","sw":"2.14.1","url":"https://www.zigbee2mqtt.io"},"state_topic":"zigbee2mqtt/meter",`
	for topic, doc := range map[string]string{
		"sensor/0x0015bc001b0211a5/power":                                       `{` + rest + `"default_entity_id":"sensor.meter_power","device_class":"power","enabled_by_default":true,"object_id":"meter_power","state_class":"measurement","unique_id":"0x0015bc001b0211a5_power_zigbee2mqtt","unit_of_measurement":"W","value_template":"{{ value_json[\"power\"] }}"}`,
		"sensor/0x0015bc001b0211a5/energy":                                      `{` + rest + `"default_entity_id":"sensor.meter_energy","device_class":"energy","enabled_by_default":true,"object_id":"meter_energy","state_class":"total_increasing","unique_id":"0x0015bc001b0211a5_energy_zigbee2mqtt","unit_of_measurement":"kWh","value_template":"{{ value_json[\"energy\"] }}"}`,
		"switch/0x0015bc001b0211a5/switch":                                      `{` + rest + `"command_topic":"zigbee2mqtt/meter/set","default_entity_id":"switch.meter","name":null,"object_id":"meter","payload_off":"OFF","payload_on":"ON","unique_id":"0x0015bc001b0211a5_switch_zigbee2mqtt","value_template":"{{ value_json[\"state\"] }}"}`,
		"binary_sensor/0x0015bc001b0211a5/tamper":                               `{` + rest + `"default_entity_id":"binary_sensor.meter_tamper","device_class":"tamper","object_id":"meter_tamper","payload_off":false,"payload_on":true,"unique_id":"0x0015bc001b0211a5_tamper_zigbee2mqtt","value_template":"{{ value_json[\"tamper\"] }}"}`,
		"update/0x0015bc001b0211a5/update":                                      `{` + rest + `"default_entity_id":"update.meter","name":null,"object_id":"meter","unique_id":"0x0015bc001b0211a5_update_zigbee2mqtt","value_template":"{\"latest_version\":\"{{ value_json['update']['latest_version'] }}\"}"}`,
		"sensor/1221051039810110150109113116116_0x00124b0012345678/network_map": `{"name":"Network map","state_topic":"zigbee2mqtt/bridge/response/networkmap","unique_id":"bridge_0x00124b0012345678_network_map_zigbee2mqtt","value_template":"{{ now().strftime('%Y-%m-%d %H:%M:%S') }}"}`,
	} {
		b.publish(t, "homeassistant/"+topic+"/config", doc, true)
	}
	w, stop := start(t, Options{MQTT: mqttclient.Options{Server: b.url}, OpenStore: openAt(path)})
	b.subscribed(t, "zigbee2mqtt/meter")
	eventually(t, "the entities", func() bool { return w.Counts().Entities == 4 })
	for _, state := range []string{
		`{"energy":null,"linkquality":200,"power":1500,"state":null,"tamper":false,"update":{"installed_version":-1,"latest_version":-1,"state":null}}`,
		`{"energy":12345.68,"linkquality":200,"power":1501,"state":"ON","tamper":false,"update":{"installed_version":-1,"latest_version":-1,"state":null}}`,
		`{"energy":12345.68,"linkquality":200,"power":1502,"state":"OFF","tamper":true,"update":{"installed_version":-1,"latest_version":-1,"state":null}}`,
	} {
		b.publish(t, "zigbee2mqtt/meter", state, false)
	}
	eventually(t, "all readings", func() bool { return w.Counts().Readings == 9 })
	got := w.Counts()
	stop()
	if got.BadDocuments+got.BadStates+got.NotNumbers != 0 {
		t.Errorf("counts: %+v, want no faults", got)
	}
	values := make(map[string][]float64)
	for _, entity := range []string{"meter_power", "meter_energy", "meter", "meter_tamper"} {
		values[entity] = stored(t, path, entity)
	}
	want := map[string][]float64{
		"meter_power": {1500, 1501, 1502}, "meter_energy": {12345.68, 12345.68},
		"meter": {1, 0}, "meter_tamper": {0, 1}, // once each, not with every message
	}
	if diff := cmp.Diff(want, values); diff != "" {
		t.Errorf("readings (-want +got):\n%s", diff)
	}
}
