package ncp

import "github.com/smartcore-ireland/hems/internal/simulator/radio"

// dialect holds everything in which EZSP versions differ on the wire. A
// version is added by adding an entry to dialects.
type dialect struct {
	version uint8
	release [4]uint8 // EmberZNet version: major, minor, patch, special
	build   uint16

	status      func(*writer, status)
	unicast     func(*reader) outgoing
	broadcast   func(*reader) outgoing
	multicast   func(*reader) outgoing
	messageSent func(w *writer, m outgoing, s status)
	incoming    func(w *writer, kind uint8, f radio.Frame, options uint16)
	exportedKey func(w *writer, c keyContext, k radio.Key, s slStatus)
	transient   func(*reader) transientKey
	leave       func(*reader)
	timeoutSet  func(*writer)
}

// outgoing is a message that the host sends.
type outgoing struct {
	kind        uint8
	destination uint16 // or an index into a table
	aps         apsFrame
	radius      uint8
	tag         uint16
	message     []byte
}

// Kinds of outgoing messages (EmberOutgoingMessageType).
const (
	outDirect    = 0
	outMulticast = 3
	outBroadcast = 6
)

// Kinds of incoming messages (EmberIncomingMessageType).
const (
	inUnicast   = 0
	inBroadcast = 4
)

// apsFrame is EmberApsFrame.
type apsFrame struct {
	profile, cluster    uint16
	source, destination uint8 // endpoints
	options             uint16
	group               uint16
	sequence            uint8
}

// Bits of apsFrame.options.
const (
	optionEncryption     = 0x0020
	optionRouteDiscovery = 0x0100
)

func (r *reader) aps() apsFrame {
	return apsFrame{profile: r.u16(), cluster: r.u16(), source: r.u8(), destination: r.u8(),
		options: r.u16(), group: r.u16(), sequence: r.u8()}
}

func (w *writer) aps(a apsFrame) {
	w.u16(a.profile)
	w.u16(a.cluster)
	w.u8(a.source)
	w.u8(a.destination)
	w.u16(a.options)
	w.u16(a.group)
	w.u8(a.sequence)
}

var dialects = map[uint8]*dialect{
	13: {
		version: 13,
		release: [4]uint8{7, 4, 4, 0},
		build:   0,
		status:  func(w *writer, s status) { w.u8(uint8(s)) },
		unicast: func(r *reader) outgoing {
			m := outgoing{kind: r.u8(), destination: r.u16(), aps: r.aps(), tag: uint16(r.u8())}
			m.message = r.bytes(int(r.u8()))
			return m
		},
		broadcast: func(r *reader) outgoing {
			m := outgoing{kind: outBroadcast, destination: r.u16(), aps: r.aps(), radius: r.u8(), tag: uint16(r.u8())}
			m.message = r.bytes(int(r.u8()))
			return m
		},
		multicast: func(r *reader) outgoing {
			m := outgoing{kind: outMulticast, aps: r.aps(), radius: r.u8()}
			r.u8() // radius beyond the group's members
			m.tag = uint16(r.u8())
			m.destination = m.aps.group
			m.message = r.bytes(int(r.u8()))
			return m
		},
		messageSent: func(w *writer, m outgoing, s status) {
			w.u8(m.kind)
			w.u16(m.destination)
			w.aps(m.aps)
			w.u8(uint8(m.tag))
			w.status(s)
			w.u8(0) // the message itself is not repeated
		},
		incoming: func(w *writer, kind uint8, f radio.Frame, options uint16) {
			w.u8(kind)
			w.aps(apsFrame{profile: f.Profile, cluster: f.Cluster, source: f.SourceEndpoint,
				destination: f.DestinationEndpoint, options: options, group: f.Group, sequence: f.Sequence})
			w.u8(f.LQI)
			w.u8(uint8(f.RSSI))
			w.u16(f.Source)
			w.u8(0xFF) // no binding table entry
			w.u8(0xFF) // no address table entry
			w.u8(uint8(len(f.Payload)))
			w.bytes(f.Payload)
		},
		exportedKey: func(w *writer, _ keyContext, k radio.Key, s slStatus) {
			w.bytes(k[:])
			w.u32(uint32(s))
		},
		transient: func(r *reader) transientKey {
			k := transientKey{eui: radio.EUI64(r.u64()), key: r.key()}
			r.u8() // flags
			return k
		},
		leave:      func(*reader) {},
		timeoutSet: func(*writer) {},
	},
}
