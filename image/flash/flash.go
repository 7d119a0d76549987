// Package flash writes an image to a card: it judges the disk, writes all of the
// image, and reads everything back. It knows disks as the kernel describes them
// and bytes. It must never know what the image holds; what is put on the card
// beside it is the caller's.
package flash

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Options is what to write where.
type Options struct {
	Image string // the image, as it is or as gzip (recognised by its signature)
	Disk  string // "/dev/sdb", or with Force a regular file
	// Force writes to a disk that is not removable, and to a file. It never
	// writes to what is in use.
	Force bool
	// Confirm is asked once, with everything judged and nothing written: nil is
	// yes.
	Confirm func(Disk, Image) error
	// Seed, if not nil, puts things on the card that was written and verified,
	// which is where path leads; written says to drop what is cached of the card,
	// so that what is read afterwards comes from it.
	Seed func(ctx context.Context, path string, drop func() error) error
	// Progress, if not nil, is told now and then how far it is.
	Progress func(Progress)
	// Root is where proc and sys are found: "" is "/".
	Root string
}

// An Image is what is going to be written.
type Image struct {
	File  string
	Bytes int64 // unpacked
}

// Run judges, asks, writes, verifies, and seeds. Whatever its error, a disk that
// was not written to at all is as it was; otherwise it must be written again.
func Run(ctx context.Context, o Options) error {
	src, err := openImage(ctx, o.Image, o.Progress)
	if err != nil {
		return err
	}
	defer src.Close()
	disk, err := Judge(o.Root, o.Disk, src.bytes, o.Force)
	if err != nil {
		return err
	}
	if o.Confirm != nil {
		if err := o.Confirm(disk, Image{o.Image, src.bytes}); err != nil {
			return err
		}
	}
	dev, err := openDisk(disk)
	if err != nil {
		return err
	}
	defer dev.Close()
	sums, err := dev.write(ctx, src, o.Progress)
	if err != nil {
		return fmt.Errorf("writing %s: %w: the card holds a part of the image: write it again, or try another card", disk.Path, err)
	}
	if err := dev.verify(ctx, src.bytes, sums, o.Progress); err != nil {
		return fmt.Errorf("verifying %s: %w", disk.Path, err)
	}
	if o.Seed != nil {
		if err := o.Seed(ctx, disk.Path, dev.drop); err != nil {
			return err
		}
	}
	if err := dev.finish(); err != nil {
		return fmt.Errorf("finishing %s: %w: write it again", disk.Path, err)
	}
	return nil
}

// device is the disk that is written, held so that nobody else takes it.
type device struct {
	f     *os.File // through the page cache: for what is not whole blocks, and for the seed
	path  string
	block bool
	bytes int64 // the disk's size
}

// ErrBusy means that the kernel did not hand the disk out for us alone.
var ErrBusy = errors.New("something uses it")

// openDisk takes the disk for us alone: O_EXCL on a block device is refused while
// it is mounted or held, and holds mounts off (open(2)); the lock keeps udev from
// looking at partitions before all is written (systemd's "Locking block device
// access").
func openDisk(d Disk) (*device, error) {
	flags := unix.O_RDWR | unix.O_CLOEXEC
	if d.Block {
		flags |= unix.O_EXCL
	}
	fd, err := unix.Open(d.Path, flags, 0)
	switch {
	case errors.Is(err, unix.EBUSY):
		return nil, fmt.Errorf("opening %s: %w: close what has it open (lsof %s shows it) and try again", d.Path, ErrBusy, d.Path)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return nil, fmt.Errorf("opening %s: %w: run it as root (sudo), or as a member of the group that owns it", d.Path, err)
	case errors.Is(err, unix.EROFS):
		return nil, fmt.Errorf("opening %s: %w", d.Path, ErrReadOnly)
	case err != nil:
		return nil, fmt.Errorf("opening %s: %w", d.Path, err)
	}
	dev := &device{f: os.NewFile(uintptr(fd), d.Path), path: d.Path, block: d.Block, bytes: d.Bytes}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	if err == nil && d.Block && (st.Mode&unix.S_IFMT != unix.S_IFBLK || number(st.Rdev) != d.number) {
		err = errors.New("it is another disk than a moment ago: try again")
	}
	if err == nil {
		if err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
			err = fmt.Errorf("%w: another program writes to it", ErrBusy)
		}
	}
	if err != nil {
		dev.f.Close()
		return nil, fmt.Errorf("opening %s: %w", d.Path, err)
	}
	return dev, nil
}

func (d *device) Close() error { return d.f.Close() }

// drop puts everything written on the disk and forgets what is cached of it.
func (d *device) drop() error {
	if err := d.f.Sync(); err != nil {
		return err
	}
	if d.block {
		return unix.IoctlSetInt(int(d.f.Fd()), unix.BLKFLSBUF, 0)
	}
	return unix.Fadvise(int(d.f.Fd()), 0, 0, unix.FADV_DONTNEED)
}

// finish lets the kernel look at the new partitions.
func (d *device) finish() error {
	if err := d.drop(); err != nil {
		return err
	}
	if d.block {
		// Only for this machine's own sake: it may be held by what has begun to
		// look at the card.
		_ = unix.IoctlSetInt(int(d.f.Fd()), unix.BLKRRPART, 0)
	}
	return nil
}
