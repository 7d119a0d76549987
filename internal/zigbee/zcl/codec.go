package zcl

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// maxDepth is how deep collections may lie in one another. The ZCL allows 15;
// no device is known to use more than two.
const maxDepth = 8

// Lengths that say "unknown". Source: ZCL8 §2.6.2.14 to §2.6.2.18.
const (
	unknownLength8  = 0xff
	unknownLength16 = 0xffff
)

// DecodeValue reads one value of type t from the front of b and returns what
// is left of b. The value keeps no part of b.
func DecodeValue(t DataType, b []byte) (v Value, rest []byte, err error) {
	return decodeValue(t, b, 0)
}

func decodeValue(t DataType, b []byte, depth int) (Value, []byte, error) {
	info, ok := types[t]
	if !ok {
		return Value{}, nil, fmt.Errorf("decoding a value: %v has no known size", t)
	}
	v := Value{Type: t}
	switch info.class {
	case classText, classOctets:
		return decodeString(v, info.size, b)
	case classList, classStruct:
		if depth == maxDepth {
			return Value{}, nil, fmt.Errorf("decoding %v: collections are nested more than %d deep", t, maxDepth)
		}
		if info.class == classList {
			return decodeList(v, b, depth)
		}
		return decodeStruct(v, b, depth)
	}
	if len(b) < info.size {
		return Value{}, nil, fmt.Errorf("decoding %v from %d bytes: %w", t, len(b), ErrShort)
	}
	if info.class == classOpaque {
		v.data = bytes.Clone(b[:info.size])
	} else {
		for i := range info.size {
			v.bits |= uint64(b[i]) << (8 * i)
		}
	}
	return v, b[info.size:], nil
}

func decodeString(v Value, lengthSize int, b []byte) (Value, []byte, error) {
	if len(b) < lengthSize {
		return Value{}, nil, fmt.Errorf("decoding the length of %v: %w", v.Type, ErrShort)
	}
	length, unknown := int(b[0]), unknownLength8
	if lengthSize == 2 {
		length, unknown = int(binary.LittleEndian.Uint16(b)), unknownLength16
	}
	b = b[lengthSize:]
	if length == unknown {
		v.unknown = true
		return v, b, nil
	}
	if len(b) < length {
		return Value{}, nil, fmt.Errorf("decoding %v of length %d from %d bytes: %w", v.Type, length, len(b), ErrShort)
	}
	v.data = bytes.Clone(b[:length])
	return v, b[length:], nil
}

func decodeList(v Value, b []byte, depth int) (Value, []byte, error) {
	if len(b) < 3 {
		return Value{}, nil, fmt.Errorf("decoding the header of %v: %w", v.Type, ErrShort)
	}
	v.elem = DataType(b[0])
	count := int(binary.LittleEndian.Uint16(b[1:]))
	b = b[3:]
	if count == unknownLength16 {
		v.unknown = true
		return v, b, nil
	}
	// Elements of no octets would let three bytes ask for 65,534 values.
	if size, fixed := v.elem.fixedSize(); count > 0 && fixed && size == 0 {
		return Value{}, nil, fmt.Errorf("decoding %v: elements of %v have no octets", v.Type, v.elem)
	}
	for range count {
		e, rest, err := decodeValue(v.elem, b, depth+1)
		if err != nil {
			return Value{}, nil, fmt.Errorf("decoding element %d of %v: %w", len(v.list), v.Type, err)
		}
		v.list, b = append(v.list, e), rest
	}
	return v, b, nil
}

func decodeStruct(v Value, b []byte, depth int) (Value, []byte, error) {
	if len(b) < 2 {
		return Value{}, nil, fmt.Errorf("decoding the header of %v: %w", v.Type, ErrShort)
	}
	count := int(binary.LittleEndian.Uint16(b))
	b = b[2:]
	if count == unknownLength16 {
		v.unknown = true
		return v, b, nil
	}
	for range count {
		if len(b) == 0 {
			return Value{}, nil, fmt.Errorf("decoding element %d of %v: %w", len(v.list), v.Type, ErrShort)
		}
		e, rest, err := decodeValue(DataType(b[0]), b[1:], depth+1)
		if err != nil {
			return Value{}, nil, fmt.Errorf("decoding element %d of %v: %w", len(v.list), v.Type, err)
		}
		v.list, b = append(v.list, e), rest
	}
	return v, b, nil
}

// Append appends the value's bytes, without its type, to b.
func (v Value) Append(b []byte) []byte {
	info := types[v.Type]
	switch info.class {
	case classText, classOctets:
		if info.size == 2 {
			if v.unknown {
				return append(b, 0xff, 0xff)
			}
			b = binary.LittleEndian.AppendUint16(b, uint16(len(v.data)))
		} else {
			if v.unknown {
				return append(b, 0xff)
			}
			b = append(b, byte(len(v.data)))
		}
		return append(b, v.data...)
	case classList:
		b = append(b, byte(v.elem))
		b = v.appendCount(b)
		for _, e := range v.list {
			b = e.Append(b)
		}
		return b
	case classStruct:
		b = v.appendCount(b)
		for _, e := range v.list {
			b = e.Append(append(b, byte(e.Type)))
		}
		return b
	case classOpaque:
		return append(b, v.data...)
	}
	return appendBits(b, v.bits, info.size)
}

func (v Value) appendCount(b []byte) []byte {
	if v.unknown {
		return append(b, 0xff, 0xff)
	}
	return binary.LittleEndian.AppendUint16(b, uint16(len(v.list)))
}

// appendBits appends the low size octets of bits, little-endian.
func appendBits(b []byte, bits uint64, size int) []byte {
	for i := range size {
		b = append(b, byte(bits>>(8*i)))
	}
	return b
}
