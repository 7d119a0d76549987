package device

import "github.com/smartcore-ireland/hems/internal/zigbee/zcl"

// thirdRealityPlug: its energy is in watt seconds. Old firmware has neither
// metering nor the manufacturer's cluster.
var thirdRealityPlug = []Part{
	onOff(),
	powerOn(option{"off", 0}, option{"previous", 0xff}, option{"on", 1}),
	measures(frequency.fixed(1, 1).shown().unreported(), power.fixed(1, 10).shown(), powerFactor.shown().unreported(),
		energy.fixed(1, 3600000).shown(), current.fixed(1, 1000).shown(), voltage.fixed(1, 10).shown()),
	numberSetting(place{thirdRealityCluster, zcl.ManufacturerThirdReality, 0x0010, zcl.Uint8},
		numeric("led_brightness", "How bright its light is", "%", AccessState|AccessSet|AccessGet).between(0, 100), 1),
	choiceSetting(place{thirdRealityCluster, zcl.ManufacturerThirdReality, 0x0000, zcl.Uint8},
		choice("reset_total_energy", "Makes its energy begin at 0 again", AccessState|AccessSet|AccessGet), option{"Reset", 1}),
	numberSetting(place{thirdRealityCluster, zcl.ManufacturerThirdReality, 0x0001, zcl.Uint16},
		numeric("countdown_to_turn_off", "Switches it off after so long", "s", AccessState|AccessSet|AccessGet).between(0, 65535), 1),
	numberSetting(place{thirdRealityCluster, zcl.ManufacturerThirdReality, 0x0002, zcl.Uint16},
		numeric("countdown_to_turn_on", "Switches it on after so long", "s", AccessState|AccessSet|AccessGet).between(0, 65535), 1),
}

const thirdRealityCluster = 0xff03

var thirdReality = []Definition{
	{
		Model: "3RSP02028BZ", Vendor: "Third Reality", Description: "Zigbee / BLE smart plug with power", OTA: true,
		Match: models("3RSP02028BZ"), Parts: thirdRealityPlug,
	},
	{
		Model: "3RSPE01044BZ", Vendor: "Third Reality", Description: "Zigbee / BLE smart plug with power", OTA: true,
		Match: models("3RSPE01044BZ"), Parts: thirdRealityPlug,
	},
}
