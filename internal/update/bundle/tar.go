package bundle

import (
	"bytes"
	"fmt"
	"time"
)

// blockSize is what tar counts in, in bytes.
const blockSize = 512

// maxMember is the most that a tar header's 11 octal digits say, in bytes.
const maxMember = 1<<33 - 1

// end is how a tar archive ends: two blocks of zeros.
var end [2 * blockSize]byte

// padded is the size of a member in whole blocks.
func padded(size int64) int64 { return (size + blockSize - 1) &^ (blockSize - 1) }

// header is the one header a regular file of this name, size and time has (POSIX
// pax, "ustar interchange format"): root's, mode 0644.
func header(name string, size int64, at time.Time) *[blockSize]byte {
	var h [blockSize]byte
	copy(h[0:100], name)
	copy(h[100:], "0000644\x00")
	copy(h[108:], "0000000\x00")
	copy(h[116:], "0000000\x00")
	copy(h[124:], fmt.Sprintf("%011o\x00", size))
	copy(h[136:], fmt.Sprintf("%011o\x00", at.Unix()))
	copy(h[148:], "        ") // the checksum is over itself as blanks
	h[156] = '0'              // a regular file
	copy(h[257:], "ustar\x0000")
	copy(h[329:], "0000000\x00")
	copy(h[337:], "0000000\x00")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return &h
}

// named says whether a header is of the name, as far as there is a header.
func named(h []byte, name string) bool {
	want := append([]byte(name), 0)
	n := min(len(h), len(want))
	return bytes.Equal(h[:n], want[:n])
}

// sizeIn is the size in a header, or -1.
func sizeIn(h *[blockSize]byte) int64 {
	field := h[124:136]
	var size int64
	for _, c := range field[:11] {
		if c < '0' || c > '7' {
			return -1
		}
		size = size<<3 | int64(c-'0')
	}
	if field[11] != 0 {
		return -1
	}
	return size
}
