package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// root is how the kernel is told its root partition: by the first partition's
// PARTUUID and how many further on it is.
var root = regexp.MustCompile(`(?:^|\s)root=PARTUUID=([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})/PARTNROFF=([0-9]{1,3})(?:\s|$)`)

// Root is the partition that a kernel's command line names as root: the PARTUUID
// of the first one in lower case, and the number of the root, which counts from
// one.
func Root(cmdline string) (uuid string, number int, err error) {
	m := root.FindStringSubmatch(cmdline)
	if m == nil {
		return "", 0, errors.New("the kernel's command line has no root=PARTUUID=…/PARTNROFF=…")
	}
	n, err := strconv.Atoi(m[2])
	if err != nil {
		return "", 0, fmt.Errorf("the kernel's command line: %w", err)
	}
	return strings.ToLower(m[1]), n + 1, nil
}

// A System is a disk that a kernel booted from.
type System struct {
	Name       string // "mmcblk0"
	Partitions []Partition
	dev        string
}

// Find finds the disk whose first partition a command line names, among the
// devices that the kernel tells of in sys ("/sys") and has made in dev ("/dev").
// A disk may turn up only a while after the system was started.
func Find(sys, dev, cmdline string) (*System, error) {
	want, _, err := Root(cmdline)
	if err != nil {
		return nil, fmt.Errorf("finding the disk: %w", err)
	}
	entries, err := os.ReadDir(filepath.Join(sys, "class/block"))
	if err != nil {
		return nil, fmt.Errorf("finding the disk: %w", err)
	}
	var seen []string
	for _, e := range entries {
		name := e.Name()
		if _, err := os.Stat(filepath.Join(sys, "class/block", name, "partition")); err == nil {
			continue
		}
		s := &System{Name: name, dev: dev}
		if s.Partitions, err = partitionsOf(s.Disk()); err != nil {
			continue // an empty drive, or a disk without such a table
		}
		seen = append(seen, name)
		if len(s.Partitions) > 0 && s.Partitions[0].UUID == want {
			return s, nil
		}
	}
	slices.Sort(seen)
	return nil, fmt.Errorf("finding the disk: none has the first partition %s: looked at %q", want, seen)
}

func partitionsOf(disk string) ([]Partition, error) {
	f, err := os.Open(disk)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	return PartitionsOrBackup(f, size)
}

// Disk is the whole disk's device.
func (s *System) Disk() string { return filepath.Join(s.dev, s.Name) }

// Partition is the device of a partition, which count from one.
func (s *System) Partition(n int) string { return filepath.Join(s.dev, s.PartitionName(n)) }

// PartitionName is the partition's name among the kernel's devices: after a
// digit, as in "mmcblk0", there is a "p" before the number.
func (s *System) PartitionName(n int) string {
	name := s.Name
	if last := name[len(name)-1]; last >= '0' && last <= '9' {
		name += "p"
	}
	return name + strconv.Itoa(n)
}
