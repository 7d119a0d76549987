package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// sector is the size in which a card counts, in bytes.
const sector = 512

// A partition is a stretch of the card, in bytes from its beginning.
type partition struct{ offset, size int64 }

// Bounds of what is believed of a table.
const (
	maxEntries = 128
	entrySize  = 128
)

// partitions reads the GPT of a disk (UEFI specification 2.10, chapter 5.3): at
// least four partitions, as the card has them.
func partitions(disk string) ([]partition, error) {
	f, err := os.Open(disk)
	if err != nil {
		return nil, fmt.Errorf("reading the partition table: %w", err)
	}
	defer f.Close()
	return partitionsOf(f)
}

func partitionsOf(disk *os.File) ([]partition, error) {
	parts, err := readGPT(disk)
	if err == nil && len(parts) <= partPerm {
		err = fmt.Errorf("it has %d partitions, an image of the appliance has 4", len(parts))
	}
	if err != nil {
		return nil, fmt.Errorf("reading the partition table of %s: %w: build it again with \"make image\"", disk.Name(), err)
	}
	return parts, nil
}

func readGPT(disk io.ReaderAt) ([]partition, error) {
	var h [sector]byte
	if _, err := disk.ReadAt(h[:], sector); err != nil {
		return nil, fmt.Errorf("there is no header: %w", err)
	}
	le := binary.LittleEndian
	size := le.Uint32(h[12:])
	if !bytes.Equal(h[:8], []byte("EFI PART")) || size < 92 || size > sector {
		return nil, errors.New("there is no header")
	}
	sum := le.Uint32(h[16:])
	clear(h[16:20]) // the sum is over itself as zero
	if crc32.ChecksumIEEE(h[:size]) != sum {
		return nil, errors.New("the header's checksum is wrong")
	}
	start, n := le.Uint64(h[72:]), le.Uint32(h[80:])
	if n > maxEntries || le.Uint32(h[84:]) != entrySize || start > 1<<32 {
		return nil, errors.New("the header describes a table that is not gokrazy's")
	}
	table := make([]byte, n*entrySize)
	if _, err := disk.ReadAt(table, int64(start)*sector); err != nil {
		return nil, fmt.Errorf("the table is cut short: %w", err)
	}
	if crc32.ChecksumIEEE(table) != le.Uint32(h[88:]) {
		return nil, errors.New("the table's checksum is wrong")
	}
	var parts []partition
	for i := range int(n) {
		e := table[i*entrySize:][:entrySize]
		if bytes.Equal(e[:16], make([]byte, 16)) {
			break // the used ones come first
		}
		first, last := le.Uint64(e[32:]), le.Uint64(e[40:])
		if first > last || last > 1<<40 {
			return nil, fmt.Errorf("partition %d ends before it begins", i+1)
		}
		parts = append(parts, partition{offset: int64(first) * sector, size: int64(last-first+1) * sector})
	}
	return parts, nil
}

// PermOffset is where the file system of /perm begins in a disk, in bytes.
func PermOffset(disk string) (int64, error) {
	parts, err := partitions(disk)
	if err != nil {
		return 0, err
	}
	return parts[partPerm].offset, nil
}
