package core

import (
	"encoding/binary"
)

// Packet types (MQTT 5, 2.1.2), as first bytes.
const (
	pktConnect     = 0x10
	pktConnack     = 0x20
	pktPublish     = 0x30
	pktPuback      = 0x40
	pktPubrec      = 0x50
	pktPubrel      = 0x60
	pktPubcomp     = 0x70
	pktSubscribe   = 0x80
	pktSuback      = 0x90
	pktUnsubscribe = 0xa0
	pktUnsuback    = 0xb0
	pktPingreq     = 0xc0
	pktPingresp    = 0xd0
	pktDisconnect  = 0xe0
)

// Reason codes (MQTT 5, 2.4).
const (
	rcSuccess            = 0x00
	rcDisconnectWithWill = 0x04
	rcNoSubscribers      = 0x10
	rcNoSubscription     = 0x11
	rcUnspecified        = 0x80
	rcMalformed          = 0x81
	rcProtocolError      = 0x82
	rcUnsupported        = 0x84
	rcClientID           = 0x85
	rcCredentials        = 0x86
	rcNotAuthorized      = 0x87
	rcServerBusy         = 0x89
	rcShuttingDown       = 0x8b
	rcAuthMethod         = 0x8c
	rcKeepAlive          = 0x8d
	rcTakenOver          = 0x8e
	rcPacketIDUnknown    = 0x92
	rcReceiveMaximum     = 0x93
	rcTopicAlias         = 0x94
	rcQuota              = 0x97
)

func appendText[T string | []byte](b []byte, s T) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

// varintSize is that of a variable byte integer.
func varintSize(n int) int {
	switch {
	case n < 1<<7:
		return 1
	case n < 1<<14:
		return 2
	case n < 1<<21:
		return 3
	}
	return 4
}

func appendVarint(b []byte, n int) []byte { return binary.AppendUvarint(b, uint64(n)) }

// outgoing is a PUBLISH to be encoded.
type outgoing struct {
	topic       string
	props       []byte
	ids         []uint32
	payloadSize int
	expiry      uint32
	expires     bool
	pid         uint16
	alias       uint16
	v5          bool
	noTopic     bool // the alias stands for it
	flags       byte
}

// appendHead appends all of the packet but its payload.
func (o *outgoing) appendHead(b []byte) []byte {
	topic := o.topic
	if o.noTopic {
		topic = ""
	}
	size := 2 + len(topic) + o.payloadSize
	if o.flags&0x06 != 0 {
		size += 2
	}
	props := 0
	if o.v5 {
		props = len(o.props)
		if o.expires {
			props += 5
		}
		if o.alias != 0 {
			props += 3
		}
		for _, id := range o.ids {
			props += 1 + varintSize(int(id))
		}
		size += varintSize(props) + props
	}
	b = append(b, pktPublish|o.flags)
	b = appendVarint(b, size)
	b = appendText(b, topic)
	if o.flags&0x06 != 0 {
		b = binary.BigEndian.AppendUint16(b, o.pid)
	}
	if !o.v5 {
		return b
	}
	b = appendVarint(b, props)
	if o.alias != 0 {
		b = binary.BigEndian.AppendUint16(append(b, 0x23), o.alias)
	}
	if o.expires {
		b = binary.BigEndian.AppendUint32(append(b, 0x02), o.expiry)
	}
	b = append(b, o.props...)
	for _, id := range o.ids {
		b = appendVarint(append(b, 0x0b), int(id))
	}
	return b
}

// appendAck appends PUBACK, PUBREC, PUBREL or PUBCOMP. Older versions know no
// reasons, and success needs none.
func appendAck(b []byte, version, kind byte, pid uint16, reason byte) []byte {
	if kind == pktPubrel {
		kind |= 2
	}
	if version < 5 || reason == 0 {
		return append(b, kind, 2, byte(pid>>8), byte(pid))
	}
	return append(b, kind, 3, byte(pid>>8), byte(pid), reason)
}

// fields takes apart what the door has checked.
type fields struct{ b []byte }

func (f *fields) take(n int) []byte {
	b := f.b[:n]
	f.b = f.b[n:]
	return b
}
func (f *fields) byte() byte     { return f.take(1)[0] }
func (f *fields) uint16() uint16 { return binary.BigEndian.Uint16(f.take(2)) }
func (f *fields) bytes() []byte  { return f.take(int(f.uint16())) }
func (f *fields) properties() []byte {
	n, size := binary.Uvarint(f.b)
	f.b = f.b[size:]
	return f.take(int(n))
}
