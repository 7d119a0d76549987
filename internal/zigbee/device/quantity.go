package device

import "strings"

// quantity is something devices measure, independent of the device.
type quantity struct {
	name        string // its key in a state message, without an endpoint's
	label       string // as label(name) where it is empty
	unit        string
	description string
	category    string
	binary      bool
	// low and high are the range that can be true when they differ; what is
	// outside is dropped. They are shown to people when shown is set.
	low, high float64
	shown     bool
	words     []string // of a quantity that is a choice
	text      bool
	// diagnosticInHome: Home Assistant shows it among the diagnostics.
	diagnosticInHome bool
}

// expose is the quantity as a person sees it.
func (q quantity) expose(access int) Expose {
	var e Expose
	switch {
	case q.binary:
		e = flag(q.name, q.description, access)
		if q.name == "contact" { // closed is true
			e.ValueOn, e.ValueOff = false, true
			e.HomeAssistant = map[string]any{"name": nil} // it goes by the device's
		}
	case q.words != nil:
		e = choice(q.name, q.description, access, q.words...)
	case q.text:
		e = text(q.name, q.description, access)
	default:
		e = numeric(q.name, q.description, q.unit, access)
		if q.shown {
			e = e.between(q.low, q.high)
		}
	}
	if q.label != "" {
		e.Label = q.label
	}
	e.Category = q.category
	if q.diagnosticInHome && access&AccessGet != 0 {
		e.HomeAssistant = map[string]any{"entityCategory": "diagnostic"}
	}
	return e
}

// The quantities that many devices have. Descriptions are ours; names, labels
// and units are those of Zigbee2MQTT.
var quantities = byName([]quantity{
	{name: "power", unit: "W", description: "Power drawn at this moment"},
	{name: "power_phase_b", unit: "W", description: "Power drawn at this moment on phase B"},
	{name: "power_phase_c", unit: "W", description: "Power drawn at this moment on phase C"},
	{name: "total_power", unit: "W", description: "Power drawn at this moment on all phases together"},
	{name: "power_apparent", unit: "VA", description: "Apparent power at this moment"},
	{name: "power_apparent_phase_b", unit: "VA", description: "Apparent power at this moment on phase B"},
	{name: "power_apparent_phase_c", unit: "VA", description: "Apparent power at this moment on phase C"},
	{name: "power_reactive", unit: "VAR", description: "Reactive power at this moment"},
	{name: "power_reactive_phase_b", unit: "VAR", description: "Reactive power at this moment on phase B"},
	{name: "power_reactive_phase_c", unit: "VAR", description: "Reactive power at this moment on phase C"},
	{name: "power_factor", description: "Active power as a part of apparent power, -1 to 1"},
	{name: "power_factor_phase_b", description: "Active power as a part of apparent power on phase B, -1 to 1"},
	{name: "power_factor_phase_c", description: "Active power as a part of apparent power on phase C, -1 to 1"},
	{name: "current", unit: "A", description: "Current at this moment"},
	{name: "current_phase_b", label: "Current phase B", unit: "A", description: "Current at this moment on phase B"},
	{name: "current_phase_c", label: "Current phase C", unit: "A", description: "Current at this moment on phase C"},
	{name: "current_neutral", unit: "A", description: "Current at this moment in the neutral conductor"},
	{name: "voltage", unit: "V", description: "Voltage at this moment", diagnosticInHome: true},
	{name: "voltage_phase_b", label: "Voltage phase B", unit: "V", description: "Voltage at this moment on phase B", diagnosticInHome: true},
	{name: "voltage_phase_c", label: "Voltage phase C", unit: "V", description: "Voltage at this moment on phase C", diagnosticInHome: true},
	{name: "ac_frequency", label: "AC frequency", unit: "Hz", description: "Frequency of the mains", diagnosticInHome: true},
	{name: "energy", unit: "kWh", description: "Energy consumed, as the device has counted it"},
	{name: "produced_energy", unit: "kWh", description: "Energy given back to the grid, as the device has counted it"},
	{name: "energy_reactive", unit: "kVArh", description: "Reactive energy, as the device has counted it"},
	{name: "gas", unit: "m³", description: "Gas consumed, as the device has counted it"},
	{name: "water_consumed", unit: "m³", description: "Water consumed, as the device has counted it"},
	{name: "heat", unit: "kWh", description: "Heat consumed, as the device has counted it"},
	{name: "flow", unit: "m³/h", description: "What flows at this moment"},
	{name: "device_temperature", unit: "°C", description: "Temperature inside the device", category: "diagnostic"},
	{name: "temperature", unit: "°C", description: "Temperature measured", low: -70, high: 200},
	{name: "humidity", unit: "%", description: "Relative humidity measured", low: 0, high: 100},
	{name: "pressure", unit: "kPa", description: "Air pressure measured"},
	{name: "illuminance", unit: "lx", description: "Light measured"},
	{name: "pm25", label: "PM25", unit: "µg/m³", description: "Fine dust (PM2.5) measured"},
	{name: "voc_index", label: "VOC index", description: "Index of volatile organic compounds: 100 is this room's average"},
	{name: "occupancy", binary: true, description: "Whether somebody is there"},
	{name: "contact", binary: true, description: "Whether the contact is closed"},
	{name: "smoke", binary: true, description: "Whether there is smoke"},
	{name: "gas_alarm", binary: true, description: "Whether there is gas"},
	{name: "carbon_monoxide", binary: true, description: "Whether there is carbon monoxide"},
	{name: "water_leak", binary: true, description: "Whether there is water"},
	{name: "vibration", binary: true, description: "Whether something shakes it"},
	{name: "alarm_1", binary: true, description: "First alarm of the device"},
	{name: "alarm_2", binary: true, description: "Second alarm of the device"},
	{name: "tamper", binary: true, category: "diagnostic", description: "Whether somebody opened the device or took it off"},
	{name: "battery_low", binary: true, category: "diagnostic", description: "Whether the battery is nearly empty"},
	{name: "test", binary: true, description: "Whether the device is being tested"},
	{name: "battery", unit: "%", description: "Charge left in the battery", category: "diagnostic", low: 0, high: 100, shown: true},
	{name: "linkquality", unit: "lqi", description: "Strength of the radio link, 0 to 255", category: "diagnostic", low: 0, high: 255, shown: true},
})

