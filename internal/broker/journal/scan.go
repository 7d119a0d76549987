package journal

import (
	"errors"
	"fmt"
	"io"
	"math"
)

const noLimit = math.MaxUint64

// scan reads one file's records.
type scan struct {
	name  string
	r     io.ReaderAt
	size  int64
	salt  uint64
	next  uint64 // number of the record that comes next
	known uint64 // records up to this one are not wanted
	limit uint64 // the next file begins with this one
	load  func(kind byte, body []byte) error

	off    int64 // where the next batch begins, at the end
	torn   bool  // the end was cut off
	count  int   // records loaded
	lost   uint64
	bytes  int64 // skipped
	places []string
	rest   func(from, to int64) // is told of damaged bytes

	win    []byte
	winAt  int64
	spaces []span
}

// run loads what is there, in order. Its error is load's.
func (s *scan) run() error {
	s.off = pageSize
	for s.next < s.limit {
		h, ok := s.head(s.off)
		if !ok || h.first != s.next {
			at, found, ok := s.search(s.off, s.next)
			if !ok {
				break
			}
			if from := max(s.next, s.known+1); found.first > from {
				s.damage(s.off, at, found.first-from)
			}
			s.off, h, s.next = at, found, found.first
		}
		end := s.off + pages(batchHeader+h.length)
		if h.first+uint64(h.count)-1 > s.known {
			done, err := s.batch(h, end)
			if err != nil || done {
				return err
			}
		}
		s.next = min(h.first+uint64(h.count), s.limit) // what follows was cut off, and written anew in the next file
		s.off = end
	}
	if s.limit != noLimit && s.next < s.limit {
		s.damage(s.off, s.off, s.limit-max(s.next, s.known+1))
	}
	return nil
}

// batch loads one batch's records; done: it is the end of the log, and torn.
func (s *scan) batch(h batchHead, end int64) (done bool, err error) {
	data := s.read(s.off+batchHeader, int(h.length))
	s.spaces = h.spans(data, s.salt, s.spaces[:0])
	tail := -1
	for i, p := range s.spaces {
		if p.bad && tail < 0 {
			tail = 0
			if s.limit == noLimit {
				if _, _, more := s.search(end, h.first+uint64(h.count)); !more {
					tail = 1 // nobody was told that it is on the disk
				}
				data = s.read(s.off+batchHeader, int(h.length)) // the search has moved the window
			}
		}
		n := h.first + uint64(i)
		switch {
		case n <= s.known:
		case n >= s.limit:
			return false, nil
		case !p.bad:
			s.count++
			if err := s.load(p.kind, data[p.start:p.end]); err != nil {
				return false, err
			}
		case tail == 1:
			s.torn = true
			s.damage(s.off+batchHeader+int64(p.start), end, 0)
			s.next = n
			return true, nil
		default:
			lost := uint64(1)
			if i == len(s.spaces)-1 {
				lost = h.first + uint64(h.count) - n
			}
			s.damage(s.off+batchHeader+int64(p.start), s.off+batchHeader+int64(p.end), lost)
		}
	}
	return false, nil
}

func (s *scan) damage(from, to int64, lost uint64) {
	to = max(from, min(to, s.size))
	s.lost += lost
	s.bytes += to - from
	s.places = append(s.places, fmt.Sprintf("%s: %d bytes at %d, %d records", s.name, to-from, from, lost))
	if s.rest != nil {
		s.rest(from, to)
	}
}

func (s *scan) head(off int64) (batchHead, bool) {
	if off+batchHeader > s.size {
		return batchHead{}, false
	}
	return parseBatch(s.read(off, batchHeader), s.salt)
}

// search finds the next batch that begins at or after off with at least this
// record.
func (s *scan) search(off int64, first uint64) (int64, batchHead, bool) {
	for ; off+batchHeader <= s.size; off += pageSize {
		if h, ok := s.head(off); ok && h.first >= first && h.first < s.limit {
			return off, h, true
		}
	}
	return 0, batchHead{}, false
}

// read returns n bytes at off, fewer at the end of the file; they are valid until
// the next call. What the disk cannot read is zeros.
func (s *scan) read(off int64, n int) []byte {
	n = int(max(0, min(int64(n), s.size-off)))
	if n == 0 {
		return nil
	}
	if off < s.winAt || off+int64(n) > s.winAt+int64(len(s.win)) {
		size := int(min(max(int64(n)+pageSize, 256<<10), s.size-off))
		if cap(s.win) < size {
			s.win = make([]byte, size)
		}
		s.win, s.winAt = s.win[:size], off
		if got, err := s.r.ReadAt(s.win, off); got < size && err != nil {
			clear(s.win[got:])
			if !errors.Is(err, io.EOF) {
				s.readPages()
			}
		}
	}
	return s.win[off-s.winAt:][:n]
}

func (s *scan) readPages() {
	for at := 0; at < len(s.win); at += pageSize {
		p := s.win[at:min(at+pageSize, len(s.win))]
		if n, err := s.r.ReadAt(p, s.winAt+int64(at)); err != nil && n < len(p) {
			clear(p)
		}
	}
}
