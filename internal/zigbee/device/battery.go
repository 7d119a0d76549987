package device

import "github.com/smartcore-ireland/hems/internal/zigbee/zcl"

// battery is the charge of a battery in per cent, and in our form its voltage.
func battery() Part { return batteryPart(batteryPercent, true, false) }

// batteryAndVoltage is charge and voltage in both forms.
func batteryAndVoltage() Part { return batteryPart(batteryPercent, true, true) }

func batteryPart(percent measure, hasPercent, voltageInBoth bool) Part {
	var p Part
	if hasPercent {
		p.items = append(p.items, percent.item())
	}
	p.battery = &batteryTraits{volts: true, inBoth: voltageInBoth, access: percent.access}
	return p.withoutSuffix()
}

// batteryByVoltage is a battery whose charge follows from its voltage, in
// millivolts.
func batteryByVoltage(empty, full float64) Part {
	p := Part{battery: &batteryTraits{volts: true, inBoth: true, empty: empty, full: full, access: batteryPercent.access}, plain: true}
	it := batteryPercent.unreported().item()
	it.sources[0].first = false
	it.get = []address{{cluster: zcl.ClusterPowerConfig, attribute: zcl.AttrBatteryVoltage}}
	p.items = append(p.items, it)
	return p
}

// batteryTraits is what a battery's voltage is good for.
type batteryTraits struct {
	volts, inBoth bool
	access        int
	empty, full   float64 // millivolts; full 0: the charge is told
}

// voltageItem is the voltage of a battery in the form of a model.
func (t batteryTraits) voltageItem(f Form) (it item, ok bool) {
	if !t.volts || f == Z2M2 && !t.inBoth {
		return item{}, false
	}
	m := reported("voltage", zcl.ClusterPowerConfig, zcl.AttrBatteryVoltage, zcl.Uint8, 0.1).fixed(1, 10).every(3600, 21600, 0.1)
	m.quantity = batteryVoltage(f)
	m.unit, m.precise = m.quantity.unit, 1
	if f == Z2M2 {
		m.scale.mul, m.scale.div = 100, 1
		m.report.change = 100
	}
	m.full, m.empty, m.access = t.full, t.empty, t.access
	return m.item(), true
}