func byName(list []quantity) map[string]quantity {
	m := make(map[string]quantity, len(list))
	for _, q := range list {
		m[q.name] = q
	}
	return m
}

// named is the quantity of a name, which may end in a phase or a tariff, or one
// that is a plain number.
func named(name string) quantity {
	if q, ok := quantities[name]; ok {
		return q
	}
	return pointQuantity(name)
}

// batteryVoltage is the voltage of a battery: volts, and millivolts in the
// form of Zigbee2MQTT 2.
func batteryVoltage(f Form) quantity {
	q := quantity{name: "voltage", unit: "V", description: "Voltage of the battery", category: "diagnostic"}
	if f == Z2M2 {
		q.unit, q.description = "mV", "Voltage of the battery in thousandths of a volt"
	}
	return q
}

// linkQuality is what every device has, last.
func linkQuality() Expose { return named("linkquality").expose(AccessState) }

// decimals is how exactly a number of this name and unit is published in our
// form; -1 is as it is. Energy has three decimals, the full resolution of a
// counter of watt hours: a half hour's cost is made of differences, and two
// decimals would lose 10 Wh in each.
func decimals(name, unit string) int {
	switch unit {
	case "kWh", "kVArh", "m³", "A":
		return 3
	case "W", "V", "VA", "VAR", "VAr", "Hz", "°C", "hPa", "kPa":
		return 2
	case "%":
		return 1
	case "m³/h":
		return 4
	}
	if strings.HasPrefix(name, "power_factor") {
		return 2
	}
	return -1
}

// precisions is how exactly Zigbee2MQTT 2 publishes what has these names;
// everything else is as it is.
var precisions = map[string]int{
	"ac_frequency": 2, "temperature": 2, "humidity": 2, "pressure": 1, "pm25": 0,
	"power": 2, "current": 2, "current_phase_b": 2, "current_phase_c": 2, "current_neutral": 2,
	"voltage": 2, "voltage_phase_b": 2, "voltage_phase_c": 2, "power_phase_b": 2, "power_phase_c": 2,
	"energy": 2, "device_temperature": 0, "soil_moisture": 2, "co2": 0, "illuminance": 0,
	"voc": 0, "formaldehyd": 0, "co": 0,
}

// percentual reports whether a calibration is in per cent of the value.
func percentual(name string) bool {
	for _, p := range []string{"current", "energy", "voltage", "power", "illuminance"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// resolutionOptions are the options of calibration and precision that follow
// from exposes.
func resolutionOptions(exposes []Expose, have map[string]bool) (list []Expose) {
	for _, e := range exposes {
		p, ok := precisions[e.Name]
		if !ok || e.Type != Numeric || have[e.Name] || e.Name == "voltage" && (e.Unit == "mV" || e.Category == "diagnostic") {
			continue
		}
		have[e.Name] = true
		how := "absolute, in " + e.Unit
		if percentual(e.Name) {
			how = "in per cent of it"
		}
		list = append(list, numeric(e.Name+"_calibration", "What to add to "+e.Name+" ("+how+"), from the next report on", "", AccessSet).step(0.1))
		if p > 0 {
			list = append(list, numeric(e.Name+"_precision", "How many decimals "+e.Name+" has, from the next report on", "", AccessSet).between(0, 3))
		}
	}
	return list
}
