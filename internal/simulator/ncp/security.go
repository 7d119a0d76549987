package ncp

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator/radio"
)

// Bits of the initial security bitmask (EmberInitialSecurityBitmask).
const (
	securityHashedLinkKey = 0x0084
	securityHaveNetwork   = 0x0200
	securityKeepCounter   = 0x1000
)

// securityState is EmberInitialSecurityState.
type securityState struct {
	bitmask  uint16
	link     radio.Key
	network  radio.Key
	sequence uint8
}

// apply gives a network its keys. A host that brought none gets a random one.
func (i *securityState) apply(s *Stored, r *rand.Rand) {
	s.Security, s.LinkKey, s.KeySequence = i.bitmask, i.link, i.sequence
	if i.bitmask&securityHaveNetwork != 0 {
		s.Key = i.network
		return
	}
	binary.LittleEndian.PutUint64(s.Key[:], r.Uint64())
	binary.LittleEndian.PutUint64(s.Key[8:], r.Uint64())
}

func setInitialSecurityState(n *NCP, in *reader, out *writer) {
	s := &securityState{bitmask: in.u16(), link: in.key(), network: in.key(), sequence: in.u8()}
	in.u64() // of the trust centre: this one
	if in.bad() {
		return
	}
	if n.up {
		out.status(statusInvalidCall)
		return
	}
	n.initial = s
	out.status(statusOK)
}

func getCurrentSecurityState(n *NCP, in *reader, out *writer) {
	if in.bad() {
		return
	}
	if !n.up {
		out.status(statusNotJoined)
		out.bytes(make([]byte, 10))
		return
	}
	out.status(statusOK)
	out.u16(n.memory.Network.Security)
	out.u64(uint64(n.o.EUI64))
}

// keyContext is sl_zb_sec_man_context_t.
type keyContext struct {
	kind, index uint8
	derived     uint16
	eui         radio.EUI64
	network     uint8
	flags       uint8
	permission  uint32
}

func (r *reader) keyContext() keyContext {
	return keyContext{kind: r.u8(), index: r.u8(), derived: r.u16(), eui: radio.EUI64(r.u64()),
		network: r.u8(), flags: r.u8(), permission: r.u32()}
}

func exportKey(n *NCP, in *reader, out *writer) {
	const networkKey, trustCenterLink = 1, 2
	c := in.keyContext()
	if in.bad() {
		return
	}
	var key radio.Key
	s := slOK
	switch {
	case c.kind == networkKey && c.index > 0:
		s = slNotFound // no second network key is ever set
	case c.kind != networkKey && c.kind != trustCenterLink:
		s = slNotFound
	case n.memory.Network == nil:
		s = slNotJoined
	case c.kind == networkKey:
		key = n.memory.Network.Key
	default:
		key = n.memory.Network.LinkKey
	}
	n.speaks.exportedKey(out, c, key, s)
}

func getNetworkKeyInfo(n *NCP, in *reader, out *writer) {
	if in.bad() {
		return
	}
	out.u32(uint32(slOK))
	s := n.memory.Network
	out.bool(s != nil)
	out.bool(false) // no alternate key
	if s != nil {
		out.u8(s.KeySequence)
	} else {
		out.u8(0)
	}
	out.u8(0)
	out.u32(n.counter)
}

// transientKey lets one device, or any (all ones), in until it ends.
type transientKey struct {
	eui  radio.EUI64
	key  radio.Key
	ends time.Time
}

const (
	anyDevice    = radio.EUI64(1<<64 - 1)
	maxTransient = 8
)

func importTransientKey(n *NCP, in *reader, out *writer) {
	k := n.speaks.transient(in)
	if in.bad() {
		return
	}
	n.dropTransient(func(o transientKey) bool { return o.eui == k.eui })
	if len(n.transient) >= maxTransient {
		out.u32(uint32(slFull))
		return
	}
	k.ends = time.Now().Add(time.Duration(n.config[configTransientTimeout]) * time.Second)
	n.transient = append(n.transient, k)
	out.u32(uint32(slOK))
	n.air.Changed()
}

// dropTransient removes keys that have ended or match.
func (n *NCP) dropTransient(match func(transientKey) bool) {
	var kept []transientKey
	for _, k := range n.transient {
		if time.Now().Before(k.ends) && !match(k) {
			kept = append(kept, k)
		}
	}
	n.transient = kept
}

func clearTransientLinkKeys(n *NCP, in *reader, _ *writer) {
	if !in.bad() {
		n.transient = nil
	}
}

func clearKeyTable(_ *NCP, in *reader, out *writer) {
	if !in.bad() {
		out.status(statusOK)
	}
}

func findKeyTableEntry(_ *NCP, in *reader, out *writer) {
	in.u64()
	in.u8()
	if !in.bad() {
		out.u8(0xFF) // no device has a link key of its own
	}
}
