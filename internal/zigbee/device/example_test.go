package device

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// A plug of a new maker. Its voltage is in tenths of a volt, whatever it says;
// the other scales are read. The definition goes into the file of its family.
func ExampleDefinition() {
	d := Definition{
		Model: "X100", Vendor: "Example", Description: "Smart plug",
		Match: models("X-100-EU", "X-100-UK"),
		Parts: []Part{onOff(), powerOn(), measures(power, voltage.fixed(1, 10), current, energy)},
	}
	m := compile(Subject{Identity: Identity{ModelID: "X-100-EU"}}, &d, Info{Supported: true, Source: "native"}, nil)
	for _, e := range m.Exposes() {
		fmt.Println(strings.TrimSpace(e.Type + " " + e.Property + " " + e.Unit))
	}
	readings, _ := m.NewDecoder(nil).Decode(Input{Endpoint: 1, Cluster: zcl.ClusterElectricalMeas, Attributes: []zcl.Attribute{
		{ID: 0x0505, Value: zcl.Number(zcl.Uint16, 2304)},
	}})
	fmt.Println(readings[0].Key, readings[0].Value)
	actions, _, _ := m.Set(map[string]any{"state": "ON"}, "", nil)
	b, _ := json.Marshal(actions[0].Command)
	fmt.Printf("cluster %04x command %s\n", actions[0].Cluster, b)
	// Output:
	// switch
	// enum power_on_behavior
	// numeric power W
	// numeric voltage V
	// numeric current A
	// numeric energy kWh
	// numeric linkquality lqi
	// voltage 230.4
	// cluster 0006 command 1
}
