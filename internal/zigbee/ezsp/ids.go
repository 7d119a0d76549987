package ezsp

// ConfigID is one of the stack's sizes and times (UG100: EzspConfigId).
type ConfigID uint8

// The configuration values (each firmware has its own limits and defaults).
const (
	ConfigPacketBufferCount           ConfigID = 0x01 // until EZSP 13; 255: all that fit
	ConfigNeighborTableSize           ConfigID = 0x02
	ConfigAPSUnicastMessageCount      ConfigID = 0x03 // in flight at once
	ConfigBindingTableSize            ConfigID = 0x04
	ConfigAddressTableSize            ConfigID = 0x05
	ConfigMulticastTableSize          ConfigID = 0x06
	ConfigRouteTableSize              ConfigID = 0x07
	ConfigDiscoveryTableSize          ConfigID = 0x08
	ConfigStackProfile                ConfigID = 0x0C
	ConfigSecurityLevel               ConfigID = 0x0D
	ConfigMaxHops                     ConfigID = 0x10
	ConfigMaxEndDeviceChildren        ConfigID = 0x11
	ConfigIndirectTransmissionTimeout ConfigID = 0x12 // ms
	ConfigEndDevicePollTimeout        ConfigID = 0x13 // 2^n minutes
	ConfigTrustCenterAddressCacheSize ConfigID = 0x19
	ConfigSourceRouteTableSize        ConfigID = 0x1A
	ConfigKeyTableSize                ConfigID = 0x1E
	ConfigPANIDConflictThreshold      ConfigID = 0x22 // reports a minute
	ConfigRequestKeyTimeout           ConfigID = 0x24 // minutes
	ConfigApplicationZDOFlags         ConfigID = 0x2A
	ConfigBroadcastTableSize          ConfigID = 0x2B
	ConfigSupportedNetworks           ConfigID = 0x2D
	ConfigTransientKeyTimeout         ConfigID = 0x36 // s
	ConfigTCRejoinTimeout             ConfigID = 0x38 // s, for rejoins with the well-known key
)

// configVersions are the values that not all versions have, or whose number was
// given to another.
var configVersions = map[ConfigID]versions{
	ConfigPacketBufferCount: {last: 13},
}

// PolicyID is something the NCP decides by itself (UG100: EzspPolicyId).
type PolicyID uint8

// The policies set here.
const (
	PolicyTrustCenter         PolicyID = 0x00
	PolicyBindingModification PolicyID = 0x01
	PolicyMessageContents     PolicyID = 0x04
	PolicyTCKeyRequest        PolicyID = 0x05
	PolicyAppKeyRequest       PolicyID = 0x06
)

// ValueID is a value of the stack (UG100: EzspValueId).
type ValueID uint8

// The values read and set here.
const (
	ValueStackTokenWriting       ValueID = 0x07
	ValueExtendedSecurityBitmask ValueID = 0x0A
	ValueVersionInfo             ValueID = 0x11
	ValueCCAThreshold            ValueID = 0x15
	ValueNetworkFrameCounter     ValueID = 0x23
	ValueAPSFrameCounter         ValueID = 0x24
	ValueTransientDeviceTimeout  ValueID = 0x43
)
