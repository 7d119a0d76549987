package ezsp

import (
	"crypto/aes"
	"encoding/binary"
	"fmt"
)

// InstallCodeKey makes the link key of a device from the install code on its
// label (Zigbee Base Device Behavior 10.1): 6, 8, 12 or 16 bytes and a CRC of
// two, low byte first. A code whose CRC is wrong was misread, and is an error.
func InstallCodeKey(code []byte) (Key, error) {
	switch len(code) {
	case 8, 10, 14, 18:
	default:
		return Key{}, fmt.Errorf("an install code has 8, 10, 14 or 18 bytes with its CRC, not %d", len(code))
	}
	n := len(code) - 2
	if crcX25(code[:n]) != binary.LittleEndian.Uint16(code[n:]) {
		return Key{}, fmt.Errorf("the install code's check digits do not fit: one of its digits is wrong")
	}
	return aesMMO(code), nil
}

// crcX25 is CRC-16/X-25: reflected 0x1021, start and final inversion.
func crcX25(b []byte) uint16 {
	crc := uint16(0xFFFF)
	for _, c := range b {
		crc ^= uint16(c)
		for range 8 {
			if crc&1 != 0 {
				crc = crc>>1 ^ 0x8408
			} else {
				crc >>= 1
			}
		}
	}
	return ^crc
}

// aesMMO is the Matyas-Meyer-Oseas hash over AES-128 (Zigbee B.6), of up to
// 8,191 bytes.
func aesMMO(b []byte) Key {
	padded := append(append([]byte{}, b...), 0x80)
	for len(padded)%16 != 14 {
		padded = append(padded, 0)
	}
	padded = binary.BigEndian.AppendUint16(padded, uint16(8*len(b)))
	var hash Key
	for ; len(padded) > 0; padded = padded[16:] {
		block, err := aes.NewCipher(hash[:])
		if err != nil {
			panic(err) // 16 bytes are always a key
		}
		block.Encrypt(hash[:], padded[:16])
		for i := range hash {
			hash[i] ^= padded[i]
		}
	}
	return hash
}
