package ncp

import "github.com/smartcore-ireland/hems/internal/simulator/radio"

// dialect is an EZSP version with the firmware that speaks it.
type dialect struct {
	version uint8
	release [4]uint8 // EmberZNet version: major, minor, patch, special
	build   uint16
}

// dialects are the versions of EZSP from 8 on; 15 was never released. For each
// it is the firmware that is in use with it.
var dialects = map[uint8]*dialect{
	8:  {8, [4]uint8{6, 10, 3, 0}, 297},
	9:  {9, [4]uint8{7, 1, 1, 0}, 273},
	10: {10, [4]uint8{7, 2, 0, 0}, 0},
	11: {11, [4]uint8{7, 2, 2, 0}, 0},
	12: {12, [4]uint8{7, 3, 2, 0}, 0},
	13: {13, [4]uint8{7, 4, 4, 0}, 0},
	14: {14, [4]uint8{8, 0, 2, 0}, 0},
	16: {16, [4]uint8{8, 1, 1, 0}, 0},
	17: {17, [4]uint8{8, 2, 0, 0}, 0},
	18: {18, [4]uint8{8, 2, 2, 0}, 0},
	19: {19, [4]uint8{9, 1, 0, 0}, 0},
}

// newest is the dialect of versions that are not known yet.
const newest = 19

// Versions are the versions of EZSP that a co-processor can speak. One later
// than the last is spoken as the last, with its own number.
func Versions() []uint8 { return []uint8{8, 9, 10, 11, 12, 13, 14, 16, 17, 18, 19} }

func dialectOf(version uint8) *dialect {
	if version > newest {
		d := *dialects[newest]
		d.version = version
		return &d
	}
	if d := dialects[version]; d != nil {
		return d
	}
	return dialects[13]
}

// feature is something that came to the wire with a version.
type feature uint8

// The features, each with the version that brought it.
const (
	scanStatus      feature = 9  // startScan answers with an sl_status
	childTimeout    feature = 10 // a child's remaining time
	pollExpected    feature = 11 // pollHandler says whether frames wait
	securityManager feature = 13 // keys are asked of it, not one by one
	slStatuses      feature = 14 // every status has 4 bytes, in front, where others have 1
	longTags        feature = 14 // message tags have 2 bytes
	packetInfo      feature = 14 // sender, EUI64, link and time of a message in one struct
	keyContexts     feature = 14 // exported keys come with their context
	statusForAll    feature = 14 // setManufacturerCode and others answer at all
	leaveOptions    feature = 14 // leaveNetwork is told how
	wideTokens      feature = 18 // getTokenCount has 4 bytes
)

func (d *dialect) has(f feature) bool { return d.version >= uint8(f) }

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
	inMulticast = 2
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

// tag is the host's name for a message.
func (d *dialect) tag(r *reader) uint16 {
	if d.has(longTags) {
		return r.u16()
	}
	return uint16(r.u8())
}

func (d *dialect) unicast(r *reader) outgoing {
	m := outgoing{kind: r.u8(), destination: r.u16(), aps: r.aps(), tag: d.tag(r)}
	m.message = r.bytes(int(r.u8()))
	return m
}

func (d *dialect) broadcast(r *reader) outgoing {
	m := outgoing{kind: outBroadcast}
	if d.has(packetInfo) {
		r.u16() // alias of the sender
	}
	m.destination = r.u16()
	if d.has(packetInfo) {
		r.u8() // network sequence number for it
	}
	m.aps, m.radius, m.tag = r.aps(), r.u8(), d.tag(r)
	m.message = r.bytes(int(r.u8()))
	return m
}

func (d *dialect) multicast(r *reader) outgoing {
	m := outgoing{kind: outMulticast, aps: r.aps(), radius: r.u8()}
	if d.has(packetInfo) {
		r.bytes(2 + 2 + 1) // who hears it, alias, network sequence number
	} else {
		r.u8() // radius beyond the group's members
	}
	m.tag = d.tag(r)
	m.destination = m.aps.group
	m.message = r.bytes(int(r.u8()))
	return m
}

func (d *dialect) messageSent(w *writer, m outgoing, s status) {
	if d.has(slStatuses) {
		w.status(s)
	}
	w.u8(m.kind)
	w.u16(m.destination)
	w.aps(m.aps)
	if d.has(longTags) {
		w.u16(m.tag)
	} else {
		w.u8(uint8(m.tag))
	}
	if !d.has(slStatuses) {
		w.status(s)
	}
	w.u8(0) // the message itself is not repeated
}

// noEntry is the index of a binding or an address that is in no table.
const noEntry = 0xFF

func (d *dialect) incoming(w *writer, kind uint8, f radio.Frame, sender radio.EUI64, options uint16) {
	w.u8(kind)
	w.aps(apsFrame{profile: f.Profile, cluster: f.Cluster, source: f.SourceEndpoint,
		destination: f.DestinationEndpoint, options: options, group: f.Group, sequence: f.Sequence})
	if d.has(packetInfo) {
		w.u16(f.Source)
		w.u64(uint64(sender))
		w.u8(noEntry)
		w.u8(noEntry)
		w.u8(f.LQI)
		w.u8(uint8(f.RSSI))
		w.u32(0) // time stamp
	} else {
		w.u8(f.LQI)
		w.u8(uint8(f.RSSI))
		w.u16(f.Source)
		w.u8(noEntry)
		w.u8(noEntry)
	}
	w.u8(uint8(len(f.Payload)))
	w.bytes(f.Payload)
}
