package device

import "github.com/smartcore-ireland/hems/internal/zigbee/zcl"

// Legrand's modules forget what they were set up to report when they lose their
// power. They measure power and count no energy.
var legrandMakers = []string{"Legrand"}

const (
	legrandSettings = 0xfc01
	legrandPilot    = 0xfc40
	legrandAuto     = 0xfc41
)

func legrandOf(d Definition) Definition {
	d.Vendor, d.ForgetsSetup = "Legrand", true
	return d
}

func led(attribute uint16, name, description string) Part {
	return switchSetting(place{legrandSettings, zcl.ManufacturerLegrand, attribute, zcl.Bool},
		eitherOf(name, description, "ON", "OFF", AccessState|AccessSet|AccessGet).of("config"))
}

// powerAlarm is a threshold of power over which it gives alarm.
var powerAlarm = Part{items: []item{
	{name: "power_alarm_active", expose: ptr(flag("power_alarm_active", "Whether the power is over the threshold", AccessState)),
		sources: []source{{name: "power_alarm_active", as: asBool, typ: zcl.Uint8, address: address{cluster: zcl.ClusterElectricalMeas, attribute: 0xf000}}}},
	{name: "power_alarm", expose: ptr(eitherOf("power_alarm", "The threshold of power over which it gives alarm, in W, or DISABLE", true, false, AccessState|AccessSet|AccessGet)),
		sources: []source{{name: "power_alarm", as: asBool, typ: zcl.Bool, address: address{cluster: zcl.ClusterElectricalMeas, manufacturer: zcl.ManufacturerLegrand, attribute: 0xf001}}},
		set: func(w *wish) error {
			if s, ok := w.value.(string); ok && s == "DISABLE" {
				w.write(zcl.ClusterElectricalMeas, zcl.ManufacturerLegrand, 0xf001, zcl.Number(zcl.Bool, 0))
				w.say("power_alarm", false)
				return nil
			}
			v, err := w.number(0, 32767)
			if err != nil {
				return err
			}
			w.write(zcl.ClusterElectricalMeas, zcl.ManufacturerLegrand, 0xf002, zcl.Number(zcl.Int16, uint64(v)))
			w.write(zcl.ClusterElectricalMeas, zcl.ManufacturerLegrand, 0xf001, zcl.Number(zcl.Bool, 1))
			w.say("power_alarm", true)
			return nil
		}},
}}

// legrandStart is what a switch does when its power comes back.
var legrandStart = powerOn(option{"off", 0}, option{"previous", 0xff}, option{"on", 1})

var legrand = []Definition{
	legrandOf(Definition{
		Model: "067775/741811", Description: "Power socket with power consumption monitoring", OTA: true,
		Match: maker(legrandMakers, "Connected outlet"),
		Parts: []Part{onOff(), measures(power.shown(), apparent.shown()), legrandStart, identify(),
			led(0x0001, "led_in_dark", "Whether its light is on when it is off"), led(0x0002, "led_if_on", "Whether its light is on when it is on")},
	}),
	legrandOf(Definition{
		Model: "WNRR15/WNRR20", Description: "Outlet with power consumption monitoring", OTA: true,
		Match: maker(legrandMakers, "Mobile outlet"),
		Parts: []Part{onOff(), measures(power.shown())},
	}),
	legrandOf(Definition{
		Model: "412015", Description: "DIN power consumption module", OTA: true,
		Match: maker(legrandMakers, "DIN power consumption module", "Smart shedder module"),
		Parts: []Part{measures(power, apparent.shown()), powerAlarm},
	}),
	legrandOf(Definition{
		Model: "412175", Description: "DIN 3 Phases power consumption module", OTA: true,
		Match: maker(legrandMakers, "3 Phases power consumption module", "3P power consumption module", "DIN 3Ph power consumption module", "3ph Smart shedder module"),
		Parts: []Part{measures(power, powerB, powerC, apparent.shown(), apparentB, apparentC), powerAlarm},
	}),
	legrandOf(Definition{
		Model: "412171", Description: "DIN contactor module", OTA: true,
		Match: maker(legrandMakers, "Contactor"),
		Parts: []Part{
			choiceSetting(place{legrandSettings, zcl.ManufacturerLegrand, 0x0000, zcl.Data16},
				choice("device_mode", "Whether it follows its own input or is switched", AccessState|AccessSet|AccessGet), option{"switch", 3}, option{"auto", 4}),
			Part{items: []item{{name: "auto_mode", get: []address{},
				expose: ptr(choice("auto_mode", "What it does while it follows its own input", AccessState|AccessSet, "off", "auto", "on_override")),
				set: func(w *wish) error {
					i, err := w.word([]string{"off", "auto", "on_override"})
					if err != nil {
						return err
					}
					w.do(legrandAuto, zcl.ManufacturerLegrand, 0x00, [...]byte{0, 2, 3}[i])
					w.say("auto_mode", [...]string{"off", "auto", "on_override"}[i])
					return nil
				}}}},
			onOff(), powerOn(), measures(power)},
	}),
	legrandOf(Definition{
		Model: "064882", Description: "Cable outlet with pilot wire and consumption measurement", OTA: true,
		Match: maker(legrandMakers, "Cable outlet"),
		Parts: []Part{
			switchSettingOf(place{legrandSettings, zcl.ManufacturerLegrand, 0x0000, zcl.Data16},
				eitherOf("device_mode", "Whether it drives a pilot wire; it cannot be switched while it does", "pilot_on", "pilot_off", AccessState|AccessSet|AccessGet), 2, 1),
			pilotWire(legrandPilot, zcl.ManufacturerLegrand, 0x0000, zcl.Enum8, AccessState|AccessSet|AccessGet,
				option{"comfort", 0}, option{"eco", 3}, option{"frost_protection", 4}, option{"off", 5}, option{"comfort_-1", 1}, option{"comfort_-2", 2}),
			onOff(), measures(power, apparent.shown()), legrandStart},
	}),
	legrandOf(Definition{
		Model: "064888", Description: "Wired micromodule switch", OTA: true,
		Match: maker(legrandMakers, "Micromodule switch"),
		Parts: []Part{onOff(), powerOn()},
	}),
}
