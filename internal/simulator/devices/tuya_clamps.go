package devices

import (
	"github.com/smartcore-ireland/hems/internal/simulator/node"
	qty "github.com/smartcore-ireland/hems/internal/simulator/quantity"
)

// The clamp meter on two circuits. One datapoint fills a frame, the direction
// is left out without a current, and the energies come with every tenth burst.
var _ = add(Model{
	Name: "PJ-1203A", Also: []string{"TS0601"}, Maker: "_TZE204_81yrt3lo", Model: "TS0601", OUI: tuyaOUI, Node: tuyaNode, Power: mains,
	Basic: Basic{ZCL: 3, App: 74, Stack: 0, HW: 1, Source: mainsSource},
	Measures: []qty.Quantity{
		{Name: "power_a", Rule: qty.Power, Load: "grid", Min: -18000, Max: 18000},
		{Name: "power_b", Rule: qty.Power, Load: "heat-pump", Min: -18000, Max: 18000},
		{Name: "power_ab", Rule: qty.Sum, Of: []string{"power_a", "power_b"}, Min: -36000, Max: 36000},
		{Name: "voltage", Rule: qty.Steady, Value: 232, Swing: 3, Max: 400},
		{Name: "current_a", Rule: qty.Amps, Of: []string{"power_a", "voltage"}, Max: 80},
		{Name: "current_b", Rule: qty.Amps, Of: []string{"power_b", "voltage"}, Max: 80},
		{Name: "power_factor_a", Rule: qty.Steady, Value: 98, Swing: 1, Max: 100},
		{Name: "power_factor_b", Rule: qty.Steady, Value: 94, Swing: 2, Max: 100},
		{Name: "ac_frequency", Rule: qty.Steady, Value: 50, Swing: 0.03, Min: 45, Max: 65},
		{Name: "energy_a", Rule: qty.Import, Of: []string{"power_a"}, Value: 310.42},
		{Name: "energy_produced_a", Rule: qty.Export, Of: []string{"power_a"}, Value: 95.1},
		{Name: "energy_b", Rule: qty.Import, Of: []string{"power_b"}, Value: 1204.77},
		{Name: "energy_produced_b", Rule: qty.Export, Of: []string{"power_b"}, Value: 0},
		{Name: "update_frequency", Rule: qty.Kept, Value: 10, Min: 3, Max: 60},
	},
	Endpoints: []Endpoint{{
		ID: 1, Profile: ha, Device: 0x0051, Version: 1, In: in(0x0004, 0x0005, 0xEF00, 0x0000), Out: in(0x0019, 0x000A),
		Attributes: []Attribute{num(0x0000, 0xFFFE, enum8, 0), num(0x0000, 0xFFE2, u8, 0x38), num(0x0000, 0xFFE4, u8, 1)},
		Tuya: &Tuya{
			Burst:  []uint8{102, 112, 113, 101, 110, 111, 115, 104, 112, 114, 105, 121, 111, 115},
			Seldom: []uint8{106, 107, 108, 109},
			Every:  "update_frequency", Version: 0x43,
			Points: []Point{
				{ID: 101, Type: node.PointNumber, Of: "power_a", Scale: 10, Absolute: true},
				{ID: 102, Type: node.PointEnum, Of: "power_a", Sign: true, With: "current_a"},
				{ID: 104, Type: node.PointEnum, Of: "power_b", Sign: true, With: "current_b"},
				{ID: 105, Type: node.PointNumber, Of: "power_b", Scale: 10, Absolute: true},
				{ID: 106, Type: node.PointNumber, Of: "energy_a", Scale: 100},
				{ID: 107, Type: node.PointNumber, Of: "energy_produced_a", Scale: 100},
				{ID: 108, Type: node.PointNumber, Of: "energy_b", Scale: 100},
				{ID: 109, Type: node.PointNumber, Of: "energy_produced_b", Scale: 100},
				{ID: 110, Type: node.PointNumber, Of: "power_factor_a"},
				{ID: 111, Type: node.PointNumber, Of: "ac_frequency", Scale: 100},
				{ID: 112, Type: node.PointNumber, Of: "voltage", Scale: 10},
				{ID: 113, Type: node.PointNumber, Of: "current_a", Scale: 1000},
				{ID: 114, Type: node.PointNumber, Of: "current_b", Scale: 1000},
				{ID: 115, Type: node.PointNumber, Of: "power_ab", Scale: 10},
				{ID: 121, Type: node.PointNumber, Of: "power_factor_b"},
				{ID: 129, Type: node.PointNumber, Of: "update_frequency", Set: true},
			},
		},
	}, greenPower},
})
