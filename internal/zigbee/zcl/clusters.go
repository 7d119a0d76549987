package zcl

// Clusters the appliance works with. Source: ZCL8, the chapter in the name's
// comment; numbers in hexadecimal as everywhere in the specification.
const (
	ClusterBasic             uint16 = 0x0000 // §3.2
	ClusterPowerConfig       uint16 = 0x0001 // §3.3
	ClusterDeviceTemp        uint16 = 0x0002 // §3.4
	ClusterIdentify          uint16 = 0x0003 // §3.5
	ClusterScenes            uint16 = 0x0005 // §3.7
	ClusterOnOff             uint16 = 0x0006 // §3.8
	ClusterLevel             uint16 = 0x0008 // §3.10
	ClusterTime              uint16 = 0x000a // §3.12
	ClusterAnalogInput       uint16 = 0x000c // §3.14.2
	ClusterBinaryInput       uint16 = 0x000f // §3.14.5
	ClusterOTA               uint16 = 0x0019 // §11
	ClusterPollControl       uint16 = 0x0020 // §3.16
	ClusterGreenPower        uint16 = 0x0021 // Green Power specification
	ClusterColor             uint16 = 0x0300 // §5.2
	ClusterIlluminance       uint16 = 0x0400 // §4.2
	ClusterTemperature       uint16 = 0x0402 // §4.4
	ClusterPressure          uint16 = 0x0403 // §4.5
	ClusterHumidity          uint16 = 0x0405 // §4.7
	ClusterOccupancy         uint16 = 0x0406 // §4.8
	ClusterPM25              uint16 = 0x042a // PM2.5 measurement
	ClusterIASZone           uint16 = 0x0500 // §8.2
	ClusterIASWarning        uint16 = 0x0502 // §8.4
	ClusterMetering          uint16 = 0x0702 // §10.4
	ClusterMeterIdentity     uint16 = 0x0b01 // §10.10
	ClusterElectricalMeas    uint16 = 0x0b04 // §4.9
	ClusterDiagnostics       uint16 = 0x0b05 // §3.15
	ClusterTuya              uint16 = 0xef00 // Tuya's datapoints
	ProfileHomeAutomation    uint16 = 0x0104
	ProfileGreenPower        uint16 = 0xa1e0
	ManufacturerDevelco      uint16 = 0x1015 // also frient
	ManufacturerLegrand      uint16 = 0x1021
	ManufacturerOwon         uint16 = 0x113c
	ManufacturerLumi         uint16 = 0x115f
	ManufacturerIKEA         uint16 = 0x117c
	ManufacturerSinope       uint16 = 0x119c
	ManufacturerThirdReality uint16 = 0x1233
	ManufacturerSonoff       uint16 = 0x1286
	ManufacturerNodOn        uint16 = 0x128b
	AttrSummationDelivered   uint16 = 0x0000 // Metering
	AttrInstantaneousDemand  uint16 = 0x0400 // Metering
	AttrBatteryVoltage       uint16 = 0x0020 // Power configuration
	AttrBatteryPercentage    uint16 = 0x0021 // Power configuration
	AttrZCLVersion           uint16 = 0x0000 // Basic
	AttrApplicationVersion   uint16 = 0x0001 // Basic
	AttrStackVersion         uint16 = 0x0002 // Basic
	AttrHWVersion            uint16 = 0x0003 // Basic
	AttrManufacturerName     uint16 = 0x0004 // Basic
	AttrModelIdentifier      uint16 = 0x0005 // Basic
	AttrDateCode             uint16 = 0x0006 // Basic
	AttrPowerSource          uint16 = 0x0007 // Basic
	AttrSWBuildID            uint16 = 0x4000 // Basic
)
