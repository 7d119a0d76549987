package device

import (
	"slices"
	"strconv"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// generated is the model of a device without a definition: what its clusters
// are known to mean, and what it has told since (learnt): the type of its
// zones, its phases, whether it counts what is given back, and the unit and
// kind of its meter.
//
// What is on several endpoints is told apart by the endpoint's number, and then
// so is everything else.
func generated(s Subject, learnt map[address]float64) *Model {
	info := Info{Source: "generated", Version: firstVersion}
	d := &Definition{Model: trimmed(s.ModelID), Vendor: trimmed(s.ManufacturerName), Description: "Automatically generated definition"}
	if s.ModelID == "" && len(s.Endpoints) == 0 {
		return &Model{subject: s, info: info, meanings: map[address]*meaning{}}
	}
	g := generator{s: s, learnt: learnt}
	d.Names = g.names()
	g.battery()
	if len(g.with(zcl.ClusterIdentify)) > 0 {
		g.add(identify())
	}
	for _, id := range g.with(zcl.ClusterDeviceTemp) {
		g.add(measures(deviceTemp).at(id))
	}
	g.sensors()
	for _, id := range g.with(zcl.ClusterOnOff) {
		g.onOff(id)
	}
	for _, id := range g.with(zcl.ClusterElectricalMeas) {
		g.electrical(id)
	}
	for _, id := range g.with(zcl.ClusterMetering) {
		g.metering(id)
	}
	for _, id := range g.with(zcl.ClusterAnalogInput) {
		g.add(analogInput(id))
	}
	d.Parts = g.parts
	return compile(s, d, info, nil)
}

// generator collects the parts of a device.
type generator struct {
	s      Subject
	learnt map[address]float64
	parts  []Part
}

func (g *generator) add(p Part) { g.parts = append(g.parts, p) }

// with is the endpoints that have a cluster.
func (g *generator) with(cluster uint16) (ids []uint8) {
	for _, e := range g.s.Endpoints {
		if slices.Contains(e.In, cluster) && e.Profile != profileDevelco && e.Profile != zcl.ProfileGreenPower && len(ids) < maxGenerated {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

// maxGenerated bounds the endpoints of a kind that are looked at.
const maxGenerated = 16

// several are the clusters whose keys need an endpoint's name when there is
// more than one.
var several = []uint16{zcl.ClusterOnOff, zcl.ClusterElectricalMeas, zcl.ClusterMetering, zcl.ClusterTemperature, zcl.ClusterHumidity,
	zcl.ClusterOccupancy, zcl.ClusterIlluminance, zcl.ClusterIASZone, zcl.ClusterAnalogInput}

func (g *generator) names() map[uint8]string {
	multi := false
	for _, c := range several {
		multi = multi || len(g.with(c)) > 1
	}
	if !multi {
		return nil
	}
	names := make(map[uint8]string)
	for _, e := range g.s.Endpoints {
		names[e.ID] = strconv.Itoa(int(e.ID))
	}
	return names
}

// told is what an attribute has said.
func (g *generator) told(endpoint uint8, cluster, attribute uint16) (float64, bool) {
	v, ok := g.learnt[address{endpoint: endpoint, cluster: cluster, attribute: attribute}]
	return v, ok
}

// watched is a part that reads attributes once and looks at what they say.
func watched(endpoint uint8, cluster uint16, ids ...uint16) Part {
	p := Part{setup: []Setup{{Endpoint: endpoint, Cluster: cluster, Optional: true}}}
	for chunk := range slices.Chunk(ids, maxRead) {
		p.setup[0].Read = append(p.setup[0].Read, ReadGroup{Attributes: chunk})
	}
	for _, id := range ids {
		p.watch = append(p.watch, address{endpoint: endpoint, cluster: cluster, attribute: id})
	}
	return p
}

// looked is a part that reads attributes once and looks whether the device has
// them.
func looked(endpoint uint8, cluster uint16, ids ...uint16) Part {
	p := watched(endpoint, cluster, ids...)
	p.presence, p.watch = p.watch, nil
	return p
}

func (g *generator) battery() {
	ids := g.with(zcl.ClusterPowerConfig)
	if len(ids) == 0 {
		return
	}
	if source := g.s.PowerSource & 0x7f; source == 1 || source == 2 || source == 4 { // it has mains: 0x0000 is its voltage
		mains := reported("mains_voltage", zcl.ClusterPowerConfig, 0x0000, zcl.Uint16, 2).fixed(1, 10)
		mains.quantity = quantity{name: "mains_voltage", unit: "V", description: "Voltage of the mains, as the device measures its supply", category: "diagnostic"}
		mains.unit = "V"
		g.add(measures(mains.on(ids[0]).unreported()).withoutSuffix())
		return
	}
	g.add(battery().at(ids[0]))
}

func (g *generator) sensors() {
	for _, s := range []measure{temperature, humidity, pressure, pm25} {
		for _, id := range g.with(s.cluster) {
			g.add(measures(s).at(id))
		}
	}
	for _, id := range g.with(zcl.ClusterIlluminance) {
		g.add(illuminanceIn(AccessState | AccessGet).at(id))
	}
	for _, id := range g.with(zcl.ClusterOccupancy) {
		g.add(measures(occupied).at(id))
	}
	for _, id := range g.with(zcl.ClusterIASZone) {
		g.add(watched(id, zcl.ClusterIASZone, attrZoneType))
		bits := []zoneBit{{bit: 0, name: "alarm_1"}, {bit: 1, name: "alarm_2"}}
		if t, ok := g.told(id, zcl.ClusterIASZone, attrZoneType); ok {
			if name, known := zoneNames[uint16(t)]; known {
				bits = []zoneBit{alarm(name)}
			}
		}
		bits = append(bits, bitTamper, bitBatteryLow)
		if len(bits) == 3 && (bits[0].name == "smoke" || bits[0].name == "carbon_monoxide") {
			bits = append(bits, bitTest)
		}
		g.add(iasZone(bits...).at(id))
	}
}

// lights are the device ids of lamps. Source: Zigbee lighting and occupancy
// specification §4.
var lights = []uint16{0x0100, 0x0101, 0x0102, 0x010b, 0x010c, 0x010d, 0x0110, 0x0200, 0x0210, 0x0220}

func (g *generator) onOff(id uint8) {
	i := slices.IndexFunc(g.s.Endpoints, func(e Endpoint) bool { return e.ID == id })
	e := g.s.Endpoints[i]
	switch {
	case slices.Contains(e.In, zcl.ClusterLevel) && slices.Contains(lights, e.DeviceID):
		var mireds []float64
		if slices.Contains(e.In, zcl.ClusterColor) {
			mireds = []float64{153, 500}
			g.add(watched(id, zcl.ClusterColor, 0x400b, 0x400c))
			low, ok := g.told(id, zcl.ClusterColor, 0x400b)
			if high, also := g.told(id, zcl.ClusterColor, 0x400c); ok && also && low > 0 && low < high {
				mireds = []float64{low, high}
			}
		}
		g.add(light(mireds...).at(id))
	default:
		g.add(onOff().at(id))
	}
	g.add(powerOn().at(id))
}

// electrical has one phase until the device has shown others, and direct
// current when it says that it measures that.
func (g *generator) electrical(id uint8) {
	const c = zcl.ClusterElectricalMeas
	const measurementType, dcBit = 0x0000, 1 << 6
	g.add(watched(id, c, measurementType))
	g.add(looked(id, c, voltageB.attribute, voltageC.attribute, frequency.attribute, neutral.attribute, powerFactor.attribute))
	list := []measure{power, voltage, current}
	if t, ok := g.told(id, c, measurementType); ok && uint32(t)&dcBit != 0 && uint32(t)&1 == 0 {
		list = []measure{dcPower, dcVoltage, dcCurrent}
	}
	for _, extra := range []measure{frequency, powerFactor, neutral} {
		if _, ok := g.told(id, c, extra.attribute); ok {
			list = append(list, extra)
		}
	}
	if _, ok := g.told(id, c, voltageB.attribute); ok {
		list = append(list, powerB, voltageB, currentB)
	}
	if _, ok := g.told(id, c, voltageC.attribute); ok {
		list = append(list, powerC, voltageC, currentC)
		list = append(list, powerTotal)
	}
	g.add(measures(list...).at(id))
}

// meterUnit is what a meter's unit is called and how much of it the raw unit
// is. Source: ZCL8 §10.4.2.2.4.1, table 10-29.
type meterUnit struct {
	unit   string
	factor float64
	volume bool
}

var meterUnits = map[uint8]meterUnit{
	0x00: {"kWh", 1, false},
	0x01: {"m³", 1, true},
	0x02: {"m³", 0.028316846592, true},
	0x03: {"m³", 2.8316846592, true},
	0x04: {"m³", 0.003785411784, true},
	0x05: {"m³", 0.00454609, true},
	0x06: {"kWh", 0.00029307107017222, false},
	0x07: {"m³", 0.001, true},
	0x0a: {"m³", 28.316846592, true},
	0x0c: {"kWh", 1.0 / 3.6, false},
}

// metering is what a meter counts: energy, or gas, water or heat when it says
// so. Source: ZCL8 §10.4.2.2.4.
func (g *generator) metering(id uint8) {
	const c = zcl.ClusterMetering
	g.add(watched(id, c, attrUnitOfMeasure, attrMeterType))
	g.add(looked(id, c, produced.attribute, tier1.attribute, tier2.attribute))
	unit := meterUnits[0]
	if v, ok := g.told(id, c, attrUnitOfMeasure); ok {
		unit, ok = meterUnits[uint8(v)&0x7f]
		if !ok { // a pressure, or no unit: a number as it is
			unit = meterUnit{"", 1, false}
		}
	}
	kind, _ := g.told(id, c, attrMeterType)
	name, rate := "energy", "power"
	switch t := uint8(kind) & 0x7f; {
	case unit.volume && t == 1, unit.volume && t != 2 && t != 5 && t != 6:
		name, rate = "gas", "flow"
	case unit.volume:
		name, rate = "water_consumed", "flow"
	case t == 5 || t == 6 || t == 3:
		name = "heat"
	}
	e, d := energy, demand
	if name != "energy" {
		e = metering(name, zcl.AttrSummationDelivered, zcl.Uint48, 0.01)
		d = metering(rate, zcl.AttrInstantaneousDemand, zcl.Int24, 0.01)
		if rate == "power" {
			d = demand
		}
	}
	e, d = e.times(unit.factor*or1(e.scale.factor)), d.times(unit.factor*or1(d.scale.factor))
	if unit.unit == "" {
		e, d = e.in(""), d.in("")
	}
	var list []measure
	if len(g.with(zcl.ClusterElectricalMeas)) == 0 || !slices.Contains(g.with(zcl.ClusterElectricalMeas), id) {
		list = append(list, d)
	}
	list = append(list, e)
	if name == "energy" {
		for _, extra := range []measure{produced, tier1, tier2} {
			if v, ok := g.told(id, c, extra.attribute); ok && v > 0 {
				list = append(list, extra.times(unit.factor))
			}
		}
	}
	g.add(measures(list...).at(id))
	g.add(meterStatus().at(id))
}

// meterStatus is what a meter says of itself. Source: ZCL8 §10.4.2.2.3.1.
func meterStatus() Part {
	low := bit("battery_low", zcl.ClusterMetering, 0x0200, zcl.Bitmap8, 1).unreported()
	check := bit("check_meter", zcl.ClusterMetering, 0x0200, zcl.Bitmap8, 0).unreported()
	return measures(low.hidden(), check.hidden())
}

// analogInput is a number without a meaning of its own.
func analogInput(id uint8) Part {
	m := reported("analog_input", zcl.ClusterAnalogInput, 0x0055, zcl.SingleFloat, 0.1)
	m.quantity.description = "A number that the device measures"
	return measures(m).at(id)
}
