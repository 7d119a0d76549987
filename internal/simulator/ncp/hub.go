package ncp

import (
	"slices"

	"github.com/smartcore-ireland/hems/internal/simulator/radio"
)

// Child is an end device that joined through the coordinator.
type Child struct {
	EUI64  radio.EUI64 `json:"eui64"`
	ID     uint16      `json:"id"`
	Sleepy bool        `json:"sleepy"`
}

func (c Child) nodeType() uint8 {
	if c.Sleepy {
		return 4
	}
	return 3
}

// EUI64 implements radio.Hub.
func (n *NCP) EUI64() radio.EUI64 { return n.eui }

// Up implements radio.Hub.
func (n *NCP) Up() (radio.Network, bool) {
	if !n.up {
		return radio.Network{}, false
	}
	return n.memory.Network.Network, true
}

// Open returns the network when devices with no key but the well-known one get
// in at the coordinator now.
func (n *NCP) Open() (radio.Network, bool) {
	if net, ok := n.Permits(); !ok {
		return net, false
	}
	return n.Admit(anyDevice, radio.WellKnownKey)
}

// Permits implements radio.Hub.
func (n *NCP) Permits() (radio.Network, bool) {
	if !n.up || !n.permitted {
		return radio.Network{}, false
	}
	return n.memory.Network.Network, len(n.memory.Children) < int(n.config[configMaxChildren])
}

// Admit implements radio.Hub. A newcomer gets in while the trust centre's
// policy allows joins and its link key is accepted: as a transient key of its
// own or of all, or as the link key of all.
func (n *NCP) Admit(eui radio.EUI64, link radio.Key) (radio.Network, bool) {
	if !n.up || n.policy[policyTrustCenter]&allowJoins == 0 {
		return radio.Network{}, false
	}
	n.dropTransient(func(transientKey) bool { return false })
	s := n.memory.Network
	global := s.Security&securityHashedLinkKey != securityHashedLinkKey && s.LinkKey == link
	transient := slices.ContainsFunc(n.transient, func(k transientKey) bool {
		return (k.eui == anyDevice || k.eui == eui) && k.key == link
	})
	return s.Network, global || transient
}

// Knows implements radio.Hub.
func (n *NCP) Knows(eui radio.EUI64, id uint16) bool {
	return slices.ContainsFunc(n.memory.Children, func(c Child) bool { return c.EUI64 == eui && c.ID == id })
}

// Member implements radio.Hub: the host is told as trust centre, and for end
// devices that joined here as their parent too.
func (n *NCP) Member(m radio.Member) {
	i := slices.IndexFunc(n.memory.Children, func(c Child) bool { return c.EUI64 == m.EUI64 })
	child := Child{EUI64: m.EUI64, ID: m.ID, Sleepy: m.Sleepy}
	mine := m.Parent == radio.Coordinator && !m.Router
	index, gone := i, child
	switch {
	case (m.How == radio.Left || !mine) && i >= 0: // it left, or has another parent now
		gone = n.memory.Children[i]
		n.memory.Children = slices.Delete(n.memory.Children, i, i+1)
	case m.How == radio.Left || !mine:
		index = -1
	case i < 0:
		index = len(n.memory.Children)
		n.memory.Children = append(n.memory.Children, child)
	default:
		n.memory.Children[i] = child
	}
	n.o.Changed()
	const usePreconfiguredKey, noAction = 0, 3
	decision := uint8(noAction)
	if m.How == radio.UnsecuredJoin {
		decision = usePreconfiguredKey
	}
	n.callback(callbackTrustCenterJoin, func(w *writer) {
		w.u16(m.ID)
		w.u64(uint64(m.EUI64))
		w.u8(uint8(m.How))
		w.u8(decision)
		w.u16(m.Parent)
	})
	if index < 0 {
		return
	}
	n.callback(callbackChildJoin, func(w *writer) {
		w.u8(uint8(index))
		w.bool(m.How != radio.Left && mine)
		w.u16(gone.ID)
		w.u64(uint64(gone.EUI64))
		w.u8(gone.nodeType())
	})
}

