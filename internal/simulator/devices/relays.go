package devices

import (
	"strings"

	qty "github.com/smartcore-ireland/hems/internal/simulator/quantity"
)

const (
	nodonCode   = 0x128B
	legrandCode = 0x1021
)

// channel is one relay of NodOn's.
func nodonChannel(id uint8, state string, more ...Attribute) Endpoint {
	return Endpoint{ID: id, Profile: ha, Device: 0x0100,
		In: in(0x0000, 0x0003, 0x0004, 0x0005, 0x0006), Out: in(0x0003, 0x0006, 0x0019),
		Switch: &Switch{Of: state, StartUp: true, More: []Attribute{
			set(0x0006, 0x1001, enum8, 2, 0, 2).mfr(nodonCode), set(0x0006, 0x0001, u16, 0, 0, 10000).mfr(nodonCode),
		}}, Attributes: more}
}

var _ = add(
	// Two gangs.
	Model{
		Name: "SIN-4-2-20", Maker: "NodOn", Model: "SIN-4-2-20", OUI: 0xF074BF, Power: mains,
		Node:      "01 40 8E 8B 12 52 52 00 00 2C 52 00 00",
		Basic:     Basic{ZCL: 3, App: 0, Stack: 0, HW: 1, Date: "20230214", Source: mainsSource, Build: "3.5.0"},
		Measures:  []qty.Quantity{{Name: "state_l1", Rule: qty.Kept}, {Name: "state_l2", Rule: qty.Kept, Value: 1}},
		Endpoints: []Endpoint{nodonChannel(1, "state_l1"), nodonChannel(2, "state_l2"), greenPower},
	},
	// One relay that meters what it switches, a water heater.
	Model{
		Name: "SIN-4-1-21", Maker: "NodOn", Model: "SIN-4-1-21", OUI: 0xF074BF, Power: mains,
		Node:  "01 40 8E 8B 12 52 52 00 00 2C 52 00 00",
		Basic: Basic{ZCL: 3, App: 0, Stack: 0, HW: 1, Date: "20231120", Source: mainsSource, Build: "3.5.0"},
		Measures: []qty.Quantity{
			{Name: "state", Rule: qty.Kept, Value: 1},
			{Name: "power", Rule: qty.Power, Load: "boiler", Of: []string{"state"}, Max: 3680},
			{Name: "energy", Rule: qty.Import, Of: []string{"power"}, Value: 77.2},
		},
		Endpoints: []Endpoint{func() Endpoint {
			e := nodonChannel(1, "state", append(meterScale(0, 1, 1000, 0x2B, 0x2B, 0),
				of(0x0702, 0x0000, u48, "energy", 1000), num(0x0702, 0x0200, b8, 0), of(0x0702, 0x0400, s24, "power", 1))...)
			e.In = append(e.In, 0x0702)
			return e
		}(), greenPower},
	},
	// The contactor forgets its reporting without power, and its name has a
	// space before it and NULs behind it.
	Model{
		Name: "Contactor", Also: []string{"412171"}, Maker: " Legrand", Model: " Contactor" + strings.Repeat("\x00", 21), OUI: 0x000474, Power: mains,
		Node:    "01 40 8E 21 10 59 59 00 00 2C 59 00 00",
		Basic:   Basic{ZCL: 2, App: 0, Stack: 67, HW: 2, Date: "211214", Source: mainsSource, Build: "0038"},
		Forgets: true,
		Measures: []qty.Quantity{
			{Name: "state", Rule: qty.Kept, Value: 1},
			{Name: "power", Rule: qty.Power, Load: "boiler", Of: []string{"state"}, Max: 4600},
		},
		Endpoints: []Endpoint{{
			ID: 1, Profile: ha, Device: 0x010A,
			In: in(0x0000, 0x0003, 0x0004, 0x0005, 0x0006, 0x000F, 0x0B04, 0xFC01, 0xFC41), Out: in(0x0000, 0x0005, 0x0006, 0x0019, 0xFC01),
			Switch: &Switch{Of: "state", StartUp: true, Timed: true},
			Attributes: []Attribute{
				num(0x0B04, 0x0000, b32, 8), of(0x0B04, 0x050B, s16, "power", 1), num(0x0B04, 0x0604, u16, 1), num(0x0B04, 0x0605, u16, 1),
				num(0x000F, 0x0055, tBool, 0), num(0x000F, 0x006F, b8, 0), num(0x000F, 0x0051, tBool, 0),
				set(0xFC01, 0x0000, 0x09, 0x0003, 0, 0xFFFF).mfr(legrandCode),
			},
			Commands: []Command{{Cluster: 0xFC41, Manufacturer: legrandCode, ID: 0x00}},
		}, greenPower},
	},
)
