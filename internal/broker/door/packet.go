package door

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// Packet types, the upper four bits of the first byte (MQTT 5, 2.1.2).
const (
	connect     = 1
	publish     = 3
	puback      = 4
	pubrec      = 5
	pubrel      = 6
	pubcomp     = 7
	subscribe   = 8
	unsubscribe = 10
	pingreq     = 12
	disconnect  = 14
	will        = 16 // not a packet: the properties of a will
)

// state is what a connection's packets are checked against.
type state struct {
	connected bool // CONNECT was seen
	version   byte // 3, 4, 5, or what the client asked for
}

// checkType checks a first byte: a type that clients send, in its place, with
// the flags it must have (MQTT 5, 2.1.3).
func (s *state) checkType(b byte) error {
	kind, flags := b>>4, b&0x0f
	if !s.connected && kind != connect {
		return refuse(ProtocolError, "the first packet is of type %d, not CONNECT", kind)
	}
	want := byte(0)
	switch kind {
	case publish:
		if flags&0x06 == 0x06 {
			return refuse(Malformed, "PUBLISH with QoS 3")
		}
		if flags&0x0e == 0x08 {
			return refuse(Malformed, "PUBLISH with QoS 0 is marked as sent again")
		}
		return nil
	case pubrel, subscribe, unsubscribe:
		want = 2
	case connect, puback, pubrec, pubcomp, pingreq, disconnect:
	default: // reserved, sent by servers only, or AUTH, which nobody agreed on
		return refuse(ProtocolError, "a client does not send packet type %d", kind)
	}
	// MQTT 3.1 marks what is sent again (its 2.1).
	if s.version == 3 && want == 2 {
		flags &^= 8
	}
	if flags != want {
		return refuse(Malformed, "packet type %d with flags %x", kind, flags)
	}
	return nil
}

// check checks a whole packet.
func (s *state) check(pk *Packet, l *Limits) error {
	r := reader{b: pk.Body}
	switch kind := pk.First >> 4; kind {
	case connect:
		if s.connected {
			return refuse(ProtocolError, "a second CONNECT")
		}
		return s.checkConnect(&r, l)
	case publish:
		return s.checkPublish(&r, pk, l)
	case subscribe, unsubscribe:
		return s.checkSubscribe(&r, kind, l)
	case puback, pubrec, pubrel, pubcomp:
		return s.checkAck(&r, kind)
	case pingreq:
		return r.end("PINGREQ")
	case disconnect:
		return s.checkDisconnect(&r)
	}
	return nil
}

// checkConnect: MQTT 5, 3.1; MQTT 3.1.1, 3.1.
func (s *state) checkConnect(r *reader, l *Limits) error {
	name := r.bytes()
	version := r.byte()
	if r.short {
		return refuse(Malformed, "CONNECT ends early")
	}
	s.connected, s.version = true, version
	known := string(name) == "MQTT" && (version == 4 || version == 5) || string(name) == "MQIsdp" && version == 3
	if !known {
		if string(name) == "MQTT" || string(name) == "MQIsdp" {
			return refuse(UnsupportedVersion, "CONNECT for protocol version %d", version)
		}
		return refuse(ProtocolError, "CONNECT for another protocol than MQTT")
	}
	flags := r.byte()
	r.uint16() // keep alive
	hasWill, qos, retain := flags&0x04 != 0, flags>>3&3, flags&0x20 != 0
	user, password := flags&0x80 != 0, flags&0x40 != 0
	switch {
	case r.short:
	case flags&1 != 0:
		return refuse(Malformed, "CONNECT with the reserved flag")
	case qos == 3 || !hasWill && (qos != 0 || retain):
		return refuse(Malformed, "CONNECT with contradictory will flags")
	case password && !user && version != 5:
		return refuse(Malformed, "CONNECT with a password and no user name")
	}
	if version == 5 {
		if err := r.properties(connect); err != nil {
			return err
		}
	}
	r.text() // client id
	if hasWill {
		if version == 5 {
			if err := r.properties(will); err != nil {
				return err
			}
		}
		topic := r.text()
		r.bytes()
		if !r.short && (len(topic) == 0 || wild(topic) || levels(topic) > l.TopicLevels) {
			return refuse(TopicInvalid, "CONNECT with a will to an impossible topic")
		}
	}
	if user {
		r.text()
	}
	if password {
		r.bytes()
	}
	return r.end("CONNECT")
}

