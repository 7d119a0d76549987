package ezsp

// ConfigID is one of the stack's sizes and times (UG100: EzspConfigId).
type ConfigID uint8

// The configuration values set here.
const (
	ConfigStackProfile                ConfigID = 0x0C
	ConfigSecurityLevel               ConfigID = 0x0D
	ConfigMaxHops                     ConfigID = 0x10
	ConfigMaxEndDeviceChildren        ConfigID = 0x11
	ConfigIndirectTransmissionTimeout ConfigID = 0x12
	ConfigEndDevicePollTimeout        ConfigID = 0x13
	ConfigTrustCenterAddressCacheSize ConfigID = 0x19
	ConfigSupportedNetworks           ConfigID = 0x2D
	ConfigTransientKeyTimeout         ConfigID = 0x36
)

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
	ValueTransientDeviceTimeout  ValueID = 0x43
)
