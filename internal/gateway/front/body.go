package front

import (
	"errors"
	"io"
	"strconv"
)

// errBody is a body whose framing has more than one meaning, or ends early.
var errBody = errors.New("the body is damaged")

// errWrite is the other end's fault, not that of who sends.
type errWrite struct{ error }

func (e errWrite) Unwrap() error { return e.error }

const (
	pieceSize = 64 << 10
	chunkLine = 20 // of a chunk's length: sixteen digits, and what ends the line
)

// copyLength passes n bytes on. What is in from's buffer goes first, with head
// before it in one write.
func copyLength(to io.Writer, from *reader, head []byte, n int64, scratch []byte) error {
	have := min(int64(from.buffered()), n)
	out := append(head, from.buf[from.r:from.r+int(have)]...)
	from.r += int(have)
	n -= have
	if len(out) > 0 {
		if _, err := to.Write(out); err != nil {
			return errWrite{err}
		}
	}
	for n > 0 {
		m, err := from.src.Read(scratch[:min(int64(len(scratch)), n)])
		if m > 0 {
			n -= int64(m)
			if _, err := to.Write(scratch[:m]); err != nil {
				return errWrite{err}
			}
		}
		if err != nil && n > 0 {
			return cutShort(err)
		}
	}
	return nil
}

// copyToEnd passes everything on, in chunks when chunked is set.
func copyToEnd(to io.Writer, from *reader, head []byte, chunked bool, scratch []byte) error {
	const room = chunkLine // before and behind the data
	out := head
	first := true
	for {
		var data []byte
		var err error
		if first && from.buffered() > 0 {
			data = from.buf[from.r:from.w]
			from.r = from.w
		} else if first && len(head) > 0 {
			data = nil
		} else {
			var m int
			m, err = from.src.Read(scratch[:len(scratch)-2*room])
			data = scratch[:m]
		}
		first = false
		if chunked && len(data) > 0 {
			out = appendChunk(out, data)
		} else {
			out = append(out, data...)
		}
		end := errors.Is(err, io.EOF)
		if end && chunked {
			out = append(out, "0\r\n\r\n"...)
		}
		if len(out) > 0 {
			if _, err := to.Write(out); err != nil {
				return errWrite{err}
			}
		}
		out = out[:0]
		if end {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func appendChunk(out, data []byte) []byte {
	out = strconv.AppendInt(out, int64(len(data)), 16)
	out = append(out, "\r\n"...)
	out = append(out, data...)
	return append(out, "\r\n"...)
}

// copyChunks passes a chunked body on, with chunks of its own: as soon as
// anything is there, and with nothing of how it was written but the data. With
// plain set the data goes without chunks, to an old client.
func copyChunks(to io.Writer, from *reader, head []byte, plain bool) error {
	out := head
	flush := func() error {
		if len(out) == 0 {
			return nil
		}
		_, err := to.Write(out)
		out = out[:0]
		if err != nil {
			return errWrite{err}
		}
		return nil
	}
	more := func() error { // what is known so far does not wait for more
		if err := flush(); err != nil {
			return err
		}
		if err := from.fill(); err != nil {
			return cutShort(err)
		}
		return nil
	}
	for {
		n, err := chunkSize(from, more)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		for n > 0 {
			if from.buffered() == 0 {
				if err := more(); err != nil {
					return err
				}
			}
			data := from.buf[from.r : from.r+int(min(n, int64(from.buffered())))]
			from.r += len(data)
			n -= int64(len(data))
			if plain {
				out = append(out, data...)
			} else {
				out = appendChunk(out, data)
			}
			if len(out) >= pieceSize {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		for from.buffered() < 2 {
			if err := more(); err != nil {
				return err
			}
		}
		if from.buf[from.r] != '\r' || from.buf[from.r+1] != '\n' {
			return errBody
		}
		from.r += 2
	}
	if err := trailer(from, more); err != nil {
		return err
	}
	if !plain {
		out = append(out, "0\r\n\r\n"...)
	}
	return flush()
}

// chunkSize reads the line before a chunk: digits alone. Extensions mean nothing
// to anybody, but servers disagree where they end.
func chunkSize(from *reader, more func() error) (n int64, err error) {
	for {
		line := from.buf[from.r:from.w]
		for i, c := range line {
			switch {
			case i > 16:
				return 0, errBody
			case c == '\r':
				if i == 0 {
					return 0, errBody
				}
				if i+1 == len(line) {
					break // the rest comes
				}
				if line[i+1] != '\n' {
					return 0, errBody
				}
				n, err := strconv.ParseInt(string(line[:i]), 16, 63)
				if err != nil {
					return 0, errBody
				}
				from.r += i + 2
				return n, nil
			case c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F':
			default:
				return 0, errBody
			}
		}
		if err := more(); err != nil {
			return 0, err
		}
	}
}

// trailer reads what may stand behind the last chunk. It is not passed on.
func trailer(from *reader, more func() error) error {
	seen := 0
	for {
		n, f := endOfTrailer(from.buf[from.r:from.w])
		switch {
		case f != nil:
			return errBody
		case n > 0:
			from.r += n
			return nil
		}
		if seen = from.buffered(); seen > 4<<10 {
			return errBody
		}
		if err := more(); err != nil {
			return err
		}
	}
}

// endOfTrailer is as endOfHead, where there may be no line at all.
func endOfTrailer(b []byte) (int, *fault) {
	if len(b) >= 2 && b[0] == '\r' && b[1] == '\n' {
		return 2, nil
	}
	n, f := endOfHead(b, 0)
	if f != nil || n == 0 {
		return n, f
	}
	var none []field
	if _, f := splitFields(b[:n], &none, 16); f != nil {
		return 0, f
	}
	return n, nil
}

func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
