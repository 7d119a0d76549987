package device

import (
	"strings"
	"time"
)

// Tuya's meters that speak datapoints. Their model is TS0601; who made them says
// what they are.

// ts0601 matches these makers.
func ts0601(makers ...string) []Match { return maker(makers, "TS0601") }

// series is a maker's name in several of Tuya's series.
func series(name string, prefixes ...string) []string {
	list := make([]string, len(prefixes))
	for i, p := range prefixes {
		list[i] = "_" + p + "_" + name
	}
	return list
}

// fields is names separated by spaces.
func fields(s string) []string { return strings.Fields(s) }

func updateFrequency(id uint8, low, high, usual float64) Part {
	return dpSetting(id, withPreset(numeric("update_frequency", "How often it measures", "s", AccessState|AccessSet).between(low, high), usual), 1)
}

// threePhases are three datapoints of a phase's values each.
func threePhases(a, b, c uint8, names ...string) Part {
	return together(phase(a, "_"+names[0]), phase(b, "_"+names[1]), phase(c, "_"+names[2]))
}

var tuyaClamps = []Definition{
	{
		Model: "PJ-1203A", Vendor: "Tuya", Description: "Bidirectional energy meter with 80A current clamp",
		Match: ts0601("_TZE204_81yrt3lo", "_TZE284_81yrt3lo", "_TZE28C1000000_81yrt3lo"),
		Parts: []Part{tuyaBasic(), pj1203a()},
	},
	{
		Model: "PJ-MGW1203", Vendor: "Tuya", Description: "Clamp meter",
		Match:  ts0601("_TZE204_cjbofhxw", "_TZE284_cjbofhxw"),
		Labels: []Label{{[]string{"_TZE284_cjbofhxw"}, "PJ-1203-W", "Tuya", "Electricity energy monitor"}},
		Parts:  []Part{tuyaBasic(), dp(18, "current", 1000), dp(19, "power", 10), dp(20, "voltage", 10), dp(101, "energy", 1000)},
	},
	{
		Model: "2CT", Vendor: "Tuya", Description: "Bidirectional energy meter with 80A current clamp",
		Match: ts0601("_TZE204_dhotiauw"),
		Parts: []Part{tuyaBasic(), dp(105, "ac_frequency", 100), dp(20, "voltage", 10), dp(19, "power", 10), dp(103, "power_a", 10), dp(104, "power_b", 10),
			dp(101, "current_a", 1000), dp(102, "current_b", 1000), dp(120, "power_factor_a", 1), dp(121, "power_factor_b", 1),
			dp(115, "energy_a", 100), dp(117, "energy_b", 100), updateFrequency(122, 3, 60, 10)},
	},
	{
		Model: "PC311-Z-TY", Vendor: "Tuya", Description: "Bidirectional energy meter with 80A current clamp",
		Match: ts0601("_TZE200_rks0sgb7"),
		Parts: []Part{tuyaBasic(), dp(113, "ac_frequency", 1), dp(106, "voltage", 10), dp(9, "power", 1), dp(105, "current", 1000),
			dp(1, "energy", 100), dp(2, "energy_produced", 100), dp(108, "power_a", 1), dp(111, "power_b", 1),
			dp(107, "current_a", 1000), dp(110, "current_b", 1000), dp(109, "power_factor_a", 1), dp(112, "power_factor_b", 1),
			dp(101, "energy_a", 100), dp(103, "energy_b", 100), dp(102, "energy_produced_a", 100), dp(104, "energy_produced_b", 100)},
	},
	{
		Model: "TS0601_3_phase_clamp_meter", Vendor: "Tuya", Description: "3-phase clamp power meter",
		Match: ts0601("_TZE200_nslr42tt"),
		Parts: []Part{tuyaBasic(), exposed(
			fields("ac_frequency temperature current power energy energy_a energy_b energy_c voltage_a voltage_b voltage_c power_a power_b power_c current_a current_b current_c power_factor_a power_factor_b power_factor_c ac_frequency_high_precision"),
			dp(132, "ac_frequency", 1), dp(133, "temperature", 10), dp(131, "current", 1000), dpNegative(9, "power", 1, valueNegativeAbove, valueNegativeLess),
			dp(1, "energy", 100), dp(101, "energy_a", 1000), dp(111, "energy_b", 1000), dp(121, "energy_c", 1000),
			dp(102, "power_factor_a", 1), dp(112, "power_factor_b", 1), dp(122, "power_factor_c", 1), threePhases(6, 7, 8, "a", "b", "c"),
			dp(135, "ac_frequency_high_precision", 100))},
	},
	{
		Model: "TS0601_bidirectional_energy meter", Vendor: "Tuya", Description: "Bidirectional energy meter with 150A Current Clamp",
		Match: ts0601("_TZE204_ac0fhfiq", "_TZE284_ac0fhfiq"),
		Parts: []Part{tuyaBasic(), exposed(fields("energy produced_energy power voltage current"),
			dp(1, "energy", 100), dp(2, "produced_energy", 100), phase(6, "")),
			dpWords(102, "energy_flow", "Which way the energy flows", option{"consuming", 0}, option{"producing", 1})},
	},
	{
		Model: "SPM01", Vendor: "Tuya", Description: "Smart energy monitor for 1P+N system", OTA: true,
		Match: ts0601("_TZE200_bcusnqt8"),
		Parts: []Part{tuyaBasic(), exposed(fields("voltage power current energy produced_energy"),
			dp(1, "energy", 100), dp(2, "produced_energy", 100), phase(6, ""))},
	},
	{
		Model: "SPM02", Vendor: "Tuya", Description: "Smart energy monitor for 3P+N system",
		Match: ts0601(series("ves1ycwx", "TZE200", "TZE204", "TZE284")...),
		Parts: []Part{tuyaBasic(), exposed(
			fields("voltage_X voltage_Y voltage_Z power_X power_Y power_Z current_X current_Y current_Z energy produced_energy"),
			dp(1, "energy", 100), dp(2, "produced_energy", 100), threePhases(6, 7, 8, "X", "Y", "Z"))},
	},
	{
		Model: "SPM01V2", Vendor: "Tuya", Description: "Smart energy monitor for 1P+N system",
		Match: ts0601(series("qhlxve78", "TZE200", "TZE204", "TZE284")...),
		Parts: spm01v2,
	},
	{
		Model: "SPM01V2.5", Vendor: "Tuya", Description: "Smart energy monitor for 1P+N system",
		Match: ts0601(series("iwn0gpzz", "TZE200", "TZE204", "TZE284")...),
		Parts: spm01v2,
	},
	{
		Model: "SPM02V2", Vendor: "Tuya", Description: "Smart energy monitor for 3P+N system",
		Match: ts0601(series("v9hkz2yn", "TZE200", "TZE204", "TZE284")...),
		Parts: []Part{tuyaBasic(), exposed(
			fields("voltage_a voltage_b voltage_c power_a power_b power_c current_a current_b current_c energy produced_energy power_factor power ac_frequency"),
			dp(1, "energy", 100), dp(2, "produced_energy", 100), dp(15, "power_factor", 1), dp(101, "ac_frequency", 100),
			dp(102, "voltage_a", 10), dp(105, "voltage_b", 10), dp(108, "voltage_c", 10), dp(103, "current_a", 1000), dp(106, "current_b", 1000),
			dp(109, "current_c", 1000), dp(104, "power_a", 1), dp(107, "power_b", 1), dp(110, "power_c", 1), dp(111, "power", 1))},
	},
	{
		Model: "SPM02V3", Vendor: "Tuya", Description: "Smart energy monitor for 3P+N system",
		Match: ts0601(series("dikb3dp6", "TZE200", "TZE204", "TZE284")...),
		Parts: []Part{tuyaBasic(), exposed(
			fields("voltage_a voltage_b voltage_c power_a power_b power_c current_a current_b current_c energy produced_energy power_factor power ac_frequency energy_a energy_b energy_c energy_produced_a energy_produced_b energy_produced_c power_factor_a power_factor_b power_factor_c"),
			dp(1, "energy", 100), dp(23, "produced_energy", 100), dp(29, "power", 1), dp(32, "ac_frequency", 100), dp(50, "power_factor", 1),
			dp(103, "voltage_a", 10), dp(112, "voltage_b", 10), dp(121, "voltage_c", 10), dp(104, "current_a", 1000), dp(113, "current_b", 1000),
			dp(122, "current_c", 1000), dp(105, "power_a", 1), dp(114, "power_b", 1), dp(123, "power_c", 1),
			dp(108, "power_factor_a", 1), dp(117, "power_factor_b", 1), dp(126, "power_factor_c", 1),
			dp(109, "energy_a", 100), dp(118, "energy_b", 100), dp(127, "energy_c", 100),
			dp(110, "energy_produced_a", 100), dp(119, "energy_produced_b", 100), dp(128, "energy_produced_c", 100)),
			updateFrequency(102, 5, 3600, 30)},
	},
	{
		// It must be asked: once a minute it tells everything.
		Model: "TO-Q-SA1", Vendor: "Tongou", Description: "Zigbee energy meter (transformer clamp)",
		Match: ts0601("_TZE284_pglpvdar", "_TZE284_4hdbt6rn"),
		Parts: []Part{tuyaBasic(), exposed(fields("energy voltage current power ac_frequency power_factor temperature"),
			dp(1, "energy", 100), phase(6, ""), dp(32, "ac_frequency", 100), dp(50, "power_factor", 1), dp(131, "temperature", 1)),
			tuyaAsk(time.Minute)},
	},
}

