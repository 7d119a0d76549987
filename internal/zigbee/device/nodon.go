package device

import "github.com/smartcore-ireland/hems/internal/zigbee/zcl"

// energyReset makes the counters of NodOn's meters begin anew: the reset command
// of the Basic cluster, which leaves the network alone.
var energyReset = button("energy_reset", "reset", "Makes all counters of energy begin at 0 again", func(w *wish) {
	w.do(zcl.ClusterBasic, 0, 0x00)
}).among("config")

// total is the sum of all phases of a meter that scales it as the others.
func total(name string, attribute uint16, t zcl.DataType, unit string) measure {
	m := electrical(name, attribute, t, attrPowerMul, attrPowerDiv, 10).shown()
	m.quantity.description = "All phases together at this moment"
	return m.in(unit)
}

func pilotWire(cluster, manufacturer, attribute uint16, typ zcl.DataType, access int, options ...option) Part {
	words := make(map[int64]string)
	var names []string
	for _, o := range options {
		words[o.value] = o.word
		names = append(names, o.word)
	}
	e := choice("pilot_wire_mode", "What the heater is told over its pilot wire", access, names...)
	return Part{items: []item{{name: "pilot_wire_mode", expose: &e,
		sources: []source{{name: "pilot_wire_mode", as: asWord, words: words, typ: typ, address: address{cluster: cluster, manufacturer: manufacturer, attribute: attribute},
			report: &reporting{1, atMost, 1}}},
		set: func(w *wish) error {
			i, err := w.word(names)
			if err != nil {
				return err
			}
			w.do(cluster, manufacturer, 0x00, byte(options[i].value))
			w.say("pilot_wire_mode", options[i].word)
			return nil
		}}}}
}

var nodonPilot = pilotWire(0xfc00, zcl.ManufacturerNodOn, 0x0000, zcl.Uint8, AccessState|AccessSet|AccessGet,
	option{"comfort", 1}, option{"eco", 2}, option{"frost_protection", 3}, option{"off", 0}, option{"comfort_-1", 4}, option{"comfort_-2", 5})

// Settings that their firmware has after 3.4.0.
var (
	nodonImpulse = sinceNodon(numberSetting(place{zcl.ClusterOnOff, zcl.ManufacturerNodOn, 0x0001, zcl.Uint16},
		numeric("impulse_mode_configuration", "How long an impulse is; 0: it is a plain switch", "ms", AccessState|AccessSet|AccessGet).between(0, 10000), 1))
	nodonSwitchType = sinceNodon(choiceSetting(place{zcl.ClusterOnOff, zcl.ManufacturerNodOn, 0x1001, zcl.Enum8},
		choice("switch_type_on_off", "What kind of switch is wired to it", AccessState|AccessSet|AccessGet),
		option{"bistable", 0}, option{"monostable", 1}, option{"auto_detect", 2}))
)

func sinceNodon(p Part) Part {
	p.newer = "3.4.0"
	return p
}

var nodon = []Definition{
	{
		Model: "SEM-4-1-00", Vendor: "NodOn", Version: "0.0.1", Description: "Energy monitoring sensor", OTA: true,
		Match: models("SEM-4-1-00"),
		Parts: []Part{energyReset, identify(), measures(power, voltage, frequency, powerFactor, apparent.shown(), current, energy, produced)},
	},
	{
		// Its tiers are its phases.
		Model: "SEM-4-3-20", Vendor: "NodOn", Description: "3CT Energy Meter", OTA: true,
		Match: models("SEM-4-3-20"),
		Parts: []Part{energyReset, measures(
			powerFactor.shown().phaseName("Power factor", "A"), powerFactorB.shown().phaseName("Power factor", "B"), powerFactorC.shown().phaseName("Power factor", "C"),
			reactive.shown().phaseName("Reactive power", "A"), reactiveB.shown().phaseName("Reactive power", "B"), reactiveC.shown().phaseName("Reactive power", "C"),
			apparent.shown().phaseName("Apparent power", "A"), apparentB.shown().phaseName("Apparent power", "B"), apparentC.shown().phaseName("Apparent power", "C"),
			total("total_active_power", 0x0304, zcl.Int32, "W"), total("total_reactive_power", 0x0305, zcl.Int32, "VAR"), total("total_apparent_power", 0x0306, zcl.Uint32, "VA"),
			tier1.shown().phaseName("Consumed energy", "A"), producedTier1.shown().phaseName("Produced energy", "A"),
			tier2.shown().phaseName("Consumed energy", "B"), producedTier2.shown().phaseName("Produced energy", "B"),
			tier3.shown().phaseName("Consumed energy", "C"), producedTier3.shown().phaseName("Produced energy", "C")),
			identify(), measures(
				power.phaseName("Active power", "A"), voltage.phaseName("Voltage", "A"), frequency, current.phaseName("Current", "A"),
				energy.labelled("Total consumed energy", energy.quantity.description), produced.labelled("Total produced energy", produced.quantity.description),
				powerB.phaseName("Active power", "B"), powerC.phaseName("Active power", "C"), voltageB.phaseName("Voltage", "B"), voltageC.phaseName("Voltage", "C"),
				currentB.phaseName("Current", "B"), currentC.phaseName("Current", "C"))},
	},
	{
		Model: "SIN-4-1-21", Vendor: "NodOn", Description: "Multifunction relay switch with metering", OTA: true,
		Match: models("SIN-4-1-21"), Parts: []Part{identify(), onOff(), powerOn(), measures(demand, energy), nodonImpulse, nodonSwitchType},
	},
	{
		Model: "SIN-4-1-20", Vendor: "NodOn", Description: "Multifunction relay switch", OTA: true,
		Match: models("SIN-4-1-20"), Parts: []Part{identify(), onOff(), powerOn(), nodonImpulse, nodonSwitchType},
	},
	{
		Model: "SIN-4-1-20_PRO", Vendor: "NodOn", Description: "Multifunction relay switch", OTA: true,
		Match: models("SIN-4-1-20_PRO"), Parts: []Part{onOff(), powerOn(), nodonImpulse, nodonSwitchType},
	},
	{
		Model: "SIN-4-2-20", Vendor: "NodOn", Description: "Lighting relay switch", OTA: true,
		Match: models("SIN-4-2-20"), Names: map[uint8]string{1: "l1", 2: "l2"},
		Parts: []Part{identify(), onOff().at(1, 2), powerOn().at(1, 2), nodonSwitchType.at(1, 2)},
	},
	{
		Model: "SIN-4-FP-20", Vendor: "NodOn", Description: "Pilot wire heating module", OTA: true,
		Match: models("SIN-4-FP-20"), Parts: []Part{onOff(), powerOn(), measures(demand, energy), nodonPilot},
	},
	{
		Model: "SIN-4-FP-21", Vendor: "NodOn", Description: "Pilot wire heating module", OTA: true,
		Match: models("SIN-4-FP-21"), Parts: []Part{onOff(), powerOn(), measures(demand, energy), nodonPilot},
	},
}

// phaseName is the measure under the name of a phase.
func (m measure) phaseName(what, phase string) measure {
	return m.labelled(what+" - Phase "+phase, what+" of phase "+phase)
}
