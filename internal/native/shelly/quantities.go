package shelly

// quantity is one thing that a component says of itself.
type quantity struct {
	field     string // where in the component's state: "aenergy.total"
	attribute string // of Home Assistant's unique id, MAC-component-attribute
	name      string
	unit      string
	class     string
	state     string
	divisor   float64 // from Shelly's unit to unit; 0: none
	phase     string  // of a meter of three phases
	binary    bool
}

// measured are the quantities of each component, in Home Assistant's names.
// Source: Shelly's API documentation, "Gen2 components", and Home Assistant,
// homeassistant/components/shelly/sensor.py.
var measured = withSwitches(map[string][]quantity{
	"em1": {
		{field: "act_power", attribute: "power_em1", name: "Power", unit: "W", class: "power", state: "measurement"},
		{field: "aprt_power", attribute: "aprt_power_em1", name: "Apparent power", unit: "VA", class: "apparent_power", state: "measurement"},
		{field: "pf", attribute: "pf_em1", name: "Power factor", class: "power_factor", state: "measurement"},
		{field: "voltage", attribute: "voltage_em1", name: "Voltage", unit: "V", class: "voltage", state: "measurement"},
		{field: "current", attribute: "current_em1", name: "Current", unit: "A", class: "current", state: "measurement"},
		{field: "freq", attribute: "freq_em1", name: "Frequency", unit: "Hz", class: "frequency", state: "measurement"},
	},
	"em1data": {
		{field: "total_act_energy", attribute: "total_act_energy", name: "Energy", unit: "kWh", class: "energy", state: "total_increasing", divisor: 1000},
		{field: "total_act_ret_energy", attribute: "total_act_ret_energy", name: "Energy returned", unit: "kWh", class: "energy", state: "total_increasing", divisor: 1000},
	},
	"em": append([]quantity{
		{field: "total_act_power", attribute: "total_act_power", name: "Power", unit: "W", class: "power", state: "measurement"},
		{field: "total_aprt_power", attribute: "total_aprt_power", name: "Apparent power", unit: "VA", class: "apparent_power", state: "measurement"},
		{field: "total_current", attribute: "total_current", name: "Current", unit: "A", class: "current", state: "measurement"},
		{field: "n_current", attribute: "n_current", name: "Neutral current", unit: "A", class: "current", state: "measurement"},
	}, phases([]quantity{
		{field: "act_power", name: "Power", unit: "W", class: "power", state: "measurement"},
		{field: "aprt_power", name: "Apparent power", unit: "VA", class: "apparent_power", state: "measurement"},
		{field: "pf", name: "Power factor", class: "power_factor", state: "measurement"},
		{field: "voltage", name: "Voltage", unit: "V", class: "voltage", state: "measurement"},
		{field: "current", name: "Current", unit: "A", class: "current", state: "measurement"},
		{field: "freq", name: "Frequency", unit: "Hz", class: "frequency", state: "measurement"},
	})...),
	"emdata": append([]quantity{
		{field: "total_act", attribute: "total_act", name: "Energy", unit: "kWh", class: "energy", state: "total_increasing", divisor: 1000},
		{field: "total_act_ret", attribute: "total_act_ret", name: "Energy returned", unit: "kWh", class: "energy", state: "total_increasing", divisor: 1000},
	}, phases([]quantity{
		{field: "total_act_energy", name: "Energy", unit: "kWh", class: "energy", state: "total_increasing", divisor: 1000},
		{field: "total_act_ret_energy", name: "Energy returned", unit: "kWh", class: "energy", state: "total_increasing", divisor: 1000},
	})...),
	"temperature": {{field: "tC", attribute: "temperature_0", name: "Temperature", unit: "°C", class: "temperature", state: "measurement"}},
	"humidity":    {{field: "rh", attribute: "humidity_0", name: "Humidity", unit: "%", class: "humidity", state: "measurement"}},
	"illuminance": {{field: "lux", attribute: "illuminance", name: "Illuminance", unit: "lx", class: "illuminance", state: "measurement"}},
	"devicepower": {{field: "battery.percent", attribute: "battery", name: "Battery", unit: "%", class: "battery", state: "measurement"}},
})

// withSwitches adds the components that switch or dim something, and the bare
// meter: they measure the same.
func withSwitches(measured map[string][]quantity) map[string][]quantity {
	for kind, suffix := range map[string]string{"switch": "", "light": "_light", "pm1": "_pm1", "cover": "_cover", "cct": "_cct", "rgb": "_rgb", "rgbw": "_rgbw"} {
		measured[kind] = []quantity{
			{field: "apower", attribute: "power" + suffix, name: "Power", unit: "W", class: "power", state: "measurement"},
			{field: "voltage", attribute: "voltage" + suffix, name: "Voltage", unit: "V", class: "voltage", state: "measurement"},
			{field: "current", attribute: "current" + suffix, name: "Current", unit: "A", class: "current", state: "measurement"},
			{field: "freq", attribute: "freq" + suffix, name: "Frequency", unit: "Hz", class: "frequency", state: "measurement"},
			{field: "aenergy.total", attribute: "energy" + suffix, name: "Energy", unit: "kWh", class: "energy", state: "total_increasing", divisor: 1000},
			{field: "ret_aenergy.total", attribute: "ret_energy" + suffix, name: "Energy returned", unit: "kWh", class: "energy", state: "total_increasing", divisor: 1000},
			{field: "temperature.tC", attribute: "temperature" + suffix, name: "Temperature", unit: "°C", class: "temperature", state: "measurement"},
		}
	}
	for _, kind := range []string{"switch", "light"} {
		measured[kind] = append(measured[kind], quantity{field: "output", binary: true})
	}
	return measured
}

// phases are quantities of each of three phases.
func phases(all []quantity) (each []quantity) {
	for _, phase := range []string{"A", "B", "C"} {
		for _, q := range all {
			q.field = map[string]string{"A": "a_", "B": "b_", "C": "c_"}[phase] + q.field
			q.attribute, q.phase = q.field, phase
			each = append(each, q)
		}
	}
	return each
}
