package device

import (
	"encoding/binary"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Tuya's plugs with standard clusters. Current and energy have fixed scales:
// what devices say of them is wrong more often than not. Voltage and power are
// whole, but some say another scale, which is read.
//
// They send a zero now and then that is none: it is held back, and believed
// when nothing else follows. They are slow to say that the power is zero, so a
// current of zero says it.

// zeroHold is how long a zero is held: twice the shortest interval of their
// reports, and a second.
const zeroHold = 11 * time.Second

// tuyaMeasured are power, current, voltage and energy in the order of Tuya's
// definitions.
func tuyaMeasured(currentDivisor, energyDivisor float64) Part {
	p := measures(power.shown().held(zeroHold).every(5, atMost, 10), current.fixed(1, currentDivisor).shown().held(zeroHold).every(5, atMost, 0.05),
		voltage.shown().held(zeroHold).every(5, atMost, 5), energy.fixed(1, energyDivisor).shown())
	p.whole = offHasNoPower
	return p
}

// offHasNoPower: a plug that is off draws nothing, whatever it has not said yet.
func offHasNoPower(d *Decoder, in Input) {
	if in.Cluster == zcl.ClusterElectricalMeas && d.on != nil && !*d.on && len(in.Attributes) > 0 {
		for i := range d.readings {
			if d.readings[i].Key == "power" {
				d.readings[i].Value = 0.0
				return
			}
		}
		delete(d.held, "power")
		d.emit("power", 0.0)
	}
}

// Settings of Tuya's plugs on the on/off cluster.
var (
	tuyaCountdown = countdown(AccessState | AccessSet)
	tuyaOutage    = tuyaOutageOf("config")
	tuyaIndicator = choiceSetting(place{zcl.ClusterOnOff, 0, 0x8001, zcl.Enum8},
		choice("indicator_mode", "When its light is on", AccessState|AccessSet|AccessGet).of("config"),
		option{"off", 0}, option{"off/on", 1}, option{"on/off", 2}, option{"on", 3})
	tuyaChildLock = switchSetting(place{zcl.ClusterOnOff, 0, 0x8000, zcl.Bool},
		eitherOf("child_lock", "Whether its button is locked", "LOCK", "UNLOCK", AccessState|AccessSet))
	tuyaButton = choiceSetting(place{0xe001, 0, 0xd030, zcl.Enum8},
		choice("switch_type_button", "When its button acts", AccessState|AccessSet|AccessGet).of("config"), option{"release", 0}, option{"press", 1})
	tuyaSwitchType = choiceSetting(place{0xe001, 0, 0xd030, zcl.Enum8},
		choice("switch_type", "What kind of switch is wired to it", AccessState|AccessSet|AccessGet).of("config"), option{"toggle", 0}, option{"state", 1}, option{"momentary", 2})
	tuyaPowerOn = choiceSetting(place{zcl.ClusterOnOff, 0, 0x8002, zcl.Enum8},
		choice("power_on_behavior", "What it does when its power comes back", AccessState|AccessSet|AccessGet).called("Power-on behavior").of("config"),
		option{"off", 0}, option{"previous", 2}, option{"on", 1})
)

func tuyaOutageOf(category string) Part {
	return choiceSetting(place{zcl.ClusterOnOff, 0, 0x8002, zcl.Enum8},
		choice("power_outage_memory", "What it does when its power comes back", AccessState|AccessSet|AccessGet).of(category),
		option{"on", 1}, option{"off", 0}, option{"restore", 2})
}

// countdown toggles after a time: the command on with timed off, which these
// devices take in seconds.
func countdown(access int) Part {
	const most = 43200
	e := numeric("countdown", "Switches the device over once, after so many seconds", "s", access).between(0, most).step(1)
	return Part{items: []item{{name: "countdown", expose: &e,
		sources: []source{{name: "countdown", as: asRaw, typ: zcl.Uint16, address: address{cluster: zcl.ClusterOnOff, attribute: 0x4001}}},
		set: func(w *wish) error {
			v, err := w.number(0, most)
			if err != nil {
				return err
			}
			payload := binary.LittleEndian.AppendUint16([]byte{0}, uint16(v))
			w.do(zcl.ClusterOnOff, 0, commandOnTimed, binary.LittleEndian.AppendUint16(payload, uint16(v))...)
			w.say("countdown", number(v))
			return nil
		}}}}
}

// tuyaPlug are the parts of a plug that reports, without those left out.
func tuyaPlug(currentDivisor float64, without ...string) []Part {
	settings := []Part{tuyaCountdown, tuyaOutage, tuyaButton, tuyaIndicator, tuyaMeasured(currentDivisor, 100), tuyaChildLock}
	parts := []Part{tuyaBasic(), onOff()}
	for _, p := range settings {
		left := false
		for _, name := range without {
			left = left || p.items[0].name == name
		}
		if !left {
			parts = append(parts, p)
		}
	}
	return append(parts, identify())
}

// withoutReports is the parts without the reports of these measures: some
// firmware refuses them, or stops altogether.
func withoutReports(parts []Part, names ...string) []Part {
	list := make([]Part, len(parts))
	for i, p := range parts {
		items := make([]item, len(p.items))
		for j, it := range p.items {
			it.sources = append([]source(nil), it.sources...)
			for k := range it.sources {
				for _, name := range names {
					if it.sources[k].name == name && it.sources[k].cluster != zcl.ClusterOnOff {
						it.sources[k].report, it.sources[k].first = nil, true
					}
				}
			}
			items[j] = it
		}
		p.items = items
		list[i] = p
	}
	return list
}

// tuyaPollOf asks what these plugs do not report.
func tuyaPollOf(withEnergy bool) Part {
	list := []poll{polled(time.Minute, zcl.ClusterElectricalMeas, 0x0505, 0x0508, 0x050b)}
	if withEnergy {
		list = append(list, polled(time.Minute, zcl.ClusterMetering, zcl.AttrSummationDelivered))
	}
	return polling(list...)
}

// tuyaSilent are the parts of a plug that must be asked.
func tuyaSilent(withEnergy bool) []Part {
	return []Part{tuyaBasic(), onOff(), countdown(AccessState | AccessSet | AccessGet), tuyaOutage, tuyaIndicator, tuyaMeasured(1000, 100).silent(),
		tuyaChildLock, tuyaPollOf(withEnergy)}
}

const smartPlug = "Smart plug (with power monitoring)"

// plugLabels are the plugs that are sold under names of their own.
var plugLabels = []Label{
	{[]string{"_TZ3000_2putqrmw", "_TZ3210_2putqrmw", "_TZ3000_ksw8qtmt"}, "A1Z", "Nous", smartPlug},
	{[]string{"_TZ3000_266azbg3"}, "A6Z", "Nous", "Outdoor smart socket"},
	{[]string{"_TZ3210_rwmitwj4", "_TZ3008_reatplte", "_TZ3008_1a8m8wd6"}, "A7Z", "Nous", "Smart Zigbee Socket"},
	{[]string{"_TZ3210_ddigca5n"}, "A9Z", "Nous", "Smart Zigbee Socket"},
	{[]string{"_TZ3210_jlf1nepw"}, "A10Z", "Nous", "Smart Zigbee Socket"},
	{[]string{"_TZ3000_yujkchbz"}, "Moes_plug", "Moes", smartPlug},
	{[]string{"_TZ3000_ss98ec5d"}, "ZK-EU", "Moes", "Smart wallsocket (with power monitoring)"},
	{[]string{"_TZ3000_okaz9tjs"}, "LSPA9", "Elivco", smartPlug},
	{[]string{"_TZ3000_3ias4w4o"}, "ZBPO130FWT", "Nedis", "Outdoor smart plug (with power monitoring)"},
	{[]string{"_TZ3000_ww6drja5"}, "JR-ZPM01", "Girier", "Smart Plug"},
	{[]string{"Zbeacon"}, "TS011F_plug_1_1", "Zbeacon", smartPlug},
	{[]string{"_TZ3000_gjnozsaz"}, "NAS-WR01B", "NEO", "Smart plug (with electrical measurements)"},
	{[]string{"_TZ3000_zloso4jk"}, "PLUG-001SPB2", "NEO Coolcam", smartPlug},
	{[]string{"_TZ3000_cicwjqth"}, "HSC-ZW-EU", "GreenSun", "Outdoor Smart Plug (with power monitoring)"},
	{[]string{"_TZ3000_amdymr7l"}, "BW-SHP13", "BlitzWolf", smartPlug},
	{[]string{"_TZ3008_tary5dvv", "_TZ3210_iooniers", "_TZ3008_iooniers", "_TZ3008_xvfd3nkp", "_TZ3008_qziabvzj"}, "EIGHTREE Socket", "EIGHTREE", smartPlug},
}

func plugOf(parts []Part, match ...Match) Definition {
	return Definition{Model: "TS011F_plug_1", Vendor: "Tuya", Version: "0.0.1", Description: smartPlug, OTA: true, Match: match, Labels: plugLabels, Parts: parts}
}

var tuyaPlugs = []Definition{
	plugOf(tuyaPlug(1000), Match{Models: []string{"TS011F"}}),
	plugOf(withoutReports(tuyaPlug(1000), "power"), maker([]string{"_TZ3000_0zfrhq4i", "Zbeacon"}, "TS011F")...),
	plugOf(withoutReports(tuyaPlug(2000, "switch_type_button"), "power"), maker([]string{"_TZ3000_typdpbpg"}, "TS011F")...),
	plugOf(withoutReports(tuyaPlug(1000, "indicator_mode"), "power"), maker([]string{"_TZ3000_ww6drja5"}, "TS011F")...),
	plugOf(withoutReports(tuyaPlug(1000, "power_outage_memory", "child_lock", "countdown"), "power"), maker([]string{"_TZ3000_cicwjqth"}, "TS011F")...),
	plugOf(withoutReports(tuyaPlug(1000), "power", "current", "voltage", "energy"), maker([]string{"_TZ3000_okaz9tjs"}, "TS011F")...),
	plugOf(tuyaPlug(1000, "switch_type_button"), maker([]string{"_TZ3210_w0qqde0g"}, "TS011F")...),
	// These say the scale of their current and energy, and it is true.
	plugOf(append([]Part{tuyaBasic(), onOff(), tuyaCountdown, tuyaOutage, tuyaButton, tuyaIndicator,
		measures(power.shown().held(zeroHold), current.shown().held(zeroHold), voltage.shown().held(zeroHold), energy.shown()), tuyaChildLock}, identify()),
		maker([]string{"_TZ3008_tary5dvv", "_TZ3210_iooniers", "_TZ3008_iooniers", "_TZ3008_xvfd3nkp", "_TZ3008_qziabvzj"}, "TS011F")...),
	{
		Model: "TS011F_plug_2", Vendor: "Tuya", Description: "Smart plug (without power monitoring)",
		Match: maker([]string{"_TZ3000_hyfvrar3", "_TZ3000_v1pdxuqq", "_TZ3000_8a833yls", "_TZ3000_bfn1w0mm", "_TZ3000_nzkqcvvs", "_TZ3000_rtcrrvia",
			"_TZ3000_ysiog9xi", "_TZ3000_o1jzcxou", "_TZ3000_uyrhiafs", "_TZ3210_nhqka112"}, "TS011F"),
		Parts: []Part{tuyaBasic(), onOff(), countdown(AccessState | AccessSet | AccessGet), tuyaOutage, tuyaIndicator, tuyaChildLock},
	},
	{
		Model: "TS011F_plug_3", Vendor: "Tuya", Description: "Smart plug (with power monitoring by polling)", OTA: true,
		Match: []Match{{Models: []string{"TS011F"}, AppVersions: []uint8{64, 65, 68, 69}},
			{Models: []string{"TS011F"}, AppVersions: []uint8{67}, Makers: []string{"_TZ3000_9ni6xxld"}}},
		Parts: tuyaSilent(false),
	},
	{
		Model: "TS011F_plug_3", Vendor: "Tuya", Description: "Smart plug (with power monitoring by polling)", OTA: true,
		Match: []Match{{Models: []string{"TS011F"}, AppVersions: []uint8{100, 160}},
			{Models: []string{"TS011F"}, AppVersions: []uint8{192}, Makers: []string{"_TZ3000_2uollq9d"}},
			{Models: []string{"TS011F"}, SWBuild: "1.0.5", Makers: []string{"_TZ3000_cehuw1lw"}}},
		Parts: tuyaSilent(true),
	},
	{
		Model: "TS0121_plug", Vendor: "Tuya", Description: "10A UK or 16A EU smart plug",
		Match: models("TS0121"),
		Parts: []Part{tuyaBasic(), onOff(), tuyaMeasured(1000, 100), tuyaOutageOf(""),
			choiceSetting(place{zcl.ClusterOnOff, 0, 0x8001, zcl.Enum8}, choice("indicator_mode", "When its light is on", AccessState|AccessSet|AccessGet),
				option{"off", 0}, option{"off/on", 1}, option{"on/off", 2}), tuyaPollOf(false)},
	},
}

// tuyaModules are switches behind a wall and on a rail.
var tuyaModules = []Definition{
	{
		Model: "TS0001_power", Vendor: "Tuya", Description: "Switch with power monitoring", OTA: true,
		Match:  maker(named3000("xkap8wtb", "qnejhcsu", "x3ewpzyr", "mkhkxx1p", "kqvb5akv", "q8r0bbvy", "g92baclx", "qlai3277", "qaabwu5c", "qorepo2x", "ikuxinvo", "hzlsaltw", "jsfzkftc", "0ghwhypc", "1adss9de", "x8mbwtsz", "iktiy8ue", "zojh9vz7", "gsat0axs"), "TS0001"),
		Labels: moduleLabels,
		Parts:  []Part{tuyaBasic(), onOff(), tuyaMeasured(1000, 100), tuyaSwitchType, tuyaOutageOf("")},
	},
	{
		Model: "TS0001_power", Vendor: "Tuya", Description: "Switch with power monitoring", OTA: true,
		Match: []Match{
			{Models: []string{"TS0001"}, Makers: named3000("x3ewpzyr", "xkap8wtb"), AppVersions: []uint8{162, 100}},
			{Models: []string{"TS0001"}, Makers: named3000("mkhkxx1p", "kqvb5akv"), AppVersions: []uint8{74}},
			{Models: []string{"TS0001"}, Makers: named3000("tgddllx4")}},
		Labels: moduleLabels,
		Parts:  []Part{tuyaBasic(), onOff(), tuyaMeasured(1000, 100).silent(), tuyaSwitchType, tuyaOutageOf(""), tuyaPollOf(true)},
	},
	{
		Model: "TS000F_power", Vendor: "Tuya", Description: "Switch with power monitoring",
		Match: maker(named3000("xkap8wtb"), "TS000F"),
		Parts: append(withoutReports([]Part{tuyaBasic(), onOff(), tuyaMeasured(1000, 100)}, "power"), tuyaPowerOn, tuyaSwitchType),
	},
	{
		Model: "TS0002_power", Vendor: "Tuya", Description: "2 gang switch with power monitoring",
		Match:  maker(named3000("aaifmpuq", "irrmjcgi", "huvxrx4i", "pxfjrzyj"), "TS0002"),
		Names:  map[uint8]string{1: "l1", 2: "l2"},
		Labels: []Label{{named3000("aaifmpuq"), "B3Z", "Nous", "2 gang switch module with power monitoring"}},
		Parts: []Part{tuyaBasic(), onOff().at(1, 2), countdown(AccessState|AccessSet|AccessGet).at(1, 2), tuyaPowerOn.at(1).withoutSuffix(),
			tuyaSwitchType.at(1).withoutSuffix(), tuyaMeasured(1000, 100).at(1).withoutSuffix()},
	},
	{
		Model: "TS011F_din_smart_relay", Vendor: "Tuya", Description: "Din smart relay (with power monitoring)", OTA: true,
		Match:  maker([]string{"_TZ3000_8bxrzyxz", "_TZ3210_vbfp8eyv"}, "TS011F"),
		Labels: []Label{{[]string{"_TZ3210_vbfp8eyv"}, "ATMS1602Z", "MatSee Plus", "Din smart relay (with power monitoring)"}},
		Parts:  []Part{tuyaBasic(), onOff(), tuyaMeasured(1000, 100), tuyaOutageOf(""), dinIndicator},
	},
	{
		Model: "TS011F_din_smart_relay_polling", Vendor: "Tuya", Description: "Din smart relay (with power monitoring via polling)", OTA: true,
		Match: maker(named3000("qeuvnohg", "6l1pjfqe", "2iiimqs9", "viqwamhn", "ky0fq4ho"), "TS011F"),
		Labels: []Label{
			{named3000("qeuvnohg"), "TO-Q-SY1-JZT", "Tongou", "Din smart relay (with power monitoring via polling)"},
			{named3000("6l1pjfqe"), "TOB9Z-63M", "TOMZN", "Din smart relay (with power monitoring via polling)"},
			{named3000("2iiimqs9"), "DZ", "Nous", "DIN Switch (with power monitoring via polling)"}},
		Parts: []Part{tuyaBasic(), onOff(), tuyaMeasured(1000, 100).silent(), tuyaOutageOf(""), dinIndicator, tuyaPollOf(true)},
	},
	{
		Model: "TS011F_din_smart_relay_1", Vendor: "Tuya", Description: "Din smart relay (without power monitoring)",
		Match: maker(named3000("7issjl2q"), "TS011F"),
		Parts: []Part{tuyaBasic(), onOff()},
	},
}

// dinIndicator is the light of a relay on a rail.
var dinIndicator = choiceSetting(place{zcl.ClusterOnOff, 0, 0x8001, zcl.Enum8},
	choice("indicator_mode", "When its light is on", AccessState|AccessSet), option{"off", 0}, option{"on_off", 2}, option{"off_on", 1})

var moduleLabels = []Label{
	{named3000("qlai3277"), "B2Z", "Nous", "1 gang switch with power monitoring"},
	{named3000("qaabwu5c", "1adss9de"), "L6Z", "Nous", "Switch with power monitoring"},
	{named3000("iktiy8ue"), "B5Z", "Nous", "Switch with power monitoring"},
	{named3000("x8mbwtsz"), "ZM-104-M-16AM", "Moes", "Switch with power monitoring"},
	{named3000("tgddllx4"), "CR-MNZ1", "Colorock", "1 gang switch 30A with power monitoring"},
}

// named3000 are makers of Tuya's most common series.
func named3000(endings ...string) []string {
	list := make([]string, len(endings))
	for i, e := range endings {
		list[i] = "_TZ3000_" + e
	}
	return list
}
