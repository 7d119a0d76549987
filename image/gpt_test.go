package image

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// table is the beginning of a disk with these partitions, each as its first and
// last sector (UEFI specification 2.10, tables 5-5 and 5-6).
func table(sectors ...[2]uint64) []byte {
	disk := make([]byte, 34*sector)
	h, entries := disk[sector:][:92], disk[2*sector:]
	le := binary.LittleEndian
	for i, s := range sectors {
		e := entries[i*entrySize:]
		e[0] = 1 // any type but zero
		le.PutUint64(e[32:], s[0])
		le.PutUint64(e[40:], s[1])
	}
	copy(h, "EFI PART")
	le.PutUint32(h[12:], 92)
	le.PutUint64(h[72:], 2) // where the entries begin
	le.PutUint32(h[80:], maxEntries)
	le.PutUint32(h[84:], entrySize)
	le.PutUint32(h[88:], crc32.ChecksumIEEE(entries[:maxEntries*entrySize]))
	le.PutUint32(h[16:], crc32.ChecksumIEEE(h))
	return disk
}

// card has the partitions of an image that gok made.
var card = table([2]uint64{8192, 212991}, [2]uint64{212992, 1236991}, [2]uint64{1236992, 2260991}, [2]uint64{2260992, 4194270})

// headed is card with a change to its header, whose checksum is right again.
func headed(change func(h []byte)) []byte {
	disk := bytes.Clone(card)
	h := disk[sector:][:92]
	change(h)
	clear(h[16:20])
	binary.LittleEndian.PutUint32(h[16:], crc32.ChecksumIEEE(h))
	return disk
}

func TestReadGPT(t *testing.T) {
	got, err := readGPT(bytes.NewReader(card))
	if err != nil {
		t.Fatal(err)
	}
	want := []partition{
		{4 << 20, 100 << 20},
		{104 << 20, 500 << 20},
		{604 << 20, 500 << 20},
		{1104 << 20, (4194271 - 2260992) * sector},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(partition{})); diff != "" {
		t.Errorf("partitions (-want +got):\n%s", diff)
	}
}

func TestReadGPTSaysWhatIsWrong(t *testing.T) {
	le := binary.LittleEndian
	change := func(at int) []byte {
		disk := bytes.Clone(card)
		disk[at] ^= 0xff
		return disk
	}
	for _, tt := range []struct {
		name string
		disk []byte
		want string
	}{
		{"Empty", nil, "there is no header"},
		{"Zeros", make([]byte, 34*sector), "there is no header"},
		{"OtherSignature", change(sector), "there is no header"},
		{"HeaderLongerThanASector", headed(func(h []byte) { le.PutUint32(h[12:], sector+1) }), "there is no header"},
		{"HeaderChanged", change(sector + 40), "the header's checksum is wrong"},
		{"EntryChanged", change(2*sector + 32), "the table's checksum is wrong"},
		{"TooManyEntries", headed(func(h []byte) { le.PutUint32(h[80:], maxEntries+1) }), "not gokrazy's"},
		{"OtherEntries", headed(func(h []byte) { le.PutUint32(h[84:], 256) }), "not gokrazy's"},
		{"TableBeyondAnyCard", headed(func(h []byte) { le.PutUint64(h[72:], 1<<63) }), "not gokrazy's"},
		{"CutShort", card[:20*sector], "the table is cut short"},
		{"EndsBeforeItBegins", table([2]uint64{9, 8}), "partition 1 ends before it begins"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readGPT(bytes.NewReader(tt.disk))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, %v, want an error with %q", got, err, tt.want)
			}
		})
	}
}

func TestAnImageHasFourPartitions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(file, table([2]uint64{34, 40}), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := PermOffset(file)
	if err == nil || !strings.Contains(err.Error(), "it has 1 partitions") || !strings.Contains(err.Error(), "make image") {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(file, card, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := PermOffset(file); got != 1157627904 || err != nil {
		t.Errorf("got %d, %v, want 1157627904", got, err)
	}
}

func FuzzReadGPT(f *testing.F) {
	f.Add(card)
	f.Add(table([2]uint64{9, 8}))
	f.Fuzz(func(t *testing.T, disk []byte) {
		parts, err := readGPT(bytes.NewReader(disk))
		for _, p := range parts {
			if err != nil || p.offset < 0 || p.size <= 0 {
				t.Errorf("got %+v, %v", p, err)
			}
		}
	})
}
