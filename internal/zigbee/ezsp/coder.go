package ezsp

import (
	"encoding/binary"
	"fmt"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// coder writes or reads a payload in the form of one protocol version. The
// same table of fields serves both directions, so they cannot drift apart.
type coder struct {
	v     Version
	write bool
	b     []byte // written so far, or left to read
	err   error
}

// field is one part of a payload, in the protocol versions that have it:
// from the first to the last, 0 meaning no limit.
type field[T any] struct {
	first, last Version
	code        func(*coder, *T)
}

// layout is a payload: its fields in the order of the wire.
type layout[T any] []field[T]

// all is a field that every version has.
func all[T any](code func(*coder, *T)) field[T] { return field[T]{code: code} }

// from is a field that came with a version.
func from[T any](v Version, code func(*coder, *T)) field[T] { return field[T]{first: v, code: code} }

// until is a field that a version was the last to have.
func until[T any](v Version, code func(*coder, *T)) field[T] { return field[T]{last: v, code: code} }

func (l layout[T]) code(c *coder, v *T) {
	for _, f := range l {
		if c.err != nil {
			return
		}
		if !c.v.within(f.first, f.last) {
			continue
		}
		f.code(c, v)
	}
}

func (l layout[T]) encode(v Version, value T) ([]byte, error) {
	c := coder{v: v, write: true}
	l.code(&c, &value)
	return c.b, c.err
}

// decode reads a payload. Bytes after the last known field are ignored: newer
// firmware may add some.
func (l layout[T]) decode(v Version, b []byte) (T, error) {
	c := coder{v: v, b: b}
	var value T
	l.code(&c, &value)
	return value, c.err
}

// ErrShort says that a payload ends before its last field.
type ErrShort struct{ Missing int }

func (e ErrShort) Error() string { return fmt.Sprintf("payload too short by %d bytes", e.Missing) }

// take gives the next n bytes to read, or nil.
func (c *coder) take(n int) []byte {
	if c.err != nil {
		return nil
	}
	if len(c.b) < n {
		c.err = ErrShort{n - len(c.b)}
		return nil
	}
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

func u8[T ~uint8 | ~int8](c *coder, p *T) {
	if c.write {
		c.b = append(c.b, byte(*p))
	} else if b := c.take(1); b != nil {
		*p = T(b[0])
	}
}

func u16[T ~uint16](c *coder, p *T) {
	if c.write {
		c.b = binary.LittleEndian.AppendUint16(c.b, uint16(*p))
	} else if b := c.take(2); b != nil {
		*p = T(binary.LittleEndian.Uint16(b))
	}
}

func u32[T ~uint32](c *coder, p *T) {
	if c.write {
		c.b = binary.LittleEndian.AppendUint32(c.b, uint32(*p))
	} else if b := c.take(4); b != nil {
		*p = T(binary.LittleEndian.Uint32(b))
	}
}

func u64[T ~uint64](c *coder, p *T) {
	if c.write {
		c.b = binary.LittleEndian.AppendUint64(c.b, uint64(*p))
	} else if b := c.take(8); b != nil {
		*p = T(binary.LittleEndian.Uint64(b))
	}
}

func flag8(c *coder, p *bool) {
	var v uint8
	if *p {
		v = 1
	}
	u8(c, &v)
	*p = v != 0
}

func eui64(c *coder, p *zcl.EUI64) { u64(c, p) }

func key(c *coder, p *Key) {
	if c.write {
		c.b = append(c.b, p[:]...)
	} else if b := c.take(len(p)); b != nil {
		copy(p[:], b)
	}
}

// bytes8 is a byte string with its length in one byte before it.
func bytes8(c *coder, p *[]byte) {
	n := uint8(len(*p))
	if c.write && len(*p) > 255 {
		c.err = fmt.Errorf("%d bytes do not fit in a field of 255", len(*p))
		return
	}
	u8(c, &n)
	if c.write {
		c.b = append(c.b, *p...)
	} else if b := c.take(int(n)); b != nil {
		*p = append([]byte(nil), b...)
	}
}

// list8 is a list with the number of its members in one byte before it.
func list8[T any](c *coder, p *[]T, member func(*coder, *T)) {
	n := uint8(len(*p))
	if c.write && len(*p) > 255 {
		c.err = fmt.Errorf("%d members do not fit in a list of 255", len(*p))
		return
	}
	u8(c, &n)
	for i := range int(n) {
		if c.write {
			member(c, &(*p)[i])
			continue
		}
		var v T
		if member(c, &v); c.err != nil {
			return
		}
		*p = append(*p, v)
	}
}

// skip is n bytes that mean nothing to us: zero when written.
func (c *coder) skip(n int) {
	if c.write {
		c.b = append(c.b, make([]byte, n)...)
	} else {
		c.take(n)
	}
}
