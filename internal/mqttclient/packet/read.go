package packet

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"unicode/utf8"
)

// ErrMalformed is what bytes that are no packet of MQTT 5 are.
var ErrMalformed = errors.New("malformed MQTT packet")

func malformed(k Kind, what string) error { return fmt.Errorf("%w: %v %s", ErrMalformed, k, what) }

// trusted is how much room is made because a packet's header says so. For more,
// bytes must come.
const trusted = 64 << 10

// Read reads the next packet, one that a broker sends. The error is io.EOF at the
// end between two packets, ErrMalformed, or the reader's.
func Read(r *bufio.Reader) (Packet, error) {
	first, err := r.ReadByte()
	if err != nil {
		return Packet{}, err
	}
	length := 0
	for shift := 0; ; shift += 7 {
		b, err := r.ReadByte()
		if err != nil {
			return Packet{}, noEOF(err)
		}
		if length |= int(b&0x7f) << shift; b < 0x80 {
			break
		}
		if shift == 21 {
			return Packet{}, malformed(Kind(first>>4), "has no length")
		}
	}
	rest, err := readRest(r, length)
	if err != nil {
		return Packet{}, noEOF(err)
	}
	return Parse(Kind(first>>4), first&0x0f, rest)
}

func readRest(r io.Reader, n int) ([]byte, error) {
	if n <= trusted {
		rest := make([]byte, n)
		_, err := io.ReadFull(r, rest)
		return rest, err
	}
	var b bytes.Buffer
	got, err := io.CopyN(&b, r, int64(n))
	if err == nil && got < int64(n) {
		err = io.ErrUnexpectedEOF
	}
	return b.Bytes(), err
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Parse reads a packet that a broker sends from what follows its fixed header,
// which the packet keeps.
func Parse(k Kind, flags byte, rest []byte) (Packet, error) {
	p := Packet{Kind: k}
	want := byte(0)
	if k == Pubrel {
		want = 2
	}
	if k != Publish && flags != want {
		return p, malformed(k, "has wrong flags")
	}
	f := fields{kind: k, b: rest}
	switch k {
	case Publish:
		f.publish(flags, &p)
	case Connack:
		f.connack(&p)
	case Puback, Pubrec, Pubrel, Pubcomp:
		if p.ID = f.id(); len(f.b) > 0 {
			p.Reason = f.byte()
		}
		if len(f.b) > 0 {
			f.properties(&p)
		}
	case Suback, Unsuback:
		p.ID = f.id()
		f.properties(&p)
		if len(f.b) == 0 {
			f.fail("has no reason")
			break
		}
		p.Reasons, f.b = f.b, nil
		p.Reason = slices.Max(p.Reasons)
	case Pingresp:
	case Disconnect:
		if len(f.b) > 0 {
			p.Reason = f.byte()
		}
		if len(f.b) > 0 {
			f.properties(&p)
		}
	default:
		f.fail("is none that a broker sends to this client")
	}
	if f.err == nil && len(f.b) > 0 {
		f.fail("is longer than what it holds")
	}
	return p, f.err
}

// fields takes the fields of a packet one after the other. After the first that
// is missing err says so, and the others are zero.
type fields struct {
	kind Kind
	b    []byte
	err  error
}

func (f *fields) fail(what string) {
	if f.err == nil {
		f.err = malformed(f.kind, what)
	}
	f.b = nil
}

// take gives the next n bytes.
func (f *fields) take(n int) []byte {
	if n > len(f.b) {
		f.fail("is cut short")
		return nil
	}
	b := f.b[:n]
	f.b = f.b[n:]
	return b
}

func (f *fields) byte() byte {
	if b := f.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (f *fields) uint16() uint16 {
	if b := f.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (f *fields) uint32() uint32 {
	if b := f.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (f *fields) id() uint16 {
	id := f.uint16()
	if id == 0 {
		f.fail("has no packet id")
	}
	return id
}

func (f *fields) binary() []byte { return f.take(int(f.uint16())) }

func (f *fields) string() string {
	b := f.binary()
	if !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0 {
		f.fail("holds text that is none")
	}
	return string(b)
}

func (f *fields) length() int {
	n := 0
	for shift := 0; shift <= 21; shift += 7 {
		b := f.byte()
		if n |= int(b&0x7f) << shift; b < 0x80 {
			return n
		}
	}
	f.fail("holds a length that is none")
	return 0
}

func (f *fields) publish(flags byte, p *Packet) {
	m := &p.Message
	if m.QoS = flags >> 1 & 3; m.QoS == 3 {
		f.fail("has QoS 3")
	}
	m.Retain, p.Again = flags&1 != 0, flags&8 != 0
	if m.Topic = f.string(); m.Topic == "" {
		f.fail("has no topic") // nor an alias, of which we allow none
	}
	if m.QoS > 0 {
		p.ID = f.id()
	}
	f.properties(p)
	p.Welcome, p.Text = Welcome{}, "" // what has no place in a PUBLISH
	m.Payload, f.b = f.b, nil
}

func (f *fields) connack(p *Packet) {
	w := &p.Welcome
	w.ReceiveMaximum, w.MaximumQoS = math.MaxUint16, 2
	acknowledge := f.byte()
	if acknowledge > 1 {
		f.fail("has wrong flags")
	}
	w.SessionPresent = acknowledge == 1
	p.Reason = f.byte()
	f.properties(p)
	if w.ReceiveMaximum == 0 {
		f.fail("lets no message be under way")
	}
}

// properties takes the properties: those that are known into p, and the others
// by their size (section 2.2.2).
func (f *fields) properties(p *Packet) {
	n := f.length()
	in := fields{kind: f.kind, b: f.take(n)}
	for len(in.b) > 0 {
		switch id := in.byte(); id {
		case propertyReason:
			p.Text = in.string()
		case propertyExpiry:
			p.Expiry = in.uint32()
		case propertyKeepAlive:
			p.KeepAlive, p.Commands = in.uint16(), true
		case propertyReceiveMaximum:
			p.ReceiveMaximum = in.uint16()
		case propertyMaximumQoS:
			p.MaximumQoS = in.byte()
		case propertyMaximumPacket:
			p.MaximumPacket = in.uint32()
		case 0x01, 0x17, 0x19, 0x25, 0x28, 0x29, 0x2a:
			in.byte()
		case 0x22, 0x23:
			in.uint16()
		case propertySessionExpiry, 0x18:
			in.uint32()
		case 0x0b:
			in.length()
		case 0x03, 0x08, 0x12, 0x15, 0x1a, 0x1c:
			in.string()
		case 0x09, 0x16:
			in.binary()
		case 0x26:
			if name, value := in.string(), in.string(); name == StampName && p.Stamp == "" {
				p.Stamp = value
			}
		default:
			in.fail("has an unknown property")
		}
	}
	if in.err != nil && f.err == nil {
		f.fail("")
		f.err = in.err
	}
}
