package radio

import (
	"crypto/aes"
	"encoding/binary"
	"hash/fnv"
)

// InstallCode returns the install code that is printed on a device: 16 bytes
// that its address decides, and their checksum, low byte first.
func InstallCode(e EUI64) []byte {
	var code []byte
	for i := range 2 {
		h := fnv.New64a()
		h.Write(binary.LittleEndian.AppendUint64([]byte{byte(i)}, uint64(e)))
		code = binary.BigEndian.AppendUint64(code, h.Sum64())
	}
	return binary.LittleEndian.AppendUint16(code, checksum(code))
}

// checksum is CRC-16/X-25 (base device behaviour specification, section 10.1.1).
func checksum(b []byte) uint16 {
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

// LinkKeyOf returns the link key of an install code with its checksum: its
// Matyas-Meyer-Oseas hash with AES-128 (Zigbee specification, section B.6).
func LinkKeyOf(code []byte) (hash Key) {
	padded := append(append([]byte(nil), code...), 0x80)
	for len(padded)%16 != 14 {
		padded = append(padded, 0)
	}
	padded = binary.BigEndian.AppendUint16(padded, uint16(8*len(code)))
	for ; len(padded) > 0; padded = padded[16:] {
		block, err := aes.NewCipher(hash[:])
		if err != nil {
			panic(err) // a key has 16 bytes
		}
		block.Encrypt(hash[:], padded[:16])
		for i := range hash {
			hash[i] ^= padded[i]
		}
	}
	return hash
}
