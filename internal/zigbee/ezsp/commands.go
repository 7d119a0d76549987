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
	has    versions // that have the command; the zero value is all
}

// versions are those from the first to the last, 0 meaning no limit.
type versions struct{ first, last Version }

func (v versions) include(x Version) bool { return x.within(v.first, v.last) }

// ErrUnsupported says that a command does not exist in the version that the NCP
// speaks, and that nothing else does the same.
type ErrUnsupported struct {
	Command string
	Version Version
}

func (e ErrUnsupported) Error() string {
	return fmt.Sprintf("the dongle's firmware (EZSP %d) does not know %s", e.Version, e.Command)
}

// call sends the command and reads its reply.
func (cmd *command[Q, A]) call(ctx context.Context, c *Conn, q Q) (a A, err error) {
	if !cmd.has.include(c.dialect()) {
		return a, ErrUnsupported{cmd.name, c.Version()}
	}
	payload, err := cmd.ask.encode(c.dialect(), q)
	if err != nil {
		return a, fmt.Errorf("ezsp: %s: %w", cmd.name, err)
	}
	reply, err := c.exchange(ctx, cmd.id, cmd.name, payload)
	if err != nil {
		return a, err
	}
	if a, err = cmd.answer.decode(c.dialect(), reply); err != nil {
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

type statusValue struct {
	Status Status
	Value  uint16
}

// keyDelivery names the device that is sent the network's key.
type keyDelivery struct {
	NodeID uint16
	EUI64  zcl.EUI64
	Parent uint16
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

type statusEUI64 struct {
	Status Status
	EUI64  zcl.EUI64
}

type statusSequence struct {
	Status   Status
	Sequence uint8
}

type message struct {
	Type        uint8
	Destination uint16
	APS         APSFrame
	Radius      uint8
	Beyond      uint8 // of a multicast: hops among those who are no members
	Tag         uint8
	Payload     []byte
}

type versionReply struct {
	Version   Version
	StackType uint8
	Stack     uint16
}

var (
	cmdVersion = command[Version, versionReply]{id: 0x0000, name: "version",
		ask: layout[Version]{all(u8[Version])},
		answer: layout[versionReply]{all(func(c *coder, r *versionReply) {
			u8(c, &r.Version)
			u8(c, &r.StackType)
			u16(c, &r.Stack)
		})}}
	cmdAddEndpoint     = command[Endpoint, Status]{id: 0x0002, name: "addEndpoint", ask: layout[Endpoint]{all(endpoint)}, answer: ezspReply}
	cmdNop             = command[nothing, nothing]{id: 0x0005, name: "nop"}
	cmdSetConcentrator = command[Concentrator, Status]{id: 0x0010, name: "setConcentrator",
		ask: layout[Concentrator]{all(func(c *coder, v *Concentrator) {
			flag8(c, &v.On)
			u16(c, &v.Type)
			u16(c, &v.MinTime)
			u16(c, &v.MaxTime)
			u8(c, &v.RouteErrors)
			u8(c, &v.DeliveryFailures)
			u8(c, &v.MaxHops)
		})}, answer: emberReply}
	cmdSetManufacturerCode = command[uint16, Status]{id: 0x0015, name: "setManufacturerCode", ask: layout[uint16]{all(u16[uint16])},
		answer: layout[Status]{from(14, slStatus)}}
	cmdNetworkInit  = command[uint16, Status]{id: 0x0017, name: "networkInit", ask: layout[uint16]{all(u16[uint16])}, answer: emberReply}
	cmdNetworkState = command[nothing, NetworkState]{id: 0x0018, name: "networkState", answer: layout[NetworkState]{all(u8[NetworkState])}}
	cmdFormNetwork  = command[NetworkParameters, Status]{id: 0x001E, name: "formNetwork",
		ask: layout[NetworkParameters]{all(networkParameters)}, answer: emberReply}
	cmdLeaveNetwork = command[nothing, Status]{id: 0x0020, name: "leaveNetwork",
		ask: layout[nothing]{from(14, func(c *coder, _ *nothing) { c.skip(1) })}, answer: emberReply} // options
	cmdPermitJoining        = command[uint8, Status]{id: 0x0022, name: "permitJoining", ask: layout[uint8]{all(u8[uint8])}, answer: emberReply}
	cmdGetEUI64             = command[nothing, zcl.EUI64]{id: 0x0026, name: "getEui64", answer: layout[zcl.EUI64]{all(eui64)}}
	cmdGetNetworkParameters = command[nothing, statusParameters]{id: 0x0028, name: "getNetworkParameters",
		answer: layout[statusParameters]{all(func(c *coder, v *statusParameters) {
			emberStatus(c, &v.Status)
			u8(c, &v.NodeType)
			networkParameters(c, &v.Parameters)
		})}}
	cmdGetNodeID            = command[nothing, uint16]{id: 0x0027, name: "getNodeId", answer: layout[uint16]{all(u16[uint16])}}
	cmdMaximumPayloadLength = command[nothing, uint8]{id: 0x0033, name: "maximumPayloadLength", answer: layout[uint8]{all(u8[uint8])}}
	cmdSendUnicast          = command[message, statusSequence]{id: 0x0034, name: "sendUnicast",
		ask: layout[message]{
			all(func(c *coder, m *message) {
				u8(c, &m.Type)
				u16(c, &m.Destination)
				apsFrame(c, &m.APS)
			}),
			all(messageTag),
			all(func(c *coder, m *message) { bytes8(c, &m.Payload) }),
		},
		answer: layout[statusSequence]{all(sendReply)}}
	cmdSendBroadcast = command[message, statusSequence]{id: 0x0036, name: "sendBroadcast",
		ask: layout[message]{
			from(14, func(c *coder, m *message) { c.skip(2) }), // alias
			all(func(c *coder, m *message) { u16(c, &m.Destination) }),
			from(14, func(c *coder, m *message) { c.skip(1) }), // network sequence
			all(func(c *coder, m *message) {
				apsFrame(c, &m.APS)
				u8(c, &m.Radius)
			}),
			all(messageTag),
			all(func(c *coder, m *message) { bytes8(c, &m.Payload) }),
		},
		answer: layout[statusSequence]{all(sendReply)}}
	cmdGetConfigurationValue = command[uint8, statusValue]{id: 0x0052, name: "getConfigurationValue", ask: layout[uint8]{all(u8[uint8])},
		answer: layout[statusValue]{all(func(c *coder, v *statusValue) { ezspStatus(c, &v.Status); u16(c, &v.Value) })}}
	cmdSetConfigurationValue = command[idValue, Status]{id: 0x0053, name: "setConfigurationValue",
		ask: layout[idValue]{all(func(c *coder, v *idValue) { u8(c, &v.ID); u16(c, &v.Value) })}, answer: ezspReply}
	cmdSetPolicy = command[[2]uint8, Status]{id: 0x0055, name: "setPolicy",
		ask: layout[[2]uint8]{all(func(c *coder, v *[2]uint8) { u8(c, &v[0]); u8(c, &v[1]) })}, answer: ezspReply}
	cmdSetSourceRouteDiscoveryMode = command[uint8, uint32]{id: 0x005A, name: "setSourceRouteDiscoveryMode",
		ask: layout[uint8]{all(u8[uint8])}, answer: layout[uint32]{all(u32[uint32])}}
	cmdLookupEUI64 = command[uint16, statusEUI64]{id: 0x0061, name: "lookupEui64ByNodeId", ask: layout[uint16]{all(u16[uint16])},
		answer: layout[statusEUI64]{all(func(c *coder, v *statusEUI64) { emberStatus(c, &v.Status); eui64(c, &v.EUI64) })}}
	cmdSetInitialSecurityState = command[InitialSecurity, Status]{id: 0x0068, name: "setInitialSecurityState",
		ask: layout[InitialSecurity]{all(func(c *coder, v *InitialSecurity) {
			u16(c, &v.Flags)
			key(c, &v.TrustCenterLinkKey)
			key(c, &v.NetworkKey)
			u8(c, &v.NetworkKeySequence)
			eui64(c, &v.TrustCenter)
		})}, answer: emberReply}
	cmdUnicastNetworkKey = command[keyDelivery, Status]{id: 0x0050, name: "unicastCurrentNetworkKey",
		ask: layout[keyDelivery]{all(func(c *coder, v *keyDelivery) {
			u16(c, &v.NodeID)
			eui64(c, &v.EUI64)
			u16(c, &v.Parent)
		})}, answer: emberReply}
	cmdBroadcastNextKey   = command[Key, Status]{id: 0x0073, name: "broadcastNextNetworkKey", ask: layout[Key]{all(key)}, answer: emberReply}
	cmdBroadcastKeySwitch = command[nothing, Status]{id: 0x0074, name: "broadcastNetworkKeySwitch", answer: emberReply}
	cmdTokenFactoryReset  = command[nothing, nothing]{id: 0x0077, name: "tokenFactoryReset", has: versions{first: 13},
		ask: layout[nothing]{all(func(c *coder, _ *nothing) { c.skip(2) })}} // what to keep: nothing
	cmdSetRadioPower = command[int8, Status]{id: 0x0099, name: "setRadioPower", ask: layout[int8]{all(u8[int8])}, answer: emberReply}
	cmdSetChannel    = command[uint8, Status]{id: 0x00B9, name: "setLogicalAndRadioChannel", ask: layout[uint8]{all(u8[uint8])}, answer: emberReply}
	cmdGetValue      = command[uint8, statusBytes]{id: 0x00AA, name: "getValue", ask: layout[uint8]{all(u8[uint8])},
		answer: layout[statusBytes]{all(func(c *coder, v *statusBytes) { ezspStatus(c, &v.Status); bytes8(c, &v.Value) })}}
	cmdSetValue = command[idBytes, Status]{id: 0x00AB, name: "setValue",
		ask: layout[idBytes]{all(func(c *coder, v *idBytes) { u8(c, &v.ID); bytes8(c, &v.Value) })}, answer: ezspReply}
)

// messageTag is one byte up to EZSP 13 and two from then on.
func messageTag(c *coder, m *message) {
	u8(c, &m.Tag)
	if c.v >= 14 {
		c.skip(1)
	}
}

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
