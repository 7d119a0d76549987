package device

import (
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// measure is a quantity and where it comes from: an item in the making. Its
// methods give changed copies.
type measure struct {
	source
	quantity quantity
	access   int
	options  []Expose
}

// Intervals of reports, in seconds. A reading at least every 300 s even when
// nothing changes tells silence from a steady load; 10 s of that are for the
// device's clock and the way here. 10 s and a few watts keep a dashboard live
// within what two AA cells can give.
const (
	atLeast = 10
	atMost  = 290
)

// reported is a measure that devices report when it has changed by so much, in
// its unit.
func reported(name string, cluster, attribute uint16, t zcl.DataType, change float64) measure {
	q := named(name)
	m := measure{quantity: q, access: AccessState | AccessGet}
	m.source = source{name: name, unit: q.unit, address: address{cluster: cluster, attribute: attribute}, typ: t,
		low: q.low, high: q.high, report: &reporting{atLeast, atMost, change}}
	return m
}

// electrical is a measure of cluster 0x0B04, with its scale. Source: ZCL8 §4.9.
func electrical(name string, attribute uint16, t zcl.DataType, mul, div uint16, change float64) measure {
	m := reported(name, zcl.ClusterElectricalMeas, attribute, t, change)
	m.scale = scale{read: true, mulAttr: mul, divAttr: div}
	return m
}

// metering is a measure of cluster 0x0702. Source: ZCL8 §10.4.
func metering(name string, attribute uint16, t zcl.DataType, change float64) measure {
	m := reported(name, zcl.ClusterMetering, attribute, t, change)
	m.scale = scale{read: true, mulAttr: attrMultiplier, divAttr: attrDivisor}
	m.counter = t == zcl.Uint48
	return m
}

// Attributes of metering and electrical measurement that tell a scale.
const (
	attrUnitOfMeasure = 0x0300
	attrMultiplier    = 0x0301
	attrDivisor       = 0x0302
	attrMeterType     = 0x0306
	attrVoltageMul    = 0x0600
	attrVoltageDiv    = 0x0601
	attrCurrentMul    = 0x0602
	attrCurrentDiv    = 0x0603
	attrPowerMul      = 0x0604
	attrPowerDiv      = 0x0605
	attrFrequencyMul  = 0x0400
	attrFrequencyDiv  = 0x0401
)

// The measures of meters and plugs. Changes are worth a report: 5 W, 0.05 A,
// 2 V, 10 Wh, which is under half a cent.
var (
	power          = electrical("power", 0x050b, zcl.Int16, attrPowerMul, attrPowerDiv, 5)
	powerB         = electrical("power_phase_b", 0x090b, zcl.Int16, attrPowerMul, attrPowerDiv, 5)
	powerC         = electrical("power_phase_c", 0x0a0b, zcl.Int16, attrPowerMul, attrPowerDiv, 5)
	powerTotal     = electrical("total_power", 0x0304, zcl.Int32, noAttribute, attrPowerDiv, 5).fixed(1, 1)
	reactive       = electrical("power_reactive", 0x050e, zcl.Int16, attrPowerMul, attrPowerDiv, 10)
	reactiveB      = electrical("power_reactive_phase_b", 0x090e, zcl.Int16, attrPowerMul, attrPowerDiv, 10)
	reactiveC      = electrical("power_reactive_phase_c", 0x0a0e, zcl.Int16, attrPowerMul, attrPowerDiv, 10)
	apparent       = electrical("power_apparent", 0x050f, zcl.Uint16, attrPowerMul, attrPowerDiv, 10)
	apparentB      = electrical("power_apparent_phase_b", 0x090f, zcl.Uint16, attrPowerMul, attrPowerDiv, 10)
	apparentC      = electrical("power_apparent_phase_c", 0x0a0f, zcl.Uint16, attrPowerMul, attrPowerDiv, 10)
	current        = electrical("current", 0x0508, zcl.Uint16, attrCurrentMul, attrCurrentDiv, 0.05)
	currentB       = electrical("current_phase_b", 0x0908, zcl.Uint16, attrCurrentMul, attrCurrentDiv, 0.05)
	currentC       = electrical("current_phase_c", 0x0a08, zcl.Uint16, attrCurrentMul, attrCurrentDiv, 0.05)
	neutral        = electrical("current_neutral", 0x0303, zcl.Uint16, attrCurrentMul, attrCurrentDiv, 0.05)
	voltage        = electrical("voltage", 0x0505, zcl.Uint16, attrVoltageMul, attrVoltageDiv, 2)
	voltageB       = electrical("voltage_phase_b", 0x0905, zcl.Uint16, attrVoltageMul, attrVoltageDiv, 2)
	voltageC       = electrical("voltage_phase_c", 0x0a05, zcl.Uint16, attrVoltageMul, attrVoltageDiv, 2)
	frequency      = electrical("ac_frequency", 0x0300, zcl.Uint16, attrFrequencyMul, attrFrequencyDiv, 0.1)
	powerFactor    = electrical("power_factor", 0x0510, zcl.Int8, noAttribute, noAttribute, 0.05).fixed(1, 100).rounded(2)
	powerFactorB   = electrical("power_factor_phase_b", 0x0910, zcl.Int8, noAttribute, noAttribute, 0.05).fixed(1, 100).rounded(2)
	powerFactorC   = electrical("power_factor_phase_c", 0x0a10, zcl.Int8, noAttribute, noAttribute, 0.05).fixed(1, 100).rounded(2)
	dcVoltage      = electrical("voltage", 0x0100, zcl.Int16, 0x0200, 0x0201, 0.1)
	dcCurrent      = electrical("current", 0x0103, zcl.Int16, 0x0202, 0x0203, 0.1)
	dcPower        = electrical("power", 0x0106, zcl.Int16, 0x0204, 0x0205, 1)
	demand         = metering("power", zcl.AttrInstantaneousDemand, zcl.Int24, 5).times(1000)
	energy         = metering("energy", zcl.AttrSummationDelivered, zcl.Uint48, 0.01)
	produced       = metering("produced_energy", 0x0001, zcl.Uint48, 0.01)
	tier1          = metering("energy_tier_1", 0x0100, zcl.Uint48, 0.01)
	tier2          = metering("energy_tier_2", 0x0102, zcl.Uint48, 0.01)
	tier3          = metering("energy_tier_3", 0x0104, zcl.Uint48, 0.01)
	producedTier1  = metering("produced_energy_tier_1", 0x0101, zcl.Uint48, 0.01)
	producedTier2  = metering("produced_energy_tier_2", 0x0103, zcl.Uint48, 0.01)
	producedTier3  = metering("produced_energy_tier_3", 0x0105, zcl.Uint48, 0.01)
	deviceTemp     = reported("device_temperature", zcl.ClusterDeviceTemp, 0x0000, zcl.Int16, 1).every(atLeast, atMost, 1)
	temperature    = reported("temperature", zcl.ClusterTemperature, 0x0000, zcl.Int16, 0.1).fixed(1, 100)
	humidity       = reported("humidity", zcl.ClusterHumidity, 0x0000, zcl.Uint16, 1).fixed(1, 100)
	pressure       = reported("pressure", zcl.ClusterPressure, 0x0000, zcl.Int16, 0.1).fixed(1, 10)
	pm25           = reported("pm25", zcl.ClusterPM25, 0x0000, zcl.SingleFloat, 2)
	batteryPercent = reported("battery", zcl.ClusterPowerConfig, zcl.AttrBatteryPercentage, zcl.Uint8, 1).fixed(1, 2).every(3600, 21600, 1)
	occupied       = bit("occupancy", zcl.ClusterOccupancy, 0x0000, zcl.Bitmap8, 0).every(0, atMost, 0)
)

// bit is one bit of a bitmap.
func bit(name string, cluster, attribute uint16, t zcl.DataType, n uint8) measure {
	m := reported(name, cluster, attribute, t, 0)
	m.as, m.bit = asBit, n
	return m
}

// measures is the part that has these, in the order in which people see them.
func measures(list ...measure) Part {
	var p Part
	for _, m := range list {
		p.items = append(p.items, m.item())
		p.options = append(p.options, m.options...)
	}
	return p
}

func (m measure) item() item {
	it := item{name: m.name, sources: []source{m.source}}
	if !m.quietly {
		e := m.quantity.expose(m.access)
		it.expose = &e
	}
	return it
}

// fixed is the measure with a scale that is not read from the device.
func (m measure) fixed(mul, div float64) measure {
	m.scale = scale{mul: mul, div: div, factor: m.scale.factor}
	return m
}

// times is the measure in a unit that is so much smaller.
func (m measure) times(factor float64) measure {
	m.scale.factor = factor
	return m
}

// every is the measure with other intervals of its reports: seconds, and the
// change in its unit.
func (m measure) every(min, max uint16, change float64) measure {
	m.report = &reporting{min, max, change}
	return m
}

// unreported is the measure that the device reports as it likes.
func (m measure) unreported() measure {
	m.report, m.first = nil, true
	return m
}

// shown is the measure that a person cannot ask for.
func (m measure) shown() measure {
	m.access = AccessState
	return m
}

// as is the measure under another name.
func (m measure) named(name string) measure {
	m.name, m.quantity.name, m.quantity.label = name, name, ""
	return m
}

// labelled is the measure with another label and description.
func (m measure) labelled(label, description string) measure {
	m.quantity.label, m.quantity.description = label, description
	return m
}

func (m measure) described(description string) measure {
	m.quantity.description = description
	return m
}

// in is the measure in another unit, of which only the name differs.
func (m measure) in(unit string) measure {
	m.unit, m.quantity.unit = unit, unit
	return m
}

// on is the measure of another endpoint.
func (m measure) on(endpoint uint8) measure {
	m.endpoint = endpoint
	return m
}

// of is the measure by the attribute of a manufacturer.
func (m measure) of(manufacturer, attribute uint16, t zcl.DataType) measure {
	m.manufacturer, m.attribute, m.typ = manufacturer, attribute, t
	return m
}

// rounded is the measure with so many decimals of its own in the form of
// Zigbee2MQTT 2.
func (m measure) rounded(decimals int) measure {
	m.precise = decimals
	return m
}

// neverZero is the counter of a device that says 0 when it does not know.
func (m measure) neverZero() measure {
	m.noZero = true
	return m
}

// spoiling is the measure of a device whose whole message is wrong when this is
// unknown in it.
func (m measure) spoiling() measure {
	m.spoils = true
	return m
}

// held is the measure of a device that now and then says 0 once.
func (m measure) held(d time.Duration) measure {
	m.hold = d
	return m
}

// within drops what is outside.
func (m measure) within(low, high float64) measure {
	m.low, m.high = low, high
	return m
}

// hidden is the measure that is decoded but not listed.
func (m measure) hidden() measure {
	m.quietly = true
	return m
}

// by is the measure whose divisor follows from a mode.
func (m measure) by(on address, divisors map[int64]float64, otherwise float64) measure {
	m.scale = scale{div: otherwise, by: divisors, on: on}
	return m
}

// polled is the poll of a device that does not report.
func polled(every time.Duration, cluster uint16, ids ...uint16) poll {
	return poll{every: every, option: "measurement_poll_interval", cluster: cluster, ids: ids}
}

// polling is the part that asks regularly, and its option.
func polling(list ...poll) Part {
	return Part{polls: list, options: []Expose{numeric("measurement_poll_interval",
		"How often the device is asked, because it does not report by itself: seconds, -1 is never", "", AccessSet).atLeast(-1)}}
}

// illuminance has a logarithmic scale: lux = 10^((raw-1)/10000). Source: ZCL8
// §4.2.2.2.1.
func illuminanceIn(access int) Part {
	m := reported("illuminance", zcl.ClusterIlluminance, 0x0000, zcl.Uint16, 0)
	m.report.change = 500
	m.access = access
	m.logarithmic = true
	return measures(m)
}