var spm01v2 = []Part{tuyaBasic(), exposed(fields("voltage power current energy produced_energy power_factor ac_frequency"),
	dp(1, "energy", 100), dp(2, "produced_energy", 100), dp(15, "power_factor", 1), dp(101, "ac_frequency", 100), dp(102, "voltage", 10),
	dp(103, "current", 1000), dp(104, "power", 1))}

// tuyaDIN are meters with a relay on a rail.
var tuyaDIN = []Definition{
	{
		Model: "TS0601_din", Vendor: "Tuya", Description: "Zigbee smart energy meter DDS238-2 Zigbee",
		Match: ts0601("_TZE200_byzdayie", "_TZE200_fsb6zw01", "_TZE200_ewxhg6o9"),
		Parts: []Part{tuyaBasic(), dpSwitch(1), dp(20, "voltage", 10), dp(19, "power", 10), dp(18, "current", 1000), dp(17, "energy", 100)},
	},
	{
		Model: "TS0601_din_1", Vendor: "Tuya", Description: "Single phase DIN-rail energy meter with switch function",
		Match: ts0601("_TZE200_bkkmqmyo", "_TZE204_bkkmqmyo", "_TZE200_eaac7dkw"),
		Labels: []Label{
			{[]string{"_TZE200_bkkmqmyo", "_TZE204_bkkmqmyo"}, "DDS238-2", "Hiking", ""},
			{[]string{"_TZE200_eaac7dkw"}, "TAC7361C BI", "TuYa", ""}},
		Parts: []Part{tuyaBasic(), dpSwitch(16), exposed(
			fields("ac_frequency energy power power_factor voltage current produced_energy power_reactive energy_reactive total_energy"),
			dp(105, "ac_frequency", 100), dp(1, "energy", 100), dp(103, "power", 1), dp(111, "power_factor", 10), Part{points: []point{{dp: 6, as: pointRC}}},
			dp(102, "produced_energy", 100), dp(110, "power_reactive", 1), dp(109, "energy_reactive", 100), dp(101, "total_energy", 100))},
	},
	{
		Model: "TS0601_din_2", Vendor: "Tuya", Description: "DIN mount RCBO with smart energy metering",
		Match:  ts0601("_TZE200_lsanae15", "_TZE204_lsanae15"),
		Labels: []Label{{[]string{"_TZE200_lsanae15", "_TZE204_lsanae15"}, "DAC2161C", "MatSee Plus", "Smart Zigbee energy meter 80A din rail"}},
		Parts:  []Part{tuyaBasic(), dpSwitch(16), exposed(fields("energy power voltage current"), dp(1, "energy", 100), phase(6, ""))},
	},
	{
		Model: "TS0601_din_3", Vendor: "Tuya", Description: "Zigbee DIN energy meter",
		Match: ts0601("_TZE200_rhblgy0z", "_TZE204_rhblgy0z"),
		Parts: []Part{tuyaBasic(), dpSwitch(16), exposed(fields("energy produced_energy power voltage current"),
			dp(1, "energy", 100), dp(2, "produced_energy", 100), phase(6, ""))},
	},
	{
		Model: "STB3L-125-ZJ", Vendor: "SUTON", Description: "Zigbee DIN RCBO energy meter",
		Match: ts0601(series("wbhaespm", "TZE200", "TZE204", "TZE284")...),
		Parts: []Part{tuyaBasic(), dpSwitch(16), exposed(
			fields("energy voltage_a voltage_b voltage_c power_a power_b power_c current_a current_b current_c temperature"),
			dp(1, "energy", 100), threePhases(6, 7, 8, "a", "b", "c"), dp(102, "temperature", 10))},
	},
}
