package ncp

import (
	"encoding/binary"
	"math/rand/v2"

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
	out.u64(uint64(n.eui))
}
