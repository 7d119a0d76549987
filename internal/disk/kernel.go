package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// resizeFS is EXT4_IOC_RESIZE_FS of the kernel's fs/ext4/ext4.h: _IOW('f', 16, __u64).
const resizeFS = 0x40086610

// A card is a disk written past the kernel's cache: what lies beside the tables
// may be a mounted partition's, which has a cache of its own.
type card struct{ *os.File }

// page is a buffer that the kernel reads and writes past its cache, which it
// does only from certain addresses.
func page(size int) []byte {
	const to = 4096
	b := make([]byte, size+to)
	skip := to - int(uintptr(unsafe.Pointer(&b[0]))%to)
	return b[skip:][:size]
}

func (c card) ReadAt(p []byte, off int64) (int, error) {
	b := page(len(p))
	n, err := c.File.ReadAt(b, off)
	return copy(p, b[:n]), err
}

func (c card) WriteAt(p []byte, off int64) (int, error) {
	b := page(len(p))
	copy(b, p)
	return c.File.WriteAt(b, off)
}

// GrowPartition gives the system's last partition the whole disk, in the table
// (see Grow) and in the running kernel, while other partitions of the disk are
// mounted, as the root is. It returns whether the kernel's partition has another
// size now.
func (s *System) GrowPartition() (bool, error) {
	f, err := os.OpenFile(s.Disk(), os.O_RDWR|unix.O_DIRECT, 0)
	if err != nil {
		return false, fmt.Errorf("growing the last partition to the card's size: %w", err)
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return false, fmt.Errorf("growing the last partition to the card's size: %w", err)
	}
	if _, err := Grow(card{f}, size); err != nil {
		return false, err
	}
	// Always looked at: the power may have been cut after an earlier one.
	parts, err := Partitions(card{f})
	if err != nil {
		return false, fmt.Errorf("reading the new partition table: %w", err)
	}
	s.Partitions = parts
	n := len(parts)
	have, err := Size(s.Partition(n))
	if err != nil || have >= parts[n-1].Size {
		return false, err
	}
	if err := resizePartition(f, n, parts[n-1]); err != nil {
		return false, fmt.Errorf("growing partition %d in the kernel: %w", n, err)
	}
	return true, nil
}

// resizePartition tells the kernel of a partition's new size. It does not look at
// the table again, as that would need all partitions unmounted.
func resizePartition(disk *os.File, number int, p Partition) error {
	arg := &unix.BlkpgPartition{Start: p.Offset, Length: p.Size, Pno: int32(number)}
	call := &unix.BlkpgIoctlArg{Op: unix.BLKPG_RESIZE_PARTITION, Datalen: int32(unsafe.Sizeof(*arg)), Data: (*byte)(unsafe.Pointer(arg))}
	var pin runtime.Pinner
	pin.Pin(arg)
	defer pin.Unpin()
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, disk.Fd(), unix.BLKPG, uintptr(unsafe.Pointer(call))); errno != 0 {
		return errno
	}
	return nil
}

// Size is how large a device or a file is, in bytes.
func Size(device string) (int64, error) {
	f, err := os.Open(device)
	if err != nil {
		return 0, fmt.Errorf("measuring a device: %w", err)
	}
	defer f.Close()
	n, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, fmt.Errorf("measuring %s: %w", device, err)
	}
	return n, nil
}

// GrowFS makes an ext4 file system, which is mounted at a directory, as large as
// its device. It returns whether it has grown. The kernel does it in steps, each
// in the journal: a power cut leaves a sound file system of any size between.
func GrowFS(device, mounted string) (bool, error) {
	grown, err := growFS(device, mounted)
	if err != nil {
		return grown, fmt.Errorf("growing the file system to the card's size: %w", err)
	}
	return grown, nil
}

func growFS(device, mounted string) (bool, error) {
	size, err := Size(device)
	if err != nil {
		return false, err
	}
	f, err := os.Open(device)
	if err != nil {
		return false, err
	}
	defer f.Close()
	block, blocks, err := readSuper(f)
	if err != nil {
		return false, err
	}
	want := uint64(size) / block
	if want <= blocks {
		return false, nil
	}
	dir, err := os.Open(mounted)
	if err != nil {
		return false, err
	}
	defer dir.Close()
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, dir.Fd(), resizeFS, uintptr(unsafe.Pointer(&want))); errno != 0 {
		return false, errno
	}
	_, now, err := readSuper(f)
	return now > blocks, err
}

// HasJournal says whether an ext4 file system has a journal, which it loses when
// that is damaged and cannot be made anew.
func HasJournal(device string) (bool, error) {
	f, err := os.Open(device)
	if err != nil {
		return false, fmt.Errorf("looking for the journal: %w", err)
	}
	defer f.Close()
	b, err := super(f)
	if err != nil {
		return false, fmt.Errorf("looking for the journal: %w", err)
	}
	return binary.LittleEndian.Uint32(b[0x5c:])&0x4 != 0, nil // COMPAT_HAS_JOURNAL
}

// super reads the superblock of an ext4 file system.
func super(device io.ReaderAt) ([]byte, error) {
	b := make([]byte, 1024)
	if _, err := device.ReadAt(b, 1024); err != nil {
		return nil, fmt.Errorf("reading the superblock: %w", err)
	}
	if binary.LittleEndian.Uint16(b[0x38:]) != 0xef53 {
		return nil, errors.New("there is no superblock")
	}
	return b, nil
}

// readSuper reads an ext4 file system's block size in bytes and number of blocks
// from its superblock (the kernel's Documentation/filesystems/ext4/super.rst).
func readSuper(device io.ReaderAt) (block, blocks uint64, err error) {
	b, err := super(device)
	if err != nil {
		return 0, 0, err
	}
	le := binary.LittleEndian
	log := le.Uint32(b[0x18:])
	if log > 6 {
		return 0, 0, fmt.Errorf("the superblock has blocks of 2^%d KiB", log)
	}
	blocks = uint64(le.Uint32(b[4:]))
	if le.Uint32(b[0x60:])&0x80 != 0 { // INCOMPAT_64BIT
		blocks |= uint64(le.Uint32(b[0x150:])) << 32
	}
	return 1024 << log, blocks, nil
}
