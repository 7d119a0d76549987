package zcl

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Value is one value with its type. The zero Value is "no data".
//
// The accessors answer false for a value that says "unknown" (IsInvalid) as
// well as for one of another kind, so that an unknown counter of all ones can
// never pass for a very large one. Raw gives the bits as they are.
type Value struct {
	Type DataType
	// bits of a number, right-aligned, as sent.
	bits uint64
	// data of strings and keys; nil for the invalid string.
	data []byte
	// elem is the element type of an array, set or bag.
	elem DataType
	list []Value
	// unknown marks strings and collections of the length that says so.
	unknown bool
}

// Number makes a value of a type with a fixed size of up to eight octets. Bits
// beyond the type's size are cut off. It panics for other types: the type is
// the programmer's choice, never a stranger's.
func Number(t DataType, bits uint64) Value {
	size, ok := t.fixedSize()
	if !ok || size > 8 {
		panic("zcl: " + t.String() + " is not a number")
	}
	return Value{Type: t, bits: bits & mask(size)}
}

// Text makes a character string. Longer than 254 octets it is cut there, the
// most a string with one length octet can hold.
func Text(s string) Value {
	return Value{Type: CharString, data: []byte(s[:min(len(s), 0xfe)])}
}

// Octets makes an octet string, cut to 254 octets as Text is.
func Octets(b []byte) Value {
	return Value{Type: OctetString, data: bytes.Clone(b[:min(len(b), 0xfe)])}
}

// IsInvalid reports whether the value is the one its type reserves for
// "unknown": all ones for unsigned numbers and enumerations, the most negative
// signed number, NaN, and the longest length. "No data" is invalid too. Source:
// ZCL8 §2.6.2.
func (v Value) IsInvalid() bool {
	info, ok := types[v.Type]
	if !ok {
		return true
	}
	switch info.class {
	case classNone:
		return true
	case classUnsigned, classEnum:
		return v.bits == mask(info.size)
	case classSigned:
		return v.bits == 1<<(8*info.size-1)
	case classFloat:
		return math.IsNaN(v.float())
	case classText, classOctets, classList, classStruct:
		return v.unknown
	}
	return false
}

// Raw is the number's bits as sent, right-aligned, "unknown" included; 0 for
// strings and collections. Some enumerations use all ones as a value of their
// own.
func (v Value) Raw() uint64 { return v.bits }

// Uint is the value of an unsigned number, a bitmap, an enumeration, a time, an
// identifier or an address.
func (v Value) Uint() (uint64, bool) {
	switch types[v.Type].class {
	case classUnsigned, classBits, classEnum:
		return v.bits, !v.IsInvalid()
	}
	return 0, false
}

// Int is the value of a signed number, or of anything Uint reads that fits.
func (v Value) Int() (int64, bool) {
	info := types[v.Type]
	if info.class == classSigned {
		shift := 64 - 8*info.size
		return int64(v.bits<<shift) >> shift, !v.IsInvalid()
	}
	u, ok := v.Uint()
	if !ok || u > math.MaxInt64 {
		return 0, false
	}
	return int64(u), true
}

// Float is the value of any number.
func (v Value) Float() (float64, bool) {
	switch types[v.Type].class {
	case classFloat:
		return v.float(), !v.IsInvalid()
	case classSigned:
		i, ok := v.Int()
		return float64(i), ok
	}
	u, ok := v.Uint()
	return float64(u), ok
}

// Bool is the value of a boolean: any number but 0 (and "unknown") is true.
func (v Value) Bool() (bool, bool) {
	if v.Type != Bool {
		return false, false
	}
	return v.bits != 0, !v.IsInvalid()
}

// Text is the value of a character string as sent. Devices pad with NUL and
// spaces; who shows it trims, who compares does not.
func (v Value) Text() (string, bool) {
	return string(v.data), types[v.Type].class == classText && !v.unknown
}

// Bytes is the value of an octet string, a character string or a key. The
// slice must not be changed.
func (v Value) Bytes() ([]byte, bool) {
	switch types[v.Type].class {
	case classText, classOctets, classOpaque:
		return v.data, !v.unknown
	}
	return nil, false
}

// Elements is the values in an array, set, bag or structure.
func (v Value) Elements() ([]Value, bool) {
	switch types[v.Type].class {
	case classList, classStruct:
		return v.list, !v.unknown
	}
	return nil, false
}

// Equal reports whether both values are sent as the same bytes.
func (v Value) Equal(w Value) bool {
	return v.Type == w.Type && v.bits == w.bits && v.elem == w.elem && v.unknown == w.unknown &&
		bytes.Equal(v.data, w.data) && slices.EqualFunc(v.list, w.list, Value.Equal)
}

// String is the value for a log: a number, a quoted string, hexadecimal
// octets, or "unknown".
func (v Value) String() string {
	if v.IsInvalid() {
		return "unknown"
	}
	switch types[v.Type].class {
	case classFloat:
		return strconv.FormatFloat(v.float(), 'g', -1, 64)
	case classSigned:
		i, _ := v.Int()
		return strconv.FormatInt(i, 10)
	case classText:
		return strconv.Quote(string(v.data))
	case classOctets, classOpaque:
		return hex.EncodeToString(v.data)
	case classList, classStruct:
		parts := make([]string, len(v.list))
		for i, e := range v.list {
			parts[i] = e.String()
		}
		return "[" + strings.Join(parts, " ") + "]"
	}
	if v.Type == IEEEAddress {
		return EUI64(v.bits).String()
	}
	return strconv.FormatUint(v.bits, 10)
}

// float is the number of a floating point value.
func (v Value) float() float64 {
	switch v.Type {
	case SemiFloat:
		return semi(uint16(v.bits))
	case SingleFloat:
		return float64(math.Float32frombits(uint32(v.bits)))
	default:
		return math.Float64frombits(v.bits)
	}
}

// semi is the number of an IEEE 754 half-precision float: 1 sign bit, 5 bits
// of exponent (excess 15), 10 of fraction. Source: ZCL8 §2.6.2.12.
func semi(b uint16) float64 {
	fraction := float64(b & 0x3ff)
	exponent := int(b >> 10 & 0x1f)
	var f float64
	switch exponent {
	case 0:
		f = math.Ldexp(fraction, -24)
	case 31:
		if fraction != 0 {
			return math.NaN()
		}
		f = math.Inf(1)
	default:
		f = math.Ldexp(1+fraction/1024, exponent-15)
	}
	if b&0x8000 != 0 {
		f = -f
	}
	return f
}

// GoString makes a difference in a test readable.
func (v Value) GoString() string { return fmt.Sprintf("%s(%s)", v.Type, v) }
