package door

import (
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
)

// state is what a connection's packets are checked against.
type state struct {
	connected bool // CONNECT was seen
	version   byte // 3, 4, 5, or what the client asked for
	body      int  // where the current packet's variable header begins
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
	if flags != want {
		return refuse(Malformed, "packet type %d with flags %x", kind, flags)
	}
	return nil
}

// check checks a whole packet of the given size.
func (s *state) check(packet []byte, size int, l Limits) error {
	r := reader{b: packet[s.body:size]}
	switch kind := packet[0] >> 4; kind {
	case connect:
		if s.connected {
			return refuse(ProtocolError, "a second CONNECT")
		}
		return s.checkConnect(&r, l)
	case publish:
		return s.checkPublish(&r, packet[0]>>1&3, l)
	case subscribe, unsubscribe:
		return s.checkSubscribe(&r, kind == subscribe, l)
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
func (s *state) checkConnect(r *reader, l Limits) error {
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
	will, qos, retain := flags&0x04 != 0, flags>>3&3, flags&0x20 != 0
	user, password := flags&0x80 != 0, flags&0x40 != 0
	switch {
	case r.short:
	case flags&1 != 0:
		return refuse(Malformed, "CONNECT with the reserved flag")
	case qos == 3 || !will && (qos != 0 || retain):
		return refuse(Malformed, "CONNECT with contradictory will flags")
	case password && !user && version != 5:
		return refuse(Malformed, "CONNECT with a password and no user name")
	}
	if version == 5 {
		r.properties()
	}
	r.text() // client id
	if will {
		if version == 5 {
			r.properties()
		}
		topic := r.text()
		r.bytes()
		if !r.short && (topic == "" || strings.ContainsAny(topic, "+#") || levels(topic) > l.TopicLevels) {
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

// checkPublish: MQTT 5, 3.3.
func (s *state) checkPublish(r *reader, qos byte, l Limits) error {
	topic := r.text()
	if qos > 0 && r.uint16() == 0 && !r.short {
		return refuse(ProtocolError, "PUBLISH with QoS %d and no packet id", qos)
	}
	if s.version == 5 {
		r.properties()
	}
	switch {
	case r.short || r.bad:
		return refuse(Malformed, "PUBLISH ends early or holds bad text")
	case topic == "": // we offer no topic aliases, so there must be a name
		return refuse(ProtocolError, "PUBLISH without a topic")
	case strings.ContainsAny(topic, "+#"):
		return refuse(TopicInvalid, "PUBLISH to a topic with + or #")
	case levels(topic) > l.TopicLevels:
		return refuse(TopicInvalid, "PUBLISH to a topic of more than %d levels", l.TopicLevels)
	}
	return nil
}

// checkSubscribe checks SUBSCRIBE and, without options, UNSUBSCRIBE (MQTT 5, 3.8
// and 3.10).
func (s *state) checkSubscribe(r *reader, options bool, l Limits) error {
	if r.uint16() == 0 && !r.short {
		return refuse(ProtocolError, "SUBSCRIBE or UNSUBSCRIBE without a packet id")
	}
	if s.version == 5 {
		r.properties()
	}
	n := 0
	for r.left() > 0 && !r.short {
		if n++; n > l.Filters {
			return refuse(QuotaExceeded, "more than %d topic filters in one packet", l.Filters)
		}
		filter := r.text()
		if options {
			if err := s.checkOptions(r.byte()); err != nil {
				return err
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

func checkFilter(filter string, l Limits) error {
	if filter == "" {
		return refuse(FilterInvalid, "an empty topic filter")
	}
	if levels(filter) > l.TopicLevels {
		return refuse(FilterInvalid, "a topic filter of more than %d levels", l.TopicLevels)
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
		r.byte()
		if r.left() > 0 {
			r.properties()
		}
	}
	return r.end("an acknowledgement")
}

// checkDisconnect: MQTT 5, 3.14.
func (s *state) checkDisconnect(r *reader) error {
	if s.version == 5 && r.left() > 0 {
		r.byte()
		if r.left() > 0 {
			r.properties()
		}
	}
	return r.end("DISCONNECT")
}

func levels(topic string) int { return strings.Count(topic, "/") + 1 }

// reader takes fields off a packet's body. A field that is not all there sets
// short, text that is not text sets bad; both stay set.
type reader struct {
	b     []byte
	short bool
	bad   bool
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
func (r *reader) text() string {
	s := string(r.bytes())
	if !utf8.ValidString(s) || strings.Contains(s, "\x00") {
		r.bad = true
	}
	return s
}

// properties skips the property block: its length is checked here, its contents
// by the codec.
func (r *reader) properties() {
	n := 0
	for shift := 0; ; shift += 7 {
		if shift == 28 {
			r.bad = true
			return
		}
		b := r.byte()
		n |= int(b&0x7f) << shift
		if b&0x80 == 0 {
			break
		}
	}
	r.take(n)
}

// end checks that the packet is all read and was whole.
func (r *reader) end(what string) error {
	if r.short || r.bad || len(r.b) > 0 {
		return refuse(Malformed, "%s ends early, holds bad text, or has bytes after its end", what)
	}
	return nil
}
