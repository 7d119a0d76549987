package device

import (
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// The PJ-1203A has two clamps. It sends a burst of datapoints for each every
// few seconds, one a frame: direction, voltage, current, power, power factor,
// frequency. Without current the direction is left out. Power is published
// with its direction, when all of a clamp's values of one burst are there; a
// gap in the sequence numbers, which count in steps of 256, drops what was
// collected. Some firmware sends the direction with the next burst: the option
// late_energy_flow waits for it.
const pj1203aStep = 256

// pjChannel is what has been collected of a clamp.
type pjChannel struct {
	sign, power, current, factor *float64
	at                           time.Time
	zeroPower, zeroCurrent       bool
}

// pjState is the memory of a PJ-1203A.
type pjState struct {
	seq       uint16
	heard     bool
	channels  [2]pjChannel
	published [2]*float64 // signed powers
}

// pjPoints are the datapoints of each clamp.
var pjPoints = [2]struct{ power, current, factor, flow, forward, reverse uint8 }{
	{101, 113, 110, 102, 106, 107},
	{105, 114, 121, 104, 108, 109},
}

var pjNames = [2]string{"a", "b"}

func pj1203a() Part {
	p := exposed(
		[]string{"ac_frequency", "voltage", "power_a", "power_b", "power_ab", "current_a", "current_b", "power_factor_a", "power_factor_b",
			"energy_flow_a", "energy_flow_b", "energy_a", "energy_b", "energy_produced_a", "energy_produced_b", "update_frequency"},
		dp(111, "ac_frequency", 100),
		dp(112, "voltage", 10),
		pjFlow("a"), pjFlow("b"),
		dpSetting(129, withPreset(numeric("update_frequency", "How often it measures", "s", AccessState|AccessSet).between(3, 60), 10), 1),
	)
	for _, name := range pjNames {
		e := text("timestamp_"+name, "When the power of clamp "+name+" was measured", AccessState)
		p.items = append(p.items, item{name: e.Name, expose: &e, get: []address{}})
	}
	for _, name := range pjNames {
		p.options = append(p.options, flag("late_energy_flow_"+name, "Waits for the direction that comes with the next values of clamp "+name+", for devices that send it late", AccessSet))
	}
	for _, name := range pjNames {
		p.options = append(p.options, flag("signed_power_"+name, "Tells the direction of clamp "+name+" by the sign of its power", AccessSet))
	}
	for _, name := range pjNames {
		p.options = append(p.options, flag("invert_energy_flow_"+name, "The clamp "+name+" sits the wrong way round", AccessSet))
	}
	p.options = append(p.options, flag("single_zero_remove", "Drops a zero of power or current that stands alone", AccessSet))
	p.special = pjDecode
	return p
}

func withPreset(e Expose, v any) Expose {
	e.Presets = []Preset{{Name: "default", Value: v, Description: "What it is when nothing is said"}}
	return e
}

func pjFlow(name string) Part {
	e := choice("energy_flow_"+name, "Which way the energy of clamp "+name+" flows; sign: its power says it", AccessState, "consuming", "producing", "sign")
	return Part{items: []item{{name: e.Name, expose: &e, get: []address{}}}}
}

// pjDecode takes the datapoints of a PJ-1203A that belong together; the others
// are left to the table.
func pjDecode(d *Decoder, in Input) bool {
	if in.Cluster != zcl.ClusterTuya || !in.Frame.ClusterSpecific {
		return false
	}
	s, ok := d.special.(*pjState)
	if !ok {
		s = &pjState{}
		d.special = s
	}
	switch in.Frame.Command {
	case tuyaTime: // it counts in the same sequence
		s.seq += pj1203aStep
		return true
	case tuyaResponse, tuyaReport, tuyaStatus, tuyaStatusSearch:
	default:
		return true
	}
	seq, list, err := parseDatapoints(in.Frame.Payload)
	if err != nil {
		d.note(Note{Kind: Impossible, Text: err.Error()})
	}
	if s.heard && seq != s.seq+pj1203aStep && seq != s.seq {
		for i := range s.channels {
			if s.channels[i].power != nil || s.channels[i].current != nil {
				d.note(Note{Key: "power_" + pjNames[i], Kind: Incomplete, Text: "a message of clamp " + pjNames[i] + " is missing: the others of its set are dropped"})
			}
		}
		s.channels = [2]pjChannel{}
	}
	s.seq, s.heard = seq, true
	for _, p := range list {
		for i := range s.channels {
			s.take(d, i, p, in.Time)
		}
		for _, b := range d.model.points[p.id] {
			d.datapoint(b, p, in.Time)
		}
	}
	return true
}

// take collects a datapoint of a clamp.
func (s *pjState) take(d *Decoder, i int, p datapoint, now time.Time) {
	n, ok := p.number()
	if !ok {
		return
	}
	c, at, name := &s.channels[i], pjPoints[i], pjNames[i]
	v := float64(n)
	late := d.option("late_energy_flow_" + name)
	switch p.id {
	case at.flow:
		sign := 1.0
		if n == 1 {
			sign = -1
		}
		c.sign = &sign
		if late {
			s.publish(d, i)
		}
	case at.power:
		v /= 10
		c.power, c.at = &v, now
		s.zero(d, i, v == 0, &c.zeroPower, now)
	case at.current:
		v /= 1000
		c.current = &v
		s.zero(d, i, v == 0, &c.zeroCurrent, now)
	case at.factor:
		c.factor = &v
		if !late {
			s.publish(d, i)
		}
	case at.forward, at.reverse:
		key := "energy_" + name
		if (p.id == at.reverse) != d.option("invert_energy_flow_"+name) {
			key = "energy_produced_" + name
		}
		if d.counts(key, v/100, 0, 0, now) {
			d.measured(key, key, v/100, d.model.decimals(key, "kWh", 0))
		}
	}
}

// zero is after a power or a current: without either there is no direction to
// wait for. One zero alone may be a fault.
func (s *pjState) zero(d *Decoder, i int, is bool, before *bool, now time.Time) {
	if !is {
		*before = false
		return
	}
	c := &s.channels[i]
	if d.option("single_zero_remove") && !*before {
		*before = true
		d.note(Note{Key: "power_" + pjNames[i], Kind: Held, Text: "a zero of clamp " + pjNames[i] + " that stands alone is dropped"})
		c.sign, c.power, c.current, c.factor = nil, nil, nil, nil
		return
	}
	*before = true
	sign, none, whole := 1.0, 0.0, 100.0
	c.sign, c.power, c.current, c.factor, c.at = &sign, &none, &none, &whole, now
	s.publish(d, i)
}

// publish gives what has been collected of a clamp, if that is all.
func (s *pjState) publish(d *Decoder, i int) {
	c, name := &s.channels[i], pjNames[i]
	sign, watts, amperes, factor := c.sign, c.power, c.current, c.factor
	c.sign, c.power, c.current, c.factor = nil, nil, nil, nil
	if sign == nil || watts == nil || amperes == nil || factor == nil {
		return
	}
	out, flow, signed := *watts, "consuming", *sign**watts
	switch inverted := d.option("invert_energy_flow_" + name); {
	case d.option("signed_power_" + name):
		out, flow = signed, "sign"
	case (*sign < 0) != inverted:
		flow = "producing"
	}
	if flow != "sign" {
		signed = out
		if flow == "producing" {
			signed = -out
		}
	}
	d.measured("power_"+name, "power_"+name, out, d.model.decimals("power_"+name, "W", 0))
	d.emit("energy_flow_"+name, flow)
	d.emit("timestamp_"+name, c.at.UTC().Format("2006-01-02T15:04:05.000Z"))
	d.measured("current_"+name, "current_"+name, *amperes, d.model.decimals("current_"+name, "A", 0))
	d.measured("power_factor_"+name, "power_factor_"+name, *factor, -1)
	s.published[i] = &signed
	if s.published[0] != nil && s.published[1] != nil {
		d.emit("power_ab", round((10**s.published[0]+10**s.published[1])/10, 1))
	}
	c.at = time.Time{}
}
