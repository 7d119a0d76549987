// Package disk knows the card as a disk: its partition table (GPT, UEFI
// specification 2.10, chapter 5.3), which disk and which partitions the running
// system came from, and how the last partition and its file system get the whole
// of it. It must never know what the partitions hold.
//
// Reading and rewriting a table works on anything that is read and written at an
// offset, such as an image; only devices.go and kernel.go need a running system.
package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// Sector is the size in which a card counts, in bytes.
const Sector = 512

// A Partition is a stretch of the disk, in bytes from its beginning.
type Partition struct {
	Offset, Size int64
	// UUID is its PARTUUID, in lower case.
	UUID string
}

// Bounds of what is believed of a table.
const (
	maxEntries = 128
	entrySize  = 128
	headerSize = 92
)

// tableSectors is how many sectors 128 entries take.
const tableSectors = maxEntries * entrySize / Sector

// Partitions reads the table at the beginning of a disk, as that of an image, and
// refuses what is damaged.
func Partitions(disk io.ReaderAt) ([]Partition, error) {
	t, err := readTable(disk, 1)
	if err != nil {
		return nil, err
	}
	return t.partitions()
}

// PartitionsOrBackup reads the table at the beginning of a disk of size bytes or,
// when that is damaged, the backup in the last sectors, as the kernel does.
func PartitionsOrBackup(disk io.ReaderAt, size int64) ([]Partition, error) {
	t, err := readTable(disk, 1)
	if err != nil {
		var berr error
		if t, berr = readTable(disk, size/Sector-1); berr != nil {
			return nil, err // that there is no backup either says less
		}
	}
	return t.partitions()
}

// A table is a header and its entries, as they are on the disk.
type table struct {
	header  [Sector]byte
	entries []byte
}

func (t *table) used() int {
	n := 0
	for n < len(t.entries)/entrySize && !bytes.Equal(t.entry(n)[:16], make([]byte, 16)) {
		n++ // the used ones come first
	}
	return n
}

func (t *table) entry(i int) []byte { return t.entries[i*entrySize:][:entrySize] }

// bounds are the first and last sector of an entry.
func bounds(entry []byte) (first, last uint64) {
	return binary.LittleEndian.Uint64(entry[32:]), binary.LittleEndian.Uint64(entry[40:])
}

func (t *table) partitions() ([]Partition, error) {
	var parts []Partition
	for i := range t.used() {
		e := t.entry(i)
		first, last := bounds(e)
		if first > last || last > 1<<40 {
			return nil, fmt.Errorf("partition %d ends before it begins", i+1)
		}
		parts = append(parts, Partition{Offset: int64(first) * Sector, Size: int64(last-first+1) * Sector, UUID: uuid(e[16:32])})
	}
	return parts, nil
}

// uuid is a GUID as the kernel writes it: the first three groups are
// little-endian.
func uuid(b []byte) string {
	le := binary.LittleEndian
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", le.Uint32(b), le.Uint16(b[4:]), le.Uint16(b[6:]), b[8:10], b[10:16])
}

// readTable reads the table whose header is in a sector.
func readTable(disk io.ReaderAt, lba int64) (*table, error) {
	t := new(table)
	h := t.header[:]
	if lba < 1 {
		return nil, errors.New("there is no header")
	}
	if _, err := disk.ReadAt(h, lba*Sector); err != nil {
		return nil, fmt.Errorf("there is no header: %w", err)
	}
	le := binary.LittleEndian
	size := le.Uint32(h[12:])
	if !bytes.Equal(h[:8], []byte("EFI PART")) || size < headerSize || size > Sector {
		return nil, errors.New("there is no header")
	}
	if t.sum() != le.Uint32(h[16:]) {
		return nil, errors.New("the header's checksum is wrong")
	}
	start, n := le.Uint64(h[72:]), le.Uint32(h[80:])
	if n > maxEntries || le.Uint32(h[84:]) != entrySize || start > 1<<32 {
		return nil, errors.New("the header describes a table that is not gokrazy's")
	}
	t.entries = make([]byte, n*entrySize)
	if _, err := disk.ReadAt(t.entries, int64(start)*Sector); err != nil {
		return nil, fmt.Errorf("the table is cut short: %w", err)
	}
	if crc32.ChecksumIEEE(t.entries) != le.Uint32(h[88:]) {
		return nil, errors.New("the table's checksum is wrong")
	}
	return t, nil
}

// sum is the header's checksum, which is over itself as zero.
func (t *table) sum() uint32 {
	h := t.header
	clear(h[16:20])
	return crc32.ChecksumIEEE(h[:binary.LittleEndian.Uint32(h[12:])])
}
