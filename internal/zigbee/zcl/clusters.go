package zcl

// Clusters the appliance works with. Source: ZCL8, the chapter in the name's
// comment; numbers in hexadecimal as everywhere in the specification.
const (
	ClusterBasic            uint16 = 0x0000 // §3.2
	ClusterPowerConfig      uint16 = 0x0001 // §3.3
	ClusterIdentify         uint16 = 0x0003 // §3.5
	ClusterOnOff            uint16 = 0x0006 // §3.8
	ClusterTime             uint16 = 0x000a // §3.12
	ClusterOTA              uint16 = 0x0019 // §11
	ClusterPollControl      uint16 = 0x0020 // §3.16
	ClusterGreenPower       uint16 = 0x0021 // Green Power specification
	ClusterMetering         uint16 = 0x0702 // §10.4
	ClusterMeterIdentity    uint16 = 0x0b01 // §10.10
	ClusterElectricalMeas   uint16 = 0x0b04 // §4.9
	ClusterDiagnostics      uint16 = 0x0b05 // §3.15
	ProfileHomeAutomation   uint16 = 0x0104
	ProfileGreenPower       uint16 = 0xa1e0
	ManufacturerDevelco     uint16 = 0x1015
	AttrSummationDelivered  uint16 = 0x0000 // Metering
	AttrInstantaneousDemand uint16 = 0x0400 // Metering
	AttrBatteryVoltage      uint16 = 0x0020 // Power configuration
	AttrBatteryPercentage   uint16 = 0x0021 // Power configuration
	AttrZCLVersion          uint16 = 0x0000 // Basic
	AttrApplicationVersion  uint16 = 0x0001 // Basic
	AttrStackVersion        uint16 = 0x0002 // Basic
	AttrHWVersion           uint16 = 0x0003 // Basic
	AttrManufacturerName    uint16 = 0x0004 // Basic
	AttrModelIdentifier     uint16 = 0x0005 // Basic
	AttrDateCode            uint16 = 0x0006 // Basic
	AttrPowerSource         uint16 = 0x0007 // Basic
	AttrSWBuildID           uint16 = 0x4000 // Basic
)
