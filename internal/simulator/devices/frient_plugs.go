package devices

import qty "github.com/smartcore-ireland/hems/internal/simulator/quantity"

// frientPlug is the Smart Plug Mini of one model. Only endpoint 2 switches; the
// on/off cluster of endpoint 1 is the gateway's and takes no reporting.
func frientPlug(name, maker string, version uint8, inClusters, out []uint16, more ...Endpoint) Model {
	return Model{
		Name: name, Maker: maker, Model: name, OUI: frientOUI, Power: mains,
		Node:  "01 40 8E 15 10 52 DC 05 00 2C DC 05 00",
		Basic: Basic{ZCL: 2, App: 0, Stack: 0, HW: 1, Date: "20200918", Source: mainsSource},
		Measures: []qty.Quantity{
			{Name: "state", Rule: qty.Kept, Value: 1},
			{Name: "power", Rule: qty.Power, Load: "washing", Of: []string{"state"}, Min: -4000, Max: 4000},
			{Name: "voltage", Rule: qty.Steady, Value: 230, Swing: 4, Max: 400},
			{Name: "current", Rule: qty.Amps, Of: []string{"power", "voltage"}, Max: 60},
			{Name: "ac_frequency", Rule: qty.Steady, Value: 50, Swing: 0.03, Min: 45, Max: 65},
			{Name: "energy", Rule: qty.Import, Of: []string{"power"}, Value: 41.37},
			{Name: "device_temperature", Rule: qty.Steady, Value: 32, Swing: 2, Min: -40, Max: 120},
		},
		Endpoints: append([]Endpoint{gateway, {
			ID: 2, Profile: ha, Device: 0x0051, Version: version, In: inClusters, Out: out,
			Switch: &Switch{Of: "state", Vendor: []uint8{0x00, 0x01}, More: []Attribute{
				set(0x0006, 0x8100, u8, 0, 0, 255).mfr(frientCode).reported(), set(0x0006, 0x8101, tBool, 0, 0, 1).mfr(frientCode).reported(),
			}},
			Attributes: list(frientVersions("\x04\x00\x08", "\x01\x00\x01"), []Attribute{
				of(0x0002, 0x0000, s16, "device_temperature", 1),
				of(0x0702, 0x0000, u48, "energy", 1000), of(0x0702, 0x0400, s24, "power", 1),
			}, meterScale(0, 1, 1000, 0xF8, 0xF8, 0), []Attribute{
				num(0x0B04, 0x0000, b32, 11),
				of(0x0B04, 0x0300, u16, "ac_frequency", 1000), num(0x0B04, 0x0400, u16, 1), num(0x0B04, 0x0401, u16, 1000),
				of(0x0B04, 0x0505, u16, "voltage", 100), of(0x0B04, 0x0508, u16, "current", 1000), of(0x0B04, 0x050B, s16, "power", 1),
				num(0x0B04, 0x0507, u16, 24100), num(0x0B04, 0x050A, u16, 9270),
				num(0x0B04, 0x0600, u16, 1), num(0x0B04, 0x0601, u16, 100), num(0x0B04, 0x0602, u16, 1), num(0x0B04, 0x0603, u16, 1000),
				num(0x0B04, 0x0604, u16, 1), num(0x0B04, 0x0605, u16, 1),
			}),
		}}, more...),
	}
}

var _ = add(
	frientPlug("SPLZB-131", "frient A/S", 1,
		in(0x0000, 0x0702, 0x0003, 0x0009, 0x0B04, 0x0006, 0x0004, 0x0005, 0x0002), in(0x0000, 0x0019, 0x000A, 0x0003, 0x0406)),
	frientPlug("SPLZB-141", "frient A/S", 0,
		in(0x0000, 0x0002, 0x0003, 0x0004, 0x0005, 0x0006, 0x0009, 0x0702, 0x0B04, 0x0B05), in(0x0003, 0x000A, 0x0019, 0x0406), greenPower),
)
