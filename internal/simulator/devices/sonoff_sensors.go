package devices

import (
	"time"

	qty "github.com/smartcore-ireland/hems/internal/simulator/quantity"
)

const (
	sonoffCode = 0x1286
	sonoffOUI  = 0x00124B
)

// The thermometer sleeps for longer than its parent holds frames: it hears only
// for a while after it joined, reported, checked in or had its button pressed.
var _ = add(Model{
	Name: "SNZB-02D", Maker: "SONOFF", Model: "SNZB-02D", OUI: sonoffOUI, Power: battery,
	Node:  "02 40 80 86 12 52 FF 00 00 2C FF 00 00",
	Basic: Basic{ZCL: 3, App: 1, Stack: 0, HW: 1, Date: "20230511", Source: batterySource, Build: "1.0.9"},
	Poll:  time.Minute, CheckIn: 4 * time.Minute, ViaRouter: true,
	Measures: []qty.Quantity{
		{Name: "temperature", Rule: qty.Daily, Value: 20.6, Swing: 1.6, Min: -40, Max: 120},
		{Name: "humidity", Rule: qty.Daily, Value: 52, Swing: -6, Max: 100},
		{Name: "battery", Rule: qty.Steady, Value: 100, Max: 100},
	},
	Image: Image{Type: 0x0209, Version: 0x00001009},
	Endpoints: []Endpoint{{
		ID: 1, Profile: ha, Device: 0x0302,
		In: in(0x0000, 0x0001, 0x0003, 0x0020, 0x0402, 0x0405, 0xFC11, 0xFC57), Out: in(0x0019),
		Attributes: []Attribute{
			of(0x0001, 0x0021, u8, "battery", 2),
			of(0x0402, 0x0000, s16, "temperature", 100), num(0x0402, 0x0001, s16, -4000), num(0x0402, 0x0002, s16, 12500),
			of(0x0405, 0x0000, u16, "humidity", 100), num(0x0405, 0x0001, u16, 0), num(0x0405, 0x0002, u16, 10000),
			set(0xFC11, 0x0003, s16, 1900, -1000, 6000), set(0xFC11, 0x0004, s16, 2700, -1000, 6000),
			set(0xFC11, 0x0005, u16, 4000, 0, 10000), set(0xFC11, 0x0006, u16, 6000, 0, 10000), set(0xFC11, 0x0007, u16, 0, 0, 1),
			set(0xFC11, 0x2003, s16, 0, -5000, 5000), set(0xFC11, 0x2004, s16, 0, -5000, 5000),
		},
	}},
})

// The motion sensor by the occupancy cluster.
var _ = add(Model{
	Name: "SNZB-03P", Maker: "eWeLink", Model: "SNZB-03P", OUI: sonoffOUI, Power: battery,
	Node:  "02 40 80 86 12 52 FF 00 00 2C FF 00 00",
	Basic: Basic{ZCL: 3, App: 1, Stack: 0, HW: 1, Date: "20230804", Source: batterySource, Build: "2.2.0"},
	Poll:  7 * time.Second, ViaRouter: true,
	Measures: []qty.Quantity{
		{Name: "occupancy", Rule: qty.Busy},
		{Name: "illumination", Rule: qty.Kept, Value: 1},
		{Name: "battery", Rule: qty.Steady, Value: 100, Max: 100},
		{Name: "voltage", Rule: qty.Steady, Value: 3000, Max: 25400},
	},
	Endpoints: []Endpoint{{
		ID: 1, Profile: ha, Device: 0x0107, In: in(0x0000, 0x0001, 0x0003, 0x0020, 0x0406, 0x0500, 0xFC11, 0xFC57), Out: in(0x0003, 0x0019),
		Zone: &Zone{Type: 0x000D, Bits: map[uint8]string{0: "occupancy"}},
		Attributes: []Attribute{
			of(0x0001, 0x0020, u8, "voltage", 0.01), of(0x0001, 0x0021, u8, "battery", 2),
			of(0x0406, 0x0000, b8, "occupancy", 1), set(0x0406, 0x0020, u16, 60, 5, 60),
			of(0xFC11, 0x2001, u8, "illumination", 1).mfr(sonoffCode),
		},
	}},
})
