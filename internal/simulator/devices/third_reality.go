package devices

import qty "github.com/smartcore-ireland/hems/internal/simulator/quantity"

const thirdRealityCode = 0x1233

// The plug with the newer firmware, which counts watt-seconds and has the
// maker's own cluster.
var _ = add(Model{
	Name: "3RSP02028BZ", Maker: "Third Reality, Inc", Model: "3RSP02028BZ", OUI: 0x282C02, Power: mains,
	Node:  "01 40 8E 33 12 42 42 00 00 2A 42 00 00",
	Basic: Basic{ZCL: 8, App: 0, Stack: 0, HW: 1, Date: "20230725", Source: mainsSource, Build: "v1.00.85"},
	Measures: []qty.Quantity{
		{Name: "state", Rule: qty.Kept, Value: 1},
		{Name: "power", Rule: qty.Power, Load: "computer", Of: []string{"state"}, Max: 1800},
		{Name: "voltage", Rule: qty.Steady, Value: 123.6, Swing: 1.5, Max: 400},
		{Name: "current", Rule: qty.Amps, Of: []string{"power", "voltage"}, Max: 15},
		{Name: "ac_frequency", Rule: qty.Kept, Value: 60, Min: 45, Max: 65},
		{Name: "power_factor", Rule: qty.Steady, Value: 0.97, Swing: 0.01, Max: 1},
		{Name: "energy", Rule: qty.Import, Of: []string{"power"}, Value: 0.0034},
	},
	Image: Image{Type: 0x1100, Version: 0x00000055},
	Endpoints: []Endpoint{{
		ID: 1, Profile: ha, Device: 0x0051,
		In: in(0x0000, 0x0003, 0x0004, 0x0005, 0x0006, 0x0702, 0x0B04, 0x1000, 0xFF03), Out: in(0x0019),
		Switch: &Switch{Of: "state", StartUp: true, Timed: true},
		Attributes: []Attribute{
			of(0x0702, 0x0000, u48, "energy", 3600000),
			num(0x0702, 0x0200, b8, 0), num(0x0702, 0x0300, enum8, 0), num(0x0702, 0x0301, u24, 1), num(0x0702, 0x0302, u24, 3600000),
			num(0x0702, 0x0303, b8, 0xFF), num(0x0702, 0x0306, b8, 0),
			num(0x0B04, 0x0000, b32, 9),
			of(0x0B04, 0x0300, u16, "ac_frequency", 1),
			of(0x0B04, 0x0505, u16, "voltage", 10), of(0x0B04, 0x0508, u16, "current", 1000), of(0x0B04, 0x050B, s16, "power", 10), of(0x0B04, 0x0510, s8, "power_factor", 100),
			num(0x0B04, 0x0600, u16, 1), num(0x0B04, 0x0601, u16, 10), num(0x0B04, 0x0602, u16, 1), num(0x0B04, 0x0603, u16, 1000),
			num(0x0B04, 0x0604, u16, 1), num(0x0B04, 0x0605, u16, 10),
			{Cluster: 0xFF03, ID: 0x0000, Manufacturer: thirdRealityCode, Type: u8, Number: 1, Max: 1, Zero: "energy"},
			set(0xFF03, 0x0001, u16, 0, 0, 65535).mfr(thirdRealityCode), set(0xFF03, 0x0002, u16, 0, 0, 65535).mfr(thirdRealityCode),
			set(0xFF03, 0x0010, u8, 100, 0, 100).mfr(thirdRealityCode), set(0xFF03, 0x0020, u8, 0, 0, 1).mfr(thirdRealityCode),
		},
	}, greenPower},
})
