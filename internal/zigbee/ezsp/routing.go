package ezsp

import (
	"context"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

type sourceRoute struct {
	Destination uint16
	Relays      []uint16
}

type manyToOne struct {
	Type   uint16
	Radius uint8
}

type multicastEntry struct {
	Index, Endpoint, Network uint8
	Group                    uint16
}

var (
	cmdSetSourceRoute = command[sourceRoute, Status]{id: 0x00AE, name: "setSourceRoute",
		ask: layout[sourceRoute]{all(func(c *coder, v *sourceRoute) {
			u16(c, &v.Destination)
			list8(c, &v.Relays, u16)
		})}, answer: emberReply}
	cmdSendManyToOne = command[manyToOne, Status]{id: 0x0041, name: "sendManyToOneRouteRequest",
		ask: layout[manyToOne]{all(func(c *coder, v *manyToOne) { u16(c, &v.Type); u8(c, &v.Radius) })}, answer: emberReply}
	cmdSetMulticast = command[multicastEntry, Status]{id: 0x0064, name: "setMulticastTableEntry",
		ask: layout[multicastEntry]{all(func(c *coder, v *multicastEntry) {
			u8(c, &v.Index)
			u16(c, &v.Group)
			u8(c, &v.Endpoint)
			u8(c, &v.Network)
		})}, answer: emberReply}
	cmdSendMulticast = command[message, statusSequence]{id: 0x0038, name: "sendMulticast",
		ask: layout[message]{
			all(func(c *coder, m *message) { apsFrame(c, &m.APS); u8(c, &m.Radius) }),
			// How far beyond the group's members; from EZSP 14 on which nodes
			// hear it, an alias, and a network sequence number.
			until(13, func(c *coder, m *message) { u8(c, &m.Beyond) }),
			from(14, func(c *coder, m *message) { u16(c, &m.Destination); c.skip(2 + 1) }),
			all(messageTag),
			all(func(c *coder, m *message) { bytes8(c, &m.Payload) }),
		},
		answer: layout[statusSequence]{all(sendReply)}}
)

// SetSourceRoute gives the NCP the way to a node: the relays from our neighbour
// to the node's (a RouteRecord has them the other way round). It is for the
// next message. From EZSP 9 on NCPs find the way by themselves once
// SetSourceRouteDiscoveryMode has been called, and firmware takes the command
// and does nothing.
func (c *Conn) SetSourceRoute(ctx context.Context, node uint16, relays []uint16) error {
	return do(ctx, c, &cmdSetSourceRoute, sourceRoute{node, relays})
}

// SendManyToOneRouteRequest announces the NCP as a concentrator now; kind is
// 0xFFF8 (little memory) or 0xFFF9 (much), a radius of 0 the furthest.
func (c *Conn) SendManyToOneRouteRequest(ctx context.Context, kind uint16, radius uint8) error {
	return do(ctx, c, &cmdSendManyToOne, manyToOne{kind, radius})
}

// SetMulticastTableEntry makes the NCP hear a group with one of its endpoints;
// endpoint 0 ends it. There are ConfigMulticastTableSize places.
func (c *Conn) SetMulticastTableEntry(ctx context.Context, index uint8, group uint16, endpoint uint8) error {
	return do(ctx, c, &cmdSetMulticast, multicastEntry{Index: index, Group: group, Endpoint: endpoint})
}

// SendMulticast sends a message to the group in the APS frame, to all members
// that listen all the time. A radius of 0 is the furthest.
func (c *Conn) SendMulticast(ctx context.Context, f APSFrame, radius, tag uint8, payload []byte) (uint8, error) {
	const listening, everywhere = 0xFFFD, 7
	r, err := cmdSendMulticast.call(ctx, c, message{
		Destination: listening, APS: f, Radius: radius, Beyond: everywhere, Tag: tag, Payload: payload})
	return r.Sequence, checked(cmdSendMulticast.name, r.Status, err)
}

// RemoveDevice has the trust centre send a device away (Zigbee 4.4.5.2): through
// its parent, or itself when parent is its own address.
func (c *Conn) RemoveDevice(ctx context.Context, node uint16, parent, device zcl.EUI64) error {
	return do(ctx, c, &cmdRemoveDevice, removal{node, parent, device})
}

type removal struct {
	NodeID         uint16
	Parent, Device zcl.EUI64
}

var cmdRemoveDevice = command[removal, Status]{id: 0x00A8, name: "removeDevice",
	ask: layout[removal]{all(func(c *coder, v *removal) {
		u16(c, &v.NodeID)
		eui64(c, &v.Parent)
		eui64(c, &v.Device)
	})}, answer: emberReply}