// checkPublish: MQTT 5, 3.3. It also takes the packet apart.
func (s *state) checkPublish(r *reader, pk *Packet, l *Limits) error {
	pk.Topic = r.text()
	qos := pk.First >> 1 & 3
	if qos > 0 {
		if pk.ID = r.uint16(); pk.ID == 0 && !r.short {
			return refuse(ProtocolError, "PUBLISH with QoS %d and no packet id", qos)
		}
	}
	aliased := false
	if s.version == 5 {
		before := r.b
		if err := r.properties(publish); err != nil {
			return err
		}
		pk.Properties = before[:len(before)-len(r.b)]
		aliased = r.seen&(1<<0x23) != 0
	}
	pk.Payload = r.b
	switch {
	case r.short || r.bad:
		return refuse(Malformed, "PUBLISH ends early or holds bad text")
	case len(pk.Topic) == 0:
		if !aliased {
			return refuse(ProtocolError, "PUBLISH without a topic")
		}
	case wild(pk.Topic):
		return refuse(TopicInvalid, "PUBLISH to a topic with + or #")
	case levels(pk.Topic) > l.TopicLevels:
		return refuse(TopicInvalid, "PUBLISH to a topic of more than %d levels", l.TopicLevels)
	}
	if len(pk.Properties) > 0 { // without its length
		_, n := binary.Uvarint(pk.Properties)
		pk.Properties = pk.Properties[n:]
	}
	return nil
}

// checkSubscribe checks SUBSCRIBE and UNSUBSCRIBE (MQTT 5, 3.8 and 3.10).
func (s *state) checkSubscribe(r *reader, kind byte, l *Limits) error {
	if r.uint16() == 0 && !r.short {
		return refuse(ProtocolError, "SUBSCRIBE or UNSUBSCRIBE without a packet id")
	}
	if s.version == 5 {
		if err := r.properties(kind); err != nil {
			return err
		}
	}
	n := 0
	for r.left() > 0 && !r.short {
		if n++; n > l.Filters {
			return refuse(QuotaExceeded, "more than %d topic filters in one packet", l.Filters)
		}
		filter := string(r.text())
		if kind == subscribe {
			options := r.byte()
			if err := s.checkOptions(options); err != nil {
				return err
			}
			if options&4 != 0 && strings.HasPrefix(filter, sharePrefix) {
				return refuse(ProtocolError, "a shared subscription with no-local")
			}
		}
		if r.short || r.bad {
			break
		}
		if err := checkFilter(filter, l); err != nil {
			return err
		}
	}
	if r.short || r.bad {
		return refuse(Malformed, "SUBSCRIBE or UNSUBSCRIBE ends early or holds bad text")
	}
	if n == 0 {
		return refuse(ProtocolError, "SUBSCRIBE or UNSUBSCRIBE without a topic filter")
	}
	return nil
}

func (s *state) checkOptions(b byte) error {
	reserved := byte(0xfc)
	if s.version == 5 {
		reserved = 0xc0
	}
	switch {
	case b&reserved != 0:
		return refuse(Malformed, "SUBSCRIBE with reserved options")
	case b&3 == 3:
		return refuse(Malformed, "SUBSCRIBE with QoS 3")
	case b&0x30 == 0x30:
		return refuse(ProtocolError, "SUBSCRIBE with retain handling 3")
	}
	return nil
}

// sharePrefix begins the filter of a shared subscription (MQTT 5, 4.8.2).
const sharePrefix = "$share/"

