package devices

import qty "github.com/smartcore-ireland/hems/internal/simulator/quantity"

// The Linky's customer port, on one phase in historical mode with the base
// tariff: there is an apparent power only, in whole VA, and the maker's cluster
// carries no manufacturer code.
var _ = add(Model{
	Name: "ZLinky_TIC", Also: []string{"ZLinky"}, Maker: "LiXee", Model: "ZLinky_TIC", OUI: 0x00158D, Power: mains,
	Node:  "01 40 8E 37 10 7F 64 00 00 2C 64 00 00",
	Basic: Basic{ZCL: 3, App: 14, Stack: 0, HW: 1, Date: "20230401", Source: mainsSource, Build: "4000-0014"},
	Measures: []qty.Quantity{
		{Name: "power", Rule: qty.Power, Load: "house", Max: 36000},
		{Name: "voltage", Rule: qty.Steady, Value: 231, Swing: 3, Max: 400},
		{Name: "apparent_power", Rule: qty.Share, Of: []string{"power"}, Value: 1.04, Max: 36000},
		{Name: "rms_current", Rule: qty.Amps, Of: []string{"apparent_power", "voltage"}, Max: 90},
		{Name: "current_summ_delivered", Rule: qty.Import, Of: []string{"power"}, Value: 8214.5},
		{Name: "warn_d_p_s", Rule: qty.Kept, Max: 90},
	},
	Image: Image{Type: 0x0001, Version: 0x0000000E},
	Endpoints: []Endpoint{{
		ID: 1, Profile: ha, Device: 0x0053, In: in(0x0000, 0x0001, 0x0003, 0x0702, 0x0B01, 0x0B04, 0xFF66), Out: in(0x0019),
		Attributes: []Attribute{
			num(0x0001, 0x0000, u16, 120),
			of(0x0702, 0x0000, u48, "current_summ_delivered", 1000),
			num(0x0702, 0x0001, u48, 0).reported(),
			text(0x0702, 0x0020, str, "TH.."),
			num(0x0702, 0x0100, u48, 0).reported(), num(0x0702, 0x0102, u48, 0).reported(), num(0x0702, 0x0104, u48, 0).reported(),
			num(0x0702, 0x0106, u48, 0).reported(), num(0x0702, 0x0108, u48, 0).reported(), num(0x0702, 0x010A, u48, 0).reported(),
			num(0x0702, 0x0200, b8, 0), num(0x0702, 0x0300, enum8, 0), num(0x0702, 0x0301, u24, 1), num(0x0702, 0x0302, u24, 1000),
			text(0x0702, 0x0307, octets, ""), text(0x0702, 0x0308, octets, "041876145236"),
			num(0x0B01, 0x000D, s24, 30), num(0x0B01, 0x000E, s24, 0),
			of(0x0B04, 0x0505, u16, "voltage", 1), of(0x0B04, 0x0508, u16, "rms_current", 1), num(0x0B04, 0x050A, u16, 90),
			of(0x0B04, 0x050F, u16, "apparent_power", 1),
			text(0xFF66, 0x0000, str, "BASE"), text(0xFF66, 0x0001, str, "----").reported(), num(0xFF66, 0x0002, u8, 0),
			num(0xFF66, 0x0003, u8, 0), num(0xFF66, 0x0004, u8, 0).reported(),
			of(0xFF66, 0x0005, u16, "warn_d_p_s", 1), num(0xFF66, 0x0006, u16, 0).reported(), num(0xFF66, 0x0007, u16, 0).reported(), num(0xFF66, 0x0008, u16, 0).reported(),
			text(0xFF66, 0x0009, str, "000000"), text(0xFF66, 0x0010, str, "TH..").reported(), num(0xFF66, 0x0300, u8, 0),
		},
	}, {ID: 242, Profile: green, Device: 0x0061, In: in(0x0021), Out: in(0x0021)}},
})
