package image

import (
	"fmt"
	"io"
	"os"

	"github.com/smartcore-ireland/hems/internal/disk"
)

// A partition is a stretch of the card, in bytes from its beginning.
type partition struct{ offset, size int64 }

// partitions reads the partition table of a disk: at least four partitions, as
// the card has them.
func partitions(name string) ([]partition, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading the partition table: %w", err)
	}
	defer f.Close()
	return partitionsOf(f)
}

func partitionsOf(card *os.File) ([]partition, error) {
	var found []disk.Partition
	size, err := card.Seek(0, io.SeekEnd)
	if err == nil {
		found, err = disk.PartitionsOrBackup(card, size)
	}
	if err == nil && len(found) <= partPerm {
		err = fmt.Errorf("it has %d partitions, an image of the appliance has 4", len(found))
	}
	if err != nil {
		return nil, fmt.Errorf("reading the partition table of %s: %w: build it again with \"make image\"", card.Name(), err)
	}
	var parts []partition
	for _, p := range found {
		parts = append(parts, partition{offset: p.Offset, size: p.Size})
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
