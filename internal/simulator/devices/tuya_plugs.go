package devices

import (
	"time"

	qty "github.com/smartcore-ireland/hems/internal/simulator/quantity"
)

// Tuya's modules are Telink's.
const (
	tuyaOUI  = 0xA4C138
	tuyaNode = "01 40 8E 41 11 42 42 00 00 2A 42 00 00"
)

// tuyaPlug is the plug TS011F of one maker's name and application version.
func tuyaPlug(name, maker string, app int, also ...string) Model {
	return Model{
		Name: name, Also: also, Maker: maker, Model: "TS011F", OUI: tuyaOUI, Node: tuyaNode, Power: mains,
		Basic: Basic{ZCL: 3, App: app, Stack: 0, HW: 1, Source: mainsSource},
		Measures: []qty.Quantity{
			{Name: "state", Rule: qty.Kept, Value: 1},
			{Name: "power", Rule: qty.Power, Load: "fridge", Of: []string{"state"}, Max: 4000},
			{Name: "voltage", Rule: qty.Steady, Value: 233, Swing: 3, Max: 400},
			{Name: "current", Rule: qty.Amps, Of: []string{"power", "voltage"}, Max: 20},
			{Name: "energy", Rule: qty.Import, Of: []string{"power"}, Value: 5.16},
		},
		// What it had counted is there again only after a while.
		Restart: Restart{Zero: 5 * time.Second, Lost: 36000},
		Endpoints: []Endpoint{{
			ID: 1, Profile: ha, Device: 0x010A,
			In: in(0x0000, 0x0003, 0x0004, 0x0005, 0x0006, 0x0702, 0x0B04, 0xE000, 0xE001), Out: in(0x000A, 0x0019),
			Switch: &Switch{Of: "state", Seconds: true, Timed: true, More: []Attribute{
				set(0x0006, 0x8000, tBool, 0, 0, 1).reported(),
				set(0x0006, 0x8001, enum8, 1, 0, 3).reported(),
				set(0x0006, 0x8002, enum8, 2, 0, 2).reported(),
				set(0x0006, 0x8004, enum8, 0, 0, 1),
			}},
			Attributes: []Attribute{
				num(0x0000, 0xFFFE, enum8, 0),
				num(0x0000, 0xFFE2, u8, 0x1C), num(0x0000, 0xFFE4, u8, 1),
				of(0x0702, 0x0000, u48, "energy", 100),
				num(0x0702, 0x0300, enum8, 0), num(0x0702, 0x0301, u24, 1), num(0x0702, 0x0302, u24, 100), num(0x0702, 0x0303, b8, 0), num(0x0702, 0x0306, b8, 0),
				of(0x0B04, 0x0505, u16, "voltage", 1), of(0x0B04, 0x0508, u16, "current", 1000), of(0x0B04, 0x050B, s16, "power", 1),
				num(0x0B04, 0x0602, u16, 1), num(0x0B04, 0x0603, u16, 1000),
				set(0xE001, 0xD010, enum8, 2, 0, 2), set(0xE001, 0xD030, enum8, 0, 0, 2),
			},
		}},
	}
}

var _ = add(
	tuyaPlug("TS011F", "_TZ3000_2putqrmw", 77, "Nous A1Z"),
	func() Model { // it never reports and must be asked
		m := tuyaPlug("TS011F-poll", "_TZ3000_gvn91tmx", 69)
		m.Mute = true
		m.Measures[1].Load = "television"
		return m
	}(),
)
