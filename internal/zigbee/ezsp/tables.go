package ezsp

import (
	"context"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Neighbor is a router that the NCP hears (UG100: EmberNeighborTableEntry).
type Neighbor struct {
	NodeID          uint16
	LQI             uint8 // average, 0 to 255
	InCost, OutCost uint8 // 1 good to 7 bad; OutCost 0: unknown
	Age             uint8 // periods of 16 s since it was last heard; 3 or more is new
	EUI64           zcl.EUI64
}

// Route is the NCP's next hop towards a node (UG100: EmberRouteTableEntry).
type Route struct {
	Destination, NextHop uint16
	Status               uint8 // 0 active, 1 being discovered, 3 unused, 4 validating
	Age                  uint8
	Concentrator         uint8 // 0 none, 1 with little memory, 2 with much
	RouteRecord          uint8 // 0 not needed, 1 sent, 2 needed
}

// Child is an end device that has the NCP as its parent (UG100:
// EmberChildData).
type Child struct {
	EUI64            zcl.EUI64
	Type             uint8 // EmberNodeType: 3 end device, 4 sleepy end device
	NodeID           uint16
	PHY              uint8
	Power            uint8
	Timeout          uint8
	RemainingTimeout uint32 // from EZSP 10 on
}

// Address is an entry of the address table.
type Address struct {
	NodeID uint16
	EUI64  zcl.EUI64
}

func neighbor(c *coder, v *Neighbor) {
	u16(c, &v.NodeID)
	u8(c, &v.LQI)
	u8(c, &v.InCost)
	u8(c, &v.OutCost)
	u8(c, &v.Age)
	eui64(c, &v.EUI64)
}

func route(c *coder, v *Route) {
	u16(c, &v.Destination)
	u16(c, &v.NextHop)
	u8(c, &v.Status)
	u8(c, &v.Age)
	u8(c, &v.Concentrator)
	u8(c, &v.RouteRecord)
}

func child(c *coder, v *Child) {
	eui64(c, &v.EUI64)
	u8(c, &v.Type)
	u16(c, &v.NodeID)
	u8(c, &v.PHY)
	u8(c, &v.Power)
	u8(c, &v.Timeout)
}

type statusOf[T any] struct {
	Status Status
	Value  T
}

// tableEntry is a reply with a status and an entry.
func tableEntry[T any](code func(*coder, *T)) layout[statusOf[T]] {
	return layout[statusOf[T]]{all(func(c *coder, v *statusOf[T]) { emberStatus(c, &v.Status); code(c, &v.Value) })}
}

type indexedChild struct {
	Index uint8
	Child Child
}

// Parenthood is what the NCP tells of its children.
type Parenthood struct{ Children uint8 }

type indexedAddress struct {
	Index   uint8
	Address Address
}

type nodeReply struct {
	Status Status
	NodeID uint16
}

var (
	cmdGetNeighbor = command[uint8, statusOf[Neighbor]]{id: 0x0079, name: "getNeighbor",
		ask: layout[uint8]{all(u8[uint8])}, answer: tableEntry(neighbor)}
	cmdNeighborCount      = command[nothing, uint8]{id: 0x007A, name: "neighborCount", answer: layout[uint8]{all(u8[uint8])}}
	cmdGetRouteTableEntry = command[uint8, statusOf[Route]]{id: 0x007B, name: "getRouteTableEntry",
		ask: layout[uint8]{all(u8[uint8])}, answer: tableEntry(route)}
	cmdGetChildData = command[uint8, statusOf[Child]]{id: 0x004A, name: "getChildData",
		ask: layout[uint8]{all(u8[uint8])},
		answer: append(tableEntry(child),
			from(10, func(c *coder, v *statusOf[Child]) { u32(c, &v.Value.RemainingTimeout) }))}
	cmdSetChildData = command[indexedChild, Status]{id: 0x00AC, name: "setChildData", has: versions{first: 9},
		ask: layout[indexedChild]{
			all(func(c *coder, v *indexedChild) { u8(c, &v.Index); child(c, &v.Child) }),
			from(10, func(c *coder, v *indexedChild) { u32(c, &v.Child.RemainingTimeout) }),
		}, answer: emberReply}
	cmdGetParentChildParameters = command[nothing, Parenthood]{id: 0x0029, name: "getParentChildParameters",
		answer: layout[Parenthood]{all(func(c *coder, v *Parenthood) { u8(c, &v.Children); c.skip(8 + 2) })}} // of the parent: none

	cmdLookupNodeID = command[zcl.EUI64, nodeReply]{id: 0x0060, name: "lookupNodeIdByEui64",
		ask: layout[zcl.EUI64]{all(eui64)},
		answer: layout[nodeReply]{
			from(14, func(c *coder, v *nodeReply) { slStatus(c, &v.Status) }),
			all(func(c *coder, v *nodeReply) { u16(c, &v.NodeID) }),
		}}
	// From EZSP 14 on one command sets both halves of an entry, under the number
	// of the first of two.
	cmdSetAddress = command[indexedAddress, Status]{id: 0x005C, name: "setAddressTableInfo",
		ask: layout[indexedAddress]{
			all(func(c *coder, v *indexedAddress) { u8(c, &v.Index); eui64(c, &v.Address.EUI64) }),
			from(14, func(c *coder, v *indexedAddress) { u16(c, &v.Address.NodeID) }),
		}, answer: emberReply}
	cmdSetAddressNodeID = command[indexedAddress, nothing]{id: 0x005D, name: "setAddressTableRemoteNodeId", has: versions{last: 13},
		ask: layout[indexedAddress]{all(func(c *coder, v *indexedAddress) { u8(c, &v.Index); u16(c, &v.Address.NodeID) })}}
	cmdGetAddress = command[uint8, statusOf[Address]]{id: 0x005E, name: "getAddressTableInfo",
		ask: layout[uint8]{all(u8[uint8])},
		answer: layout[statusOf[Address]]{
			from(14, func(c *coder, v *statusOf[Address]) { slStatus(c, &v.Status); u16(c, &v.Value.NodeID) }),
			all(func(c *coder, v *statusOf[Address]) { eui64(c, &v.Value.EUI64) }),
		}}
	cmdGetAddressNodeID = command[uint8, uint16]{id: 0x005F, name: "getAddressTableRemoteNodeId", has: versions{last: 13},
		ask: layout[uint8]{all(u8[uint8])}, answer: layout[uint16]{all(u16[uint16])}}
	cmdSetExtendedTimeout = command[addressFlag, Status]{id: 0x007E, name: "setExtendedTimeout",
		ask:    layout[addressFlag]{all(addressAndFlag)},
		answer: layout[Status]{from(14, slStatus)}}
)

// Neighbors gets the routers that the NCP hears.
func (c *Conn) Neighbors(ctx context.Context) ([]Neighbor, error) {
	count, err := cmdNeighborCount.call(ctx, c, nothing{})
	if err != nil {
		return nil, err
	}
	var list []Neighbor
	for i := range count {
		r, err := cmdGetNeighbor.call(ctx, c, i)
		if err != nil {
			return nil, err
		}
		if r.Status.OK() {
			list = append(list, r.Value)
		}
	}
	return list, nil
}

// Routes gets the entries of the NCP's routing table that are in use.
func (c *Conn) Routes(ctx context.Context) ([]Route, error) {
	size, err := c.ConfigurationValue(ctx, ConfigRouteTableSize)
	if err != nil {
		return nil, err
	}
	const unused = 3
	var list []Route
	for i := range min(size, 255) {
		r, err := cmdGetRouteTableEntry.call(ctx, c, uint8(i))
		switch {
		case err != nil:
			return nil, err
		case !r.Status.OK():
			return list, nil
		case r.Value.Status != unused && r.Value.Destination != 0xFFFF:
			list = append(list, r.Value)
		}
	}
	return list, nil
}

// Children gets the end devices that have the NCP as their parent.
func (c *Conn) Children(ctx context.Context) ([]Child, error) {
	p, err := cmdGetParentChildParameters.call(ctx, c, nothing{})
	if err != nil || p.Children == 0 {
		return nil, err
	}
	// The table may have holes.
	size, err := c.ConfigurationValue(ctx, ConfigMaxEndDeviceChildren)
	if err != nil {
		return nil, err
	}
	var list []Child
	for i := range min(size, 255) {
		if len(list) == int(p.Children) {
			break
		}
		r, err := cmdGetChildData.call(ctx, c, uint8(i))
		if err != nil {
			return nil, err
		}
		if r.Status.OK() {
			list = append(list, r.Value)
		}
	}
	return list, nil
}

// SetChild puts a child at a place of the child table, as a backup has it; the
// NCP must be in no network. EZSP 8 cannot (ErrUnsupported): its children find
// their parent again by a rejoin.
func (c *Conn) SetChild(ctx context.Context, index uint8, v Child) error {
	return do(ctx, c, &cmdSetChildData, indexedChild{index, v})
}

// LookupNodeID gets the short address of a device from what the NCP has heard.
// An error that means NotFound says that it does not know.
func (c *Conn) LookupNodeID(ctx context.Context, e zcl.EUI64) (uint16, error) {
	const unknown = 0xFFFF
	r, err := cmdLookupNodeID.call(ctx, c, e)
	if err == nil && (!r.Status.OK() || r.NodeID == unknown) {
		err = &StatusError{cmdLookupNodeID.name, Status{SL, 0x2D}}
	}
	return r.NodeID, err
}

// SetAddress puts a device into the NCP's address table, so that it knows both
// its addresses.
func (c *Conn) SetAddress(ctx context.Context, index uint8, a Address) error {
	q := indexedAddress{index, a}
	if err := do(ctx, c, &cmdSetAddress, q); err != nil || !cmdSetAddressNodeID.has.include(c.dialect()) {
		return err
	}
	_, err := cmdSetAddressNodeID.call(ctx, c, q)
	return err
}

// Address gets an entry of the address table; its NodeID is 0xFFFD or above
// when there is none.
func (c *Conn) Address(ctx context.Context, index uint8) (Address, error) {
	r, err := cmdGetAddress.call(ctx, c, index)
	if err := checked(cmdGetAddress.name, r.Status, err); err != nil {
		return Address{}, err
	}
	if cmdGetAddressNodeID.has.include(c.dialect()) {
		if r.Value.NodeID, err = cmdGetAddressNodeID.call(ctx, c, index); err != nil {
			return Address{}, err
		}
	}
	return r.Value, nil
}

// SetExtendedTimeout makes the NCP wait longer for the acknowledgements of a
// device that sleeps.
func (c *Conn) SetExtendedTimeout(ctx context.Context, e zcl.EUI64, on bool) error {
	return do(ctx, c, &cmdSetExtendedTimeout, addressFlag{e, on})
}
