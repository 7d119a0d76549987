package ezsp

import (
	"context"
	"fmt"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// command is a command with the payloads of its request and its reply.
type command[Q, A any] struct {
	id     FrameID
	name   string
	ask    layout[Q]
	answer layout[A]
}

// call sends the command and reads its reply.
func (cmd *command[Q, A]) call(ctx context.Context, c *Conn, q Q) (a A, err error) {
	payload, err := cmd.ask.encode(c.Version(), q)
	if err != nil {
		return a, fmt.Errorf("ezsp: %s: %w", cmd.name, err)
	}
	reply, err := c.exchange(ctx, cmd.id, cmd.name, payload)
	if err != nil {
		return a, err
	}
	if a, err = cmd.answer.decode(c.Version(), reply); err != nil {
		return a, fmt.Errorf("ezsp: reply to %s: %w", cmd.name, err)
	}
	return a, nil
}

// The payloads that are a status and nothing else, or nothing.
type nothing struct{}

var (
	emberReply = layout[Status]{all(emberStatus)}
	ezspReply  = layout[Status]{all(ezspStatus)}
	slReply    = layout[Status]{all(slStatus)}
)

type idValue struct {
	ID    uint8
	Value uint16
}

type idBytes struct {
	ID    uint8
	Value []byte
}

type statusBytes struct {
	Status Status
	Value  []byte
}

type statusParameters struct {
	Status     Status
	NodeType   uint8
	Parameters NetworkParameters
}

type statusKeyInfo struct {
	Status Status
	Info   KeyInfo
}

type statusKey struct {
	Status Status
	Key    Key
}

type statusEUI64 struct {
	Status Status
	EUI64  zcl.EUI64
}

type statusSequence struct {
	Status   Status
	Sequence uint8
}

type transientKey struct {
	EUI64 zcl.EUI64
	Key   Key
}

type message struct {
	Type        uint8
	Destination uint16
	APS         APSFrame
	Radius      uint8
	Tag         uint8
	Payload     []byte
}

type versionReply struct {
	Version   Version
	StackType uint8
	Stack     uint16
}

var (
	cmdVersion = command[Version, versionReply]{0x0000, "version",
		layout[Version]{all(u8[Version])},
		layout[versionReply]{all(func(c *coder, r *versionReply) {
			u8(c, &r.Version)
			u8(c, &r.StackType)
			u16(c, &r.Stack)
		})}}
	cmdAddEndpoint     = command[Endpoint, Status]{0x0002, "addEndpoint", layout[Endpoint]{all(endpoint)}, ezspReply}
	cmdNop             = command[nothing, nothing]{0x0005, "nop", nil, nil}
	cmdSetConcentrator = command[Concentrator, Status]{0x0010, "setConcentrator",
		layout[Concentrator]{all(func(c *coder, v *Concentrator) {
			flag8(c, &v.On)
			u16(c, &v.Type)
			u16(c, &v.MinTime)
			u16(c, &v.MaxTime)
			u8(c, &v.RouteErrors)
			u8(c, &v.DeliveryFailures)
			u8(c, &v.MaxHops)
		})}, emberReply}
	cmdSetManufacturerCode = command[uint16, nothing]{0x0015, "setManufacturerCode", layout[uint16]{all(u16[uint16])}, nil}
	cmdNetworkInit         = command[uint16, Status]{0x0017, "networkInit", layout[uint16]{all(u16[uint16])}, emberReply}
	cmdNetworkState        = command[nothing, NetworkState]{0x0018, "networkState", nil, layout[NetworkState]{all(u8[NetworkState])}}
	cmdFormNetwork         = command[NetworkParameters, Status]{0x001E, "formNetwork",
		layout[NetworkParameters]{all(networkParameters)}, emberReply}
	cmdPermitJoining        = command[uint8, Status]{0x0022, "permitJoining", layout[uint8]{all(u8[uint8])}, emberReply}
	cmdGetEUI64             = command[nothing, zcl.EUI64]{0x0026, "getEui64", nil, layout[zcl.EUI64]{all(eui64)}}
	cmdGetNetworkParameters = command[nothing, statusParameters]{0x0028, "getNetworkParameters", nil,
		layout[statusParameters]{all(func(c *coder, v *statusParameters) {
			emberStatus(c, &v.Status)
			u8(c, &v.NodeType)
			networkParameters(c, &v.Parameters)
		})}}
	cmdSendUnicast = command[message, statusSequence]{0x0034, "sendUnicast",
		layout[message]{
			all(func(c *coder, m *message) {
				u8(c, &m.Type)
				u16(c, &m.Destination)
				apsFrame(c, &m.APS)
			}),
			until(13, func(c *coder, m *message) { u8(c, &m.Tag) }),
			from(14, func(c *coder, m *message) { u8(c, &m.Tag); c.skip(1) }),
			all(func(c *coder, m *message) { bytes8(c, &m.Payload) }),
		},
		layout[statusSequence]{all(sendReply)}}
	cmdSendBroadcast = command[message, statusSequence]{0x0036, "sendBroadcast",
		layout[message]{
			from(14, func(c *coder, m *message) { c.skip(2) }), // alias
			all(func(c *coder, m *message) { u16(c, &m.Destination) }),
			from(14, func(c *coder, m *message) { c.skip(1) }), // network sequence
			all(func(c *coder, m *message) {
				apsFrame(c, &m.APS)
				u8(c, &m.Radius)
			}),
			until(13, func(c *coder, m *message) { u8(c, &m.Tag) }),
			from(14, func(c *coder, m *message) { u8(c, &m.Tag); c.skip(1) }),
			all(func(c *coder, m *message) { bytes8(c, &m.Payload) }),
		},
		layout[statusSequence]{all(sendReply)}}
	cmdSetConfigurationValue = command[idValue, Status]{0x0053, "setConfigurationValue",
		layout[idValue]{all(func(c *coder, v *idValue) { u8(c, &v.ID); u16(c, &v.Value) })}, ezspReply}
	cmdSetPolicy = command[[2]uint8, Status]{0x0055, "setPolicy",
		layout[[2]uint8]{all(func(c *coder, v *[2]uint8) { u8(c, &v[0]); u8(c, &v[1]) })}, ezspReply}
	cmdSetSourceRouteDiscoveryMode = command[uint8, uint32]{0x005A, "setSourceRouteDiscoveryMode",
		layout[uint8]{all(u8[uint8])}, layout[uint32]{all(u32[uint32])}}
	cmdLookupEUI64 = command[uint16, statusEUI64]{0x0061, "lookupEui64ByNodeId", layout[uint16]{all(u16[uint16])},
		layout[statusEUI64]{all(func(c *coder, v *statusEUI64) { emberStatus(c, &v.Status); eui64(c, &v.EUI64) })}}
	cmdSetInitialSecurityState = command[InitialSecurity, Status]{0x0068, "setInitialSecurityState",
		layout[InitialSecurity]{all(func(c *coder, v *InitialSecurity) {
			u16(c, &v.Flags)
			key(c, &v.TrustCenterLinkKey)
			key(c, &v.NetworkKey)
			u8(c, &v.NetworkKeySequence)
			eui64(c, &v.TrustCenter)
		})}, emberReply}
	cmdClearTransientLinkKeys = command[nothing, nothing]{0x006B, "clearTransientLinkKeys", nil, nil}
	cmdGetValue               = command[uint8, statusBytes]{0x00AA, "getValue", layout[uint8]{all(u8[uint8])},
		layout[statusBytes]{all(func(c *coder, v *statusBytes) { ezspStatus(c, &v.Status); bytes8(c, &v.Value) })}}
	cmdSetValue = command[idBytes, Status]{0x00AB, "setValue",
		layout[idBytes]{all(func(c *coder, v *idBytes) { u8(c, &v.ID); bytes8(c, &v.Value) })}, ezspReply}
	cmdClearKeyTable      = command[nothing, Status]{0x00B1, "clearKeyTable", nil, emberReply}
	cmdImportTransientKey = command[transientKey, Status]{0x0111, "importTransientKey",
		layout[transientKey]{
			all(func(c *coder, v *transientKey) { eui64(c, &v.EUI64); key(c, &v.Key) }),
			until(13, func(c *coder, v *transientKey) { c.skip(1) }), // flags
		}, slReply}
	cmdExportKey = command[keyContext, statusKey]{0x0114, "exportKey",
		layout[keyContext]{all(func(c *coder, v *keyContext) {
			u8(c, &v.Type)
			c.skip(13)
			u32(c, &v.Algorithm)
		})},
		layout[statusKey]{
			from(14, func(c *coder, v *statusKey) { slStatus(c, &v.Status) }),
			all(func(c *coder, v *statusKey) { key(c, &v.Key) }),
			until(13, func(c *coder, v *statusKey) { slStatus(c, &v.Status) }),
		}}
	cmdGetNetworkKeyInfo = command[nothing, statusKeyInfo]{0x0116, "getNetworkKeyInfo", nil,
		layout[statusKeyInfo]{all(func(c *coder, v *statusKeyInfo) {
			slStatus(c, &v.Status)
			flag8(c, &v.Info.Set)
			flag8(c, &v.Info.AlternateSet)
			u8(c, &v.Info.Sequence)
			u8(c, &v.Info.AltSequence)
			u32(c, &v.Info.FrameCounter)
		})}}
)

// keyContext names a key in the NCP's security manager.
type keyContext struct {
	Type      uint8
	Algorithm uint32
}

// KeyType is a kind of key that can be exported.
type KeyType uint8

// The keys that are exported.
const (
	NetworkKey         KeyType = 1
	TrustCenterLinkKey KeyType = 2
)

// psaCCM is the algorithm permission that the security manager expects in the
// context: PSA_ALG_CCM_STAR_ANY_TAG or the like; recorded from a working host.
const psaCCM = 0x05440100

func sendReply(c *coder, r *statusSequence) {
	emberStatus(c, &r.Status)
	u8(c, &r.Sequence)
}

func endpoint(c *coder, e *Endpoint) {
	u8(c, &e.ID)
	u16(c, &e.Profile)
	u16(c, &e.Device)
	u8(c, &e.Version)
	in, out := uint8(len(e.In)), uint8(len(e.Out))
	u8(c, &in)
	u8(c, &out)
	if !c.write {
		e.In, e.Out = make([]uint16, in), make([]uint16, out)
	}
	for i := range e.In {
		u16(c, &e.In[i])
	}
	for i := range e.Out {
		u16(c, &e.Out[i])
	}
}
