package bridge

import (
	"strconv"
)

// Names of clusters and attributes in bridge/devices, as Zigbee2MQTT has them.
// One without a name appears as its number.
var clusterNameTable = map[uint16]string{
	0x0000: "genBasic",
	0x0001: "genPowerCfg",
	0x0002: "genDeviceTempCfg",
	0x0003: "genIdentify",
	0x0004: "genGroups",
	0x0005: "genScenes",
	0x0006: "genOnOff",
	0x0007: "genOnOffSwitchCfg",
	0x0008: "genLevelCtrl",
	0x0009: "genAlarms",
	0x000a: "genTime",
	0x000c: "genAnalogInput",
	0x000f: "genBinaryInput",
	0x0012: "genMultistateInput",
	0x0019: "genOta",
	0x0020: "genPollCtrl",
	0x0021: "greenPower",
	0x0102: "closuresWindowCovering",
	0x0201: "hvacThermostat",
	0x0300: "lightingColorCtrl",
	0x0400: "msIlluminanceMeasurement",
	0x0402: "msTemperatureMeasurement",
	0x0403: "msPressureMeasurement",
	0x0405: "msRelativeHumidity",
	0x0406: "msOccupancySensing",
	0x0500: "ssIasZone",
	0x0502: "ssIasWd",
	0x0702: "seMetering",
	0x0b01: "seMeterIdentification",
	0x0b02: "haApplianceEventsAlerts",
	0x0b03: "haApplianceStatistics",
	0x0b04: "haElectricalMeasurement",
	0x0b05: "haDiagnostic",
	0x1000: "touchlink",
}

type attributeKey struct{ cluster, attribute uint16 }

var attributeNameTable = map[attributeKey]string{
	{0x0001, 0x0020}: "batteryVoltage",
	{0x0001, 0x0021}: "batteryPercentageRemaining",
	{0x0006, 0x0000}: "onOff",
	{0x0402, 0x0000}: "measuredValue",
	{0x0405, 0x0000}: "measuredValue",
	{0x0702, 0x0000}: "currentSummDelivered",
	{0x0702, 0x0001}: "currentSummReceived",
	{0x0702, 0x0200}: "status",
	{0x0702, 0x0400}: "instantaneousDemand",
	{0x0b04, 0x0304}: "totalActivePower",
	{0x0b04, 0x0505}: "rmsVoltage",
	{0x0b04, 0x0508}: "rmsCurrent",
	{0x0b04, 0x050b}: "activePower",
}

func clusterName(id uint16) string {
	if name, ok := clusterNameTable[id]; ok {
		return name
	}
	return strconv.Itoa(int(id))
}

func clusterNames(ids []uint16) []string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = clusterName(id)
	}
	return list
}

// attributeName is a name, or a number for an attribute without one. Those of a
// manufacturer have none: they share numbers with standard ones.
func attributeName(cluster, manufacturer, id uint16) any {
	if name, ok := attributeNameTable[attributeKey{cluster, id}]; ok && manufacturer == 0 {
		return name
	}
	return id
}
