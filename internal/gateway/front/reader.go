package front

import (
	"io"
)

// reader is a buffer before a connection. Heads are read in it, and parsed where
// they stand.
type reader struct {
	src  io.Reader
	buf  []byte
	r, w int
}

const bufferSize = 8 << 10

func (b *reader) buffered() int { return b.w - b.r }

// reset is for a new connection.
func (b *reader) reset(src io.Reader) {
	b.src, b.r, b.w = src, 0, 0
	if cap(b.buf) != bufferSize { // a large head is rare
		b.buf = make([]byte, bufferSize)
	}
	b.buf = b.buf[:cap(b.buf)]
}

// fill reads once more, for what is in the buffer to go on. The error is the
// source's; io.ErrShortBuffer when there is no room.
func (b *reader) fill() error {
	switch {
	case b.r == b.w:
		b.r, b.w = 0, 0
	case b.w == len(b.buf):
		if b.r == 0 {
			return io.ErrShortBuffer
		}
		b.w = copy(b.buf, b.buf[b.r:b.w])
		b.r = 0
	}
	n, err := b.src.Read(b.buf[b.w:])
	b.w += n
	if n > 0 {
		return nil
	}
	return err
}

// grow makes room for a large head.
func (b *reader) grow(most int) bool {
	if len(b.buf) >= most {
		return false
	}
	bigger := make([]byte, min(2*len(b.buf), most))
	b.w = copy(bigger, b.buf[b.r:b.w])
	b.buf, b.r = bigger, 0
	return true
}

// head reads until a head is complete, and returns its length. It begins at b.r.
func (b *reader) head(most int) (int, error) {
	seen := 0
	for {
		n, f := endOfHead(b.buf[b.r:b.w], seen)
		if f != nil {
			return 0, f
		}
		if n > 0 {
			if n > most {
				return 0, faultLarge
			}
			return n, nil
		}
		seen = b.buffered()
		err := b.fill()
		if err == io.ErrShortBuffer {
			if !b.grow(most) {
				return 0, faultLarge
			}
			continue
		}
		if err != nil {
			return 0, err
		}
	}
}
