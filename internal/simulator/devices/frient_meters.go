package devices

import (
	"time"

	qty "github.com/smartcore-ireland/hems/internal/simulator/quantity"
)

// frient's manufacturer code, its addresses, and the node descriptor that its
// end devices share.
const (
	frientCode = 0x1015
	frientOUI  = 0x0015BC
	frientNode = "02 40 80 15 10 52 DC 05 00 2C DC 05 00"
)

// frientVersions are software and hardware version as frient keeps them.
func frientVersions(software, hardware string) []Attribute {
	return []Attribute{
		text(0x0000, 0x8000, octets, software).mfr(frientCode),
		text(0x0000, 0x8020, octets, hardware).mfr(frientCode),
	}
}

// The pulse reader. It hears at once, so that working with it is quick.
var _ = add(Model{
	Name: "EMIZB-141", Maker: "frient A/S", Model: "EMIZB-141", OUI: frientOUI, Node: frientNode, Power: battery,
	Basic: Basic{ZCL: 3, App: 0, Stack: 0, HW: 1, Date: "20260414", Source: batterySource},
	Measures: []qty.Quantity{
		{Name: "power", Rule: qty.Power, Load: "house", Max: 60000},
		{Name: "energy", Rule: qty.Import, Of: []string{"power"}, Value: 4000},
		{Name: "battery", Rule: qty.Steady, Value: 89, Max: 100},
		{Name: "voltage", Rule: qty.Steady, Value: 3100, Max: 25400}, // of the battery, mV
		{Name: "pulse_configuration", Rule: qty.Kept, Value: 1000, Min: 50, Max: 10000},
	},
	Image: Image{Type: 0x000B, Version: 0x00030102},
	Endpoints: []Endpoint{gateway, {
		ID: 2, Profile: ha, Device: 0x0053,
		In: in(0x0000, 0x0001, 0x0003, 0x0020, 0x0702, 0x0B01, 0x0B05), Out: in(0x0003, 0x000A, 0x0019),
		Attributes: list(frientVersions("\x03\x01\x02", "\x01\x00\x02"), []Attribute{
			of(0x0001, 0x0020, u8, "voltage", 0.01),
			of(0x0001, 0x0021, u8, "battery", 2),
			num(0x0001, 0x0031, enum8, 3), num(0x0001, 0x0033, u8, 2), num(0x0001, 0x003E, b32, 0).reported(),
			of(0x0702, 0x0000, u48, "energy", 1000),
			num(0x0702, 0x0200, b8, 0).reported(),
		}, meterScale(0, 1, 1000, 0xF8, 0xF8, 0), []Attribute{
			of(0x0702, 0x0400, s24, "power", 1),
			of(0x0702, 0x0300, u16, "pulse_configuration", 1).mfr(frientCode).quiet().writable(50, 10000),
			{Cluster: 0x0702, ID: 0x0301, Manufacturer: frientCode, Type: u48, Of: "energy", Scale: 1000, Max: 1<<48 - 2, WriteOnly: true},
		}),
	}},
})

// The HAN reader. It reports its interface mode under the manufacturer's code,
// which is the divisor's number without it, and now and then an energy that it
// does not know.
var _ = add(Model{
	Name: "EMIZB-132", Maker: "Develco Products A/S", Model: "EMIZB-132", OUI: frientOUI, Node: frientNode, Power: mains,
	Basic: Basic{ZCL: 2, App: 0, Stack: 0, HW: 1, Date: "20190321", Source: dcSource},
	Poll:  6 * time.Second,
	Measures: []qty.Quantity{
		{Name: "power", Rule: qty.Power, Load: "grid", Min: -30000, Max: 60000},
		{Name: "power_reactive", Rule: qty.Share, Of: []string{"power"}, Value: 0.12, Min: -30000, Max: 30000},
		{Name: "energy", Rule: qty.Import, Of: []string{"power"}, Value: 12345.678},
		{Name: "produced_energy", Rule: qty.Export, Of: []string{"power"}, Value: 432.1},
		{Name: "voltage", Rule: qty.Steady, Value: 231, Swing: 4, Max: 400},
		{Name: "voltage_phase_b", Rule: qty.Steady, Value: 232, Swing: 4, Max: 400},
		{Name: "voltage_phase_c", Rule: qty.Steady, Value: 230, Swing: 4, Max: 400},
		{Name: "current", Rule: qty.Amps, Of: []string{"power", "voltage"}, Max: 200},
		{Name: "current_phase_b", Rule: qty.Steady, Value: 1.2, Swing: 0.4, Max: 200},
		{Name: "current_phase_c", Rule: qty.Steady, Value: 0.9, Swing: 0.3, Max: 200},
		{Name: "interface_mode", Rule: qty.Kept, Value: 0x0200, Max: 0xFFFF},
	},
	Endpoints: []Endpoint{gateway, {
		ID: 2, Profile: ha, Device: 0x0053,
		In: in(0x0000, 0x0003, 0x0020, 0x0702, 0x0704, 0x0B04), Out: in(0x0003, 0x000A, 0x0019),
		Attributes: list(frientVersions("\x01\x06\x00", "\x02\x00\x00"), []Attribute{
			of(0x0702, 0x0000, u48, "energy", 1000).unknown(10),
			of(0x0702, 0x0001, u48, "produced_energy", 1000),
		}, meterScale(0, 1, 1000, 0xF8, 0xF8, 0), []Attribute{
			of(0x0702, 0x0400, s24, "power", 1),
			of(0x0702, 0x0302, enum16, "interface_mode", 1).mfr(frientCode).writable(0, 0xFFFF).own(10, 600, 0),
			of(0x0B04, 0x0304, s32, "power", 1), of(0x0B04, 0x0305, s32, "power_reactive", 1),
			of(0x0B04, 0x0505, u16, "voltage", 10), of(0x0B04, 0x0905, u16, "voltage_phase_b", 10), of(0x0B04, 0x0A05, u16, "voltage_phase_c", 10),
			of(0x0B04, 0x0508, u16, "current", 10), of(0x0B04, 0x0908, u16, "current_phase_b", 10), of(0x0B04, 0x0A08, u16, "current_phase_c", 10),
			num(0x0B04, 0x0600, u16, 1), num(0x0B04, 0x0601, u16, 10), num(0x0B04, 0x0602, u16, 1), num(0x0B04, 0x0603, u16, 10),
		}),
	}},
})
