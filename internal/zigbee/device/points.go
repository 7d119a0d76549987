package device

import (
	"math"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// point is what one datapoint of a Tuya device means.
type point struct {
	dp      uint8
	name    string
	unit    string
	as      pointKind
	div     float64 // 0 is 1
	words   map[int64]string
	counter bool
	// suffix ends the keys of what a phase's blob holds.
	suffix string
	// low, high and precise as in source.
	low, high float64
	bit       uint8
	on, off   any
	// negative above this: the device takes this much too little.
	above, less float64
}

// pointKind is what a datapoint's data is.
type pointKind uint8

const (
	pointNumber pointKind = iota
	pointWord
	pointBool
	pointBit
	pointPhase // 8 bytes: voltage, current, power
	pointRC    // of the RC-MCB: current at 11, voltage at 13
	pointText
)

// boundPoint is a point of one device.
type boundPoint struct {
	point
	key      string
	decimals int
	parts    [3]int // decimals of a phase's voltage, current and power
}

func (m *Model) bindPoint(p point) *boundPoint {
	b := &boundPoint{point: p, key: p.name, decimals: m.decimals(p.name, p.unit, 0)}
	for i, q := range [...][2]string{{"voltage", "V"}, {"current", "A"}, {"power", "W"}} {
		b.parts[i] = m.decimals(q[0]+p.suffix, q[1], 0)
	}
	return b
}

// dp is a number by a datapoint, divided by div.
func dp(id uint8, name string, div float64) Part {
	q := pointQuantity(name)
	e := q.expose(AccessState)
	e.HomeAssistant = nil
	return Part{
		points: []point{{dp: id, name: name, unit: q.unit, div: div, counter: q.unit == "kWh", low: q.low, high: q.high}},
		items:  []item{{name: name, expose: &e, get: []address{}}},
	}
}

// pointQuantity is the quantity of a name that may end in a phase.
func pointQuantity(name string) quantity {
	if q, ok := quantities[name]; ok {
		if name == "power_factor" {
			q.unit = "%"
			q.description = "Active power as a part of apparent power"
		}
		return q
	}
	for _, b := range [...]struct{ prefix, unit, what string }{
		{"power_factor_", "%", "Active power as a part of apparent power"},
		{"energy_produced", "kWh", "Energy given back, as the device has counted it"},
		{"produced_energy_", "kWh", "Energy given back, as the device has counted it"},
		{"reactive_energy", "kVArh", "Reactive energy, as the device has counted it"},
		{"reactive_power", "VAr", "Reactive power at this moment"},
		{"ac_frequency_", "Hz", "Frequency of the mains"},
		{"energy_", "kWh", "Energy consumed, as the device has counted it"},
		{"total_energy", "kWh", "All energy, as the device has counted it"},
		{"power_", "W", "Power at this moment"},
		{"current_", "A", "Current at this moment"},
		{"voltage_", "V", "Voltage at this moment"},
	} {
		if len(name) >= len(b.prefix) && name[:len(b.prefix)] == b.prefix {
			what := b.what
			if n := len(b.prefix); n < len(name) && b.prefix[n-1] == '_' {
				what += " (" + name[n:] + ")"
			}
			return quantity{name: name, unit: b.unit, description: what}
		}
	}
	return quantity{name: name}
}

// phase is voltage, current and power by one datapoint of 8 bytes; suffix ends
// their names.
func phase(id uint8, suffix string) Part {
	return Part{points: []point{{dp: id, as: pointPhase, suffix: suffix}}}
}

// exposed is parts of datapoints that are listed in this order, whatever
// datapoint they come by. A name that no part has gets a line too.
func exposed(names []string, parts ...Part) Part {
	all := together(parts...)
	items := all.items
	all.items = nil
	for _, name := range names {
		found := false
		for _, it := range items {
			if it.name == name {
				all.items, found = append(all.items, it), true
				break
			}
		}
		if !found {
			e := pointQuantity(name).expose(AccessState)
			e.HomeAssistant = nil
			all.items = append(all.items, item{name: name, expose: &e, get: []address{}})
		}
	}
	for _, it := range items {
		listed := false
		for _, name := range names {
			listed = listed || it.name == name
		}
		if !listed {
			all.items = append(all.items, it)
		}
	}
	return all
}

// dpWords is a choice by a datapoint that is only told.
func dpWords(id uint8, name, description string, options ...option) Part {
	words := make(map[int64]string)
	var names []string
	for _, o := range options {
		words[o.value] = o.word
		names = append(names, o.word)
	}
	e := choice(name, description, AccessState, names...)
	return Part{points: []point{{dp: id, name: name, as: pointWord, words: words}}, items: []item{{name: name, expose: &e, get: []address{}}}}
}

// dpSwitch is the relay of a Tuya device.
func dpSwitch(id uint8) Part {
	state := stateExpose()
	state.Access = AccessState | AccessSet
	e := Expose{Type: Switch, Features: []Expose{state}}
	return Part{
		points: []point{{dp: id, name: "state", as: pointBool, on: "ON", off: "OFF"}},
		items: []item{{name: "state", expose: &e, get: []address{}, set: func(w *wish) error {
			i, err := w.word([]string{"ON", "OFF", "TOGGLE"})
			if err != nil {
				return err
			}
			on := i == 0
			if i == 2 {
				on = w.state["state"] != "ON"
			}
			w.endpoint = w.model.tuya
			w.send(boolPoint(id, on))
			w.say("state", map[bool]string{true: "ON", false: "OFF"}[on])
			return nil
		}}},
	}
}

// dpSetting is a number that can be set.
func dpSetting(id uint8, e Expose, div float64) Part {
	low, high := -math.MaxInt32*1.0, math.MaxInt32*1.0
	if e.ValueMin != nil {
		low, high = *e.ValueMin, *e.ValueMax
	}
	return Part{
		points: []point{{dp: id, name: e.Name, unit: e.Unit, div: div}},
		items: []item{{name: e.Name, expose: &e, get: []address{}, set: func(w *wish) error {
			v, err := w.number(low, high)
			if err != nil {
				return err
			}
			w.endpoint = w.model.tuya
			w.send(numberPoint(id, int32(math.Round(v*or1(div)))))
			w.say(e.Name, number(v))
			return nil
		}}},
	}
}

// dpNegative is a power whose negative values are sent as value + less when
// they are above.
func dpNegative(id uint8, name string, div, above, less float64) Part {
	p := dp(id, name, div)
	p.points[0].above, p.points[0].less = above, less
	return p
}

// Limits of powers that are not two's complement. Source: measured by their
// owners.
const (
	phaseNegativeAbove = 0x100000
	phaseNegativeLess  = 0x19999a
	valueNegativeAbove = 0x0fffffff
	valueNegativeLess  = 0x1999999c
)

// tuyaBasic is what Tuya's devices want after they have joined: these attributes
// read in one request. Many stay silent otherwise.
func tuyaBasic() Part {
	return Part{setup: []Setup{{Endpoint: 1, Cluster: zcl.ClusterBasic, Optional: true,
		Read: []ReadGroup{{Attributes: []uint16{0x0004, 0x0000, 0x0001, 0x0005, 0x0007, 0xfffe}}}}}}
}

// tuyaAsk asks for all datapoints once, and regularly when every is not 0.
func tuyaAsk(every time.Duration) Part {
	p := Part{setup: []Setup{{Cluster: zcl.ClusterTuya, Optional: true,
		Actions: []Action{{Kind: Command, Cluster: zcl.ClusterTuya, Command: tuyaQuery}}}}}
	if every > 0 {
		p.polls = []poll{{every: every, cluster: zcl.ClusterTuya, query: true}}
	}
	return p
}
