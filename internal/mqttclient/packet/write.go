package packet

import "encoding/binary"

// maxLength is the greatest length of what follows a packet's fixed header.
const maxLength = 1<<28 - 1

// Ping is a PINGREQ.
var Ping = []byte{byte(Pingreq) << 4, 0}

func appendLength(b []byte, n int) []byte {
	for n >= 0x80 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(b, byte(n))
}

func appendString[T string | []byte](b []byte, s T) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// appendPacket adds a packet of which the rest after the fixed header is known.
func appendPacket(b []byte, k Kind, flags byte, rest []byte) []byte {
	return append(appendLength(append(b, byte(k)<<4|flags), len(rest)), rest...)
}

// Fits reports whether a message can be sent at all: the lengths have their
// bounds in the packet.
func (m Message) Fits() bool {
	return len(m.Topic) <= 0xffff && len(m.Payload) < maxLength-len(m.Topic)-16
}

// AppendPublish adds a PUBLISH. The id counts for QoS 1 and 2; again says that it
// was sent before.
func AppendPublish(b []byte, m Message, id uint16, again bool) []byte {
	flags := m.QoS << 1
	if m.Retain {
		flags |= 1
	}
	if again {
		flags |= 8
	}
	length := 2 + len(m.Topic) + 1 + len(m.Payload)
	if m.QoS > 0 {
		length += 2
	}
	if m.Expiry > 0 {
		length += 5
	}
	b = appendLength(append(b, byte(Publish)<<4|flags), length)
	b = appendString(b, m.Topic)
	if m.QoS > 0 {
		b = binary.BigEndian.AppendUint16(b, id)
	}
	b = appendExpiry(b, m.Expiry)
	return append(b, m.Payload...)
}

// appendExpiry adds properties: that one, or none.
func appendExpiry(b []byte, seconds uint32) []byte {
	if seconds == 0 {
		return append(b, 0)
	}
	return binary.BigEndian.AppendUint32(append(b, 5, propertyExpiry), seconds)
}

// AppendAck adds a PUBACK, PUBREC, PUBREL or PUBCOMP that says that all is well.
func AppendAck(b []byte, k Kind, id uint16) []byte {
	flags := byte(0)
	if k == Pubrel {
		flags = 2
	}
	return append(b, byte(k)<<4|flags, 2, byte(id>>8), byte(id))
}

// AppendSubscribe adds a SUBSCRIBE for filters.
func AppendSubscribe(b []byte, id uint16, qos byte, filters ...string) []byte {
	rest := []byte{byte(id >> 8), byte(id), 0}
	for _, filter := range filters {
		rest = append(appendString(rest, filter), qos)
	}
	return appendPacket(b, Subscribe, 2, rest)
}

// AppendUnsubscribe adds an UNSUBSCRIBE of one filter.
func AppendUnsubscribe(b []byte, id uint16, filter string) []byte {
	return appendPacket(b, Unsubscribe, 2, appendString([]byte{byte(id >> 8), byte(id), 0}, filter))
}

// AppendDisconnect adds a DISCONNECT. It could end with the reason, but there are
// brokers that overlook one that no properties follow.
func AppendDisconnect(b []byte, reason byte) []byte {
	return append(b, byte(Disconnect)<<4, 2, reason, 0)
}

// AppendConnect adds a CONNECT.
func AppendConnect(b []byte, h Hello) []byte {
	flags := byte(0)
	if h.Clean {
		flags |= 0x02
	}
	if w := h.Will; w != nil {
		flags |= 0x04 | w.QoS<<3
		if w.Retain {
			flags |= 0x20
		}
	}
	if h.Password != nil {
		flags |= 0x40
	}
	if h.User != nil {
		flags |= 0x80
	}
	var properties []byte
	if h.SessionExpiry > 0 {
		properties = binary.BigEndian.AppendUint32(append(properties, propertySessionExpiry), h.SessionExpiry)
	}
	if h.ReceiveMaximum > 0 {
		properties = binary.BigEndian.AppendUint16(append(properties, propertyReceiveMaximum), h.ReceiveMaximum)
	}
	rest := append(appendString(nil, "MQTT"), 5, flags)
	rest = binary.BigEndian.AppendUint16(rest, h.KeepAlive)
	rest = append(appendLength(rest, len(properties)), properties...)
	rest = appendString(rest, h.ClientID)
	if w := h.Will; w != nil {
		rest = appendExpiry(rest, w.Expiry)
		rest = appendString(appendString(rest, w.Topic), w.Payload)
	}
	if h.User != nil {
		rest = appendString(rest, *h.User)
	}
	if h.Password != nil {
		rest = appendString(rest, *h.Password)
	}
	return appendPacket(b, Connect, 0, rest)
}
