package device

import "github.com/smartcore-ireland/hems/internal/zigbee/zcl"

// The divisor of INSPELNING's power is 10 while the power is small and 1 above
// about 1000 W. It is reported, and the last one holds: a power that is sent
// before its divisor is wrong once.
var inspelningPower = powerWithDivisor()

func powerWithDivisor() Part {
	p := measures(power)
	p.items = append(p.items, item{sources: []source{{name: "power_divisor", quietly: true, as: asNothing, typ: zcl.Uint16,
		address: address{cluster: zcl.ClusterElectricalMeas, attribute: attrPowerDiv}, report: &reporting{atLeast, atMost, 1}}}})
	return p
}

const ikeaPlugCluster = 0xfc85

var (
	ikeaLock = switchSetting(place{ikeaPlugCluster, zcl.ManufacturerIKEA, 0x0000, zcl.Bool},
		eitherOf("child_lock", "Whether its button is locked", "LOCK", "UNLOCK", AccessState|AccessSet|AccessGet).of("config"))
	ikeaLight    = ikeaLightUnder("Led enable", "2.4.25", "")
	ikeaLightOld = ikeaLightUnder("Led disable", "", "2.4.25")
)

// ikeaLightUnder is its light, which firmware before 2.4.25 takes the other way
// round and so under another name.
func ikeaLightUnder(label, from, until string) Part {
	p := switchSetting(place{ikeaPlugCluster, zcl.ManufacturerIKEA, 0x0001, zcl.Bool},
		eitherOf("led_enable", "Whether its light shows that it is on", "TRUE", "FALSE", AccessState|AccessSet|AccessGet).of("config").called(label))
	p.from, p.until = from, until
	return p
}

var ikea = []Definition{
	{
		Model: "E22xx", Vendor: "IKEA", Description: "INSPELNING smart plug", OTA: true,
		Match: models("INSPELNING Smart plug"),
		Parts: []Part{onOff(), powerOn(),
			ikeaLock, ikeaLight, ikeaLightOld, identify(), inspelningPower, measures(voltage, current, energy)},
	},
	{
		Model: "E160x/E170x/E190x", Vendor: "IKEA", Description: "TRADFRI control outlet", OTA: true,
		Match: models("TRADFRI control outlet"), Parts: []Part{onOff(), powerOn(), identify()},
	},
	{
		Model: "E22x4", Vendor: "IKEA", Description: "TRETAKT smart plug", OTA: true,
		Match: models("TRETAKT Smart plug"), Parts: []Part{onOff(), powerOn(), ikeaLock, ikeaLight, ikeaLightOld, identify()},
	},
	{
		Model: "E2435/E2491", Vendor: "IKEA", Description: "TOFSMYGGA/GRILLPLATS smart plug (Matter)",
		Match: models("GRILLPLATS Plug"), Parts: []Part{onOff(), powerOn(), identify()},
	},
	{
		Model: "E2112", Vendor: "IKEA", Description: "VINDSTYRKA air quality and humidity sensor", OTA: true,
		Match: models("VINDSTYRKA"),
		Parts: []Part{measures(temperature, humidity, pm25,
			reported("voc_index", 0xfc7e, 0x0000, zcl.SingleFloat, 1).of(zcl.ManufacturerIKEA, 0x0000, zcl.SingleFloat))},
	},
}
