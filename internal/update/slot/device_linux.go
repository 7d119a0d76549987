package slot

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/smartcore-ireland/hems/internal/update/bootpart"
)

// Disk is a partition's block device, or an ordinary file that stands for one.
//
// A block device is read and written past the page cache: what is read back is
// what the card holds, and a write is of the sectors that were asked for, not of
// the whole pages around them, which belong to the other slot.
type Disk struct {
	f    *os.File
	size int64

	mu     sync.Mutex
	direct []byte // aligned memory for a block device; nil for a file
}

// directBytes is the most that goes to a block device at once.
const directBytes = 1 << 20

// OpenDevice opens a partition's device, or a file, to read and write it.
func OpenDevice(path string) (*Disk, error) {
	d, err := openDevice(path)
	if err != nil {
		return nil, fmt.Errorf("opening the partition %s: %w", path, err)
	}
	return d, nil
}

func openDevice(path string) (*Disk, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	block := fi.Mode()&(os.ModeDevice|os.ModeCharDevice) == os.ModeDevice
	if !block && !fi.Mode().IsRegular() {
		return nil, errors.New("it is neither a block device nor a file")
	}
	flags := os.O_RDWR
	if block {
		flags |= unix.O_DIRECT
	}
	f, err := os.OpenFile(path, flags, 0)
	if err != nil {
		return nil, err
	}
	d := &Disk{f: f}
	if d.size, err = f.Seek(0, io.SeekEnd); err == nil && block {
		err = d.prepare()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return d, nil
}

// prepare readies a block device.
func (d *Disk) prepare() error {
	size, err := unix.IoctlGetInt(int(d.f.Fd()), unix.BLKSSZGET)
	if err != nil {
		return fmt.Errorf("asking for the size of its sectors: %w", err)
	}
	if size != bootpart.SectorBytes {
		return fmt.Errorf("its sectors have %d bytes instead of %d", size, bootpart.SectorBytes)
	}
	d.direct, err = unix.Mmap(-1, 0, directBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	return err
}

// Size is the device's, in bytes.
func (d *Disk) Size() int64 { return d.size }

// Sync returns when all that was written is on the disk.
func (d *Disk) Sync() error { return d.f.Sync() }

// Close closes the device. Nothing may be in use then.
func (d *Disk) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.direct != nil {
		unix.Munmap(d.direct)
		d.direct = nil
	}
	return d.f.Close()
}

// ReadAt reads any bytes.
func (d *Disk) ReadAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.direct == nil {
		return d.f.ReadAt(p, off)
	}
	if off < 0 {
		return 0, errors.New("reading before the beginning of the device")
	}
	done := 0
	for done < len(p) {
		at := off + int64(done)
		begin := at &^ (bootpart.SectorBytes - 1)
		skip := int(at - begin)
		want := min((skip+len(p)-done+bootpart.SectorBytes-1)&^(bootpart.SectorBytes-1), directBytes)
		n, err := d.f.ReadAt(d.direct[:want], begin)
		if n <= skip {
			if err == nil {
				err = io.EOF
			}
			return done, err
		}
		done += copy(p[done:], d.direct[skip:n])
	}
	return done, nil
}

// WriteAt writes whole sectors.
func (d *Disk) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off%bootpart.SectorBytes != 0 || len(p)%bootpart.SectorBytes != 0 || off+int64(len(p)) > d.size {
		return 0, fmt.Errorf("writing %d bytes at %d of a device of %d bytes: only whole sectors within it can be", len(p), off, d.size)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.direct == nil {
		return d.f.WriteAt(p, off)
	}
	done := 0
	for done < len(p) {
		n, err := d.f.WriteAt(d.direct[:copy(d.direct, p[done:])], off+int64(done))
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}
