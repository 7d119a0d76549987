package ncp

import (
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator/radio"
)

// Memory is what a co-processor keeps in its flash.
type Memory struct {
	Network  *Stored   `json:"network,omitempty"`
	Children []Child   `json:"children,omitempty"`
	Keys     []LinkKey `json:"keys,omitempty"`
	// EUI64 is an address that was restored; zero: there is none.
	EUI64 radio.EUI64 `json:"restored_eui64,omitempty"`
}

// Stored is a network that was formed.
type Stored struct {
	radio.Network
	Power        int8      `json:"power"`
	JoinMethod   uint8     `json:"join_method"`
	Manager      uint16    `json:"manager"`
	UpdateID     uint8     `json:"update_id"`
	Channels     uint32    `json:"channels"`
	KeySequence  uint8     `json:"key_sequence"`
	FrameCounter uint32    `json:"frame_counter"` // no frame has gone out with this or a later one
	LinkKey      radio.Key `json:"link_key"`
	APSCounter   uint32    `json:"aps_counter"` // of the link key
	Security     uint16    `json:"security"`    // initial security bitmask
}

// counterStep is how far ahead of the frame counter the memory is kept.
const counterStep = 4096

// settleTime passes between a command that changes the network and the
// callback that says so.
const settleTime = 10 * time.Millisecond

func (n *NCP) stackStatus(s status) {
	n.callback(callbackStackStatus, func(w *writer) { w.status(s) })
}

// rise brings the network in the memory up.
func (n *NCP) rise() {
	n.up = true
	n.later(settleTime, func() {
		n.stackStatus(statusNetworkUp)
		n.air.Changed()
	})
}

func networkInit(n *NCP, in *reader, out *writer) {
	if len(in.rest) > 0 { // hosts made for older versions leave it out
		in.u16() // what to rejoin: of no use to a coordinator
	}
	if in.bad() {
		return
	}
	if n.up {
		out.status(statusInvalidCall)
		return
	}
	n.initialized = true
	if n.memory.Network == nil {
		out.status(statusNotJoined)
		return
	}
	out.status(statusOK)
	n.rise()
}

func networkState(n *NCP, in *reader, out *writer) {
	const none, joined = 0, 2
	if in.bad() {
		return
	}
	if n.up {
		out.u8(joined)
	} else {
		out.u8(none)
	}
}

func formNetwork(n *NCP, in *reader, out *writer) {
	s := Stored{}
	s.Extended, s.PAN = in.u64(), in.u16()
	s.Power, s.Channel = int8(in.u8()), in.u8()
	s.JoinMethod, s.Manager, s.UpdateID, s.Channels = in.u8(), in.u16(), in.u8(), in.u32()
	if in.bad() {
		return
	}
	switch {
	case n.up:
		out.status(statusInvalidCall)
	case n.initial == nil:
		out.status(statusSecurityNotSet)
	case s.Channel < 11 || s.Channel > 26:
		out.status(statusInvalidChannel)
	case s.PAN == 0xFFFF || s.Extended == 0 || s.Extended == 1<<64-1:
		out.status(statusBadArgument)
	default:
		n.initial.apply(&s, n.random)
		if n.initial.bitmask&securityKeepCounter == 0 {
			n.counter = 0
		}
		s.FrameCounter = n.counter + counterStep
		if v, ok := n.values[valueAPSCounter]; ok {
			s.APSCounter = (&reader{rest: v}).u32()
		}
		n.initialized = true
		if n.memory.Network != nil {
			n.memory = Memory{EUI64: n.memory.EUI64} // of another network
		}
		n.memory.Network = &s
		n.o.Changed()
		n.log.Info("network formed", "pan", s.PAN, "channel", s.Channel)
		out.status(statusOK)
		n.rise()
	}
}

func leaveNetwork(n *NCP, in *reader, out *writer) {
	if n.speaks.has(leaveOptions) {
		in.u8()
	}
	if in.bad() {
		return
	}
	if !n.up {
		out.status(statusInvalidCall)
		return
	}
	n.closed()
	n.up = false
	n.memory = Memory{EUI64: n.memory.EUI64}
	n.initial = nil
	n.o.Changed()
	n.log.Info("network left")
	out.status(statusOK)
	n.later(settleTime, func() {
		n.stackStatus(statusNetworkDown)
		n.air.Changed()
	})
}

// permitJoining opens the network for a number of seconds: 0 closes it, 255
// leaves it open.
func permitJoining(n *NCP, in *reader, out *writer) {
	const always = 0xFF
	seconds := in.u8()
	if in.bad() {
		return
	}
	if !n.up {
		out.status(statusInvalidCall)
		return
	}
	out.status(statusOK)
	was := n.closed()
	if seconds == 0 {
		if was {
			n.later(0, func() { n.stackStatus(statusNetworkClosed) })
		}
		return
	}
	n.permitted = true
	if seconds != always {
		d := time.Duration(seconds) * time.Second
		n.permitEnds = time.Now().Add(d)
		n.closePermit = n.later(d, func() {
			n.closed()
			n.stackStatus(statusNetworkClosed)
		})
	}
	n.later(0, func() {
		n.stackStatus(statusNetworkOpened)
		n.air.Changed()
	})
}

// closed ends the permission to join and says whether there was one.
func (n *NCP) closed() bool {
	was := n.permitted
	if n.closePermit != nil {
		n.closePermit()
		n.closePermit = nil
	}
	n.permitted, n.permitEnds = false, time.Time{}
	return was
}

func (n *NCP) openFor() uint16 {
	switch {
	case !n.permitted:
		return 0
	case n.permitEnds.IsZero():
		return 0xFF
	}
	return uint16((time.Until(n.permitEnds) + time.Second - 1) / time.Second)
}

func getNetworkParameters(n *NCP, in *reader, out *writer) {
	const unknownDevice, coordinator = 0, 1
	if in.bad() {
		return
	}
	if !n.up {
		out.status(statusNotJoined)
		out.u8(unknownDevice)
		out.bytes(make([]byte, 20))
		return
	}
	s := n.memory.Network
	out.status(statusOK)
	out.u8(coordinator)
	out.u64(s.Extended)
	out.u16(s.PAN)
	out.u8(uint8(s.Power))
	out.u8(s.Channel)
	out.u8(s.JoinMethod)
	out.u16(s.Manager)
	out.u8(s.UpdateID)
	out.u32(s.Channels)
}

// spend takes the next frame counter, keeping the memory ahead of it.
func (n *NCP) spend() {
	n.counter++
	if s := n.memory.Network; s != nil && n.counter >= s.FrameCounter {
		s.FrameCounter = n.counter + counterStep
		if v, ok := n.values[valueAPSCounter]; ok {
			s.APSCounter = (&reader{rest: v}).u32()
		}
		n.o.Changed()
	}
}
