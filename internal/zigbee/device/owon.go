package device

import (
	"fmt"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// owonPhase is a measure of a PC321 by an attribute of its manufacturer.
func owonPhase(name string, attribute uint16, t zcl.DataType, div float64, unit string) measure {
	q := pointQuantity(name)
	q.unit = unit
	m := measure{quantity: q, access: AccessState}
	m.source = source{name: name, unit: unit, typ: t, scale: scale{div: div}, counter: unit == "kWh",
		address: address{cluster: zcl.ClusterMetering, manufacturer: zcl.ManufacturerOwon, attribute: attribute}}
	return m
}

// both is a measure that comes with and without its manufacturer's code.
func both(m measure) Part {
	p := measures(m)
	without := m.source
	without.manufacturer = 0
	p.items[0].sources = append(p.items[0].sources, without)
	return p
}

// owonPhases are the same quantity of three phases.
func owonPhases(name string, first uint16, t zcl.DataType, div float64, unit string) Part {
	var list []measure
	for i := range uint16(3) {
		list = append(list, owonPhase(fmt.Sprintf("%s_l%d", name, i+1), first+i, t, div, unit))
	}
	return measures(list...)
}

func owonPlug(model, description string, parts ...Part) Definition {
	return Definition{Model: model, Vendor: "OWON", Description: description, Match: models(model), Parts: parts}
}

var owon = []Definition{
	{
		// Power and energy are of all phases. It reports as it likes.
		Model: "PC321", Vendor: "OWON", Description: "3-Phase clamp power meter",
		Match: models("PC321"),
		Parts: []Part{
			both(owonPhase("current", 0x3103, zcl.Uint24, 1000, "A")), measures(demand.shown()), both(owonPhase("power_reactive", 0x2103, zcl.Int24, 1, "VAR")),
			measures(energy.shown()), both(owonPhase("reactive_energy", 0x4103, zcl.Uint48, 1000, "kVArh")),
			owonPhases("voltage", 0x3000, zcl.Uint24, 10, "V"), owonPhases("current", 0x3100, zcl.Uint24, 1000, "A"),
			owonPhases("energy", 0x4000, zcl.Uint48, 1000, "kWh"), owonPhases("reactive_energy", 0x4100, zcl.Uint48, 1000, "kVArh"),
			owonPhases("power", 0x2000, zcl.Int24, 1, "W"), owonPhases("reactive_power", 0x2100, zcl.Int24, 1, "VAr"),
			owonPhases("power_factor", 0x4104, zcl.Uint8, 100, "%"),
			button("clear_metering", "clear", "Makes all counters begin at 0 again", func(w *wish) { w.do(0xffe0, zcl.ManufacturerOwon, 0x00) }),
		},
	},
	owonPlug("WSP402", "Smart plug", onOff(), measures(demand, energy)),
	{Model: "WSP403", Vendor: "OWON", Description: "Smart plug", Match: models("WSP403-E", "WSP403"), Parts: []Part{onOff(), measures(demand, energy)}},
	owonPlug("WSP404", "Smart plug", onOff(), powerOn(), measures(demand, energy)),
	owonPlug("CB432", "32A/63A power circuit breaker", onOff(), powerOn(), measures(demand, energy)),
}
