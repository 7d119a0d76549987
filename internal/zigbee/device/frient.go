package device

import (
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// frient's devices, once Develco's. Their application is on endpoint 2 and up;
// endpoint 1 has the manufacturer's own profile. Attributes of the manufacturer
// have the numbers of standard ones: 0x0300 is the pulses per kWh and not the
// unit, 0x0301 the counter and not the multiplier, 0x0302 the mode and not the
// divisor. Only the manufacturer code 0x1015 tells them apart.
var frientMakers = []string{"frient A/S", "Develco Products A/S", "Develco"}

var (
	frientPulses = numberSetting(place{zcl.ClusterMetering, zcl.ManufacturerDevelco, 0x0300, zcl.Uint16},
		numeric("pulse_configuration", "How many pulses are one kWh: 0 to 65535, 1000 for most meters", "", AccessState|AccessSet|AccessGet).between(0, 65535), 1)
	frientSummation = numberSetting(place{zcl.ClusterMetering, zcl.ManufacturerDevelco, 0x0301, zcl.Uint48},
		numeric("current_summation", "Sets the counter to what the meter shows, in Wh: 570 is 0.570 kWh", "", AccessSet).between(0, 268435455), 1)
)

var frientMeters = []Definition{
	{
		// Power and energy are always 1/1000 of kW and kWh: the scale is not read.
		Model: "EMIZB-141", Vendor: "Frient", Description: "Electricity meter interface 2 LED", OTA: true,
		Match:    maker(frientMakers, "EMIZB-141"),
		Endpoint: 2,
		Parts:    []Part{measures(demand.fixed(1, 1000), energy.fixed(1, 1000)), battery(), frientPulses, frientSummation},
	},
	{
		// The power is that of all phases. Its mode sets how the current is told.
		// It says an energy of 0 when it does not know.
		Model: "EMIZB-132", Vendor: "Develco", Version: "0.0.1", Description: "Wattle AMS HAN power-meter sensor", OTA: true,
		Match:    maker(frientMakers, "EMIZB-132"),
		Endpoint: 2,
		Parts: []Part{
			measures(powerTotal.named("power").described("Power drawn at this moment on all phases together").every(5, atMost, 1),
				electrical("power_reactive", 0x0305, zcl.Int32, noAttribute, noAttribute, 1).fixed(1, 1).in("VAr").every(5, atMost, 1)),
			choiceSetting(place{zcl.ClusterMetering, zcl.ManufacturerDevelco, 0x0302, zcl.Enum16},
				choice("interface_mode", "What kind of meter is connected", AccessState|AccessSet|AccessGet).of("config"),
				option{"norwegian_han", 0x0200}, option{"norwegian_han_extra_load", 0x0201}, option{"aidon_meter", 0x0202}, option{"kaifa_and_kamstrup", 0x0203}),
			measures(voltage.fixed(1, 10), byHANMode(current), energy.fixed(1, 1000).neverZero().spoiling(), produced.fixed(1, 1000),
				voltageB.fixed(1, 10), voltageC.fixed(1, 10), byHANMode(currentB), byHANMode(currentC)),
		},
	},
	{
		// Its power is that of phase A; that of all phases is total_power.
		// Endpoints 64 to 67 are meters on its M-Bus; what is set to be reported
		// there comes as endpoint 2's, so nothing is.
		Model: "EMIZB-151", Vendor: "Frient", Description: "Electricity Meter Interface 2 P1", OTA: true,
		Match:    maker(frientMakers, "EMIZB-151"),
		Endpoint: 2,
		Parts: []Part{
			measures(power, voltage, current, energy, produced, tier1, tier2, producedTier1, producedTier2,
				powerB, powerC, voltageB, voltageC, currentB, currentC),
			totalPower(),
			watched(p1Gas, zcl.ClusterMetering, attrMeterType),
		},
		Learn: func(learnt map[address]float64) []Part {
			const gas = 1 // ZCL8 §10.4.2.2.4.7
			if learnt[address{p1Gas, zcl.ClusterMetering, 0, attrMeterType}] != gas {
				return nil
			}
			p := measures(metering("gas", zcl.AttrSummationDelivered, zcl.Uint48, 0.01).fixed(1, 1000).unreported()).at(p1Gas).withoutSuffix()
			p.polls = []poll{polled(5*time.Minute, zcl.ClusterMetering, zcl.AttrSummationDelivered)}
			p.form = ours
			return []Part{p}
		},
	},
	zhemi101,
}

// p1Gas is the endpoint of an EMIZB-151 for the gas meter on the same port, which
// tells a new value every hour or every five minutes.
const p1Gas = 64

// byHANMode is the scale of a current of an EMIZB-132.
func byHANMode(m measure) measure {
	return m.by(address{cluster: zcl.ClusterMetering, manufacturer: zcl.ManufacturerDevelco, attribute: 0x0302},
		map[int64]float64{0x0200: 10, 0x0201: 10, 0x0202: 10, 0x0203: 1000}, 10)
}

// totalPower is the power of all phases of a meter, in our form.
func totalPower() Part {
	p := measures(powerTotal)
	p.form = ours
	return p
}

// Plugs and relays. Now and then they send values that they do not know, and
// an energy of 0: then the rest of the message is wrong too.
var frientPlugMeasures = measures(power.spoiling(), voltage.spoiling(), frequency, current.spoiling(), energy.neverZero().spoiling())

var frientSwitches = []Definition{
	{
		Model: "SPLZB-131", Vendor: "Develco", Description: "Power plug", OTA: true,
		Match: maker(frientMakers, "SPLZB-131"), Endpoint: 2,
		Parts: []Part{measures(deviceTemp), frientPlugMeasures, onOff()},
	},
	{
		Model: "SPLZB-132", Vendor: "Develco", Description: "Power plug", OTA: true,
		Match: maker(frientMakers, "SPLZB-132"), Endpoint: 2,
		Parts: []Part{measures(deviceTemp), frientPlugMeasures, onOff()},
	},
	{
		Model: "SPLZB-134", Vendor: "Develco", Description: "Power plug (type G)", OTA: true,
		Match: maker(frientMakers, "SPLZB-134"), Endpoint: 2,
		Parts: []Part{measures(deviceTemp), frientPlugMeasures, onOff(), powerOn()},
	},
	{
		Model: "SPLZB-137", Vendor: "Develco", Description: "Power plug", OTA: true,
		Match: maker(frientMakers, "SPLZB-137"), Endpoint: 2,
		Parts: []Part{onOff(), frientShown},
	},
	frientMini2("SPLZB-141"), frientMini2("SPLZB-142"), frientMini2("SPLZB-144"), frientMini2("SPLZB-147"),
	{
		Model: "SMRZB-143", Vendor: "Develco", Description: "Smart cable",
		Match: maker(frientMakers, "SMRZB-143"), Endpoint: 2,
		Parts: []Part{measures(deviceTemp), frientPlugMeasures, onOff(), powerOn()},
	},
	{
		Model: "SMRZB-153", Vendor: "Frient", Description: "Smart Cable - Power switch with power measurement", OTA: true,
		Match: maker(frientMakers, "SMRZB-153"), Endpoint: 2,
		Parts: []Part{onOff(), powerOn(), measures(power.spoiling(), voltage.spoiling(), current.spoiling(), energy.neverZero().spoiling())},
	},
	{
		Model: "SMRZB-342", Vendor: "Frient", Description: "Smart DIN Relay 2", OTA: true,
		Match: maker(frientMakers, "SMRZB-342"), Endpoint: 2,
		Parts: []Part{onOff(), measures(power.fixed(1, 1), voltage.fixed(1, 100), current.fixed(1, 1000), energy.fixed(1, 1000), deviceTemp)},
	},
	{
		Model: "SMRZB-332", Vendor: "Develco", Description: "Smart relay DIN",
		Match: maker(frientMakers, "SMRZB-332"), Endpoint: 2,
		Parts: []Part{measures(demand.shown(), energy.shown()), onOff()},
	},
	{
		Model: "IOMZB-110", Vendor: "Develco", Description: "IO module",
		Match: maker(frientMakers, "IOMZB-110"),
		Names: map[uint8]string{112: "l1", 113: "l2", 114: "l3", 115: "l4", 116: "l11", 117: "l12"},
		Parts: []Part{binaryInput("input", "Whether the input is closed").at(112, 113, 114, 115), onOff().at(116, 117)},
	},
}

// frientMini2 are the newer plugs, one for each kind of socket.
func frientMini2(model string) Definition {
	return Definition{Model: model, Vendor: "Develco", Description: "Power plug", OTA: true,
		Match: maker(frientMakers, model), Endpoint: 2, Parts: []Part{onOff(), frientShown}}
}

// frientShown is what the newer plugs list.
var frientShown = measures(power.spoiling().shown(), current.spoiling().shown(), voltage.spoiling().shown(),
	energy.neverZero().spoiling().shown(), frequency.shown())

// binaryInput is cluster 0x000F. Source: ZCL8 §3.14.5.
func binaryInput(name, description string) Part {
	e := eitherOf(name, description, "ON", "OFF", AccessState|AccessGet)
	return Part{items: []item{{name: name, expose: &e, sources: []source{{name: name, as: asBool, on: "ON", off: "OFF", typ: zcl.Bool,
		address: address{cluster: zcl.ClusterBinaryInput, attribute: 0x0055}, report: &reporting{0, atMost, 0}}}}}}
}

// Sensors. They have room for four bindings.
var frientSensors = []Definition{
	{
		// Sold as a smoke alarm, whatever else it is called.
		Model: "SMSZB-120", Vendor: "Develco", Description: "Smoke detector with siren", OTA: true,
		Match:    []Match{{Models: []string{"SMSZB-120", "GWA1512_SmokeSensor"}}},
		Endpoint: 35,
		Parts: []Part{
			iasZone(alarm("smoke"), bitBatteryLow, bitSupervision, bitRestore, bitTest),
			frientSiren, frientFault,
			numberSetting(place{zcl.ClusterIASWarning, 0, 0x0000, zcl.Uint16},
				numeric("max_duration", "The longest that the siren sounds", "s", AccessState|AccessSet|AccessGet).between(0, 65534).step(1), 1),
			measures(temperature.on(38)), batteryByVoltage(2500, 3000), enrolment,
		},
	},
	{
		Model: "WISZB-120", Vendor: "Develco", Description: "Window sensor", OTA: true,
		Match: maker(frientMakers, "WISZB-120"), Endpoint: 35,
		Parts: []Part{iasZone(alarm("contact"), bitBatteryLow, bitOpened), measures(temperature.on(38)), batteryByVoltage(2500, 3000)},
	},
	{
		Model: "WISZB-121", Vendor: "Develco", Description: "Window sensor", OTA: true,
		Match: maker(frientMakers, "WISZB-121"), Endpoint: 35,
		Parts: []Part{iasZone(alarm("contact"), bitBatteryLow, bitOpened), batteryByVoltage(2500, 3000)},
	},
	{
		Model: "MOSZB-140", Vendor: "Develco", Description: "Motion sensor", OTA: true,
		Match: maker(frientMakers, "MOSZB-140"), Endpoint: 35,
		Parts: []Part{iasZone(alarm("occupancy"), bitOpened, bitBatteryLow), measures(temperature.on(38)), illuminanceOn(39), batteryByVoltage(2500, 3000)},
	},
	{
		Model: "HMSZB-110", Vendor: "Develco", Description: "Temperature & humidity sensor", OTA: true,
		Match: maker(frientMakers, "HMSZB-110"), Endpoint: 38,
		Parts: []Part{measures(temperature, humidity), batteryByVoltage(2500, 3200), batteryAlarm, emptyBelow},
	},
	{
		Model: "HMSZB-120", Vendor: "Frient", Description: "Temperature & humidity sensor", OTA: true,
		Match: maker(frientMakers, "HMSZB-120"), Endpoint: 38,
		Parts: []Part{measures(temperature, humidity), batteryByVoltage(2500, 3200), batteryAlarm, emptyBelow},
	},
}

func illuminanceOn(endpoint uint8) Part { return illuminanceIn(AccessState | AccessGet).at(endpoint) }

// batteryAlarm is the alarm of a battery: bits of attribute 0x003E. Source: ZCL8
// §3.3.2.2.4.8.
var batteryAlarm = Part{items: []item{{name: "battery_low", expose: ptr(named("battery_low").expose(AccessState)), get: []address{},
	sources: []source{{name: "battery_low", as: asBool, typ: zcl.Bitmap32, address: address{cluster: zcl.ClusterPowerConfig, attribute: 0x003e}}}}}}

// emptyBelow is the same alarm of a device with two AA cells that does not raise
// it itself: they are to be changed at 2.5 V.
var emptyBelow = Part{whole: func(d *Decoder, in Input) {
	const empty = 25 // tenths of a volt
	if in.Cluster != zcl.ClusterPowerConfig || in.Frame.Manufacturer != 0 {
		return
	}
	for _, a := range in.Attributes {
		if v, ok := a.Value.Uint(); ok && a.ID == zcl.AttrBatteryVoltage && a.Status == zcl.StatusSuccess {
			d.emit("battery_low", v <= empty)
		}
	}
}}

// frientSiren starts the siren of a smoke alarm by its two uppermost bits, and
// by a warning as the specification has it.
var frientSiren = Part{items: []item{
	{name: "warning", get: []address{}, set: setWarning},
	{name: "alarm", get: []address{}, expose: ptr(eitherOf("alarm", "Starts and ends the siren", "START", "OFF", AccessSet)), set: func(w *wish) error {
		on, err := w.either("START", "OFF")
		if err != nil {
			return err
		}
		info := byte(0)
		if on {
			info = 0xc0
		}
		w.warn(info, 300, 0, 0)
		return nil
	}},
}}

func ptr[T any](v T) *T { return &v }

// frientFault is what the alarm says of itself: cluster 0x000F.
var frientFault = Part{bind: []uint16{zcl.ClusterIASWarning, zcl.ClusterBinaryInput}, items: []item{
	{name: "reliability", expose: ptr(choice("reliability", "Why there is a fault, if there is one", AccessState, "no_fault_detected", "unreliable_other", "process_error")),
		sources: []source{{name: "reliability", as: asWord, first: true, typ: zcl.Enum8, words: map[int64]string{0: "no_fault_detected", 7: "unreliable_other", 8: "process_error"},
			address: address{cluster: zcl.ClusterBinaryInput, attribute: 0x0067}}}},
	{name: "fault", expose: ptr(flag("fault", "Whether the device has a fault", AccessState)),
		sources: []source{{name: "fault", as: asExactlyOne, typ: zcl.Bitmap8, first: true,
			address: address{cluster: zcl.ClusterBinaryInput, attribute: 0x006f}}}},
}}
