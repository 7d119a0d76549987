package zcl

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// EUI64 is the 64-bit address a device is born with. On the wire it is
// little-endian; people read it as "0x0015bc001b0211a5".
type EUI64 uint64

// Addresses that belong to nobody.
const (
	EUI64None EUI64 = 0
	EUI64Any  EUI64 = 0xffffffffffffffff
)

// String is "0x" and 16 lower-case hexadecimal digits.
func (e EUI64) String() string { return fmt.Sprintf("0x%016x", uint64(e)) }

// MarshalText is String, so that the address is a string in JSON, keys too.
func (e EUI64) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText is ParseEUI64.
func (e *EUI64) UnmarshalText(b []byte) error {
	v, err := ParseEUI64(string(b))
	if err != nil {
		return err
	}
	*e = v
	return nil
}

// ParseEUI64 reads "0x" and 16 hexadecimal digits in either case.
func ParseEUI64(s string) (EUI64, error) {
	digits, ok := strings.CutPrefix(s, "0x")
	if !ok || len(digits) != 16 {
		return 0, fmt.Errorf("parsing address %.40q: want 0x and 16 hexadecimal digits", s)
	}
	v, err := strconv.ParseUint(digits, 16, 64)
	if err != nil {
		return 0, fmt.Errorf("parsing address %.40q: want 0x and 16 hexadecimal digits", s)
	}
	return EUI64(v), nil
}

// Append appends the eight bytes of the address, little-endian.
func (e EUI64) Append(b []byte) []byte {
	return binary.LittleEndian.AppendUint64(b, uint64(e))
}

// DecodeEUI64 reads the first eight bytes of b, little-endian.
func DecodeEUI64(b []byte) (EUI64, error) {
	if len(b) < 8 {
		return 0, fmt.Errorf("reading an address from %d bytes: %w", len(b), ErrShort)
	}
	return EUI64(binary.LittleEndian.Uint64(b)), nil
}
