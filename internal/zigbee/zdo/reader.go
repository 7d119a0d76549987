package zdo

import (
	"encoding/binary"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// reader takes fields from the front of a message. After the first field that
// is not there it only answers zeros and keeps the error.
type reader struct {
	b   []byte
	err error
}

// take is the next n octets, zeros when there are not enough.
func (r *reader) take(n int) []byte {
	if r.err == nil && len(r.b) < n {
		r.err = ErrShort
	}
	if r.err != nil {
		return make([]byte, n)
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) u8() uint8        { return r.take(1)[0] }
func (r *reader) u16() uint16      { return binary.LittleEndian.Uint16(r.take(2)) }
func (r *reader) u32() uint32      { return binary.LittleEndian.Uint32(r.take(4)) }
func (r *reader) u64() uint64      { return binary.LittleEndian.Uint64(r.take(8)) }
func (r *reader) eui64() zcl.EUI64 { return zcl.EUI64(r.u64()) }

// u16s is n little-endian numbers; nil for none.
func (r *reader) u16s(n int) []uint16 {
	b := r.take(2 * n)
	if r.err != nil || n == 0 {
		return nil
	}
	list := make([]uint16, n)
	for i := range list {
		list[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return list
}

// optional forgets that a field was missing: devices leave out what has no
// meaning in a response that is not a success.
func (r *reader) optional() {
	if r.err == ErrShort {
		r.err, r.b = nil, nil
	}
}

// fail notes a field with a value outside its range.
func (r *reader) fail() {
	if r.err == nil {
		r.err = ErrBadField
	}
}

func appendU16s(b []byte, list []uint16) []byte {
	for _, v := range list {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	return b
}
