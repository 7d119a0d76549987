package device

import (
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// The ZLinky reads the customer's port of French meters (Linky). What it tells
// follows from the meter's mode (historique or standard), its phases, whether
// its owner produces, and the tariff; the labels are those of the port (TIC).
// It uses its own cluster 0xFF66 without a manufacturer code.

const lixeeCluster = 0xff66

// Attributes that tell what a Linky is.
const (
	lixeeTariff = 0x0000
	lixeeMode   = 0x0300 // bit 0 standard, bit 1 three phases, bit 2 producer
)

// ticWhen is when a line exists.
type ticWhen uint16

const (
	historique ticWhen = 1 << iota
	standard
	onePhase
	threePhase
	producer
	tariffBase
	tariffHCHP
	tariffEJP
	tariffBBR

	anyMode   = historique | standard
	anyPhase  = onePhase | threePhase
	anyTariff = tariffBase | tariffHCHP | tariffEJP | tariffBBR
)

// tic is one line of the meter's port.
type tic struct {
	key, label, unit   string
	cluster, attribute uint16
	typ                zcl.DataType
	reported           bool
	when               ticWhen
}

const (
	ticMeter = zcl.ClusterMetering
	ticID    = zcl.ClusterMeterIdentity
	ticAC    = zcl.ClusterElectricalMeas
)

// ticLines are in the order in which people see them.
var ticLines = []tic{
	{"active_register_tier_delivered", "PTEC", "", ticMeter, 0x0020, zcl.OctetString, false, historique | anyPhase | anyTariff},
	{"current_summ_delivered", "BASE", "kWh", ticMeter, 0x0000, zcl.Uint48, true, historique | anyPhase | tariffBase},
	{"current_summ_delivered", "EAST", "kWh", ticMeter, 0x0000, zcl.Uint48, true, standard | anyPhase | anyTariff},
	{"current_summ_received", "EAIT", "kWh", ticMeter, 0x0001, zcl.Uint48, true, standard | anyPhase | producer | anyTariff},
	{"current_tier1_summ_delivered", "HCHC", "kWh", ticMeter, 0x0100, zcl.Uint48, true, historique | anyPhase | tariffHCHP},
	{"current_tier2_summ_delivered", "HCHP", "kWh", ticMeter, 0x0102, zcl.Uint48, true, historique | anyPhase | tariffHCHP},
	{"current_tier1_summ_delivered", "EJPHN", "kWh", ticMeter, 0x0100, zcl.Uint48, true, historique | anyPhase | tariffEJP},
	{"current_tier2_summ_delivered", "EJPHPM", "kWh", ticMeter, 0x0102, zcl.Uint48, true, historique | anyPhase | tariffEJP},
	{"current_tier1_summ_delivered", "BBRHCJB", "kWh", ticMeter, 0x0100, zcl.Uint48, true, historique | anyPhase | tariffBBR},
	{"current_tier2_summ_delivered", "BBRHPJB", "kWh", ticMeter, 0x0102, zcl.Uint48, true, historique | anyPhase | tariffBBR},
	{"current_tier3_summ_delivered", "BBRHCJW", "kWh", ticMeter, 0x0104, zcl.Uint48, true, historique | anyPhase | tariffBBR},
	{"current_tier4_summ_delivered", "BBRHPJW", "kWh", ticMeter, 0x0106, zcl.Uint48, true, historique | anyPhase | tariffBBR},
	{"current_tier5_summ_delivered", "BBRHCJR", "kWh", ticMeter, 0x0108, zcl.Uint48, true, historique | anyPhase | tariffBBR},
	{"current_tier6_summ_delivered", "BBRHPJR", "kWh", ticMeter, 0x010a, zcl.Uint48, true, historique | anyPhase | tariffBBR},
	{"current_tier1_summ_delivered", "EASF01", "kWh", ticMeter, 0x0100, zcl.Uint48, true, standard | anyPhase | anyTariff},
	{"current_tier2_summ_delivered", "EASF02", "kWh", ticMeter, 0x0102, zcl.Uint48, true, standard | anyPhase | anyTariff},
	{"current_tier3_summ_delivered", "EASF03", "kWh", ticMeter, 0x0104, zcl.Uint48, true, standard | anyPhase | anyTariff},
	{"current_tier4_summ_delivered", "EASF04", "kWh", ticMeter, 0x0106, zcl.Uint48, true, standard | anyPhase | anyTariff},
	{"current_tier5_summ_delivered", "EASF05", "kWh", ticMeter, 0x0108, zcl.Uint48, true, standard | anyPhase | anyTariff},
	{"current_tier6_summ_delivered", "EASF06", "kWh", ticMeter, 0x010a, zcl.Uint48, true, standard | anyPhase | anyTariff},
	{"current_tier7_summ_delivered", "EASF07", "kWh", ticMeter, 0x010c, zcl.Uint48, true, standard | anyPhase | anyTariff},
	{"current_tier8_summ_delivered", "EASF08", "kWh", ticMeter, 0x010e, zcl.Uint48, true, standard | anyPhase | anyTariff},
	{"current_tier9_summ_delivered", "EASF09", "kWh", ticMeter, 0x0110, zcl.Uint48, true, standard | anyPhase | anyTariff},
	{"current_tier10_summ_delivered", "EASF10", "kWh", ticMeter, 0x0112, zcl.Uint48, true, standard | anyPhase | anyTariff},
	{"meter_serial_number", "ADCO", "", ticMeter, 0x0308, zcl.OctetString, false, historique | anyPhase | anyTariff},
	{"meter_serial_number", "ADSC", "", ticMeter, 0x0308, zcl.OctetString, false, standard | anyPhase | anyTariff},
	{"site_id", "PRM", "", ticMeter, 0x0307, zcl.OctetString, false, standard | anyPhase | anyTariff},
	{"available_power", "ISOUSC", "A", ticID, 0x000d, zcl.Int24, false, historique | anyPhase | anyTariff},
	{"available_power", "PREF", "kVA", ticID, 0x000d, zcl.Int24, false, standard | anyPhase | anyTariff},
	{"power_threshold", "PCOUP", "kVA", ticID, 0x000e, zcl.Int24, false, standard | anyPhase | anyTariff},
	{"apparent_power", "PAPP", "VA", ticAC, 0x050f, zcl.Uint16, true, historique | anyPhase | anyTariff},
	{"active_power", "CCASN", "W", ticAC, 0x050b, zcl.Int16, true, standard | anyPhase | anyTariff},
	{"average_rms_voltage_meas_period", "UMOY1", "V", ticAC, 0x0511, zcl.Uint16, true, standard | anyPhase | anyTariff},
	{"total_reactive_power", "ERQ1", "VArh", ticAC, 0x0305, zcl.Int32, true, standard | anyPhase | producer | anyTariff},
	{"reactive_power", "ERQ2", "VArh", ticAC, 0x050e, zcl.Int16, true, standard | anyPhase | producer | anyTariff},
	{"reactive_power_ph_b", "ERQ3", "VArh", ticAC, 0x090e, zcl.Int16, true, standard | anyPhase | producer | anyTariff},
	{"reactive_power_ph_c", "ERQ4", "VArh", ticAC, 0x0a0e, zcl.Int16, true, standard | anyPhase | producer | anyTariff},
	{"rms_current", "IRMS1", "A", ticAC, 0x0508, zcl.Uint16, true, standard | anyPhase | anyTariff},
	{"rms_voltage", "URMS1", "V", ticAC, 0x0505, zcl.Uint16, true, standard | anyPhase | anyTariff},
	{"current_tarif", "OPTARIF", "", lixeeCluster, 0x0000, zcl.CharString, false, historique | anyPhase | anyTariff},
	{"MOTDETAT", "MOTDETAT", "", lixeeCluster, 0x0009, zcl.CharString, false, historique | anyPhase | anyTariff},
	{"schedule_h_p_h_c", "HHPHC", "", lixeeCluster, 0x0002, zcl.Uint8, false, historique | anyPhase | tariffHCHP | tariffEJP | tariffBBR},
	{"tomorrow_color", "DEMAIN", "", lixeeCluster, 0x0001, zcl.CharString, true, historique | anyPhase | tariffBBR},
	{"start_notice_e_j_p", "PEJP", "", lixeeCluster, 0x0004, zcl.Uint8, true, historique | anyPhase | tariffEJP},
	{"active_power_max", "PMAX", "W", ticAC, 0x050d, zcl.Int16, false, historique | threePhase | anyTariff},
	{"rms_current", "IINST", "A", ticAC, 0x0508, zcl.Uint16, true, historique | onePhase | anyTariff},
	{"rms_current", "IINST1", "A", ticAC, 0x0508, zcl.Uint16, true, historique | threePhase | anyTariff},
	{"rms_current_max", "IMAX", "A", ticAC, 0x050a, zcl.Uint16, false, historique | onePhase | anyTariff},
	{"rms_current_max", "IMAX1", "A", ticAC, 0x050a, zcl.Uint16, false, historique | threePhase | anyTariff},
	{"rms_current_max_ph_b", "IMAX2", "A", ticAC, 0x090a, zcl.Uint16, false, historique | threePhase | anyTariff},
	{"rms_current_max_ph_c", "IMAX3", "A", ticAC, 0x0a0a, zcl.Uint16, false, historique | threePhase | anyTariff},
	{"rms_current_ph_b", "IINST2", "A", ticAC, 0x0908, zcl.Uint16, true, historique | threePhase | anyTariff},
	{"rms_current_ph_c", "IINST3", "A", ticAC, 0x0a08, zcl.Uint16, true, historique | threePhase | anyTariff},
	{"presence_potential", "PPOT", "", lixeeCluster, 0x0003, zcl.Uint8, false, historique | threePhase | anyTariff},
	{"warn_d_p_s", "ADPS", "A", lixeeCluster, 0x0005, zcl.Uint16, true, historique | onePhase | anyTariff},
	{"warn_d_i_r1", "ADIR1", "A", lixeeCluster, 0x0006, zcl.Uint16, true, historique | threePhase | anyTariff},
	{"warn_d_i_r2", "ADIR2", "A", lixeeCluster, 0x0007, zcl.Uint16, true, historique | threePhase | anyTariff},
	{"warn_d_i_r3", "ADIR3", "A", lixeeCluster, 0x0008, zcl.Uint16, true, historique | threePhase | anyTariff},
	{"active_energy_out_d01", "EASD01", "kWh", lixeeCluster, 0x0203, zcl.Uint32, true, standard | anyPhase | anyTariff},
	{"active_energy_out_d02", "EASD02", "kWh", lixeeCluster, 0x0204, zcl.Uint32, true, standard | anyPhase | anyTariff},
	{"active_energy_out_d03", "EASD03", "kWh", lixeeCluster, 0x0205, zcl.Uint32, true, standard | anyPhase | anyTariff},
	{"active_energy_out_d04", "EASD04", "kWh", lixeeCluster, 0x0206, zcl.Uint32, true, standard | anyPhase | anyTariff},
	{"current_date", "DATE", "", lixeeCluster, 0x0202, zcl.CharString, false, standard | anyPhase | anyTariff},
	{"current_index_tarif", "NTARF", "", lixeeCluster, 0x0201, zcl.Uint8, false, standard | anyPhase | anyTariff},
	{"current_price", "LTARF", "", lixeeCluster, 0x0200, zcl.CharString, false, standard | anyPhase | anyTariff},
	{"current_tarif", "NGTF", "", lixeeCluster, 0x0000, zcl.CharString, false, standard | anyPhase | anyTariff},
	{"injected_v_a", "SINSTI", "VA", lixeeCluster, 0x0207, zcl.Uint16, true, standard | anyPhase | producer | anyTariff},
	{"message1", "MSG1", "", lixeeCluster, 0x0215, zcl.CharString, false, standard | anyPhase | anyTariff},
	{"message2", "MSG2", "", lixeeCluster, 0x0216, zcl.CharString, false, standard | anyPhase | anyTariff},
	{"relais", "RELAIS", "", lixeeCluster, 0x0224, zcl.Uint16, false, standard | anyPhase | anyTariff},
	{"status_register", "STGE", "", lixeeCluster, 0x0217, zcl.OctetString, false, standard | anyPhase | anyTariff},
	{"active_power_max", "SMAXSN", "VA", ticAC, 0x050d, zcl.Int16, true, standard | onePhase | anyTariff},
	{"active_power_max", "SMAXSN1", "VA", ticAC, 0x050d, zcl.Int16, true, standard | threePhase | anyTariff},
	{"active_power_max_ph_b", "SMAXSN2", "VA", ticAC, 0x090d, zcl.Int16, true, standard | threePhase | anyTariff},
	{"active_power_max_ph_c", "SMAXSN3", "VA", ticAC, 0x0a0d, zcl.Int16, true, standard | threePhase | anyTariff},
	{"apparent_power", "SINSTS", "VA", ticAC, 0x050f, zcl.Uint16, true, standard | onePhase | anyTariff},
	{"apparent_power", "SINSTS1", "VA", ticAC, 0x050f, zcl.Uint16, true, standard | threePhase | anyTariff},
	{"apparent_power_ph_b", "SINSTS2", "VA", ticAC, 0x090f, zcl.Uint16, true, standard | threePhase | anyTariff},
	{"apparent_power_ph_c", "SINSTS3", "VA", ticAC, 0x0a0f, zcl.Uint16, true, standard | threePhase | anyTariff},
	{"total_apparent_power", "SINSTS", "VA", ticAC, 0x0306, zcl.Uint32, true, standard | threePhase | anyTariff},
	{"average_rms_voltage_meas_period_ph_c", "UMOY3", "V", ticAC, 0x0a11, zcl.Uint16, true, standard | threePhase | anyTariff},
	{"average_rms_voltage_measure_period_ph_b", "UMOY2", "V", ticAC, 0x0911, zcl.Uint16, true, standard | threePhase | anyTariff},
	{"rms_current_ph_b", "IRMS2", "A", ticAC, 0x0908, zcl.Uint16, true, standard | threePhase | anyTariff},
	{"rms_current_ph_c", "IRMS3", "A", ticAC, 0x0a08, zcl.Uint16, true, standard | threePhase | anyTariff},
	{"rms_voltage_ph_b", "URMS2", "V", ticAC, 0x0905, zcl.Uint16, true, standard | threePhase | anyTariff},
	{"rms_voltage_ph_c", "URMS3", "V", ticAC, 0x0a05, zcl.Uint16, true, standard | threePhase | anyTariff},
}

// tariffs are the beginnings of what a meter calls its tariff, by their bits.
var tariffs = []struct {
	begins string
	when   ticWhen
}{{"BASE", tariffBase}, {"HC", tariffHCHP}, {"EJP", tariffEJP}, {"BBR", tariffBBR}}

// textCode is a number for a text that tells what a device is, so that it can
// be remembered as one; 0 is a text without a meaning.
func textCode(s string) float64 {
	for _, t := range tariffs {
		if strings.HasPrefix(clean(s), t.begins) {
			return float64(t.when)
		}
	}
	return 0
}

// exists reports whether a line is there for a mode.
func (t tic) exists(mode uint8, tariff ticWhen) bool {
	kind, phases := historique, onePhase
	if mode&1 != 0 {
		kind = standard
	}
	if mode&2 != 0 {
		phases = threePhase
	}
	return t.when&kind != 0 && t.when&phases != 0 && t.when&tariff != 0 && (t.when&producer == 0 || mode&4 != 0)
}

// zlinkyParts are the lines that a meter has. A tariff that is not known has
// those of the tariff with the most.
func zlinkyParts(learnt map[address]float64) []Part {
	mode := uint8(learnt[address{1, lixeeCluster, 0, lixeeMode}])
	tariff := ticWhen(learnt[address{1, lixeeCluster, 0, lixeeTariff}])
	if tariff == 0 {
		tariff = tariffBBR
	}
	p := Part{bind: []uint16{ticMeter, ticID, ticAC, lixeeCluster}}
	ids := make(map[uint16][]uint16)
	for _, t := range ticLines {
		if !t.exists(mode, tariff) {
			continue
		}
		p.items = append(p.items, t.item())
		if !t.reported {
			ids[t.cluster] = append(ids[t.cluster], t.attribute)
		}
	}
	p.items = append(p.items, unlisted(p.items)...)
	for _, cluster := range []uint16{ticMeter, ticID, ticAC, lixeeCluster} {
		// It answers for two attributes at a time.
		for i := 0; i < len(ids[cluster]); i += 2 {
			p.polls = append(p.polls, polled(10*time.Minute, cluster, ids[cluster][i:min(i+2, len(ids[cluster]))]...))
		}
	}
	p.options = []Expose{numeric("measurement_poll_interval", "How often it is asked for what it does not report: seconds, -1 is never", "s", AccessSet).between(-1, 86400),
		numeric("kWh_precision", "How many decimals energy has, from the next report on", "", AccessSet).between(0, 3)}
	return []Part{p, zlinkyTotal(tariff)}
}

// unlisted is what the device may tell beside these lines: it is taken, and
// nobody is told to expect it.
func unlisted(lines []item) (list []item) {
	seen := make(map[address]bool)
	for _, it := range lines {
		seen[it.sources[0].address] = true
	}
	for _, t := range ticLines {
		it := t.item()
		if src := &it.sources[0]; !seen[src.address] {
			seen[src.address] = true
			src.report, it.expose = nil, nil
			list = append(list, it)
		}
	}
	return list
}

func (t tic) item() item {
	src := source{name: t.key, unit: t.unit, typ: t.typ, address: address{cluster: t.cluster, attribute: t.attribute}}
	e := numeric(t.key, "Line "+t.label+" of the meter", t.unit, AccessState)
	switch {
	case t.typ == zcl.CharString || t.typ == zcl.OctetString:
		e.Type, src.as = Text, asText
	case t.unit == "kWh":
		src.scale, src.counter, src.precise = scale{div: 1000}, true, 2
	}
	e.Label, e.Name = t.label, t.label
	if t.reported {
		change := 1.0
		if t.unit == "kWh" {
			change = 0.01
		}
		src.report = &reporting{atLeast, atMost, change}
	}
	return item{name: t.key, expose: &e, sources: []source{src}}
}

// zlinkyTotal: with a tariff of several counters the meter has no total, and it
// is told as 0.
func zlinkyTotal(tariff ticWhen) Part {
	if tariff == tariffBase {
		return Part{}
	}
	return Part{whole: func(d *Decoder, in Input) {
		if in.Cluster != ticMeter {
			return
		}
		for i := range d.readings {
			if d.readings[i].Key != "current_summ_delivered" || d.readings[i].Value != 0.0 {
				continue
			}
			one, _ := d.has("current_tier1_summ_delivered")
			two, _ := d.has("current_tier2_summ_delivered")
			a, ok := one.(float64)
			b, also := two.(float64)
			if ok && also && a+b > 0 {
				d.readings[i].Value = round(a+b, 3)
			}
		}
	}}
}

var lixee = []Definition{
	{
		Model: "ZLinky_TIC", Vendor: "LiXee", Version: "0.0.1", Description: "Lixee ZLinky", OTA: true,
		Match: models("ZLinky_TIC"),
		// What it is, is asked before what it measures.
		Parts: []Part{watched(1, lixeeCluster, lixeeMode, lixeeTariff)},
		Learn: zlinkyParts,
	},
	{
		Model: "ZiPulses", Vendor: "LiXee", Description: "Lixee ZiPulses",
		Match: models("ZiPulses"),
		Parts: []Part{batteryShown(), measures(temperature.shown()),
			numberSetting(place{zcl.ClusterMetering, 0, attrMultiplier, zcl.Uint24}, numeric("multiplier", "What one pulse is multiplied with; press its button first", "", AccessState|AccessSet).between(1, 1000), 1),
			numberSetting(place{zcl.ClusterMetering, 0, attrDivisor, zcl.Uint24}, numeric("divisor", "What one pulse is divided by; press its button first", "", AccessState|AccessSet).between(1, 1000), 1),
			choiceSetting(place{zcl.ClusterMetering, 0, attrUnitOfMeasure, zcl.Enum8}, choice("unitOfMeasure", "What it counts; press its button first", AccessState|AccessSet),
				option{"kWh", 0}, option{"m3", 1}, option{"ft3", 2}, option{"ccf", 3}, option{"US gl", 4}, option{"IMP gl", 5}, option{"BTUs", 6}, option{"L (litre)", 7},
				option{"kPA (jauge)", 8}, option{"kPA (absolu)", 9}, option{"kPA (absolu)", 10}, option{"sans unité", 11}, option{"MJ", 12}, option{"kVar", 13}),
			measures(ziPulsesEnergy())},
	},
}

// ziPulsesEnergy counts in the unit that was set.
func ziPulsesEnergy() measure {
	m := energy.shown()
	m.quantity.unit = ""
	return m
}
