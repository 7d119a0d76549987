package device

import "github.com/smartcore-ireland/hems/internal/zigbee/zcl"

// Sonoff's own cluster, used without a manufacturer code.
const sonoffCluster = 0xfc11

// sonoffMeasure is a number of that cluster, in thousandths.
func sonoffMeasure(name string, attribute uint16, change float64) measure {
	m := reported(name, sonoffCluster, attribute, zcl.Uint32, change).fixed(1, 1000)
	m.quantity.diagnosticInHome = false
	if m.quantity.description == "" {
		m.quantity = pointQuantity(name)
		m.unit = m.quantity.unit
	}
	return m
}

func sonoffSwitch(attribute uint16, name, description, category string) Part {
	return switchSetting(place{sonoffCluster, 0, attribute, zcl.Bool}, flag(name, description, AccessState|AccessSet|AccessGet).of(category))
}

// forcedOff: a plug goes on telling its last power and current after it is
// switched off.
func forcedOff(p Part) Part {
	p.whole = func(d *Decoder, in Input) {
		if d.on == nil || *d.on {
			return
		}
		if in.Cluster == zcl.ClusterOnOff {
			d.emit("power", 0.0)
			d.emit("current", 0.0)
			return
		}
		for i := range d.readings {
			if k := d.readings[i].Key; k == "power" || k == "current" {
				d.readings[i].Value = 0.0
			}
		}
	}
	return p
}

var s60 = []Part{
	measures(energy.shown()), onOff(), powerOn(),
	sonoffSwitch(0x0001, "network_indicator", "Whether its light shows the network", "config"),
	forcedOff(measures(sonoffMeasure("current", 0x7004, 0.05), sonoffMeasure("voltage", 0x7005, 2), sonoffMeasure("power", 0x7006, 1),
		sonoffMeasure("energy_yesterday", 0x700b, 0.01), sonoffMeasure("energy_today", 0x7009, 0.01),
		sonoffMeasure("energy_month", 0x700a, 0.01).labelled("Energy this month", "Energy consumed this month"))),
	sonoffSwitch(0x7007, "outlet_control_protect", "Whether it guards itself against overload", ""),
}

func calibration(name string, attribute uint16, unit string) Part {
	return numberSetting(place{sonoffCluster, 0, attribute, zcl.Int16},
		numeric(name, "What the device adds to what it measures", unit, AccessState|AccessSet|AccessGet).between(-50, 50).step(0.1).of("config"), 100)
}

func comfort(name string, attribute uint16, t zcl.DataType, unit string, low, high float64) Part {
	return numberSetting(place{sonoffCluster, 0, attribute, t},
		numeric(name, "A limit of comfort, outside of which its display shows it", unit, AccessState|AccessSet|AccessGet).between(low, high).step(0.1).of("config"), 100)
}

