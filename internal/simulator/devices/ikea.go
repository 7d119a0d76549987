package devices

import qty "github.com/smartcore-ireland/hems/internal/simulator/quantity"

const ikeaCode = 0x117C

// The plug changes its power divisor from 10 to 1 at about 1000 W, and the
// report of the power comes before that of the divisor.
var _ = add(Model{
	Name: "INSPELNING", Also: []string{"INSPELNING Smart plug", "E2206"}, Maker: "IKEA of Sweden", Model: "INSPELNING Smart plug", OUI: 0x94B216, Power: mains,
	Node:  "01 40 8E 7C 11 52 52 00 00 2C 52 00 00",
	Basic: Basic{ZCL: 8, App: 32, Stack: 105, HW: 1, Date: "20240101", Source: mainsSource, Build: "2.4.45"},
	Alone: true,
	Measures: []qty.Quantity{
		{Name: "state", Rule: qty.Kept, Value: 1},
		{Name: "power", Rule: qty.Power, Load: "washing", Of: []string{"state"}, Max: 3680},
		{Name: "divisor", Rule: qty.Below, Of: []string{"power"}, Value: 10, Swing: 1, At: 1000, Min: 1, Max: 1000},
		{Name: "voltage", Rule: qty.Steady, Value: 234, Swing: 3, Max: 400},
		{Name: "current", Rule: qty.Amps, Of: []string{"power", "voltage"}, Max: 20},
		{Name: "energy", Rule: qty.Import, Of: []string{"power"}, Value: 2.44},
	},
	Image: Image{Type: 0x0100, Version: 0x02040045},
	Endpoints: []Endpoint{{
		ID: 1, Profile: ha, Device: 0x010A, Version: 1,
		In: in(0x0000, 0x0003, 0x0004, 0x0005, 0x0006, 0x0008, 0x0702, 0x0B04, 0x1000, 0xFC7C, 0xFC85), Out: in(0x0019),
		Switch: &Switch{Of: "state", StartUp: true, Timed: true},
		Attributes: []Attribute{
			of(0x0702, 0x0000, u48, "energy", 1000),
			num(0x0702, 0x0200, b8, 0), num(0x0702, 0x0300, enum8, 0), num(0x0702, 0x0301, u24, 1), num(0x0702, 0x0302, u24, 1000),
			num(0x0702, 0x0303, b8, 0xFB), num(0x0702, 0x0306, b8, 0),
			num(0x0B04, 0x0000, b32, 9),
			of(0x0B04, 0x0505, u16, "voltage", 10), of(0x0B04, 0x0508, u16, "current", 1000),
			of(0x0B04, 0x050B, s16, "power", 1).by("divisor"),
			num(0x0B04, 0x0600, u16, 1), num(0x0B04, 0x0601, u16, 10), num(0x0B04, 0x0602, u16, 1), num(0x0B04, 0x0603, u16, 1000),
			num(0x0B04, 0x0604, u16, 1).reported(), of(0x0B04, 0x0605, u16, "divisor", 1),
			set(0xFC85, 0x0000, tBool, 0, 0, 1).mfr(ikeaCode), set(0xFC85, 0x0001, tBool, 1, 0, 1).mfr(ikeaCode),
			num(0x1000, 0xFFFD, u16, 2),
		},
	}, {ID: 242, Profile: green, Device: 0x0061, In: in(0x0021), Out: in(0x0021)}},
})
