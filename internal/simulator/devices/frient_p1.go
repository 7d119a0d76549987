package devices

import (
	"time"

	qty "github.com/smartcore-ireland/hems/internal/simulator/quantity"
)

// subMeter is an M-Bus endpoint of the P1 reader. One that nothing is wired to
// answers all ones, and so does one that measures for what it does not measure.
func subMeter(id uint8, of string) Endpoint {
	e := Endpoint{ID: id, Profile: ha, Device: 0x0053, In: in(0x0000, 0x0003, 0x0702, 0x0B01), Out: in(0x0003)}
	for _, id := range []uint16{0x0000, 0x0001, 0x0100, 0x0101, 0x0102, 0x0103} {
		e.Attributes = append(e.Attributes, num(0x0702, id, u48, -1).reported())
	}
	e.Attributes = append(e.Attributes, num(0x0702, 0x0400, s24, -1<<23).reported(), num(0x0702, 0x0200, b8, 0).reported())
	if of != "" {
		e.Attributes[0] = of1000(0x0000, of)
		e.Attributes = append(e.Attributes, meterScale(1, 1, 1000, 0x2B, 0x2B, 1)...)
		return e
	}
	e.Attributes = append(e.Attributes, meterScale(0xFF, -1, -1, 0xFF, 0xFF, 0xFF)...)
	return e
}

// of1000 is a summation in thousandths.
func of1000(id uint16, quantity string) Attribute { return of(0x0702, id, u48, quantity, 1000) }

// threePhases are currents and voltages of a meter on three phases whose powers
// are power, power_phase_b and power_phase_c.
func threePhases() (all []qty.Quantity) {
	for i, phase := range []string{"", "_phase_b", "_phase_c"} {
		all = append(all,
			qty.Quantity{Name: "voltage" + phase, Rule: qty.Steady, Value: 229 + float64(i), Swing: 3, Max: 400},
			qty.Quantity{Name: "current" + phase, Rule: qty.Amps, Of: []string{"power" + phase, "voltage" + phase}, Max: 200})
	}
	return all
}

// The P1 reader. It knows no reactive power, and only one of its four
// sub-meters is there.
var _ = add(Model{
	Name: "EMIZB-151", Maker: "frient A/S", Model: "EMIZB-151", OUI: frientOUI, Node: frientNode, Power: mains,
	Basic: Basic{ZCL: 3, App: 0, Stack: 0, HW: 1, Date: "20230605", Source: dcSource},
	Poll:  6 * time.Second,
	Measures: append([]qty.Quantity{
		{Name: "power", Rule: qty.Power, Load: "grid", Min: -30000, Max: 30000},
		{Name: "power_phase_b", Rule: qty.Power, Load: "phase", Min: -30000, Max: 30000},
		{Name: "power_phase_c", Rule: qty.Power, Load: "phase", Min: -30000, Max: 30000},
		{Name: "total_power", Rule: qty.Sum, Of: []string{"power", "power_phase_b", "power_phase_c"}, Min: -90000, Max: 90000},
		{Name: "energy", Rule: qty.Import, Of: []string{"power", "power_phase_b", "power_phase_c"}, Value: 41984.478},
		{Name: "produced_energy", Rule: qty.Export, Of: []string{"power", "power_phase_b", "power_phase_c"}, Value: 9532.077},
		{Name: "energy_tier_1", Rule: qty.Share, Of: []string{"energy"}, Value: 0.627365, Max: 1e9},
		{Name: "energy_tier_2", Rule: qty.Share, Of: []string{"energy"}, Value: 0.372635, Max: 1e9},
		{Name: "produced_energy_tier_1", Rule: qty.Share, Of: []string{"produced_energy"}, Value: 0.3, Max: 1e9},
		{Name: "produced_energy_tier_2", Rule: qty.Share, Of: []string{"produced_energy"}, Value: 0.7, Max: 1e9},
		{Name: "gas", Rule: qty.Kept, Value: 2950.491, Max: 1e9}, // m³
	}, threePhases()...),
	Image: Image{Type: 0x000C, Version: 0x00030107},
	Endpoints: []Endpoint{gateway, {
		ID: 2, Profile: ha, Device: 0x0053,
		In: in(0x0000, 0x0001, 0x0003, 0x0020, 0x0702, 0x0704, 0x0B01, 0x0B04, 0x0B05), Out: in(0x0003, 0x000A, 0x0019),
		Attributes: list(frientVersions("\x03\x01\x07", "\x01\x00\x00"), []Attribute{
			num(0x0001, 0x0000, u16, 52),
			of1000(0x0000, "energy"), of1000(0x0001, "produced_energy"),
			of1000(0x0100, "energy_tier_1"), of1000(0x0101, "produced_energy_tier_1"),
			of1000(0x0102, "energy_tier_2"), of1000(0x0103, "produced_energy_tier_2"),
			num(0x0702, 0x0200, b8, 0).reported(),
			of(0x0702, 0x0400, s24, "total_power", 1),
		}, meterScale(0, 1, 1000, 0xF8, 0xF8, 0), []Attribute{
			num(0x0B04, 0x0000, b32, 57),
			of(0x0B04, 0x0304, s32, "total_power", 1), num(0x0B04, 0x0305, s32, -1<<31).reported(),
			of(0x0B04, 0x050B, s16, "power", 1), of(0x0B04, 0x090B, s16, "power_phase_b", 1), of(0x0B04, 0x0A0B, s16, "power_phase_c", 1),
			of(0x0B04, 0x0505, u16, "voltage", 10), of(0x0B04, 0x0905, u16, "voltage_phase_b", 10), of(0x0B04, 0x0A05, u16, "voltage_phase_c", 10),
			of(0x0B04, 0x0508, u16, "current", 1), of(0x0B04, 0x0908, u16, "current_phase_b", 1), of(0x0B04, 0x0A08, u16, "current_phase_c", 1),
			num(0x0B04, 0x050E, s16, -1<<15).reported(), num(0x0B04, 0x090E, s16, -1<<15).reported(), num(0x0B04, 0x0A0E, s16, -1<<15).reported(),
			num(0x0B04, 0x0402, u32, 1), num(0x0B04, 0x0403, u32, 1000),
			num(0x0B04, 0x0600, u16, 1), num(0x0B04, 0x0601, u16, 10), num(0x0B04, 0x0602, u16, 1), num(0x0B04, 0x0603, u16, 1),
			num(0x0B04, 0x0604, u16, 1), num(0x0B04, 0x0605, u16, 1),
		}),
	}, subMeter(64, "gas"), subMeter(65, ""), subMeter(66, ""), subMeter(67, "")},
})