var sonoff = []Definition{
	{
		Model: "S60ZBTPF", Vendor: "SONOFF", Description: "Zigbee smart plug", OTA: true,
		Match: models("S60ZBTPF"), Parts: s60,
	},
	{
		Model: "S60ZBTPG", Vendor: "SONOFF", Description: "Zigbee smart plug", OTA: true,
		Match: models("S60ZBTPG"), Parts: s60,
	},
	{
		Model: "S31ZB", Vendor: "SONOFF", Description: "Zigbee smart plug (US version)",
		Match: models("S31 Lite zb"), Parts: []Part{onOffQuiet()},
	},
	{
		Model: "S26R2ZB", Vendor: "SONOFF", Description: "Zigbee smart plug",
		Match: models("S26R2ZB"), Parts: []Part{onOff()},
	},
	{
		Model: "ZBMINIR2", Vendor: "SONOFF", Description: "Zigbee smart switch", OTA: true,
		Match: models("ZBMINIR2", "MINI-ZBD"),
		Parts: []Part{onOff(), powerOn(), sonoffSwitch(0x0001, "network_indicator", "Whether its light shows the network", "config"),
			sonoffSwitch(0x0017, "detach_relay_mode", "Whether its input leaves the relay alone", "config")},
	},
	{
		Model: "ZBMicro", Vendor: "SONOFF", Description: "Zigbee USB repeater plug", OTA: true,
		Match: models("ZBMicro"), Parts: []Part{onOff(), powerOn()},
	},
	{
		Model: "SNZB-02", Vendor: "SONOFF", Description: "Temperature and humidity sensor",
		Match: models("TH01", "SNZB-02", "CK-TLSR8656-SS5-01(7014)"),
		Parts: []Part{batteryShown(), measures(temperature.within(-33, 100).shown(), humidity.shown())},
	},
	{
		Model: "SNZB-02D", Vendor: "SONOFF", Description: "Temperature and humidity sensor with screen", OTA: true,
		Match: models("SNZB-02D"),
		Parts: []Part{battery(), measures(temperature, humidity),
			comfort("comfort_temperature_min", 0x0004, zcl.Int16, "°C", -10, 60), comfort("comfort_temperature_max", 0x0003, zcl.Int16, "°C", -10, 60),
			comfort("comfort_humidity_min", 0x0005, zcl.Uint16, "%", 5, 95), comfort("comfort_humidity_max", 0x0006, zcl.Uint16, "%", 5, 95),
			choiceSetting(place{sonoffCluster, 0, 0x0007, zcl.Uint16}, choice("temperature_units", "The unit that its display shows", AccessState|AccessSet|AccessGet).of("config"),
				option{"celsius", 0}, option{"fahrenheit", 1}),
			calibration("temperature_calibration", 0x2003, "°C"), calibration("humidity_calibration", 0x2004, "%")},
	},
	{
		Model: "SNZB-02P", Vendor: "SONOFF", Description: "Temperature and humidity sensor", OTA: true,
		Match: models("SNZB-02P"),
		Parts: []Part{battery(), measures(temperature, humidity), calibration("temperature_calibration", 0x2003, "°C"), calibration("humidity_calibration", 0x2004, "%")},
	},
	{
		Model: "SNZB-03", Vendor: "SONOFF", Description: "Motion sensor",
		Match: models("MS01", "MSO1", "SNZB-03"),
		Parts: []Part{batteryAndVoltage(), iasZone(alarm("occupancy"), bitBatteryLow)},
	},
	{
		Model: "SNZB-03P", Vendor: "SONOFF", Description: "Zigbee PIR sensor", OTA: true,
		Match: models("SNZB-03P"),
		Parts: []Part{measures(occupied),
			numberSetting(place{zcl.ClusterOccupancy, 0, 0x0020, zcl.Uint16}, numeric("motion_timeout", "How long without motion is nobody", "", AccessState|AccessSet|AccessGet).between(5, 60), 1),
			Part{items: []item{{name: "illumination", expose: ptr(choice("illumination", "Whether it was bright when somebody came", AccessState, "dim", "bright")), get: []address{},
				sources: []source{{name: "illumination", as: asWord, words: map[int64]string{0: "dim", 1: "bright"}, typ: zcl.Uint8,
					address: address{cluster: sonoffCluster, manufacturer: zcl.ManufacturerSonoff, attribute: 0x2001}}}}}},
			batteryAndVoltage()},
	},
	{
		Model: "SNZB-04", Vendor: "SONOFF", Description: "Contact sensor",
		Match: models("DS01", "SNZB-04"),
		Parts: []Part{batteryAndVoltage(), iasZone(alarm("contact"), bitBatteryLow)},
	},
	{
		Model: "SNZB-04P", Vendor: "SONOFF", Description: "Contact sensor", OTA: true,
		Match: models("SNZB-04P"),
		Parts: []Part{iasZone(alarm("contact"), bitBatteryLow),
			Part{items: []item{{name: "tamper", expose: ptr(flag("tamper", "Whether somebody took it off", AccessState|AccessGet)),
				sources: []source{{name: "tamper", as: asBool, typ: zcl.Uint8, address: address{cluster: sonoffCluster, manufacturer: zcl.ManufacturerSonoff, attribute: 0x2000}}}}}},
			batteryAndVoltage()},
	},
}

// batteryShown is charge and voltage of a sensor that cannot be asked.
func batteryShown() Part { return batteryPart(batteryPercent.shown(), true, true) }
