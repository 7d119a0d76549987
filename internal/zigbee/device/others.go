package device

import "github.com/smartcore-ireland/hems/internal/zigbee/zcl"

// Plugs and relays of makers with one or two of them.
var otherPlugs = []Definition{
	{
		Model: "4099854295232", Vendor: "LEDVANCE", Version: "0.0.1", Description: "SMART+ Plug indoor EU with energy meter ", OTA: true,
		Match: models("PLUG EU EM T", "PLUG EU EM T, black"), Parts: []Part{onOff(), powerOn(), measures(power, voltage, current, energy), identify()},
	},
	{
		Model: "4099854293276", Vendor: "LEDVANCE", Version: "0.0.1", Description: "SMART+ Compact outdoor plug EU with energy meter", OTA: true,
		Match: models("PLUG COMPACT EU EM T", "PLUG COMPACT OUTDOOR EU EM T"), Parts: []Part{onOff(), powerOn(), measures(power, voltage, current, energy), identify()},
	},
	{
		Model: "4058075729261", Vendor: "LEDVANCE", Description: "SMART+ Plug EU", OTA: true,
		Match: models("PLUG EU T", "PLUG UK T", "PLUG COMPACT EU T", "PLUG OUTDOOR EU T"), Parts: []Part{onOff()},
	},
	{
		Model: "IM6001-OTP05", Vendor: "SmartThings", Description: "Outlet",
		Match: models("outlet"), Parts: []Part{onOff(), measures(power.shown(), current.shown(), voltage.shown())},
	},
	{
		Model: "STS-OUT-US-2", Vendor: "SmartThings", Description: "Zigbee smart plug with power meter",
		Match: models("outletv4"), Parts: []Part{onOff(), measures(power.shown(), current.shown(), voltage.shown())},
	},
	{
		Model: "GP-WOU019BBDWG", Vendor: "SmartThings", Description: "Outlet with power meter",
		Match: models("ZB-ONOFFPlug-D0005"), Parts: []Part{onOff(), powerOn(), measures(power, energy)},
	},
	{
		Model: "SP2600ZB", Vendor: "Sinopé", Description: "Zigbee smart plug",
		Match: models("SP2600ZB"), Parts: []Part{onOff(), powerOn(), measures(power, voltage, current, energy.fixed(1, 1000))},
	},
	{
		Model: "SP2610ZB", Vendor: "Sinopé", Description: "Zigbee smart plug",
		Match: models("SP2610ZB"), Parts: []Part{onOff(), powerOn(), measures(power, voltage, current, energy.fixed(1, 1000))},
	},
	{
		// The heater's protection against germs heats when its water is colder.
		Model: "RM3500ZB", Vendor: "Sinopé", Description: "Calypso smart water heater controller",
		Match: models("RM3500ZB"),
		Parts: []Part{
			numberSetting(place{0xff01, zcl.ManufacturerSinope, 0x0076, zcl.Uint8},
				numeric("low_water_temp_protection", "Below this the water is heated whatever it was told, against germs; 0 is never", "°C", AccessState|AccessSet|AccessGet).between(0, 65).step(1), 1),
			iasZone(alarm("water_leak")), measures(temperature.shown()), onOff(), measures(power, voltage, current, energy.fixed(1, 1000))},
	},
	{
		Model: "RM3250ZB", Vendor: "Sinopé", Description: "50A Smart electrical load controller",
		Match: models("RM3250ZB"), Parts: []Part{onOff(), powerOn(), measures(power, voltage, current, energy)},
	},
	{
		// An early one tells watts and watt hours, whatever it says of its scale.
		Model: "SP600", Vendor: "Salus Controls", Description: "Smart plug (UK socket)", OTA: true,
		Match: []Match{{Models: []string{"SP600"}, DateCode: "20160120"}}, Parts: []Part{onOff(), powerOn(), measures(demand.fixed(1, 1000), energy.fixed(1, 1000))},
	},
	{
		Model: "SP600", Vendor: "Salus Controls", Description: "Smart plug (UK socket)", OTA: true,
		Match: models("SP600"), Parts: []Part{onOff(), powerOn(), measures(demand, energy)},
	},
	{
		Model: "SPE600", Vendor: "Salus Controls", Description: "Smart plug (EU socket)", OTA: true,
		Match: models("SPE600"), Parts: []Part{onOff(), powerOn(), measures(demand, energy)},
	},
	{
		Model: "SX885ZB", Vendor: "Salus Controls", Description: "miniSmartPlug", OTA: true,
		Match: models("SX885ZB"), Parts: []Part{onOff(), powerOn(), measures(demand, energy)},
	},
	{
		Model: "CCT711119", Vendor: "Schneider Electric", Version: "0.0.1", Description: "Wiser smart plug",
		Match: models("SMARTPLUG/1"), Parts: []Part{onOff(), powerOn(), measures(power, energy)},
	},
	{
		// Its demand is in milliwatts.
		Model: "EKO09716", Vendor: "Schneider Electric", Description: "Zigbee smart socket with power meter",
		Match: models("SOCKET/OUTLET/1", "SOCKET/OUTLET/2"), Parts: schneiderSocket,
	},
	{
		Model: "545D6115", Vendor: "Schneider Electric", Description: "LK FUGA wiser wireless socket outlet",
		Match: models("LK/OUTLET/1"), Parts: schneiderSocket,
	},
	{
		Model: "EER40030", Vendor: "Schneider Electric", Description: "Zigbee smart plug with power meter",
		Match: models("EH-ZB-SPD-V2"),
		Parts: []Part{onOff(), measures(demand.shown(), energy.shown()), Part{setup: []Setup{{Cluster: zcl.ClusterBasic, Optional: true,
			Actions: []Action{{Kind: Write, Cluster: zcl.ClusterBasic, Attributes: []zcl.Attribute{{ID: 0xe050, Value: zcl.Number(zcl.Bool, 1)}}}}}}}},
	},
	{
		Model: "EER42000", Vendor: "Schneider Electric", Description: "Zigbee load actuator with power meter",
		Match: models("EH-ZB-LMACT"), Parts: []Part{onOff(), measures(demand.shown(), energy.shown())},
	},
	{
		// It does not tell its scale.
		Model: "4040B", Vendor: "Smartenit", Description: "Wireless metering 30A dual-load switch/controller",
		Match: models("ZBMLC30"), Names: map[uint8]string{1: "l1", 2: "l2"},
		Parts: []Part{onOff().at(1, 2), measures(demand.fixed(1, 100000).shown(), energy.fixed(1, 100000).shown()).at(2).withoutSuffix()},
	},
}

