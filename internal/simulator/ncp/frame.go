package ncp

import "encoding/binary"

// Bits of the frame control bytes (UG100 section 3).
const (
	responseBit = 0x80
	asyncBit    = 0x10
	formatV1    = 0x01
)

// header is the beginning of an EZSP frame: 3 bytes in the format of EZSP 4 to
// 7, which later versions still take for the version command, or 5 bytes.
type header struct {
	sequence uint8
	control  uint8
	format   uint8 // high control byte, extended only
	extended bool
	id       uint16
}

// parseHeader tells the two formats apart by the third byte: the identifier of
// version, 0, in the short one, and the format version 1 in the long one.
func parseHeader(b []byte) (h header, params []byte, ok bool) {
	if len(b) < 3 {
		return h, nil, false
	}
	h = header{sequence: b[0], control: b[1]}
	if b[2]&0x03 == formatV1 && len(b) >= 5 {
		h.extended, h.format = true, b[2]
		h.id = binary.LittleEndian.Uint16(b[3:])
		return h, b[5:], true
	}
	h.id = uint16(b[2])
	return h, b[3:], true
}

// append adds the header of an answer.
func (h header) append(b []byte) []byte {
	b = append(b, h.sequence, h.control)
	if h.extended {
		b = append(b, formatV1)
		return binary.LittleEndian.AppendUint16(b, h.id)
	}
	return append(b, byte(h.id))
}

// reader takes a command's parameters apart. A command must ask bad before it
// does anything: what is missing reads as zero.
type reader struct {
	rest []byte
	err  uint8
}

// bad says that the parameters were too short. Those that are too long are
// taken: hosts in use send a byte too many here and there, and no firmware
// minds.
func (r *reader) bad() bool { return r.err != ezspSuccess }

func (r *reader) bytes(n int) []byte {
	if n > len(r.rest) {
		r.err, r.rest = errorTruncated, nil
		return make([]byte, n)
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) u8() uint8   { return r.bytes(1)[0] }
func (r *reader) u16() uint16 { return binary.LittleEndian.Uint16(r.bytes(2)) }
func (r *reader) u32() uint32 { return binary.LittleEndian.Uint32(r.bytes(4)) }
func (r *reader) u64() uint64 { return binary.LittleEndian.Uint64(r.bytes(8)) }

func (r *reader) key() (k [16]byte) {
	copy(k[:], r.bytes(16))
	return k
}

// writer puts an answer together.
type writer struct {
	dialect *dialect
	b       []byte
}

func (w *writer) u8(v uint8)     { w.b = append(w.b, v) }
func (w *writer) u16(v uint16)   { w.b = binary.LittleEndian.AppendUint16(w.b, v) }
func (w *writer) u32(v uint32)   { w.b = binary.LittleEndian.AppendUint32(w.b, v) }
func (w *writer) u64(v uint64)   { w.b = binary.LittleEndian.AppendUint64(w.b, v) }
func (w *writer) bytes(b []byte) { w.b = append(w.b, b...) }

func (w *writer) bool(v bool) {
	if v {
		w.u8(1)
	} else {
		w.u8(0)
	}
}
