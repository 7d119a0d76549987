// Package bootpart writes and reads the card's boot partition: one FAT32 file
// system whose clusters are divided into three regions, so that one slot can be
// written without touching a sector that the other one, or the firmware's own
// files, are read from. It knows sectors, clusters, directories and names. It
// must never know what a kernel is, which slot is in use, nor when one may be
// written.
//
// The regions, with the geometry of the card:
//
//	clusters 0..8191        shared: root directory, config.txt, the firmware's files
//	clusters 8192..54271    slot a: the directory a/ and all below it
//	clusters 54272..100351  slot b: the directory b/ and all below it
//
// Each begins and ends on a border of FAT sectors, so a region's part of the FAT
// is sectors of its own. The root directory's entries for a/ and b/ and the
// clusters they begin at are fixed when the partition is formatted. What a slot's
// region holds is written from nothing each time: an interrupted write leaves
// nothing that the next one depends on.
//
// Nothing is mounted anywhere: the kernel's vfat would not open a directory whose
// chain an interrupted write left broken, and there is no program on the card
// that repairs one.
package bootpart

import (
	"errors"
	"fmt"
	"io"
)

// A Slot is one of the two systems on the card, and the directory of the boot
// partition it lives in. The zero value is none.
type Slot string

// The slots.
const (
	A Slot = "a"
	B Slot = "b"
)

// Slots are both, in the order of their regions.
var Slots = [2]Slot{A, B}

// ParseSlot reads a slot's name.
func ParseSlot(s string) (Slot, error) {
	if got := Slot(s); got.Valid() {
		return got, nil
	}
	return "", fmt.Errorf("%q is not a slot: it is a or b", s)
}

// Valid says whether it is a or b.
func (s Slot) Valid() bool { return s == A || s == B }

// Other is the other slot; of none, none.
func (s Slot) Other() Slot {
	switch s {
	case A:
		return B
	case B:
		return A
	}
	return ""
}

// Dir is the slot's directory as the firmware's os_prefix wants it: "a/".
func (s Slot) Dir() string { return string(s) + "/" }

// The files of one sector each, replaced in place by WriteSector. The first two
// are the firmware's, the third is the appliance's own note about its boots.
const (
	ConfigFile  = "config.txt"
	TryFile     = "tryboot.txt"
	LedgerFile  = "hems.txt"
	SectorBytes = 512 // the length of each, always
)

var sectorFiles = [3]string{ConfigFile, TryFile, LedgerFile}

// A File is what stands in a region. Name is its path with slashes; in a slot's
// region it is relative to the slot's directory. Names are printable ASCII.
type File struct {
	Name string
	Data []byte
}

// A Device is the boot partition, from its first byte. All writes are whole
// sectors of 512 bytes at multiples of 512.
type Device interface {
	io.ReaderAt
	io.WriterAt
}

// ErrTooLarge is in the error of files that do not fit into their region.
// Nothing has been written then.
var ErrTooLarge = errors.New("the files do not fit")

// chunk is how much is written or compared at once, in bytes.
const chunk = 1 << 20
