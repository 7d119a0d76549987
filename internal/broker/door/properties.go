package door

import "bytes"

// A property's value has one of these forms (MQTT 5, 2.2.2.2).
type form byte

const (
	none form = iota
	oneByte
	flag // a byte that is 0 or 1
	twoBytes
	fourBytes
	varint
	text
	octets
	pair // of texts
)

// property says where a client may send it, and how.
type property struct {
	form     form
	in       uint32 // one bit for each packet type
	nonzero  bool
	repeated bool
}

func in(kinds ...byte) (bits uint32) {
	for _, k := range kinds {
		bits |= 1 << k
	}
	return bits
}

// properties by id: those that clients send (MQTT 5, table 2-4). A client does
// not send subscription identifiers in PUBLISH [MQTT-3.3.4-6].
var properties = [64]property{
	0x01: {form: flag, in: in(publish, will)},                               // payload format
	0x02: {form: fourBytes, in: in(publish, will)},                          // message expiry
	0x03: {form: text, in: in(publish, will)},                               // content type
	0x08: {form: text, in: in(publish, will)},                               // response topic
	0x09: {form: octets, in: in(publish, will)},                             // correlation data
	0x0b: {form: varint, in: in(subscribe), nonzero: true},                  // subscription identifier
	0x11: {form: fourBytes, in: in(connect, disconnect)},                    // session expiry
	0x15: {form: text, in: in(connect)},                                     // authentication method
	0x16: {form: octets, in: in(connect)},                                   // authentication data
	0x17: {form: flag, in: in(connect)},                                     // request problem information
	0x18: {form: fourBytes, in: in(will)},                                   // will delay
	0x19: {form: flag, in: in(connect)},                                     // request response information
	0x1f: {form: text, in: in(puback, pubrec, pubrel, pubcomp, disconnect)}, // reason
	0x21: {form: twoBytes, in: in(connect), nonzero: true},                  // receive maximum
	0x22: {form: twoBytes, in: in(connect)},                                 // topic alias maximum
	0x23: {form: twoBytes, in: in(publish)},                                 // topic alias
	0x26: {form: pair, repeated: true, in: in(connect, publish, will, puback, pubrec, pubrel, pubcomp, subscribe, unsubscribe, disconnect)},
	0x27: {form: fourBytes, in: in(connect), nonzero: true}, // maximum packet size
}

// properties checks a block of properties: of a packet, or of a will.
func (r *reader) properties(kind byte) error {
	n := r.varint()
	block := reader{b: r.take(n)}
	if r.short || r.bad {
		return refuse(Malformed, "its properties end early")
	}
	for block.left() > 0 {
		id := block.byte()
		if id == 0x0b && kind == publish {
			return refuse(ProtocolError, "a subscription identifier in a client's PUBLISH") // [MQTT-3.3.4-6]
		}
		if id >= 64 || properties[id].in>>kind&1 == 0 {
			return refuse(Malformed, "property %02x is not for a packet of type %d", id, kind)
		}
		p := &properties[id]
		if block.seen>>id&1 != 0 && !p.repeated {
			return refuse(ProtocolError, "property %02x comes twice", id)
		}
		block.seen |= 1 << id
		value := 1
		switch p.form {
		case flag:
			if block.byte() > 1 {
				return refuse(ProtocolError, "property %02x is neither 0 nor 1", id)
			}
		case twoBytes:
			value = int(block.uint16())
		case fourBytes:
			b := block.take(4)
			value = bytes.Compare(b, []byte{0, 0, 0, 0})
		case varint:
			value = block.varint()
		case text:
			t := block.text()
			if id == 0x08 && !block.short && (len(t) == 0 || wild(t)) {
				return refuse(ProtocolError, "a response topic that nobody can publish to")
			}
			if id == 0x15 && !block.short && len(t) == 0 {
				return refuse(ProtocolError, "an authentication method without a name")
			}
		case octets:
			block.bytes()
		case pair:
			block.text()
			block.text()
		}
		switch {
		case block.short || block.bad:
			return refuse(Malformed, "property %02x ends early or holds bad text", id)
		case value == 0 && p.nonzero:
			return refuse(ProtocolError, "property %02x is 0", id)
		case value == 0 && id == 0x23:
			return refuse(AliasInvalid, "a topic alias of 0")
		}
	}
	if block.seen>>0x16&1 != 0 && block.seen>>0x15&1 == 0 {
		return refuse(ProtocolError, "authentication data without a method")
	}
	r.seen = block.seen
	return nil
}
