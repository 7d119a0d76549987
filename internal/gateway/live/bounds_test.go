package live

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// TestAFloodOfStatesIsBounded: what strangers publish fills neither the memory
// nor the place of the meter's readings.
func TestAFloodOfStatesIsBounded(t *testing.T) {
	b := newBench(t)
	send := func(topic, payload string) {
		b.onZigbee(mqttclient.Message{Topic: topic, Payload: []byte(payload)})
	}
	b.onDiscovery(mqttclient.Message{Topic: "homeassistant/sensor/meter/power/config", Payload: []byte(`{"name":"power","unique_id":"meter_power",
		"state_topic":"zigbee2mqtt/meter","value_template":"{{ value_json.power }}","device_class":"power","unit_of_measurement":"W",
		"device":{"identifiers":["zigbee2mqtt_0x01"],"name":"meter"}}`)})
	b.onDiscovery(mqttclient.Message{Topic: "homeassistant/sensor/meter/energy/config", Payload: []byte(`{"name":"energy","unique_id":"meter_energy",
		"state_topic":"zigbee2mqtt/meter","value_template":"{{ value_json.energy }}","device_class":"energy","state_class":"total_increasing","unit_of_measurement":"kWh",
		"device":{"identifiers":["zigbee2mqtt_0x01"],"name":"meter"}}`)})
	send("zigbee2mqtt/meter", `{"power":1,"energy":2}`)

	memory := func() uint64 {
		var s runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	before := memory()
	large := `{"power":1,"a":"` + strings.Repeat("x", 900_000) + `"}`
	nested := `{"power":1,"a":[` + strings.Repeat("[1],", 12_000) + `0]}`
	for i := range 400 {
		send(fmt.Sprint("zigbee2mqtt/large", i), large)
		send(fmt.Sprint("zigbee2mqtt/nested", i), nested)
		send(fmt.Sprint("zigbee2mqtt/nested", i, "/availability"), nested)
	}
	if grown := int64(memory()) - int64(before); grown > 2*maxHeld {
		t.Errorf("the flood takes %d bytes, want at most %d", grown, 2*maxHeld)
	}
	for power := range 3 {
		send("zigbee2mqtt/meter", fmt.Sprintf(`{"power":%d,"energy":2}`, 100+power))
		if n := b.Now(); n.Power == nil || *n.Power != float64(100+power) {
			t.Errorf("the power is %v, want %d", n.Power, 100+power)
		}
	}
	runtime.KeepAlive(b)
}

// TestWhatIsHeldIsCounted: topics that change do not use the bound up.
func TestWhatIsHeldIsCounted(t *testing.T) {
	b := newBench(t)
	for i := range 1000 {
		for _, payload := range []string{strings.Repeat("x", 60_000), "1"} {
			b.onZigbee(mqttclient.Message{Topic: fmt.Sprint("zigbee2mqtt/d", i%3), Payload: []byte(payload)})
		}
	}
	if want := 3 * (len("zigbee2mqtt/d0") + 1); b.held != want || b.dropped != 0 {
		t.Errorf("%d bytes are counted and %d messages dropped, want %d and none", b.held, b.dropped, want)
	}
}
