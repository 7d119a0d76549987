package device

import (
	"fmt"
	"math"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// The external meter interface counts electricity, gas or water by what is
// connected to it: its mode says it, else the kind of its meter, else its unit.
// Unit, multiplier, divisor and formatting are read from the device and shown,
// because people need them to find out what is wrong with a meter.

// zhemiModes are its modes.
var zhemiModes = []option{
	{"electricity", 0x0000}, {"gas", 0x0001}, {"water", 0x0002}, {"kamstrup-kmp", 0x0100}, {"linky", 0x0101},
	{"IEC62056-21", 0x0102}, {"DSMR-2.3", 0x0103}, {"DSMR-4.0", 0x0104},
}

// zhemiFields are the attributes of what it is, with their keys.
var zhemiFields = []struct {
	key       string
	attribute uint16
}{
	{"unit_of_measure", attrUnitOfMeasure}, {"metering_device_type", attrMeterType}, {"multiplier", attrMultiplier}, {"divisor", attrDivisor},
	{"summation_formatting", 0x0303}, {"demand_formatting", 0x0304},
}

var zhemi101 = Definition{
	Model: "ZHEMI101", Vendor: "Develco", Version: "0.0.1", Description: "Energy/gas/water meter interface",
	Match:    maker(frientMakers, "ZHEMI101"),
	Endpoint: 2,
	Parts:    []Part{zhemiPart()},
}

func zhemiPart() Part {
	plainNumber := func(name, description, unit string) item {
		return item{name: name, expose: ptr(numeric(name, description, unit, AccessState)), get: []address{}}
	}
	told := func(name string) item {
		return item{name: name, expose: ptr(named(name).expose(AccessState)), get: []address{}}
	}
	field := func(key, what string) item {
		for _, f := range zhemiFields {
			if f.key == key {
				return item{name: key, expose: ptr(numeric(key, what, "", AccessState)), get: []address{{cluster: zcl.ClusterMetering, attribute: f.attribute}}}
			}
		}
		panic(key)
	}
	p := Part{items: []item{
		told("energy"), told("produced_energy"), told("power"), told("gas"), told("water_consumed"),
		plainNumber("flow", "What flows at this moment", "m³/h"),
		told("battery_low"),
		field("unit_of_measure", "The unit that the device says to count in, by its number"),
		field("metering_device_type", "The kind of meter that the device says to be, by its number"),
		field("summation_formatting", "How the device says that its counter is to be shown"),
		field("demand_formatting", "How the device says that its rate is to be shown"),
		field("multiplier", "What the device says to multiply with"),
		field("divisor", "What the device says to divide by"),
	}}
	p = together(p, frientPulses,
		choiceSetting(place{zcl.ClusterMetering, zcl.ManufacturerDevelco, 0x0302, zcl.Enum16},
			choice("interface_mode", "What is connected", AccessState|AccessSet|AccessGet), zhemiModes...))
	p.items[len(p.items)-1].set = zhemiSetMode(p.items[len(p.items)-1].set)
	p.items = append(p.items,
		item{name: "unit_summation", get: []address{}, set: zhemiSetSummation,
			expose: ptr(numeric("unit_summation", "Sets the counter to what the meter shows: kWh, or m³ of gas and water", "", AccessSet).between(0, 9007199254740991))},
		item{name: "check_meter", get: []address{}, expose: ptr(flag("check_meter", "Whether the device cannot understand its meter", AccessState))})
	// It reports its counter by itself, whatever is set.
	p.items = append(p.items, item{sources: []source{
		{name: "demand", quietly: true, address: address{cluster: zcl.ClusterMetering, attribute: zcl.AttrInstantaneousDemand}, typ: zcl.Int24, report: &reporting{5, atMost, 1}},
		{name: "summation", quietly: true, address: address{cluster: zcl.ClusterMetering, attribute: zcl.AttrSummationDelivered}, typ: zcl.Uint48, report: &reporting{10, atMost, 10}},
	}})
	p.setup = append(p.setup, Setup{Cluster: zcl.ClusterMetering, Optional: true, Read: []ReadGroup{
		{Attributes: []uint16{attrUnitOfMeasure, attrMultiplier, attrDivisor}}, {Attributes: []uint16{0x0303, 0x0304, attrMeterType}}}})
	p.special = zhemiDecode
	return p
}

func zhemiSetMode(set setter) setter {
	return func(w *wish) error {
		if err := set(w); err != nil {
			return err
		}
		w.read(zcl.ClusterMetering, 0, attrUnitOfMeasure, attrMultiplier, attrDivisor)
		w.read(zcl.ClusterMetering, 0, 0x0303, 0x0304, attrMeterType)
		return nil
	}
}

// zhemiSetSummation writes the counter in the device's own unit.
func zhemiSetSummation(w *wish) error {
	state := func(key string, otherwise float64) float64 {
		if v, ok := toFloat(w.state[key]); ok && v > 0 {
			return v
		}
		return otherwise
	}
	n, ok := toFloat(w.state["unit_of_measure"])
	switch mode := w.state["interface_mode"]; {
	case ok:
	case mode == "electricity":
		n, ok = 0, true
	case mode == "gas", mode == "water":
		n, ok = 1, true
	}
	unit, known := meterUnits[uint8(n)]
	if !ok || !known {
		return fmt.Errorf("cannot have unit_summation set: it has not told its unit yet; ask for unit_of_measure first")
	}
	per := unit.factor * state("multiplier", 1) / state("divisor", 1000)
	v, err := w.number(0, math.Min(maxUint48*per, 9007199254740991))
	if err != nil {
		return err
	}
	w.write(zcl.ClusterMetering, zcl.ManufacturerDevelco, 0x0301, zcl.Number(zcl.Uint48, uint64(math.Round(v/per))))
	w.say(w.key, number(v))
	return nil
}

const maxUint48 = 1<<48 - 1

// zhemi is what the device is at present.
type zhemi struct {
	d *Decoder
}

func (z zhemi) get(key string) (float64, bool) {
	v, ok := toFloat(z.d.extra[key])
	return v, ok
}

func (z zhemi) or(key string, otherwise float64) float64 {
	if v, ok := z.get(key); ok {
		return v
	}
	return otherwise
}

// say publishes what the device is, when it is new.
func (z zhemi) say(key string, v float64) {
	z.d.extra[key] = v
	z.d.extra["said_"+key] = true
	z.d.emit(key, number(v))
}

// kind is what is counted: energy, gas, water_consumed, or nothing that is
// known.
func (z zhemi) kind() string {
	if mode, ok := z.get("interface_mode"); ok {
		switch mode {
		case 0:
			return "energy"
		case 1:
			return "gas"
		case 2:
			return "water_consumed"
		}
	}
	if t, ok := z.get("metering_device_type"); ok {
		switch uint8(t) & 0x07 {
		case 0:
			return "energy"
		case 1:
			return "gas"
		case 2:
			return "water_consumed"
		}
	}
	if u, ok := z.unit(); ok && !u.volume {
		return "energy"
	}
	return ""
}

func (z zhemi) unit() (meterUnit, bool) {
	n, ok := z.get("unit_of_measure")
	if !ok {
		mode, known := z.get("interface_mode")
		switch {
		case known && mode == 0:
			n, ok = 0, true
		case known && (mode == 1 || mode == 2):
			n, ok = 1, true
		}
	}
	u, known := meterUnits[uint8(n)]
	return u, ok && known
}

// zhemiDecode takes the metering cluster of the interface; the settings of the
// manufacturer are the table's.
func zhemiDecode(d *Decoder, in Input) bool {
	if in.Cluster != zcl.ClusterMetering || in.Endpoint != 2 || in.Frame.ClusterSpecific {
		return false
	}
	z := zhemi{d}
	if in.Frame.Manufacturer == zcl.ManufacturerDevelco {
		for _, a := range in.Attributes {
			if v, ok := a.Value.Float(); a.ID == 0x0302 && (ok || a.Value.Raw() != 0) && a.Status == zcl.StatusSuccess {
				if old, had := z.get("interface_mode"); !had || old != v {
					for _, f := range zhemiFields {
						delete(d.extra, f.key)
					}
				}
				d.extra["interface_mode"] = v
			}
		}
		return false
	}
	if in.Frame.Manufacturer != 0 {
		return false
	}
	values := make(map[uint16]zcl.Value)
	for _, a := range in.Attributes {
		if a.Status == zcl.StatusSuccess {
			values[a.ID] = a.Value
		}
	}
	for _, f := range zhemiFields {
		v, ok := values[f.attribute]
		if !ok {
			continue
		}
		if n, known := v.Float(); known && (n != 0 || f.attribute != attrMultiplier && f.attribute != attrDivisor) {
			z.say(f.key, n)
		} else {
			d.unknown(f.key)
		}
	}
	if _, ok := d.extra["said_divisor"]; !ok {
		z.say("multiplier", z.or("multiplier", 1))
		z.say("divisor", z.or("divisor", 1000))
	}
	unit, hasUnit := z.unit()
	kind := z.kind()
	factor := z.or("multiplier", 1) / z.or("divisor", 1000) * unit.factor
	count := func(id uint16, key, unitName string) {
		v, ok := values[id]
		if !ok || key == "" || !hasUnit {
			return
		}
		raw, known := v.Float()
		if !known {
			d.unknown(key)
			return
		}
		if d.counts(key, raw*factor, math.Pow(2, 48)*factor, 0, in.Time) {
			d.measured(key, key, z.shown(raw*factor, "summation_formatting", unit.factor), d.model.decimals(key, unitName, 9))
		}
	}
	unitName := "m³"
	if kind == "energy" {
		unitName = "kWh"
		count(0x0001, "produced_energy", unitName)
	}
	count(zcl.AttrSummationDelivered, kind, unitName)
	if v, ok := values[zcl.AttrInstantaneousDemand]; ok && kind != "" && hasUnit {
		if raw, known := v.Float(); !known {
			d.unknown("power")
		} else if kind == "energy" {
			d.measured("power", "power", z.shown(raw*factor*1000, "demand_formatting", unit.factor*1000), d.model.decimals("power", "W", 9))
		} else {
			d.measured("flow", "flow", z.shown(raw*factor, "demand_formatting", unit.factor), d.model.decimals("flow", "m³/h", 9))
		}
	}
	if v, ok := values[0x0200]; ok {
		if n, known := v.Uint(); known {
			d.emit("battery_low", n>>1&1 == 1)
			d.emit("check_meter", n&1 == 1)
		}
	}
	return true
}

// shown is a number without what its binary form adds to its decimals. In the
// form of Zigbee2MQTT 2 it is rounded as the device formats it for a display,
// and a little finer when the unit is another: we never round a counter by that.
func (z zhemi) shown(v float64, formatting string, factor float64) float64 {
	const most = 9
	if z.d.model.subject.Form != Z2M2 {
		return round(v, most)
	}
	decimals := 3
	if f, ok := z.get(formatting); ok {
		decimals = int(f) & 7
	} else if l := math.Log10(z.or("divisor", 1000)); l == math.Trunc(l) && l >= 0 {
		decimals = int(l)
	}
	switch {
	case factor < 1:
		decimals += int(math.Ceil(-math.Log10(factor))) + 2
	case factor > 1:
		decimals += 2
	}
	return round(v, min(most, decimals))
}
