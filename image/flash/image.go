package flash

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// An imageFile is the image to be read, once or more often, unpacked.
type imageFile struct {
	f      *os.File
	packed bool
	bytes  int64 // unpacked
}

// openImage opens an image. One that is packed is unpacked once beforehand: its
// length is known only then, and a damaged one is found before the disk is
// touched.
func openImage(ctx context.Context, name string, progress func(Progress)) (*imageFile, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("opening the image: %w: build it with \"make image\"", err)
	}
	i := &imageFile{f: f}
	if err := i.measure(ctx, progress); err != nil {
		f.Close()
		return nil, fmt.Errorf("reading the image %s: %w", name, err)
	}
	return i, nil
}

func (i *imageFile) measure(ctx context.Context, progress func(Progress)) error {
	info, err := i.f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is not a file")
	}
	var head [2]byte
	if _, err := i.f.ReadAt(head[:], 0); err != nil {
		return errors.New("it is empty")
	}
	i.bytes = info.Size()
	if i.packed = bytes.Equal(head[:], []byte{0x1f, 0x8b}); !i.packed {
		return nil
	}
	r, err := i.reader()
	if err != nil {
		return err
	}
	m := newMeter("checking", 0, progress)
	i.bytes = 0
	buf := make([]byte, chunk)
	for {
		n, err := r.Read(buf)
		i.bytes += int64(n)
		m.add(n)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, io.EOF):
			if i.bytes == 0 {
				return errors.New("it is empty")
			}
			m.end()
			return nil
		case err != nil:
			return fmt.Errorf("unpacking: %w: copy or build it again", err)
		}
	}
}

// reader reads the image from its beginning.
func (i *imageFile) reader() (io.Reader, error) {
	r := io.NewSectionReader(i.f, 0, 1<<62)
	if !i.packed {
		return r, nil
	}
	z, err := gzip.NewReader(bufio.NewReaderSize(r, chunk))
	if err != nil {
		return nil, fmt.Errorf("unpacking: %w", err)
	}
	return z, nil
}

func (i *imageFile) Close() error { return i.f.Close() }
