package tasmota

import "strings"

// quantity is what a value measures.
type quantity struct{ unit, class, state string }

// quantities are those whose meaning follows from their key. Source: Tasmota's
// documentation, "Energy Monitoring" and "MQTT", and the units that Home
// Assistant's Tasmota integration gives them.
var quantities = map[string]quantity{
	"Power":          {"W", "power", "measurement"},
	"ActivePower":    {"W", "power", "measurement"},
	"ApparentPower":  {"VA", "apparent_power", "measurement"},
	"ReactivePower":  {"var", "reactive_power", "measurement"},
	"Factor":         {"", "power_factor", "measurement"},
	"Voltage":        {"V", "voltage", "measurement"},
	"Current":        {"A", "current", "measurement"},
	"CurrentNeutral": {"A", "current", "measurement"},
	"Frequency":      {"Hz", "frequency", "measurement"},
	"PhaseAngle":     {"°", "", "measurement"},
	"Total":          {"kWh", "energy", "total"},
	"Today":          {"kWh", "energy", "total_increasing"},
	"Yesterday":      {"kWh", "energy", ""},
	"Energy":         {"kWh", "energy", "total"},
	"ExportActive":   {"kWh", "energy", "total"},
	"ImportActive":   {"kWh", "energy", "total"},
	"ExportReactive": {"kvarh", "", "total"},
	"ImportReactive": {"kvarh", "", "total"},
	"Humidity":       {"%", "humidity", "measurement"},
	"Illuminance":    {"lx", "illuminance", "measurement"},
	"CarbonDioxide":  {"ppm", "carbon_dioxide", "measurement"},
	"Battery":        {"%", "battery", "measurement"},
}

// quantityOf finds what a value at path measures: by its key, which may have a
// number behind it or be that of a group above it.
func quantityOf(path []string, units map[string]string) quantity {
	for i := len(path) - 1; i > 0; i-- {
		key := strings.TrimRight(path[i], "0123456789")
		switch key {
		case "":
			continue // a place in a list
		case "Temperature", "DewPoint":
			return quantity{"°" + units["TempUnit"], "temperature", "measurement"}
		case "Pressure", "SeaPressure":
			return quantity{units["PressureUnit"], "pressure", "measurement"}
		}
		if q, ok := quantities[key]; ok {
			return q
		}
	}
	return quantity{}
}
