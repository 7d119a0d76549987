package devices

import qty "github.com/smartcore-ireland/hems/internal/simulator/quantity"

const (
	shellyCode = 0x1490
	shellyOUI  = 0x58E6C5
	shellyNode = "01 40 8E 90 14 6C 4D 06 00 2C 4D 06 00"
)

// shellySetup is the endpoint with Shelly's own clusters: remote procedure
// calls and the Wi-Fi's settings.
var shellySetup = Endpoint{ID: 239, Profile: 0xC001, Device: 0x2001, In: in(0xFC01, 0xFC02), Attributes: func() (all []Attribute) {
	for id, v := range []string{"disconnected", ""} {
		all = append(all, text(0xFC02, uint16(id), str, v).mfr(shellyCode))
	}
	all = append(all, set(0xFC02, 0x0002, u8, 0, 0, 255).mfr(shellyCode), set(0xFC02, 0x0003, tBool, 1, 0, 1).mfr(shellyCode), set(0xFC02, 0x0004, tBool, 0, 0, 1).mfr(shellyCode))
	for id := uint16(5); id <= 10; id++ {
		a := text(0xFC02, id, str, "").mfr(shellyCode)
		a.Any = true
		all = append(all, a)
	}
	return all
}()}

// The clamp meter. It counts microwatt-hours times a thousand, and says
// nothing of its date code or its power source.
var _ = add(Model{
	Name: "EM Mini", Also: []string{"S4EM-001PXCEU16"}, Maker: "Shelly", Model: "EM Mini", OUI: shellyOUI, Power: mains,
	Node:  shellyNode,
	Basic: Basic{ZCL: 8, App: None, Stack: None, HW: None, Source: unknownSource},
	Measures: []qty.Quantity{
		{Name: "power", Rule: qty.Power, Load: "grid", Min: -15000, Max: 15000},
		{Name: "voltage", Rule: qty.Steady, Value: 231.5, Swing: 3, Max: 400},
		{Name: "current", Rule: qty.Amps, Of: []string{"power", "voltage"}, Max: 65},
		{Name: "ac_frequency", Rule: qty.Steady, Value: 50.02, Swing: 0.03, Min: 45, Max: 65},
		{Name: "energy", Rule: qty.Import, Of: []string{"power"}, Value: 1.443},
		{Name: "produced_energy", Rule: qty.Export, Of: []string{"power"}, Value: 0.25},
	},
	Endpoints: []Endpoint{{
		ID: 1, Profile: ha, Device: 0x0053, In: in(0x0000, 0x0003, 0x0702, 0x0B01, 0x0B04), Out: in(0x0003),
		Attributes: []Attribute{
			of(0x0702, 0x0000, u48, "energy", 1000000), of(0x0702, 0x0001, u48, "produced_energy", 1000000),
			num(0x0702, 0x0200, b8, 0), num(0x0702, 0x0300, enum8, 0), num(0x0702, 0x0301, u24, 1), num(0x0702, 0x0302, u24, 1000000),
			num(0x0702, 0x0303, b8, 0x1B), num(0x0702, 0x0306, b8, 0),
			num(0x0B04, 0x0000, b32, 9),
			of(0x0B04, 0x0300, u16, "ac_frequency", 100), num(0x0B04, 0x0400, u16, 1), num(0x0B04, 0x0401, u16, 100),
			of(0x0B04, 0x0505, u16, "voltage", 100), of(0x0B04, 0x0508, u16, "current", 1000), of(0x0B04, 0x050B, s16, "power", 1),
			num(0x0B04, 0x0600, u16, 1), num(0x0B04, 0x0601, u16, 100), num(0x0B04, 0x0602, u16, 1), num(0x0B04, 0x0603, u16, 1000),
			num(0x0B04, 0x0604, u16, 1), num(0x0B04, 0x0605, u16, 1),
		},
	}, shellySetup, greenPower},
})

// The relay with a meter. Nothing tells what it runs on.
var _ = add(Model{
	Name: "1PM", Maker: "Shelly", Model: "1PM", OUI: shellyOUI, Power: mains, Node: shellyNode,
	Basic: Basic{ZCL: 8, App: None, Stack: None, HW: None, Date: "20260120", Source: unknownSource, Build: "1.8.99"},
	Measures: []qty.Quantity{
		{Name: "state", Rule: qty.Kept, Value: 1},
		{Name: "power", Rule: qty.Power, Load: "boiler", Of: []string{"state"}, Min: -3680, Max: 3680},
		{Name: "voltage", Rule: qty.Steady, Value: 231, Swing: 3, Max: 400},
		{Name: "current", Rule: qty.Amps, Of: []string{"power", "voltage"}, Max: 16},
		{Name: "ac_frequency", Rule: qty.Steady, Value: 50, Swing: 0.03, Min: 45, Max: 65},
		{Name: "energy", Rule: qty.Import, Of: []string{"power"}, Value: 1.443},
		{Name: "produced_energy", Rule: qty.Export, Of: []string{"power"}},
	},
	Endpoints: []Endpoint{{
		ID: 1, Profile: ha, Device: 0x0051, In: in(0x0000, 0x0003, 0x0004, 0x0005, 0x0006, 0x0702, 0x0B04),
		Switch: &Switch{Of: "state", Timed: true},
		Attributes: []Attribute{
			of(0x0702, 0x0000, u48, "energy", 1000000), of(0x0702, 0x0001, u48, "produced_energy", 1000000),
			num(0x0702, 0x0200, b8, 0), num(0x0702, 0x0300, enum8, 0), num(0x0702, 0x0301, u24, 1), num(0x0702, 0x0302, u24, 1000000),
			num(0x0702, 0x0303, b8, 0x1B), num(0x0702, 0x0306, b8, 0),
			of(0x0B04, 0x0300, u16, "ac_frequency", 100), num(0x0B04, 0x0400, u16, 1), num(0x0B04, 0x0401, u16, 100),
			of(0x0B04, 0x0505, u16, "voltage", 100), of(0x0B04, 0x0508, u16, "current", 1000), of(0x0B04, 0x050B, s16, "power", 1),
			num(0x0B04, 0x0600, u16, 1), num(0x0B04, 0x0601, u16, 100), num(0x0B04, 0x0602, u16, 1), num(0x0B04, 0x0603, u16, 1000),
			num(0x0B04, 0x0604, u16, 1), num(0x0B04, 0x0605, u16, 1),
		},
	}, shellySetup, greenPower},
})
