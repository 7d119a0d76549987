package image

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sector is the size in which a card counts, in bytes.
const sector = 512

// table is the beginning of a disk with these partitions, each as its first and
// last sector (UEFI specification 2.10, tables 5-5 and 5-6).
func table(sectors ...[2]uint64) []byte {
	const entry, entries = 128, 128
	disk := make([]byte, 34*sector)
	h, all := disk[sector:][:92], disk[2*sector:]
	le := binary.LittleEndian
	for i, s := range sectors {
		e := all[i*entry:]
		e[0] = 1 // any type but zero
		le.PutUint64(e[32:], s[0])
		le.PutUint64(e[40:], s[1])
	}
	copy(h, "EFI PART")
	le.PutUint32(h[12:], 92)
	le.PutUint64(h[72:], 2) // where the entries begin
	le.PutUint32(h[80:], entries)
	le.PutUint32(h[84:], entry)
	le.PutUint32(h[88:], crc32.ChecksumIEEE(all[:entries*entry]))
	le.PutUint32(h[16:], crc32.ChecksumIEEE(h))
	return disk
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
	// As gok makes them.
	card := table([2]uint64{8192, 212991}, [2]uint64{212992, 1236991}, [2]uint64{1236992, 2260991}, [2]uint64{2260992, 4194270})
	if err := os.WriteFile(file, card, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := partitions(file)
	want := []partition{{4 << 20, 100 << 20}, {104 << 20, 500 << 20}, {604 << 20, 500 << 20}, {1104 << 20, (4194271 - 2260992) * sector}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(partition{})); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got, err := PermOffset(file); got != 1157627904 || err != nil {
		t.Errorf("got %d, %v, want 1157627904", got, err)
	}
}
