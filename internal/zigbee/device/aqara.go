package device

import (
	"math"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Aqara's plugs (maker LUMI) tell most of what they measure in one attribute of
// their own cluster, every few minutes: a list of tag, type and value. Power
// comes more often as an analog input. Their old sensors have the same list in
// an attribute of the Basic cluster.
const (
	lumiCluster = 0xfcc0
	lumiList    = 0x00f7
	lumiBasic   = 0xff01
)

// lumiTag is what one tag of the list says.
type lumiTag struct {
	tag       uint8
	key, unit string
	div       float64
	less      float64
}

var lumiPlugTags = []lumiTag{
	{0x03, "device_temperature", "°C", 1, 0},
	{0x05, "power_outage_count", "", 1, 1},
	{0x95, "energy", "kWh", 1, 0},
	{0x96, "voltage", "V", 10, 0},
	{0x97, "current", "A", 1000, 0},
	{0x98, "power", "W", 1, 0},
}

var lumiWeatherTags = []lumiTag{
	{0x64, "temperature", "°C", 100, 0},
	{0x65, "humidity", "%", 100, 0},
	{0x66, "pressure", "hPa", 100, 0},
}

// maxLumiTags bounds a list.
const maxLumiTags = 64

// lumiDecode takes the list of a device: of its own cluster, or of Basic. The
// battery of a sensor is full at full millivolts and empty at empty.
func lumiDecode(cluster, attribute uint16, tags []lumiTag, empty, full float64) func(d *Decoder, in Input) bool {
	return func(d *Decoder, in Input) bool {
		if in.Cluster != cluster || in.Frame.Manufacturer != zcl.ManufacturerLumi {
			return false
		}
		for _, a := range in.Attributes {
			b, ok := a.Value.Bytes()
			if a.ID != attribute || a.Status != zcl.StatusSuccess || !ok {
				continue
			}
			for n := 0; len(b) >= 2 && n < maxLumiTags; n++ {
				v, rest, err := zcl.DecodeValue(zcl.DataType(b[1]), b[2:])
				if err != nil {
					d.note(Note{Kind: Impossible, Text: "a list of the device's own ends in nonsense: " + err.Error()})
					break
				}
				d.lumi(b[0], v, tags, empty, full, in.Time)
				b = rest
			}
		}
		return false
	}
}

func (d *Decoder) lumi(tag uint8, value zcl.Value, tags []lumiTag, empty, full float64, now time.Time) {
	n, ok := value.Float()
	if !ok || math.IsInf(n, 0) {
		return
	}
	if tag == 0x01 && full > 0 { // a battery, in millivolts
		d.emit("battery", charge(n, empty, full))
		if d.model.subject.Form == Z2M2 {
			d.emit("voltage", number(n))
		} else {
			d.emit("voltage", round(n/1000, 2))
		}
		return
	}
	for _, t := range tags {
		if t.tag != tag {
			continue
		}
		v := (n - t.less) / t.div
		q := named(t.key)
		if q.low != q.high && (v < q.low || v > q.high) {
			d.note(Note{Key: t.key, Kind: Impossible, Text: t.key + " is out of its range"})
			continue
		}
		if t.unit == "kWh" && !d.counts(t.key, v, 0, 0, now) {
			continue
		}
		d.measured(t.key, t.key, v, d.model.decimals(t.key, t.unit, 0))
	}
}

// lumiPower is the power of a plug as an analog input.
func lumiPower(endpoint uint8) measure {
	m := reported("power", zcl.ClusterAnalogInput, 0x0055, zcl.SingleFloat, 5).shown()
	return m.on(endpoint)
}

// lumiLines are the lines of what comes in the list.
func lumiLines(names ...string) Part {
	var p Part
	for _, name := range names {
		q := named(name)
		if name == "power_outage_count" {
			q.description, q.category = "How often its power was away", "diagnostic"
		}
		e := q.expose(AccessState)
		p.items = append(p.items, item{name: name, expose: &e, get: []address{}})
	}
	return p
}

func lumiFlag(attribute uint16, name, label, description string) Part {
	return switchSetting(place{lumiCluster, zcl.ManufacturerLumi, attribute, zcl.Bool}, flag(name, description, AccessState|AccessSet|AccessGet).of("config").called(label))
}

// lumiConsumer is whether something is plugged in.
var lumiConsumer = Part{items: []item{{name: "consumer_connected", get: []address{},
	expose:  ptr(flag("consumer_connected", "Whether something is plugged in", AccessState).of("diagnostic")),
	sources: []source{{name: "consumer_connected", as: asBool, typ: zcl.Bool, address: address{cluster: lumiCluster, manufacturer: zcl.ManufacturerLumi, attribute: 0x0207}}}}}}

func lumiOverload(low, high float64) Part {
	return numberSetting(place{lumiCluster, zcl.ManufacturerLumi, 0x020b, zcl.SingleFloat},
		numeric("overload_protection", "The power at which it switches itself off", "W", AccessState|AccessSet|AccessGet).between(low, high).of("config"), 1)
}

// lumiLock is the lock of its button: the wire says the opposite.
var lumiLock = switchSettingOf(place{lumiCluster, zcl.ManufacturerLumi, 0x0200, zcl.Uint8},
	eitherOf("button_lock", "Whether its button is locked", "ON", "OFF", AccessState|AccessSet|AccessGet).of("config"), 0, 1)

var (
	lumiOutage = lumiFlag(0x0201, "power_outage_memory", "Power outage memory", "Whether it goes back to what it was when its power comes back")
	lumiNight  = lumiFlag(0x0203, "led_disabled_night", "LED disabled night", "Whether its light is off at night")
	lumiOff    = lumiFlag(0x0202, "auto_off", "Auto OFF", "Whether it switches itself off when next to nothing is drawn for a while")
	lumiTags   = Part{special: lumiDecode(lumiCluster, lumiList, lumiPlugTags, 0, 0)}
	// lumiCounters are metering and electrical measurement where they work.
	lumiCounters = Part{items: hiddenItems(
		energy.fixed(1, 1000).hidden().shown(), power.fixed(1, 10).hidden().shown())}
	lumiTemperature = Part{polls: []poll{{every: 30 * time.Minute, cluster: zcl.ClusterDeviceTemp, ids: []uint16{0}}},
		items: hiddenItems(deviceTemp.unreported().hidden())}
)

func hiddenItems(list ...measure) []item { return measures(list...).items }

func lumiPlug(model, vendor, description, id string, power uint8, names ...string) Definition {
	read := lumiPower(power)
	if id != "lumi.plug.maeu01" {
		read.access |= AccessGet
	}
	parts := []Part{lumiTags, onOff(), measures(read), lumiCounters, lumiTemperature}
	for _, n := range names {
		switch n {
		case "energy", "voltage", "current", "device_temperature", "power_outage_count":
			parts = append(parts, lumiLines(n))
		case "consumer_connected":
			parts = append(parts, lumiConsumer)
		case "power_outage_memory":
			parts = append(parts, lumiOutage)
		case "led_disabled_night":
			parts = append(parts, lumiNight)
		case "overload_protection":
			parts = append(parts, lumiOverload(100, 2300))
		case "auto_off":
			parts = append(parts, lumiOff)
		case "button_lock":
			parts = append(parts, lumiLock)
		}
	}
	return Definition{Model: model, Vendor: vendor, Description: description, OTA: true, Match: models(id), Parts: parts}
}

var aqara = []Definition{
	lumiPlug("SP-EUC01", "Aqara", "Smart plug EU", "lumi.plug.maeu01", 21,
		"energy", "power_outage_memory", "voltage", "current", "device_temperature", "consumer_connected", "led_disabled_night", "overload_protection", "auto_off", "button_lock"),
	lumiPlug("ZNCZ04LM", "Xiaomi", "Mi smart plug EU", "lumi.plug.mmeu01", 21,
		"energy", "device_temperature", "voltage", "current", "consumer_connected", "led_disabled_night", "power_outage_memory", "auto_off", "overload_protection"),
	lumiPlug("ZNCZ12LM", "Aqara", "Smart plug US", "lumi.plug.maus01", 2,
		"energy", "device_temperature", "voltage", "current", "consumer_connected", "led_disabled_night", "power_outage_memory", "auto_off", "overload_protection"),
	{
		// Its metering clusters say things that are not so.
		Model: "SSM-U01", Vendor: "Aqara", Description: "Single switch module T1 (with neutral)", OTA: true,
		Match: models("lumi.switch.n0agl1"),
		Parts: []Part{lumiTags, onOff(), lumiLines("energy"), measures(lumiPower(21)), lumiLines("device_temperature"), lumiTemperature, lumiOutage,
			lumiLines("power_outage_count", "voltage", "current")},
	},
	{
		Model: "WP-P01D", Vendor: "Aqara", Description: "Smart wall outlet H2 EU", OTA: true,
		Match: models("lumi.plug.aeu001"),
		Parts: []Part{lumiTags, onOff(), lumiLines("device_temperature", "power_outage_count"), lumiTemperature, measures(lumiPower(21)),
			lumiLines("energy", "voltage", "current"), lumiOverload(100, 3840), lumiLock},
	},
	{
		// Nothing is set up on it: to bind or to configure it can break it.
		Model: "WSDCGQ11LM", Vendor: "Aqara", Description: "Temperature and humidity sensor",
		Match: models("lumi.weather"),
		Parts: []Part{
			{special: lumiDecode(zcl.ClusterBasic, lumiBasic, lumiWeatherTags, 2850, 3000)},
			lumiLines("battery"), quietMeasures(temperature.within(-65, 65), humidity, pressure.fixed(1, 1).in("hPa")), lumiBatteryVoltage()},
	},
	{
		Model: "WSDCGQ01LM", Vendor: "Xiaomi", Description: "Mi temperature and humidity sensor",
		Match: models("lumi.sensor_ht", "lumi.sens"),
		Parts: []Part{
			{special: lumiDecode(zcl.ClusterBasic, lumiBasic, lumiWeatherTags, 2850, 3000)},
			lumiLines("battery"), quietMeasures(temperature.within(-65, 65), humidity), lumiBatteryVoltage()},
	},
	{
		// It says that it sees somebody, and never that it does not.
		Model: "RTCGQ11LM", Vendor: "Aqara", Description: "Motion sensor",
		Match: models("lumi.sensor_motion.aq2"),
		Parts: []Part{
			{special: lumiDecode(zcl.ClusterBasic, lumiBasic, nil, 2850, 3000)},
			lumiLines("battery"), lumiMotion(), lumiLight(), lumiBatteryVoltage()},
	},
	{
		Model: "MCCGQ11LM", Vendor: "Aqara", Description: "Door and window sensor",
		Match: models("lumi.sensor_magnet.aq2"),
		Parts: []Part{
			{special: lumiDecode(zcl.ClusterBasic, lumiBasic, nil, 2850, 3000)},
			lumiLines("battery"), {items: []item{{name: "contact", expose: ptr(named("contact").expose(AccessState)), get: []address{},
				sources: []source{{name: "contact", as: asBool, not: true, typ: zcl.Bool, address: address{cluster: zcl.ClusterOnOff, attribute: attrOnOff}}}}}},
			lumiBatteryVoltage()},
	},
}

// quietMeasures are measures of a device that is left alone.
func quietMeasures(list ...measure) Part {
	p := measures(list...).silent()
	for i := range p.items {
		p.items[i].expose.Access = AccessState
		p.items[i].expose.HomeAssistant = nil
		p.items[i].get = []address{}
	}
	return p
}

func lumiMotion() Part {
	const ends = 90 * time.Second
	e := named("occupancy").expose(AccessState)
	return Part{
		items: []item{{name: "occupancy", expose: &e, get: []address{}}},
		special: func(d *Decoder, in Input) bool {
			if in.Cluster != zcl.ClusterOccupancy || in.Frame.Manufacturer != 0 {
				return false
			}
			for _, a := range in.Attributes {
				if v, ok := a.Value.Uint(); ok && a.ID == 0 && a.Status == zcl.StatusSuccess && v&1 == 1 {
					d.emit("occupancy", true)
					d.ends["occupancy"] = in.Time.Add(ends)
				}
			}
			return true
		},
	}
}

// lumiLight is lux as it is, without the cluster's logarithm.
func lumiLight() Part {
	m := reported("illuminance", zcl.ClusterIlluminance, 0x0000, zcl.Uint16, 0)
	return quietMeasures(m)
}

// lumiBatteryVoltage is the line of a voltage that comes in the list.
func lumiBatteryVoltage() Part {
	p := Part{items: []item{{name: "voltage", get: []address{}}}}
	p.form = always
	p.voltageLine = true
	return p
}
