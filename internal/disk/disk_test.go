package disk

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// newTable is the beginning of a disk with these partitions, each as its first
// and last sector (UEFI specification 2.10, tables 5-5 and 5-6).
func newTable(sectors ...[2]uint64) []byte {
	disk := make([]byte, 34*Sector)
	h, entries := disk[Sector:][:92], disk[2*Sector:]
	le := binary.LittleEndian
	for i, s := range sectors {
		e := entries[i*entrySize:]
		e[0] = 1 // any type but zero
		copy(e[16:], []byte{0xc1, 0x4c, 0xc2, 0x60, 0xf9, 0xf3, 0x7a, 0x42, 0x81, 0x99, 0x1f, 0x73, 0xbb, 0x36, 0x00, byte(i + 1)})
		le.PutUint64(e[32:], s[0])
		le.PutUint64(e[40:], s[1])
	}
	copy(h, "EFI PART")
	le.PutUint32(h[8:], 0x10000)
	le.PutUint32(h[12:], 92)
	le.PutUint64(h[24:], 1)
	le.PutUint64(h[72:], 2) // where the entries begin
	le.PutUint32(h[80:], maxEntries)
	le.PutUint32(h[84:], entrySize)
	resum(disk)
	return disk
}

// resum makes the checksums right of a header and of entries at their usual
// place.
func resum(disk []byte) {
	h, entries := disk[Sector:][:92], disk[2*Sector:]
	le := binary.LittleEndian
	le.PutUint32(h[88:], crc32.ChecksumIEEE(entries[:min(le.Uint32(h[80:]), maxEntries)*entrySize]))
	clear(h[16:20])
	le.PutUint32(h[16:], crc32.ChecksumIEEE(h))
}

// cardTable has the partitions of an image that gok made.
var cardTable = newTable([2]uint64{8192, 212991}, [2]uint64{212992, 1236991}, [2]uint64{1236992, 2260991}, [2]uint64{2260992, 4194270})

// headed is cardTable with a change to its header, whose checksum is right again.
func headed(change func(h []byte)) []byte {
	disk := bytes.Clone(cardTable)
	change(disk[Sector:][:92])
	resum(disk)
	return disk
}

func TestPartitions(t *testing.T) {
	got, err := Partitions(bytes.NewReader(cardTable))
	if err != nil {
		t.Fatal(err)
	}
	want := []Partition{
		{4 << 20, 100 << 20, "60c24cc1-f3f9-427a-8199-1f73bb360001"},
		{104 << 20, 500 << 20, "60c24cc1-f3f9-427a-8199-1f73bb360002"},
		{604 << 20, 500 << 20, "60c24cc1-f3f9-427a-8199-1f73bb360003"},
		{1104 << 20, (4194271 - 2260992) * Sector, "60c24cc1-f3f9-427a-8199-1f73bb360004"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("partitions (-want +got):\n%s", diff)
	}
}

func TestPartitionsSaysWhatIsWrong(t *testing.T) {
	le := binary.LittleEndian
	change := func(at int) []byte {
		disk := bytes.Clone(cardTable)
		disk[at] ^= 0xff
		return disk
	}
	for _, tt := range []struct {
		name string
		disk []byte
		want string
	}{
		{"Empty", nil, "there is no header"},
		{"Zeros", make([]byte, 34*Sector), "there is no header"},
		{"OtherSignature", change(Sector), "there is no header"},
		{"HeaderLongerThanASector", headed(func(h []byte) { le.PutUint32(h[12:], Sector+1) }), "there is no header"},
		{"HeaderChanged", change(Sector + 40), "the header's checksum is wrong"},
		{"EntryChanged", change(2*Sector + 32), "the table's checksum is wrong"},
		{"TooManyEntries", headed(func(h []byte) { le.PutUint32(h[80:], maxEntries+1) }), "not gokrazy's"},
		{"OtherEntries", headed(func(h []byte) { le.PutUint32(h[84:], 256) }), "not gokrazy's"},
		{"TableBeyondAnyCard", headed(func(h []byte) { le.PutUint64(h[72:], 1<<63) }), "not gokrazy's"},
		{"CutShort", cardTable[:20*Sector], "the table is cut short"},
		{"EndsBeforeItBegins", newTable([2]uint64{9, 8}), "partition 1 ends before it begins"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Partitions(bytes.NewReader(tt.disk))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, %v, want an error with %q", got, err, tt.want)
			}
		})
	}
}

func FuzzPartitions(f *testing.F) {
	f.Add(cardTable)
	f.Add(newTable([2]uint64{9, 8}))
	f.Fuzz(func(t *testing.T, disk []byte) {
		parts, err := Partitions(bytes.NewReader(disk))
		for _, p := range parts {
			if err != nil || p.Offset < 0 || p.Size <= 0 || len(p.UUID) != 36 {
				t.Errorf("got %+v, %v", p, err)
			}
		}
	})
}
