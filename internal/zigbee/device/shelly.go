package device

import "github.com/smartcore-ireland/hems/internal/zigbee/zcl"

// Shelly's devices of the fourth generation tell their scales, which differ by
// firmware. Endpoint 239 tells of their Wi-Fi, which is set up by their own app.
var shelly = []Definition{
	{
		Model: "S4EM-001PXCEU16", Vendor: "Shelly", Description: "EM Mini Gen4",
		Match: maker([]string{"Shelly"}, "EM Mini"),
		Parts: []Part{shellyMeter, shellyWiFi, identify()},
	},
	{
		Model: "S4EM-002CXCEU", Vendor: "Shelly", Description: "EM Gen4",
		Match: maker([]string{"Shelly"}, "EM"),
		Names: map[uint8]string{1: "1", 2: "2", 3: "3"},
		Parts: []Part{onOff().at(1), shellyMeter.at(2, 3), shellyWiFi, identify()},
	},
	{
		Model: "S4SW-001P16EU", Vendor: "Shelly", Description: "1PM Gen 4", OTA: true,
		Match: maker([]string{"Shelly"}, "1PM"),
		Parts: []Part{onOff(), shellyMeter, shellyWiFi, identify()},
	},
	{
		Model: "S4SW-001P8EU", Vendor: "Shelly", Description: "1PM Mini Gen 4", OTA: true,
		Match: maker([]string{"Shelly"}, "Mini1PM", "1PM Mini"),
		Parts: []Part{onOff(), shellyMeter, shellyWiFi, identify()},
	},
	{
		Model: "S4SW-001X16EU", Vendor: "Shelly", Description: "1 Gen 4", OTA: true,
		Match: maker([]string{"Shelly"}, "1"),
		Parts: []Part{onOff(), identify()},
	},
	{
		Model: "S4SW-001X8EU", Vendor: "Shelly", Description: "1 Mini Gen 4", OTA: true,
		Match: maker([]string{"Shelly"}, "Mini1", "1 Mini"),
		Parts: []Part{onOff(), identify()},
	},
}

var shellyMeter = measures(power, voltage, frequency, current, energy, produced)

// shellyWiFi is what they say of their Wi-Fi: cluster 0xFC02 of endpoint 239.
var shellyWiFi = shellyLines(
	shellyLine{"wifi_status", "Wi-Fi status", "What its Wi-Fi does", 0x0000},
	shellyLine{"ip_address", "IP address", "Its address on the Wi-Fi", 0x0001},
	shellyLine{"dhcp_enabled", "DHCP enabled", "Whether it is given its address", 0x0003},
)

type shellyLine struct {
	name, label, description string
	attribute                uint16
}

func shellyLines(list ...shellyLine) (p Part) {
	const cluster, manufacturer = 0xfc02, 0x1490
	for _, l := range list {
		e := text(l.name, l.description, AccessState|AccessGet)
		s := source{name: l.name, as: asText, typ: zcl.CharString, address: address{239, cluster, manufacturer, l.attribute}}
		if l.name == "dhcp_enabled" {
			e, s.as, s.typ = flag(l.name, l.description, AccessState|AccessGet), asBool, zcl.Bool
		}
		e = e.called(l.label).of("diagnostic")
		p.items = append(p.items, item{name: l.name, expose: &e, sources: []source{s}})
	}
	return p.withoutSuffix()
}