func checkFilter(filter string, l *Limits) error {
	if filter == "" {
		return refuse(FilterInvalid, "an empty topic filter")
	}
	if levels(filter) > l.TopicLevels {
		return refuse(FilterInvalid, "a topic filter of more than %d levels", l.TopicLevels)
	}
	if shared, ok := strings.CutPrefix(filter, sharePrefix); ok {
		name, inner, _ := strings.Cut(shared, "/")
		if name == "" || inner == "" || strings.ContainsAny(name, "+#") {
			return refuse(FilterInvalid, "a shared subscription without a name or a filter")
		}
	}
	for rest, more := filter, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		switch {
		case level == "#" && more:
			return refuse(FilterInvalid, "a topic filter with # before its end")
		case len(level) > 1 && strings.ContainsAny(level, "+#"):
			return refuse(FilterInvalid, "a topic filter with + or # inside a level")
		}
	}
	return nil
}

// checkAck: MQTT 5, 3.4 to 3.7; older versions have the packet id alone.
func (s *state) checkAck(r *reader, kind byte) error {
	if r.uint16() == 0 && !r.short {
		return refuse(Malformed, "an acknowledgement without a packet id")
	}
	if s.version == 5 && r.left() > 0 {
		reason := r.byte()
		if !ackReason(kind, reason) {
			return refuse(ProtocolError, "packet type %d with the reason %02x", kind, reason)
		}
		if r.left() > 0 {
			if err := r.properties(kind); err != nil {
				return err
			}
		}
	}
	return r.end("an acknowledgement")
}

// ackReason tells whether an acknowledgement may give the reason (MQTT 5, 3.4.2.1
// to 3.7.2.1).
func ackReason(kind, reason byte) bool {
	switch reason {
	case 0:
		return true
	case 0x92:
		return kind == pubrel || kind == pubcomp
	case 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99:
		return kind == puback || kind == pubrec
	}
	return false
}

// checkDisconnect: MQTT 5, 3.14.
func (s *state) checkDisconnect(r *reader) error {
	if s.version == 5 && r.left() > 0 {
		reason := r.byte()
		switch reason {
		case 0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99:
		default:
			return refuse(ProtocolError, "DISCONNECT with the reason %02x, which a client does not give", reason)
		}
		if r.left() > 0 {
			if err := r.properties(disconnect); err != nil {
				return err
			}
		}
	}
	return r.end("DISCONNECT")
}

func wild(topic []byte) bool {
	return bytes.IndexByte(topic, '+') >= 0 || bytes.IndexByte(topic, '#') >= 0
}

func levels[T string | []byte](topic T) int {
	n := 1
	for i := range len(topic) {
		if topic[i] == '/' {
			n++
		}
	}
	return n
}

// reader takes fields off a packet's body. A field that is not all there sets
// short, text that is not text sets bad; both stay set.
type reader struct {
	b     []byte
	short bool
	bad   bool
	seen  uint64 // properties of the last block, by id
}

func (r *reader) left() int { return len(r.b) }

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.short, r.b = true, nil
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) bytes() []byte { return r.take(int(r.uint16())) }

// text is a UTF-8 string without U+0000 (MQTT 5, 1.5.4).
func (r *reader) text() []byte {
	b := r.bytes()
	if !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0 {
		r.bad = true
	}
	return b
}

// varint is a variable byte integer (MQTT 5, 1.5.5).
func (r *reader) varint() int {
	n := 0
	for shift := 0; ; shift += 7 {
		if shift == 28 {
			r.bad = true
			return 0
		}
		b := r.byte()
		n |= int(b&0x7f) << shift
		if b&0x80 == 0 {
			return n
		}
	}
}

// end checks that the packet is all read and was whole.
func (r *reader) end(what string) error {
	if r.short || r.bad || len(r.b) > 0 {
		return refuse(Malformed, "%s ends early, holds bad text, or has bytes after its end", what)
	}
	return nil
}
