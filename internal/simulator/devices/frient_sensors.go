package devices

import (
	"time"

	qty "github.com/smartcore-ireland/hems/internal/simulator/quantity"
)

// frientBindings is how many bindings an endpoint of frient's sensors keeps.
const frientBindings = 4

// frientSensor is what frient's battery sensors share.
func frientSensor(name, date string, measures []qty.Quantity, endpoints ...Endpoint) Model {
	return Model{
		Name: name, Maker: "frient A/S", Model: name, OUI: frientOUI, Node: frientNode, Power: battery,
		Basic: Basic{ZCL: 2, App: 0, Stack: 0, HW: 1, Date: date, Source: batterySource},
		Poll:  6 * time.Second, Bindings: frientBindings, ViaRouter: true,
		Measures: append([]qty.Quantity{
			{Name: "voltage", Rule: qty.Steady, Value: 2900, Max: 25400}, // of the battery, mV
			{Name: "battery_low", Rule: qty.Kept}, {Name: "tamper", Rule: qty.Kept},
			{Name: "temperature", Rule: qty.Daily, Value: 20.5, Swing: 1.5, Min: -40, Max: 120},
		}, measures...),
		Endpoints: append([]Endpoint{gateway}, endpoints...),
	}
}

// warmth is the temperature endpoint of a frient sensor.
var warmth = Endpoint{ID: 38, Profile: ha, Device: 0x0302, In: in(0x0000, 0x0003, 0x0402), Out: in(0x0003),
	Attributes: []Attribute{of(0x0402, 0x0000, s16, "temperature", 100), num(0x0402, 0x0001, s16, -1000), num(0x0402, 0x0002, s16, 6000)}}

// frientBattery are the attributes of two or three cells.
func frientBattery(software string) []Attribute {
	return append(frientVersions(software, "\x01\x00\x00"), of(0x0001, 0x0020, u8, "voltage", 0.01))
}

// contact is the door and window sensor. With short its zone tells its status
// without the fields that follow it, which not every coordinator takes.
func contact(name string, short bool) Model {
	m := frientSensor("WISZB-120", "20220318", []qty.Quantity{{Name: "open", Rule: qty.Busy}, {Name: "battery", Rule: qty.Steady, Value: 87, Max: 100}},
		Endpoint{
			ID: 35, Profile: ha, Device: 0x0402, In: in(0x0000, 0x0001, 0x0003, 0x000F, 0x0020, 0x0500), Out: in(0x000A, 0x0019),
			Zone:       &Zone{Type: 0x0015, Short: short, Bits: map[uint8]string{0: "open", 2: "tamper", 3: "battery_low"}},
			Attributes: append(frientBattery("\x04\x00\x01"), of(0x0001, 0x0021, u8, "battery", 2), of(0x000F, 0x0055, tBool, "open", 1)),
		}, warmth)
	m.Name = name
	return m
}

// The smoke alarm, which the reference takes for a meter, and its siblings.
var _ = add(
	contact("WISZB-120", false), contact("WISZB-120-short", true),
	frientSensor("SMSZB-120", "20210526", []qty.Quantity{{Name: "smoke", Rule: qty.Kept}, {Name: "test", Rule: qty.Kept}, {Name: "siren", Rule: qty.Kept}},
		Endpoint{
			ID: 35, Profile: ha, Device: 0x0403,
			In: in(0x0000, 0x0001, 0x0003, 0x000F, 0x0020, 0x0500, 0x0502), Out: in(0x000A, 0x0019),
			Zone: &Zone{Type: 0x0028, Bits: map[uint8]string{0: "smoke", 3: "battery_low", 8: "test"}},
			Attributes: append(frientBattery("\x04\x00\x05"),
				of(0x000F, 0x0055, tBool, "smoke", 1), num(0x000F, 0x0067, enum8, 0), num(0x000F, 0x006F, b8, 0).reported(), num(0x000F, 0x0051, tBool, 0),
				set(0x0502, 0x0000, u16, 240, 0, 65534)),
			Commands: []Command{{Cluster: 0x0502, ID: 0x00}, {Cluster: 0x0502, ID: 0x01}},
		}, warmth),
	frientSensor("MOSZB-140", "20210414", []qty.Quantity{{Name: "occupancy", Rule: qty.Busy}, {Name: "illuminance", Rule: qty.Daily, Value: 120, Swing: 110, Max: 60000}},
		Endpoint{ID: 34, Profile: ha, Device: 0x0107, In: in(0x0000, 0x0003, 0x0406), Attributes: []Attribute{of(0x0406, 0x0000, b8, "occupancy", 1)}},
		Endpoint{
			ID: 35, Profile: ha, Device: 0x0402,
			In: in(0x0000, 0x0001, 0x0003, 0x000F, 0x0020, 0x0500), Out: in(0x000A, 0x0019),
			Zone: &Zone{Type: 0x000D, Bits: map[uint8]string{0: "occupancy", 2: "tamper", 3: "battery_low"}},
			Attributes: append(frientBattery("\x04\x00\x01"),
				set(0x0000, 0x8100, b8, 1, 0, 3).mfr(frientCode), set(0x0500, 0x8001, u16, 30, 5, 65535).mfr(frientCode)),
		}, warmth,
		Endpoint{ID: 39, Profile: ha, Device: 0x0106, In: in(0x0000, 0x0003, 0x0400), Out: in(0x0003),
			Attributes: []Attribute{of(0x0400, 0x0000, u16, "illuminance", 100)}},
		Endpoint{ID: 40, Profile: ha, Device: 0x0107, In: in(0x0000, 0x0003, 0x0406), Attributes: []Attribute{of(0x0406, 0x0000, b8, "occupancy", 1)}},
		Endpoint{ID: 41, Profile: ha, Device: 0x0107, In: in(0x0000, 0x0003, 0x0406), Attributes: []Attribute{of(0x0406, 0x0000, b8, "occupancy", 1)}}),
	frientSensor("HMSZB-110", "20190801", []qty.Quantity{{Name: "humidity", Rule: qty.Daily, Value: 48, Swing: -5, Max: 100}},
		Endpoint{
			ID: 38, Profile: ha, Device: 0x0302, In: in(0x0000, 0x0001, 0x0003, 0x0020, 0x0402, 0x0405), Out: in(0x0003, 0x000A, 0x0019),
			Attributes: append(frientBattery("\x03\x00\x03"), of(0x0402, 0x0000, s16, "temperature", 100), of(0x0405, 0x0000, u16, "humidity", 100)),
		}),
)
