package node

import (
	"encoding/binary"
	"math"
)

// ZCL data types that simulated devices use by name (ZCL table 2-10).
const (
	TypeBool     = 0x10
	TypeBitmap8  = 0x18
	TypeBitmap16 = 0x19
	TypeBitmap32 = 0x1B
	TypeU8       = 0x20
	TypeU16      = 0x21
	TypeU24      = 0x22
	TypeU32      = 0x23
	TypeU48      = 0x25
	TypeS8       = 0x28
	TypeS16      = 0x29
	TypeS24      = 0x2A
	TypeS32      = 0x2B
	TypeEnum8    = 0x30
	TypeEnum16   = 0x31
	TypeHalf     = 0x38
	TypeSingle   = 0x39
	TypeDouble   = 0x3A
	TypeOctets   = 0x41
	TypeText     = 0x42
	TypeEUI64    = 0xF0
)

// Value is an attribute's value: the bits of a number for the types of fixed
// size up to 8 bytes (IEEE 754 for floating point), bytes for strings. The
// attribute says which type it has.
type Value struct {
	Number int64
	Bytes  []byte
}

// Number returns the value of a numeric attribute.
func Number(n int64) Value { return Value{Number: n} }

// Single returns the value of a single precision attribute.
func Single(f float64) Value { return Value{Number: int64(math.Float32bits(float32(f)))} }

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
	case TypeEnum16, TypeHalf, 0xE8, 0xE9:
		return 2
	case TypeSingle, 0xE0, 0xE1, 0xE2, 0xEA:
		return 4
	case TypeDouble, TypeEUI64:
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

// Unknown returns the value of a type that means that there is none (ZCL table
// 2-11), for the types that have one.
func Unknown(t uint8) Value {
	n := size(t)
	switch {
	case signed(t):
		return Number(-1 << (8*n - 1))
	case t == TypeSingle:
		return Number(int64(math.Float32bits(float32(math.NaN()))))
	}
	return Number(-1)
}

// float reads a number of a floating point type; half precision counts as its
// bits do.
func float(t uint8, n int64) float64 {
	switch t {
	case TypeSingle:
		return float64(math.Float32frombits(uint32(n)))
	case TypeDouble:
		return math.Float64frombits(uint64(n))
	}
	return float64(n)
}

// changed says whether a value differs from the one last reported by at least
// change, or at all for types without a measure.
func changed(t uint8, now, last Value, change int64) bool {
	switch {
	case size(t) == 0:
		return string(now.Bytes) != string(last.Bytes)
	case now.Number == last.Number:
		return false
	case !analog(t):
		return true
	case t >= TypeHalf && t <= TypeDouble:
		d := math.Abs(float(t, now.Number) - float(t, last.Number))
		return !(d < math.Abs(float(t, change))) // also from or to no value
	case signed(t):
		return absolute(now.Number, last.Number) >= uint64(max(change, 0))
	}
	mask := ^uint64(0) >> (64 - 8*size(t))
	a, b := uint64(now.Number)&mask, uint64(last.Number)&mask
	return max(a, b)-min(a, b) >= uint64(change)&mask
}

func absolute(a, b int64) uint64 {
	if a > b {
		return uint64(a) - uint64(b)
	}
	return uint64(b) - uint64(a)
}

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
