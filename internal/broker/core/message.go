package core

import "encoding/binary"

// message is one application message. It never changes, and all that wait for it
// share it.
type message struct {
	topic   string
	payload []byte
	props   []byte // of MQTT 5 that travel with it, encoded; see travelling
	expires int64  // ms since 1970; 0: never
	number  uint64 // in the journal; 0: it is not there
	came    int64  // ms since 1970, as the computer's clock was; 0: not known
	at      int64  // the same by the server's clock; 0: before it was started
	qos     byte   // as published
}

func (m *message) size() int64 { return int64(len(m.topic)+len(m.payload)+len(m.props)) + 96 }

// publication is a message on its way in: its slices are the reader's, unless it
// was made a message.
type publication struct {
	topic    string
	payload  []byte
	props    []byte
	expires  int64
	qos      byte
	retain   bool
	own      bool     // payload may be kept as it is
	from     *session // nil: the broker's own
	msg      *message // made where it must be kept
	inbound  uint16   // the packet id, where the sender's session must remember it
	receipts []receipt
	matched  bool // somebody subscribes to it
	kept     bool // it needs a record
}

// receipt says that the message waits for a session that is in the journal.
type receipt struct {
	sess *session
	e    entry
}

func (p *publication) message() *message {
	if p.msg == nil {
		m := &message{topic: p.topic, expires: p.expires, qos: p.qos, payload: p.payload}
		if !p.own {
			m.payload = append([]byte(nil), p.payload...)
		}
		if len(p.props) > 0 {
			m.props = append([]byte(nil), p.props...)
		}
		p.msg = m
	}
	return p.msg
}

// travelling picks, out of the checked properties of a PUBLISH or a will, what
// subscribers get as it is: all but the expiry, the alias and the will's delay
// (MQTT 5, 3.3.2.3), and but what only the server says.
func travelling(into, props []byte) (travel []byte, expiry uint32, expires bool, alias uint16, delay uint32) {
	travel = into
	for len(props) > 0 {
		n := propertySize(props)
		switch props[0] {
		case 0x02:
			expiry, expires = binary.BigEndian.Uint32(props[1:]), true
		case 0x18:
			delay = binary.BigEndian.Uint32(props[1:])
		case 0x23:
			alias = binary.BigEndian.Uint16(props[1:])
		default:
			if !isStamp(props[:n]) {
				travel = append(travel, props[:n]...)
			}
		}
		props = props[n:]
	}
	return travel, expiry, expires, alias, delay
}

// propertySize is that of the first property, id included. The door has checked
// that it is all there.
func propertySize(p []byte) int {
	text := func(at int) int { return 2 + int(binary.BigEndian.Uint16(p[at:])) }
	switch p[0] {
	case 0x01, 0x17, 0x19:
		return 2
	case 0x21, 0x22, 0x23:
		return 3
	case 0x02, 0x11, 0x18, 0x27:
		return 5
	case 0x0b:
		_, n := binary.Uvarint(p[1:])
		return 1 + n
	case 0x26:
		key := text(1)
		return 1 + key + text(1+key)
	default:
		return 1 + text(1)
	}
}
