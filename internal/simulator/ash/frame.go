package ash

import "fmt"

// Reserved bytes (UG101 table 1). All six are escaped inside a frame.
const (
	byteFlag       = 0x7E // ends a frame
	byteEscape     = 0x7D // the next byte has bit 5 inverted
	byteXon        = 0x11
	byteXoff       = 0x13
	byteSubstitute = 0x18 // a byte was received badly: drop to the next flag
	byteCancel     = 0x1A // drop what has come so far
	escapeBit      = 0x20
)

// Kind is the type of a frame.
type Kind uint8

// The six frame types (UG101 section 2.2).
const (
	Data Kind = iota
	Ack
	Nak
	Rst
	RstAck
	Error
)

func (k Kind) String() string {
	switch k {
	case Data:
		return "DATA"
	case Ack:
		return "ACK"
	case Nak:
		return "NAK"
	case Rst:
		return "RST"
	case RstAck:
		return "RSTACK"
	case Error:
		return "ERROR"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Frame is one frame without framing, checksum, escaping and randomization.
type Frame struct {
	Kind       Kind
	Number     uint8 // DATA: frmNum, 0 to 7
	Retransmit bool  // DATA: reTx
	Ack        uint8 // DATA, ACK, NAK: ackNum, 0 to 7
	NotReady   bool  // ACK, NAK: nRdy
	Version    uint8 // RSTACK, ERROR
	Code       uint8 // RSTACK: reset code, ERROR: error code
	Data       []byte
}

// Append adds the frame as it goes over the line, closing flag included.
func (f Frame) Append(b []byte) []byte {
	var body [MaxData + 3]byte
	raw := body[:0]
	switch f.Kind {
	case Data:
		control := f.Number&7<<4 | f.Ack&7
		if f.Retransmit {
			control |= 0x08
		}
		raw = append(raw, control)
		raw = append(raw, f.Data...)
		Randomize(raw[1:])
	case Ack, Nak:
		control := byte(0x80) | f.Ack&7
		if f.Kind == Nak {
			control |= 0x20
		}
		if f.NotReady {
			control |= 0x08
		}
		raw = append(raw, control)
	case Rst:
		raw = append(raw, 0xC0)
	case RstAck:
		raw = append(raw, 0xC1, f.Version, f.Code)
	case Error:
		raw = append(raw, 0xC2, f.Version, f.Code)
	}
	crc := CRC(raw)
	raw = append(raw, byte(crc>>8), byte(crc))
	for _, c := range raw {
		if reserved(c) {
			b = append(b, byteEscape, c^escapeBit)
		} else {
			b = append(b, c)
		}
	}
	return append(b, byteFlag)
}

func reserved(c byte) bool {
	switch c {
	case byteFlag, byteEscape, byteXon, byteXoff, byteSubstitute, byteCancel:
		return true
	}
	return false
}

// parse reads the unescaped bytes between two flags, checksum included. The
// frame's Data is a copy.
func parse(raw []byte) (Frame, error) {
	if len(raw) < 3 {
		return Frame{}, errShort
	}
	body := raw[:len(raw)-2]
	if got := uint16(raw[len(raw)-2])<<8 | uint16(raw[len(raw)-1]); got != CRC(body) {
		return Frame{}, errChecksum
	}
	control, rest := body[0], body[1:]
	want := 0
	f := Frame{}
	switch {
	case control&0x80 == 0:
		if len(rest) < MinData || len(rest) > MaxData {
			return Frame{}, errLength
		}
		data := append([]byte(nil), rest...)
		Randomize(data)
		return Frame{Kind: Data, Number: control >> 4 & 7, Retransmit: control&0x08 != 0, Ack: control & 7, Data: data}, nil
	case control&0xF0 == 0x80:
		f = Frame{Kind: Ack, Ack: control & 7, NotReady: control&0x08 != 0}
	case control&0xF0 == 0xA0:
		f = Frame{Kind: Nak, Ack: control & 7, NotReady: control&0x08 != 0}
	case control == 0xC0:
		f = Frame{Kind: Rst}
	case control == 0xC1 || control == 0xC2:
		want = 2
		f = Frame{Kind: RstAck}
		if control == 0xC2 {
			f.Kind = Error
		}
		if len(rest) == want {
			f.Version, f.Code = rest[0], rest[1]
		}
	default:
		return Frame{}, errControl
	}
	if len(rest) != want {
		return Frame{}, errLength
	}
	return f, nil
}

// CRC is CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xFFFF, sent high byte
// first (UG101 section 2.3).
func CRC(b []byte) uint16 {
	crc := uint16(0xFFFF)
	for _, c := range b {
		crc ^= uint16(c) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}

// Randomize exclusive-ors b with the pseudo-random sequence of UG101 section
// 4.3 (shift register seeded with 0x42, taps 0xB8). Twice gives b back.
func Randomize(b []byte) {
	r := byte(0x42)
	for i := range b {
		b[i] ^= r
		if r&1 != 0 {
			r = r>>1 ^ 0xB8
		} else {
			r >>= 1
		}
	}
}
