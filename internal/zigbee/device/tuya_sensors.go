package device

// Tuya's sensors with standard clusters.
var tuyaSensors = []Definition{
	{
		// These tell a tenth of the humidity.
		Model: "TS0201", Vendor: "Tuya", Description: "Temperature & humidity sensor",
		Match: maker(append(named3000("ywagc4rj", "isw9u95y", "yupc0pb7", "wol32olt"), "_TZ3210_ncw88jfq"), "TS0201"),
		Parts: []Part{tuyaBasic(), batteryPart(batteryPercent.shown(), true, true), measures(temperature.shown(), humidity.fixed(1, 10).shown())},
	},
	{
		Model: "WSD500A", Vendor: "Tuya", Description: "Temperature & humidity sensor",
		Match: models("TS0201"),
		Parts: []Part{tuyaBasic(), batteryPart(batteryPercent.shown(), true, true), measures(temperature.shown(), humidity.shown())},
	},
	{
		Model: "TS0202", Vendor: "Tuya", Description: "Motion sensor",
		Match: models("TS0202"),
		Parts: []Part{batteryShown(), iasZone(alarm("occupancy"), bitTamper, bitBatteryLow)},
	},
	{
		Model: "TS0203", Vendor: "Tuya", Description: "Door/window sensor",
		Match: models("TS0203", "ZG-102Z"),
		Parts: []Part{iasZone(alarm("contact"), bitOpened), batteryShown()},
	},
}
