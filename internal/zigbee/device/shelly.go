package device

// Shelly's devices of the fourth generation tell their scales, which differ by
// firmware. Endpoint 239 tells of their Wi-Fi, which is set up by their own app.
var shelly = []Definition{
	{
		Model: "S4EM-001PXCEU16", Vendor: "Shelly", PowerSource: "Mains (single phase)", Description: "EM Mini Gen4",
		Match: maker([]string{"Shelly"}, "EM Mini"),
		Parts: []Part{shellyMeter, shellyWiFi, identify()},
	},
	{
		Model: "S4EM-002CXCEU", Vendor: "Shelly", PowerSource: "Mains (single phase)", Description: "EM Gen4",
		Match: maker([]string{"Shelly"}, "EM"),
		Names: map[uint8]string{1: "1", 2: "2", 3: "3"},
		Parts: []Part{onOff().at(1), shellyMeter.at(2, 3), shellyWiFi, identify()},
	},
	{
		Model: "S4SW-001P16EU", Vendor: "Shelly", Description: "1PM Gen 4", OTA: true,
		Match: maker([]string{"Shelly"}, "1PM"),
		Parts: []Part{shellyInput, onOff(), shellyMeter, shellyWiFi, identify()},
	},
	{
		Model: "S4SW-001P8EU", Vendor: "Shelly", Version: "0.0.1", Description: "1PM Mini Gen 4", OTA: true,
		Match: maker([]string{"Shelly"}, "Mini1PM", "1PM Mini"),
		Parts: []Part{shellyInput, onOff(), shellyMeter, shellyWiFi, identify()},
	},
	{
		Model: "S4SW-001X16EU", Vendor: "Shelly", Description: "1 Gen 4", OTA: true,
		Match: maker([]string{"Shelly"}, "1"),
		Parts: []Part{shellyInput, onOff(), shellyWiFi, identify()},
	},
	{
		Model: "S4SW-001X8EU", Vendor: "Shelly", Version: "0.0.1", Description: "1 Mini Gen 4", OTA: true,
		Match: maker([]string{"Shelly"}, "Mini1", "1 Mini"),
		Parts: []Part{shellyInput, onOff(), shellyWiFi, identify()},
	},
}

var shellyMeter = measures(power, voltage, frequency, current, energy, produced)
