package ezsp

import "github.com/smartcore-ireland/hems/internal/zigbee/zcl"

// Key is a 128-bit key. It never prints itself.
type Key [16]byte

// String hides the key from logs and errors.
func (Key) String() string { return "(key)" }

// GoString hides the key from %#v.
func (Key) GoString() string { return "ezsp.Key{}" }

// NetworkParameters describe a network (UG100: EmberNetworkParameters).
type NetworkParameters struct {
	ExtendedPANID uint64
	PANID         uint16
	TXPower       int8  // dBm
	Channel       uint8 // 11 to 26
	JoinMethod    uint8
	ManagerID     uint16
	UpdateID      uint8
	Channels      uint32 // a bit for each channel
}

func networkParameters(c *coder, p *NetworkParameters) {
	u64(c, &p.ExtendedPANID)
	u16(c, &p.PANID)
	u8(c, &p.TXPower)
	u8(c, &p.Channel)
	u8(c, &p.JoinMethod)
	u16(c, &p.ManagerID)
	u8(c, &p.UpdateID)
	u32(c, &p.Channels)
}

// APSFrame addresses a message within a node (UG100: EmberApsFrame).
type APSFrame struct {
	Profile, Cluster    uint16
	Source, Destination uint8 // endpoints
	Options             APSOptions
	Group               uint16
	Sequence            uint8
}

func apsFrame(c *coder, f *APSFrame) {
	u16(c, &f.Profile)
	u16(c, &f.Cluster)
	u8(c, &f.Source)
	u8(c, &f.Destination)
	u16(c, &f.Options)
	u16(c, &f.Group)
	u8(c, &f.Sequence)
}

// APSOptions are the options of a message (UG100: EmberApsOption).
type APSOptions uint16

// The options used here.
const (
	APSEncryption             APSOptions = 0x0020
	APSRetry                  APSOptions = 0x0040
	APSEnableRouteDiscovery   APSOptions = 0x0100
	APSEnableAddressDiscovery APSOptions = 0x1000
)

// InitialSecurity is the security of a network about to be formed (UG100:
// EmberInitialSecurityState).
type InitialSecurity struct {
	Flags              SecurityFlags
	TrustCenterLinkKey Key
	NetworkKey         Key
	NetworkKeySequence uint8
	TrustCenter        zcl.EUI64
}

// SecurityFlags are the bits of InitialSecurity (UG100:
// EmberInitialSecurityBitmask).
type SecurityFlags uint16

// The flags used here.
const (
	// SecurityHashedLinkKey: the trust centre keeps one link key and derives
	// each device's from it, so that no table of keys can be full.
	SecurityHashedLinkKey       SecurityFlags = 0x0084
	SecurityPreconfiguredKey    SecurityFlags = 0x0100
	SecurityNetworkKey          SecurityFlags = 0x0200
	SecurityEncryptedKey        SecurityFlags = 0x0800
	SecurityNoFrameCounterReset SecurityFlags = 0x1000
)

// ExtendedSecurity is EmberExtendedSecurityBitmask (UG100).
type ExtendedSecurity uint16

// The flags used here.
const (
	// SecurityJoinerGlobalLinkKey: joining devices use the well-known link key.
	SecurityJoinerGlobalLinkKey ExtendedSecurity = 0x0010
	// SecurityKeepFrameCounters: frame counters go on across a factory reset.
	SecurityKeepFrameCounters ExtendedSecurity = 0x0100
)

// KeyInfo is what an NCP tells of its network key beside the key itself.
type KeyInfo struct {
	Set          bool
	AlternateSet bool
	Sequence     uint8
	AltSequence  uint8
	FrameCounter uint32
}

// Concentrator asks the NCP to have routes to itself announced by broadcast
// (many-to-one routing), so that devices need none of their own discovery.
type Concentrator struct {
	On               bool
	Type             uint16 // 0xFFF8 little memory, 0xFFF9 much
	MinTime, MaxTime uint16 // s between announcements
	RouteErrors      uint8  // announce after that many
	DeliveryFailures uint8  // and that many
	MaxHops          uint8  // 0: as far as the network goes
}

// Endpoint is an application that the NCP answers for.
type Endpoint struct {
	ID      uint8
	Profile uint16
	Device  uint16
	Version uint8
	In, Out []uint16
}

// NetworkState is what an NCP says of its membership (UG100:
// EmberNetworkStatus).
type NetworkState uint8

// The states that matter.
const (
	NoNetwork     NetworkState = 0
	JoinedNetwork NetworkState = 2
)
