package devices

import qty "github.com/smartcore-ireland/hems/internal/simulator/quantity"

const owonCode = 0x113C

// owonOwn is an attribute that the clamp reports by itself.
func owonOwn(id uint16, t uint8, quantity string, scale float64) Attribute {
	return of(0x0702, id, t, quantity, scale).mfr(owonCode).own(5, 60, 1)
}

// The clamp meter on three phases. It reports by itself, the sums without the
// manufacturer's code that all else of it carries.
var _ = add(Model{
	Name: "PC321", Maker: "OWON Technology Inc.", Model: "PC321", OUI: 0xEBB81E, Power: mains,
	Node:  "01 40 8E 3C 11 52 52 00 00 2C 52 00 00",
	Basic: Basic{ZCL: 2, App: 0, Stack: 0, HW: 0, Date: "20210412", Source: unknownSource},
	Measures: []qty.Quantity{
		{Name: "power_l1", Rule: qty.Power, Load: "heat-pump", Min: -30000, Max: 30000},
		{Name: "power_l2", Rule: qty.Power, Load: "phase", Min: -30000, Max: 30000},
		{Name: "power_l3", Rule: qty.Power, Load: "phase", Min: -30000, Max: 30000},
		{Name: "power", Rule: qty.Sum, Of: []string{"power_l1", "power_l2", "power_l3"}, Min: -90000, Max: 90000},
		{Name: "energy", Rule: qty.Import, Of: []string{"power_l1", "power_l2", "power_l3"}, Value: 5120.4},
		{Name: "energy_l1", Rule: qty.Import, Of: []string{"power_l1"}, Value: 3000.1},
		{Name: "energy_l2", Rule: qty.Import, Of: []string{"power_l2"}, Value: 1100.2},
		{Name: "energy_l3", Rule: qty.Import, Of: []string{"power_l3"}, Value: 1020.1},
		{Name: "voltage_l1", Rule: qty.Steady, Value: 231, Swing: 3, Max: 400},
		{Name: "voltage_l2", Rule: qty.Steady, Value: 230, Swing: 3, Max: 400},
		{Name: "voltage_l3", Rule: qty.Steady, Value: 232, Swing: 3, Max: 400},
		{Name: "current_l1", Rule: qty.Amps, Of: []string{"power_l1", "voltage_l1"}, Max: 750},
		{Name: "current_l2", Rule: qty.Amps, Of: []string{"power_l2", "voltage_l2"}, Max: 750},
		{Name: "current_l3", Rule: qty.Amps, Of: []string{"power_l3", "voltage_l3"}, Max: 750},
		{Name: "current", Rule: qty.Sum, Of: []string{"current_l1", "current_l2", "current_l3"}, Max: 2250},
		{Name: "power_reactive", Rule: qty.Share, Of: []string{"power"}, Value: 0.08, Min: -90000, Max: 90000},
		{Name: "reactive_energy", Rule: qty.Share, Of: []string{"energy"}, Value: 0.08, Max: 1e9},
	},
	Endpoints: []Endpoint{{
		ID: 1, Profile: ha, Device: 0x000D, In: in(0x0000, 0x0003, 0x0702, 0xFFE0), Out: in(0x0003),
		Attributes: list(meterScale(0, 1, 1000, 0x2B, 0x2B, 0), []Attribute{
			of(0x0702, 0x0000, u48, "energy", 1000).own(10, 60, 1), of(0x0702, 0x0400, s24, "power", 1).own(5, 60, 1), num(0x0702, 0x0200, b8, 0),
			owonOwn(0x2000, s24, "power_l1", 1), owonOwn(0x2001, s24, "power_l2", 1), owonOwn(0x2002, s24, "power_l3", 1),
			owonOwn(0x3000, u24, "voltage_l1", 10), owonOwn(0x3001, u24, "voltage_l2", 10), owonOwn(0x3002, u24, "voltage_l3", 10),
			owonOwn(0x3100, u24, "current_l1", 1000), owonOwn(0x3101, u24, "current_l2", 1000), owonOwn(0x3102, u24, "current_l3", 1000),
			owonOwn(0x4000, u48, "energy_l1", 1000), owonOwn(0x4001, u48, "energy_l2", 1000), owonOwn(0x4002, u48, "energy_l3", 1000),
			owonOwn(0x2103, s24, "power_reactive", 1).mfr(0), owonOwn(0x3103, u24, "current", 1000).mfr(0), owonOwn(0x4103, u48, "reactive_energy", 1000).mfr(0),
			num(0x0702, 0x5005, u8, 50).mfr(owonCode).own(30, 300, 1),
		}),
		Commands: []Command{{Cluster: 0xFFE0, Manufacturer: owonCode, ID: 0x00, Zero: []string{"energy", "energy_l1", "energy_l2", "energy_l3"}}},
	}},
})
