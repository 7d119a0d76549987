package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

// A Device is a disk that can be written: an *os.File, or more.
type Device interface {
	io.ReaderAt
	io.WriterAt
	Sync() error // returns when everything written is on the disk
}

// scratch is where the entries are for a moment while those at their usual place
// are rewritten: behind them, before the first partition.
const scratch = 2 + tableSectors

// align is what the last partition's end is rounded down to, in sectors: a page,
// so that no cache holds a part of it together with the backup table.
const align = 8

// Grow makes the last partition of a disk of size bytes end where the disk does,
// and the backup table lie where it must, in the last sectors. It returns whether
// anything had to be written. The first sector and all other partitions stay as
// they are, byte for byte.
//
// The power may be cut at any moment. The kernel reads the table at the beginning
// alone, so that one is never half old and half new: first the backup is written,
// at its new place; then the new entries, to a free place behind the old ones; one
// sector, the header, then leads there; the same again leads back to the usual
// place. Each step is on the disk before the next begins. Should even the one
// sector be torn, the backup in the last sector is whole: the kernel looks there
// when it finds the word "gpt" on its command line.
func Grow(disk Device, size int64) (grown bool, err error) {
	grown, err = grow(disk, size)
	if err != nil {
		return grown, fmt.Errorf("growing the last partition to the card's size: %w", err)
	}
	return grown, nil
}

func grow(disk Device, size int64) (bool, error) {
	last := size/Sector - 1 // the last sector
	primary, perr := readTable(disk, 1)
	backup, berr := readTable(disk, last)
	t := primary
	if perr != nil {
		if berr != nil {
			return false, errors.Join(perr, fmt.Errorf("and in the backup: %w", berr))
		}
		t = backup
	}
	want, err := t.stretched(last)
	if err != nil {
		return false, err
	}
	var steps []step
	if perr != nil { // first there are two good tables again
		primary = backup.at(1, last, 2)
		steps = append(steps, primary.steps(1, 2)...)
	}
	if b := want.at(last, 1, last-tableSectors); berr != nil || !equal(backup, b) {
		steps = append(steps, b.steps(last, last-tableSectors)...)
	}
	switch from := int64(binary.LittleEndian.Uint64(primary.header[72:])); {
	case from != 2 && from != scratch:
		return false, fmt.Errorf("the entries begin in sector %d: another tool has moved them", from)
	case from == 2 && !slices.Equal(primary.entries, want.entries):
		steps = append(steps, want.at(1, last, scratch).steps(1, scratch)...)
	}
	if p := want.at(1, last, 2); !equal(primary, p) {
		steps = append(steps, p.steps(1, 2)...)
	}
	for _, s := range steps {
		if _, err := disk.WriteAt(s.data, s.at*Sector); err != nil {
			return true, fmt.Errorf("writing sector %d: %w", s.at, err)
		}
		if err := disk.Sync(); err != nil {
			return true, fmt.Errorf("writing sector %d: %w", s.at, err)
		}
	}
	return len(steps) > 0, nil
}

// A step is a write of whole sectors.
type step struct {
	at   int64 // the first sector
	data []byte
}

// steps write a table: its entries, then the header that leads to them.
func (t *table) steps(header, entries int64) []step {
	return []step{{entries, t.entries}, {header, t.header[:]}}
}

// stretched is the table with its last partition ending where the backup table
// of a disk with that last sector begins.
func (t *table) stretched(lastSector int64) (*table, error) {
	if len(t.entries) != maxEntries*entrySize {
		return nil, errors.New("the table does not have 128 entries")
	}
	n := t.used()
	if n == 0 {
		return nil, errors.New("there is no partition")
	}
	end := uint64(lastSector-tableSectors) / align * align // the first sector behind it
	for i := range n {
		first, last := bounds(t.entry(i))
		switch {
		case first > last:
			return nil, fmt.Errorf("partition %d ends before it begins", i+1)
		case first < scratch+tableSectors:
			return nil, fmt.Errorf("partition %d begins in sector %d: there is no room before it to rewrite the table safely", i+1, first)
		case last >= uint64(lastSector-tableSectors):
			return nil, fmt.Errorf("partition %d ends in sector %d, the card in sector %d: it is smaller than the table says", i+1, last, lastSector)
		case i < n-1 && last >= firstOf(t.entry(n-1)):
			return nil, fmt.Errorf("partition %d is behind the last one", i+1)
		}
	}
	out := &table{header: t.header, entries: slices.Clone(t.entries)}
	// It never shrinks, not even by the few sectors that another tool left it.
	if _, last := bounds(t.entry(n - 1)); end > last {
		binary.LittleEndian.PutUint64(out.entry(n - 1)[40:], end-1)
	}
	return out, nil
}

func firstOf(entry []byte) uint64 {
	first, _ := bounds(entry)
	return first
}

// at is the table with a header for the sector it goes to, the other header's
// sector, and the sector where its entries begin.
func (t *table) at(own, other, entries int64) *table {
	out := &table{header: t.header, entries: t.entries}
	h, le := out.header[:], binary.LittleEndian
	le.PutUint64(h[24:], uint64(own))
	le.PutUint64(h[32:], uint64(other))
	usable := int64(2 + tableSectors)
	if own == 1 {
		usable = entries + tableSectors
	}
	le.PutUint64(h[40:], uint64(usable))
	le.PutUint64(h[48:], uint64(max(own, other)-tableSectors-1))
	le.PutUint64(h[72:], uint64(entries))
	le.PutUint32(h[88:], crc32.ChecksumIEEE(out.entries))
	le.PutUint32(h[16:], out.sum())
	return out
}

func equal(a, b *table) bool {
	return a.header == b.header && slices.Equal(a.entries, b.entries)
}
