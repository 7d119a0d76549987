package flash

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

const (
	// chunk is how much is written, and compared, at once, in bytes.
	chunk = 4 << 20
	// alignment is what writing past the page cache may ask for at most.
	alignment = 4096
	// tail is how much at the end of a disk is cleared of the table of partitions
	// another system left there (UEFI 2.10, 5.3.2: the backup GPT is at its end).
	tail = 1 << 20
)

// ErrVerify means that the disk gives back something else than was written.
var ErrVerify = errors.New("it reads back differently")

// write writes all of the image and clears the end of the disk; it returns the
// sum of each chunk. What it has written is on the disk when it returns.
func (d *device) write(ctx context.Context, src *imageFile, progress func(Progress)) ([][sha256.Size]byte, error) {
	r, err := src.reader()
	if err != nil {
		return nil, err
	}
	direct := d.direct(unix.O_WRONLY)
	defer direct.Close()
	buf, free, err := aligned()
	if err != nil {
		return nil, err
	}
	defer free()
	var sums [][sha256.Size]byte
	m := newMeter("writing", src.bytes, progress)
	for at := int64(0); at < src.bytes; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b := buf[:min(chunk, src.bytes-at)]
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, fmt.Errorf("reading the image: %w", err)
		}
		if err := writeAt(direct, d.f, b, at); err != nil {
			return nil, fmt.Errorf("at byte %d: %w", at, err)
		}
		sums = append(sums, sha256.Sum256(b))
		at += int64(len(b))
		m.add(len(b))
	}
	if end := max(src.bytes, d.bytes-tail); end < d.bytes {
		if _, err := d.f.WriteAt(make([]byte, d.bytes-end), end); err != nil {
			return nil, fmt.Errorf("clearing the end of the disk: %w", err)
		}
	}
	if err := d.drop(); err != nil {
		return nil, err
	}
	m.end()
	return sums, nil
}

// verify reads everything back from the disk itself.
func (d *device) verify(ctx context.Context, size int64, sums [][sha256.Size]byte, progress func(Progress)) error {
	if err := d.drop(); err != nil {
		return err
	}
	direct := d.direct(unix.O_RDONLY)
	defer direct.Close()
	buf, free, err := aligned()
	if err != nil {
		return err
	}
	defer free()
	m := newMeter("verifying", size, progress)
	for i, want := range sums {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := int64(i) * chunk
		b := buf[:min(chunk, size-at)]
		if err := readAt(direct, d.f, b, at); err != nil {
			return fmt.Errorf("at byte %d: %w: the card is bad, or its reader: try another one", at, err)
		}
		if sha256.Sum256(b) != want {
			return fmt.Errorf("%w, at byte %d or within %s after it: the card is bad, or its reader: try another one", ErrVerify, at, Size(int64(len(b))))
		}
		m.add(len(b))
	}
	if end := max(size, d.bytes-tail); end < d.bytes {
		b := make([]byte, d.bytes-end)
		if _, err := d.f.ReadAt(b, end); err != nil {
			return fmt.Errorf("at byte %d: %w: the card is bad, or its reader: try another one", end, err)
		}
		if !bytes.Equal(b, make([]byte, len(b))) {
			return fmt.Errorf("%w, in the %s at its end: it has less room than it says", ErrVerify, Size(tail))
		}
	}
	m.end()
	return nil
}

// direct opens the disk past the page cache. nil: that is not to be had, as on
// some file systems; then it goes through the page cache, which drop empties.
func (d *device) direct(mode int) *os.File {
	fd, err := unix.Open(d.path, mode|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(fd), d.path)
}

// writeAt writes whole blocks directly and the rest of the last one through the
// page cache.
func writeAt(direct, cached *os.File, b []byte, at int64) error {
	whole := len(b) / alignment * alignment
	if direct == nil {
		whole = 0
	}
	if whole > 0 {
		if _, err := direct.WriteAt(b[:whole], at); err != nil {
			return err
		}
	}
	if whole < len(b) {
		_, err := cached.WriteAt(b[whole:], at+int64(whole))
		return err
	}
	return nil
}

// readAt is writeAt's other way.
func readAt(direct, cached *os.File, b []byte, at int64) error {
	whole := len(b) / alignment * alignment
	if direct == nil {
		whole = 0
	}
	if whole > 0 {
		if _, err := direct.ReadAt(b[:whole], at); err != nil {
			return err
		}
	}
	if whole < len(b) {
		_, err := cached.ReadAt(b[whole:], at+int64(whole))
		return err
	}
	return nil
}

// aligned is memory for a chunk that begins with a page, as O_DIRECT wants it.
func aligned() (b []byte, free func(), err error) {
	b, err = unix.Mmap(-1, 0, chunk, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, nil, fmt.Errorf("getting memory: %w", err)
	}
	return b, func() { _ = unix.Munmap(b) }, nil
}
