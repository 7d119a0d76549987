package device

import (
	"math"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Thermostats: cluster 0x0201. Source: ZCL8 §6.3.
const (
	clusterThermostat   = 0x0201
	attrLocalTemp       = 0x0000
	attrCalibration     = 0x0010
	attrHeatingSetpoint = 0x0012
	attrSystemMode      = 0x001c
	attrRunningState    = 0x0029
)

// radiatorValve is a valve with a setpoint in this range.
func radiatorValve(low, high float64, modes ...option) Part {
	all := AccessState | AccessSet | AccessGet
	setpoint := numeric("occupied_heating_setpoint", "The temperature that is wanted", "°C", all).between(low, high).step(0.5)
	local := numeric("local_temperature", "The temperature that the valve measures", "°C", AccessState|AccessGet)
	calibration := numeric("local_temperature_calibration", "What the valve adds to what it measures", "°C", all).between(-12.7, 12.7).step(0.2)
	mode := choiceSetting(place{clusterThermostat, 0, attrSystemMode, zcl.Enum8}, choice("system_mode", "Whether it heats", all), modes...)
	running := choice("running_state", "What it does", AccessState|AccessGet, "idle", "heat")
	at := func(id uint16) address { return address{cluster: clusterThermostat, attribute: id} }
	p := Part{items: []item{
		{name: "occupied_heating_setpoint", set: setSetpoint(low, high), get: []address{at(attrHeatingSetpoint)},
			expose: &Expose{Type: Climate, Features: []Expose{setpoint, local, calibration, *mode.items[0].expose, running}},
			sources: []source{{name: "occupied_heating_setpoint", unit: "°C", address: at(attrHeatingSetpoint), typ: zcl.Int16, scale: scale{div: 100},
				report: &reporting{0, atMost, 0.1}}}},
		{name: "local_temperature", get: []address{at(attrLocalTemp)}, sources: []source{{name: "local_temperature", unit: "°C", address: at(attrLocalTemp),
			typ: zcl.Int16, scale: scale{div: 100}, report: &reporting{atLeast, atMost, 0.1}}}},
		{name: "local_temperature_calibration", get: []address{at(attrCalibration)}, set: setCalibration, sources: []source{{name: "local_temperature_calibration",
			address: at(attrCalibration), typ: zcl.Int8, scale: scale{div: 10}, first: true}}},
		{name: "running_state", get: []address{at(attrRunningState)}, sources: []source{{name: "running_state", as: asBit, on: "heat", off: "idle",
			address: at(attrRunningState), typ: zcl.Bitmap16}}},
	}}
	m := mode.items[0]
	m.expose, m.get = nil, []address{at(attrSystemMode)}
	m.sources = append([]source(nil), m.sources...)
	m.sources[0].report = &reporting{atLeast, atMost, 0}
	p.items = append(p.items, m)
	return p
}

func setSetpoint(low, high float64) setter {
	return func(w *wish) error {
		v, err := w.number(low, high)
		if err != nil {
			return err
		}
		w.write(clusterThermostat, 0, attrHeatingSetpoint, zcl.Number(zcl.Int16, uint64(int64(math.Round(v*100)))))
		w.say(w.key, number(v))
		return nil
	}
}

func setCalibration(w *wish) error {
	v, err := w.number(-12.7, 12.7)
	if err != nil {
		return err
	}
	w.write(clusterThermostat, 0, attrCalibration, zcl.Number(zcl.Int8, uint64(int64(math.Round(v*10)))))
	w.say(w.key, number(v))
	return nil
}

// trvzb is Sonoff's valve. Its own cluster has what a person sets.
var trvzb = Definition{
	Model: "TRVZB", Vendor: "SONOFF", Description: "Zigbee thermostatic radiator valve", OTA: true,
	Match: models("TRVZB"),
	Parts: []Part{
		radiatorValve(4, 35, option{"off", 0}, option{"auto", 1}, option{"heat", 4}),
		batteryPart(batteryPercent.shown(), true, false),
		switchSetting(place{sonoffCluster, 0, 0x0000, zcl.Bool},
			eitherOf("child_lock", "Whether its buttons are locked", "LOCK", "UNLOCK", AccessState|AccessSet|AccessGet).of("config")),
		switchSetting(place{sonoffCluster, 0, 0x6000, zcl.Bool},
			eitherOf("open_window", "Whether it closes when the temperature falls suddenly", "ON", "OFF", AccessState|AccessSet|AccessGet).of("config")),
		numberSetting(place{sonoffCluster, 0, 0x6002, zcl.Int16},
			numeric("frost_protection_temperature", "Below this it heats even when it is off", "°C", AccessState|AccessSet|AccessGet).between(4, 35).step(0.5).of("config"), 100),
		numberSetting(place{sonoffCluster, 0, 0x600b, zcl.Uint8},
			numeric("valve_opening_degree", "How far it opens at most", "%", AccessState|AccessSet|AccessGet).between(0, 100).step(1).of("config"), 1),
		numberSetting(place{sonoffCluster, 0, 0x600c, zcl.Uint8},
			numeric("valve_closing_degree", "How far it closes at most", "%", AccessState|AccessSet|AccessGet).between(0, 100).step(1).of("config"), 1),
	},
}