// Receive implements radio.Hub.
func (n *NCP) Receive(f radio.Frame) bool {
	if !n.up || len(f.Payload) > maxPayload {
		return false
	}
	kind := uint8(inUnicast)
	if f.Destination >= radio.FirstBroadcast {
		kind = inBroadcast
	}
	n.count(counterMACReceived, counterAPSReceived)
	n.recordRoute(f)
	return n.incoming(kind, f)
}

func (n *NCP) incoming(kind uint8, f radio.Frame) bool {
	return n.callback(callbackIncoming, func(w *writer) { n.speaks.incoming(w, kind, f, n.owner(f.Source), optionRouteDiscovery) })
}

func getChildData(n *NCP, in *reader, out *writer) {
	i := int(in.u8())
	if in.bad() {
		return
	}
	if i >= len(n.memory.Children) {
		out.status(statusNotJoined)
		out.bytes(make([]byte, 14))
		if out.dialect.has(childTimeout) {
			out.u32(0)
		}
		return
	}
	c := n.memory.Children[i]
	out.status(statusOK)
	out.u64(uint64(c.EUI64))
	out.u8(c.nodeType())
	out.u16(c.ID)
	out.u8(0) // PHY
	out.u8(0) // power
	out.u8(0) // timeout
	if out.dialect.has(childTimeout) {
		out.u32(0) // remaining timeout
	}
}

func getParentChildParameters(n *NCP, in *reader, out *writer) {
	if in.bad() {
		return
	}
	out.u8(uint8(len(n.memory.Children)))
	out.u64(0) // a coordinator has no parent
	out.u16(0xFFFF)
}

func lookupNodeID(n *NCP, in *reader, out *writer) {
	eui := radio.EUI64(in.u64())
	if in.bad() {
		return
	}
	id := n.address(eui)
	if out.dialect.has(statusForAll) {
		if id == unusedID {
			out.sl(slFail)
		} else {
			out.sl(slOK)
		}
	}
	out.u16(id)
}

// address is the short address of a device, unusedID when it is not known.
func (n *NCP) address(eui radio.EUI64) uint16 {
	if eui == n.eui && n.up {
		return radio.Coordinator
	}
	for _, c := range n.memory.Children {
		if c.EUI64 == eui {
			return c.ID
		}
	}
	if _, id, ok := n.remote(func(e radio.EUI64, _ uint16) bool { return e == eui }); ok {
		return id
	}
	return unusedID
}

func lookupEUI64(n *NCP, in *reader, out *writer) {
	id := in.u16()
	if in.bad() {
		return
	}
	if id == 0x0000 && n.up {
		out.status(statusOK)
		out.u64(uint64(n.eui))
		return
	}
	for _, c := range n.memory.Children {
		if c.ID == id {
			out.status(statusOK)
			out.u64(uint64(c.EUI64))
			return
		}
	}
	if eui, _, ok := n.remote(func(_ radio.EUI64, i uint16) bool { return i == id }); ok {
		out.status(statusOK)
		out.u64(uint64(eui))
		return
	}
	out.status(statusFatal)
	out.u64(1<<64 - 1)
}

// remote finds a device that is no child in the addresses that the stack has
// seen on the air.
func (n *NCP) remote(match func(radio.EUI64, uint16) bool) (eui radio.EUI64, id uint16, ok bool) {
	if !n.up {
		return 0, 0, false
	}
	return n.air.Lookup(n.memory.Network.Network, match)
}

// inReach lists the coordinator's neighbours: the children it remembers and
// the routers.
func (n *NCP) inReach() []radio.Neighbour {
	var list []radio.Neighbour
	for _, c := range n.memory.Children {
		list = append(list, radio.Neighbour{EUI64: c.EUI64, ID: c.ID, Role: radio.Role{Sleepy: c.Sleepy}, Child: true, Depth: 1, LQI: 200})
	}
	for _, r := range n.air.Neighbours(n.memory.Network.Network, radio.Coordinator) {
		if r.Role.Router {
			list = append(list, r)
		}
	}
	return list
}

func setExtendedTimeout(_ *NCP, in *reader, out *writer) {
	in.u64()
	in.u8()
	if !in.bad() && out.dialect.has(statusForAll) {
		out.sl(slOK)
	}
}

func getExtendedTimeout(_ *NCP, in *reader, out *writer) {
	in.u64()
	switch {
	case in.bad():
	case out.dialect.has(statusForAll):
		out.sl(slFail) // no
	default:
		out.bool(false)
	}
}
