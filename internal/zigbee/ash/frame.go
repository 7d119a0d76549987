package ash

import (
	"errors"
	"fmt"
)

// Reserved bytes (UG101 4.2). Inside a frame each of them travels as escape
// followed by the byte with bit 5 inverted.
const (
	flag       = 0x7E // ends a frame
	escape     = 0x7D
	xon        = 0x11 // software flow control: never part of a frame
	xoff       = 0x13
	substitute = 0x18 // put by a UART in place of a byte it could not read
	cancel     = 0x1A // what came before it, since the last flag, is void

	escapeBit = 0x20
)

// Sizes of a frame's body: control byte, data field, CRC.
const (
	// MaxData is the longest data field that Send takes and that is believed
	// when it arrives. UG101 names 128 bytes; EmberZNet 7 allows EZSP frames of
	// up to 220.
	MaxData = 220
	// minData is the shortest data field of a DATA frame (UG101 3.2).
	minData = 3

	maxBody = 1 + MaxData + 2
)

// kind is the type of a frame, as its control byte says it (UG101 3.1).
type kind uint8

const (
	kindData kind = iota
	kindAck
	kindNak
	kindRst
	kindRstAck
	kindError
)

var kindNames = [...]string{"DATA", "ACK", "NAK", "RST", "RSTACK", "ERROR"}

func (k kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", k)
}

// frame is one ASH frame. Which fields count depends on its kind.
type frame struct {
	kind    kind
	frm     uint8     // DATA: its number, 0 to 7
	ack     uint8     // DATA, ACK, NAK: number of the next frame expected
	reTx    bool      // DATA: sent before
	nRdy    bool      // ACK, NAK: no room for callbacks
	data    []byte    // DATA: not randomized
	version uint8     // RSTACK, ERROR
	code    ResetCode // RSTACK, ERROR
}

var (
	errShort      = errors.New("frame too short")
	errLong       = errors.New("frame too long")
	errCRC        = errors.New("checksum wrong")
	errControl    = errors.New("unknown control byte")
	errLength     = errors.New("wrong length for its kind")
	errEscape     = errors.New("escape before a byte that needs none")
	errSubstitute = errors.New("a byte was lost on the line")
)

// control is the frame's first byte.
func (f frame) control() byte {
	switch f.kind {
	case kindData:
		c := f.frm<<4 | f.ack
		if f.reTx {
			c |= 0x08
		}
		return c
	case kindAck, kindNak:
		c := 0x80 | f.ack
		if f.kind == kindNak {
			c |= 0x20
		}
		if f.nRdy {
			c |= 0x08
		}
		return c
	case kindRst:
		return 0xC0
	case kindRstAck:
		return 0xC1
	default:
		return 0xC2
	}
}

// appendFrame adds f to dst as it travels: randomized, with its CRC, escaped,
// and with the flag that ends it.
func appendFrame(dst []byte, f frame) []byte {
	crc := uint16(crcInit)
	put := func(b byte) {
		crc = crcAdd(crc, b)
		dst = appendStuffed(dst, b)
	}
	put(f.control())
	switch f.kind {
	case kindData:
		r := lfsr(lfsrSeed)
		for _, b := range f.data {
			put(b ^ r.next())
		}
	case kindRstAck, kindError:
		put(f.version)
		put(byte(f.code))
	}
	sum := crc
	dst = appendStuffed(dst, byte(sum>>8))
	dst = appendStuffed(dst, byte(sum))
	return append(dst, flag)
}

func appendStuffed(dst []byte, b byte) []byte {
	switch b {
	case flag, escape, xon, xoff, substitute, cancel:
		return append(dst, escape, b^escapeBit)
	}
	return append(dst, b)
}

// parseBody reads a frame from its body: what lies between two flags, with the
// escapes undone. The data of a DATA frame is a copy.
func parseBody(b []byte) (frame, error) {
	if len(b) < 3 {
		return frame{}, errShort
	}
	if len(b) > maxBody {
		return frame{}, errLong
	}
	n := len(b) - 2
	crc := uint16(crcInit)
	for _, c := range b[:n] {
		crc = crcAdd(crc, c)
	}
	if crc != uint16(b[n])<<8|uint16(b[n+1]) {
		return frame{}, errCRC
	}
	c, data := b[0], b[1:n]
	switch {
	case c&0x80 == 0:
		if len(data) < minData {
			return frame{}, errLength
		}
		f := frame{kind: kindData, frm: c >> 4 & 7, reTx: c&0x08 != 0, ack: c & 7, data: make([]byte, len(data))}
		r := lfsr(lfsrSeed)
		for i, b := range data {
			f.data[i] = b ^ r.next()
		}
		return f, nil
	case c&0xE0 == 0x80, c&0xE0 == 0xA0:
		if len(data) != 0 {
			return frame{}, errLength
		}
		f := frame{kind: kindAck, nRdy: c&0x08 != 0, ack: c & 7}
		if c&0x20 != 0 {
			f.kind = kindNak
		}
		return f, nil
	case c == 0xC0:
		if len(data) != 0 {
			return frame{}, errLength
		}
		return frame{kind: kindRst}, nil
	case c == 0xC1, c == 0xC2:
		if len(data) != 2 {
			return frame{}, errLength
		}
		f := frame{kind: kindRstAck, version: data[0], code: ResetCode(data[1])}
		if c == 0xC2 {
			f.kind = kindError
		}
		return f, nil
	}
	return frame{}, errControl
}

// lfsr gives the pseudo-random bytes that are laid over the data field, so
// that a run of reserved bytes does not double its length (UG101 4.3).
type lfsr byte

const lfsrSeed = 0x42

func (r *lfsr) next() byte {
	v := byte(*r)
	if v&1 == 0 {
		*r = lfsr(v >> 1)
	} else {
		*r = lfsr(v>>1 ^ 0xB8)
	}
	return v
}

// The CRC is CRC-CCITT with initial value FFFF, most significant bit first
// (UG101 2.3).
const crcInit = 0xFFFF

var crcTable = func() (t [256]uint16) {
	for i := range t {
		c := uint16(i) << 8
		for range 8 {
			if c&0x8000 != 0 {
				c = c<<1 ^ 0x1021
			} else {
				c <<= 1
			}
		}
		t[i] = c
	}
	return t
}()

func crcAdd(crc uint16, b byte) uint16 { return crc<<8 ^ crcTable[byte(crc>>8)^b] }
