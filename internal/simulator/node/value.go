package node

import "encoding/binary"

// ZCL data types that simulated devices use by name (ZCL table 2-10).
const (
	TypeBool     = 0x10
	TypeBitmap8  = 0x18
	TypeBitmap16 = 0x19
	TypeU8       = 0x20
	TypeU16      = 0x21
	TypeU24      = 0x22
	TypeU32      = 0x23
	TypeU48      = 0x25
	TypeS24      = 0x2A
	TypeS32      = 0x2B
	TypeEnum8    = 0x30
	TypeEnum16   = 0x31
	TypeOctets   = 0x41
	TypeText     = 0x42
)

// Value is an attribute's value: a number for the types of fixed size up to 8
// bytes, bytes for strings. The attribute says which type it has.
type Value struct {
	Number int64
	Bytes  []byte
}

// Number returns the value of a numeric attribute.
func Number(n int64) Value { return Value{Number: n} }

// Text returns the value of a string attribute.
func Text(s string) Value { return Value{Bytes: []byte(s)} }

// size returns how many bytes a value of a type takes, 0 for strings and -1
// for types that simulated devices do not know.
func size(t uint8) int {
	switch {
	case t >= 0x08 && t <= 0x0F, t >= 0x18 && t <= 0x1F, t >= 0x20 && t <= 0x27, t >= 0x28 && t <= 0x2F:
		return int(t&7) + 1
	}
	switch t {
	case TypeBool, TypeEnum8:
		return 1
	case TypeEnum16, 0x38, 0xE8, 0xE9:
		return 2
	case 0x39, 0xE0, 0xE1, 0xE2, 0xEA:
		return 4
	case 0x3A, 0xF0:
		return 8
	case TypeOctets, TypeText:
		return 0
	}
	return -1
}

// analog says whether a configuration of reports for the type carries a
// reportable change.
func analog(t uint8) bool {
	return t >= 0x20 && t <= 0x2F || t >= 0x38 && t <= 0x3A || t >= 0xE0 && t <= 0xE2
}

func signed(t uint8) bool { return t >= 0x28 && t <= 0x2F }

func appendValue(b []byte, t uint8, v Value) []byte {
	if n := size(t); n > 0 {
		var w [8]byte
		binary.LittleEndian.PutUint64(w[:], uint64(v.Number))
		return append(b, w[:n]...)
	}
	return append(append(b, byte(len(v.Bytes))), v.Bytes...)
}

// parseValue reads a value of type t and returns what follows it.
func parseValue(t uint8, b []byte) (v Value, rest []byte, ok bool) {
	n := size(t)
	switch {
	case n < 0:
		return Value{}, nil, false
	case n == 0:
		if len(b) < 1 {
			return Value{}, nil, false
		}
		length := int(b[0])
		if length == 0xFF {
			return Value{}, b[1:], true // the unknown value
		}
		if len(b) < 1+length {
			return Value{}, nil, false
		}
		return Value{Bytes: append([]byte(nil), b[1:1+length]...)}, b[1+length:], true
	case len(b) < n:
		return Value{}, nil, false
	}
	var w [8]byte
	copy(w[:], b[:n])
	if signed(t) && b[n-1]&0x80 != 0 {
		for i := n; i < 8; i++ {
			w[i] = 0xFF
		}
	}
	return Value{Number: int64(binary.LittleEndian.Uint64(w[:]))}, b[n:], true
}
