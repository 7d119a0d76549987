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
func (n *NCP) EUI64() radio.EUI64 { return n.o.EUI64 }

// Up implements radio.Hub.
func (n *NCP) Up() (radio.Network, bool) {
	if !n.up {
		return radio.Network{}, false
	}
	return n.memory.Network.Network, true
}

// Open implements radio.Hub. A device with no key but the well-known one gets
// in while joining is permitted, the trust centre's policy allows joins, and
// that key is accepted: as a transient key, or as the link key of all.
func (n *NCP) Open() (radio.Network, bool) {
	if !n.up || !n.permitted || n.policy[policyTrustCenter]&allowJoins == 0 {
		return radio.Network{}, false
	}
	n.dropTransient(func(transientKey) bool { return false })
	s := n.memory.Network
	global := s.Security&securityHashedLinkKey != securityHashedLinkKey && s.LinkKey == wellKnownKey
	wildcard := slices.ContainsFunc(n.transient, func(k transientKey) bool { return k.eui == anyDevice && k.key == wellKnownKey })
	if !global && !wildcard {
		return radio.Network{}, false
	}
	return s.Network, len(n.memory.Children) < int(n.config[configMaxChildren])
}

// Knows implements radio.Hub.
func (n *NCP) Knows(eui radio.EUI64, id uint16) bool {
	return slices.ContainsFunc(n.memory.Children, func(c Child) bool { return c.EUI64 == eui && c.ID == id })
}

// Member implements radio.Hub: the child table changes, and the host is told
// twice, as trust centre and as parent.
func (n *NCP) Member(eui radio.EUI64, id uint16, how radio.Join, sleepy bool) {
	i := slices.IndexFunc(n.memory.Children, func(c Child) bool { return c.EUI64 == eui })
	child := Child{EUI64: eui, ID: id, Sleepy: sleepy}
	switch {
	case how == radio.Left && i < 0:
		return
	case how == radio.Left:
		n.memory.Children = slices.Delete(n.memory.Children, i, i+1)
	case i < 0:
		i = len(n.memory.Children)
		n.memory.Children = append(n.memory.Children, child)
	default:
		n.memory.Children[i] = child
	}
	n.o.Changed()
	const usePreconfiguredKey, noAction = 0, 3
	decision := uint8(noAction)
	if how == radio.UnsecuredJoin {
		decision = usePreconfiguredKey
	}
	n.callback(callbackTrustCenterJoin, func(w *writer) {
		w.u16(id)
		w.u64(uint64(eui))
		w.u8(uint8(how))
		w.u8(decision)
		w.u16(0x0000) // parent
	})
	n.callback(callbackChildJoin, func(w *writer) {
		w.u8(uint8(i))
		w.bool(how != radio.Left)
		w.u16(id)
		w.u64(uint64(eui))
		w.u8(child.nodeType())
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
	return n.incoming(kind, f)
}

func (n *NCP) incoming(kind uint8, f radio.Frame) bool {
	return n.callback(callbackIncoming, func(w *writer) { n.speaks.incoming(w, kind, f, optionRouteDiscovery) })
}

func getChildData(n *NCP, in *reader, out *writer) {
	i := int(in.u8())
	if in.bad() {
		return
	}
	if i >= len(n.memory.Children) {
		out.status(statusNotJoined)
		out.bytes(make([]byte, 18))
		return
	}
	c := n.memory.Children[i]
	out.status(statusOK)
	out.u64(uint64(c.EUI64))
	out.u8(c.nodeType())
	out.u16(c.ID)
	out.u8(0)  // PHY
	out.u8(0)  // power
	out.u8(0)  // timeout
	out.u32(0) // remaining timeout
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
	if eui == n.o.EUI64 && n.up {
		out.u16(0x0000)
		return
	}
	for _, c := range n.memory.Children {
		if c.EUI64 == eui {
			out.u16(c.ID)
			return
		}
	}
	out.u16(0xFFFF)
}

func lookupEUI64(n *NCP, in *reader, out *writer) {
	id := in.u16()
	if in.bad() {
		return
	}
	if id == 0x0000 && n.up {
		out.status(statusOK)
		out.u64(uint64(n.o.EUI64))
		return
	}
	for _, c := range n.memory.Children {
		if c.ID == id {
			out.status(statusOK)
			out.u64(uint64(c.EUI64))
			return
		}
	}
	out.status(statusFatal)
	out.u64(1<<64 - 1)
}

func setExtendedTimeout(n *NCP, in *reader, out *writer) {
	in.u64()
	in.u8()
	if !in.bad() {
		n.speaks.timeoutSet(out)
	}
}

func getExtendedTimeout(_ *NCP, in *reader, out *writer) {
	in.u64()
	if !in.bad() {
		out.bool(false)
	}
}