var schneiderSocket = []Part{onOff(), measures(demand.times(1).shown().unreported(), energy.shown().unreported()),
	measures(current.shown().unreported(), voltage.fixed(1, 1).shown().unreported())}

// Meters of makers with one or two of them.
var otherMeters = []Definition{
	{
		// It tells an energy of 0 when it does not know.
		Model: "HSE2905E", Vendor: "Datek", Description: "Datek Eva AMS HAN power-meter sensor", OTA: true,
		Match: maker([]string{"Eva", "Datek"}, "Meter Reader"),
		Parts: []Part{measures(demand, energy.neverZero(), produced, voltage, current, voltageB, voltageC, currentB, currentC, temperature)},
	},
	bituo("SPM01-U01", "Smart energy monitor for 1P+N system", []string{"SPM01X001", "SPM01X"}, bituoOne...),
	{
		Model: "SPM01-1Z2", Vendor: "Zemismart", Description: "Smart energy monitor for 1P+N system", OTA: true,
		Match: models("SPM01-1Z2"), Parts: bituoOne,
	},
	bituo("SPM02-U01", "Smart energy monitor for 3P+N system", []string{"SPM02X001", "SPM02X"}, bituoThree...),
	{
		Model: "SPM02-3Z3", Vendor: "Zemismart", Description: "Smart energy monitor for 3P+N system",
		Match: models("SPM02-3Z3"), Parts: bituoThree,
	},
	bituo("SDM01W-U01", "Smart energy monitor for 3P+N system", []string{"SDM01W"}, append([]Part{identify()}, bituoThree...)...),
	bituo("SDM02-U01", "Smart energy monitor for 2P+N system", []string{"SDM02X"}, bituoTwo...),
}

// BITUO's meters tell watts, whatever they say of the scale of their power.
// They report by themselves. To switch one on makes its counters begin anew.
func bituo(model, description string, names []string, parts ...Part) Definition {
	return Definition{Model: model, Vendor: "BITUO TECHNIK", Description: description, OTA: model == "SPM01-U01", Match: models(names...), Parts: parts}
}

func watts(list ...measure) Part {
	for i := range list {
		list[i] = list[i].fixed(1, 1).shown().unreported()
	}
	return measures(list...)
}

func bituoTotal(name string, attribute uint16, t zcl.DataType, unit string) measure {
	return total(name, attribute, t, unit).fixed(1, 1).unreported()
}

func byPhase(m measure, name string) measure { return m.named(name).unreported() }

var (
	bituoBase = Part{bind: []uint16{zcl.ClusterElectricalMeas, zcl.ClusterMetering}}
	bituoMain = measures(power.fixed(1, 1).unreported(), voltage.unreported(), frequency.unreported(), powerFactor.unreported(), current.unreported(),
		energy.unreported(), produced.unreported())
	bituoTotals = measures(bituoTotal("total_power", 0x0304, zcl.Int32, "W"), bituoTotal("total_power_reactive", 0x0305, zcl.Int32, "VAR"),
		bituoTotal("total_power_apparent", 0x0306, zcl.Uint32, "VA"))
	bituoOne   = []Part{bituoBase, watts(apparent), onOffQuiet(), bituoMain}
	bituoThree = []Part{bituoBase, watts(reactive, reactiveB, reactiveC, apparent, apparentB, apparentC),
		measures(powerFactorB.shown().unreported(), powerFactorC.shown().unreported()), bituoTotals,
		measures(byPhase(tier1, "energy_phase_a"), byPhase(producedTier1, "produced_energy_phase_a"), byPhase(tier2, "energy_phase_b"),
			byPhase(producedTier2, "produced_energy_phase_b"), byPhase(tier3, "energy_phase_c"), byPhase(producedTier3, "produced_energy_phase_c")),
		onOffQuiet(), bituoMain, measures(powerB.fixed(1, 1).unreported(), powerC.fixed(1, 1).unreported(), voltageB.unreported(), voltageC.unreported(),
			currentB.unreported(), currentC.unreported())}
	bituoTwo = []Part{bituoBase, watts(powerB, reactive, reactiveB, apparent, apparentB),
		measures(currentB.shown().unreported(), voltageB.shown().unreported(), powerFactorB.shown().unreported()), bituoTotals, onOffQuiet(), bituoMain}
)