// The external meter interface. Its node descriptor is empty, and its energy
// arrives without being asked for.
var _ = add(Model{
	Name: "ZHEMI101", Maker: "Develco", Model: "ZHEMI101", OUI: frientOUI, Power: battery,
	Node:  "02 00 00 00 00 00 00 00 00 00 00 00 00",
	Code:  frientCode,
	Basic: Basic{ZCL: 1, App: 0, Stack: 0, HW: 1, Date: "20140416", Source: unknownSource},
	Poll:  6 * time.Second,
	Measures: []qty.Quantity{
		{Name: "power", Rule: qty.Power, Load: "phase", Max: 60000},
		{Name: "energy", Rule: qty.Import, Of: []string{"power"}, Value: 812.3},
		{Name: "pulse_configuration", Rule: qty.Kept, Value: 1000, Min: 1, Max: 65535},
		{Name: "interface_mode", Rule: qty.Kept, Value: 0, Max: 0x0104},
		{Name: "battery_low", Rule: qty.Kept}, {Name: "check_meter", Rule: qty.Kept},
	},
	Endpoints: []Endpoint{
		{ID: 1, Profile: develco, Device: 0x0001, In: in(0x0002, 0x0003, 0x0005), Out: in(0x0001)},
		{
			ID: 2, Profile: ha, Device: 0x0007, In: in(0x0000, 0x0003, 0x0702), Out: in(0x000A),
			Attributes: list(frientVersions("\x02\x00\x00", "\x01\x00\x00"), []Attribute{
				of1000(0x0000, "energy").own(10, 300, 1),
				{Cluster: 0x0702, ID: 0x0200, Type: b8, Of: "check_meter", And: "battery_low", Report: true},
			}, meterScale(0, 1, 1000, 0xFB, 0xFB, 0), []Attribute{
				of(0x0702, 0x0400, s24, "power", 1),
				of(0x0702, 0x0300, u16, "pulse_configuration", 1).mfr(frientCode).quiet().writable(1, 65535),
				{Cluster: 0x0702, ID: 0x0301, Manufacturer: frientCode, Type: u48, Of: "energy", Scale: 1000, Max: 1<<48 - 2, WriteOnly: true},
				of(0x0702, 0x0302, enum16, "interface_mode", 1).mfr(frientCode).quiet().writable(0, 0x0104),
			}),
		},
	},
})
