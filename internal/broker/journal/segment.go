package journal

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"path/filepath"
)

// grow is how much a segment grows at a time: what is written into blocks that
// the file has already costs no write to the file system's own journal.
const grow = 64 << 10

const spares = 2 // segments that are kept for the next use

// segment is a file of the log.
type segment struct {
	name   string
	file   File
	number uint64
	first  uint64
	salt   uint64
	off    int64 // where the next batch begins
	size   int64
	bad    bool // the disk refused it once
}

// segments are the files of the log, in order. What is sealed is not written any
// more until all its records are behind a state.
type segments struct {
	fs     FS
	dir    string
	max    int64
	cur    *segment
	sealed []*segment
	free   []*segment
	number uint64
	names  uint64 // the highest in use
}

// write puts the batch on the disk and returns the bytes written. When it
// returns an error, nothing of the file it wrote to is trusted any more but what
// was on the disk before: the next try begins another segment.
func (s *segments) write(b *batch, roll bool, cut uint64) (n int64, err error) {
	length := pages(batchHeader + b.bytes())
	if s.cur != nil && (roll || s.cur.off+length > s.max && s.cur.off > pageSize) {
		s.seal()
	}
	made := false
	if s.cur == nil {
		if made, err = s.begin(b.first, cut); err != nil {
			return 0, err
		}
		n = pageSize
	}
	c := s.cur
	whole := b.seal(c.salt)
	err = c.write(whole, c.off)
	n += int64(len(whole))
	end := c.off + int64(len(whole))
	if err == nil && end > c.size {
		c.size = max(end, min(s.max, pages(end+max(grow, int64(len(whole))))))
		for at := end; at < c.size; at += grow {
			z := zeros[:min(grow, c.size-at)]
			if c.write(z, at) != nil {
				break // the batch is there, and the next one will tell
			}
			n += int64(len(z))
		}
	}
	if err == nil {
		if err = c.file.Sync(); err != nil {
			err = fmt.Errorf("syncing %s: %w", c.name, err)
		}
	}
	if err == nil && made {
		if err = s.fs.SyncDir(s.dir); err != nil {
			err = fmt.Errorf("syncing %s: %w", s.dir, err)
		}
	}
	if err != nil {
		c.bad = true
		if c.off == pageSize { // nothing in it counts
			s.remove(c)
			s.cur = nil
		} else {
			s.seal()
		}
		return n, err
	}
	c.off = end
	return n, nil
}

func (c *segment) write(b []byte, at int64) error {
	if _, err := c.file.WriteAt(b, at); err != nil {
		return fmt.Errorf("writing %s: %w", c.name, err)
	}
	return nil
}

func (s *segments) seal() {
	s.sealed = append(s.sealed, s.cur)
	s.cur = nil
}

// begin makes a segment whose first record has this number, out of one whose
// records are all behind the state, or anew.
func (s *segments) begin(first, cut uint64) (made bool, err error) {
	s.release(first, cut)
	c := &segment{first: first, off: pageSize}
	if n := len(s.free); n > 0 {
		c = s.free[n-1]
		s.free = s.free[:n-1]
		c.first, c.off = first, pageSize
	} else {
		s.names++
		c.name = filepath.Join(s.dir, fmt.Sprintf("segment-%d", s.names))
		if c.file, err = s.fs.Open(c.name, true); err != nil {
			return false, fmt.Errorf("making a segment: %w", err)
		}
		made = true
	}
	s.number++
	c.number, c.salt = s.number, newSalt()
	h := header{version: version, kind: kindLog, number: c.number, first: first, salt: c.salt}
	if err := c.write(h.encode(), 0); err != nil {
		s.remove(c)
		return made, err
	}
	s.cur = c
	return made, nil
}

// release frees the sealed segments whose records are all behind the state; first
// is the number of the first record after them.
func (s *segments) release(first, cut uint64) {
	kept := s.sealed[:0]
	for i, c := range s.sealed {
		next := first
		if i+1 < len(s.sealed) {
			next = s.sealed[i+1].first
		}
		switch {
		case next > cut+1:
			kept = append(kept, c)
		case c.bad || c.size > 2*s.max || len(s.free) >= spares:
			s.remove(c)
		default:
			s.free = append(s.free, c)
		}
	}
	clear(s.sealed[len(kept):])
	s.sealed = kept
}

// remove is for files of which nothing is needed: should it fail, that is found
// at the next opening.
func (s *segments) remove(c *segment) {
	c.file.Close()
	_ = s.fs.Remove(c.name)
}

func (s *segments) all() (all []*segment) {
	all = append(append(all, s.sealed...), s.free...)
	if s.cur != nil {
		all = append(all, s.cur)
	}
	return all
}

func (s *segments) size() (n int64) {
	for _, c := range s.all() {
		n += c.size
	}
	return n
}

func (s *segments) close() {
	for _, c := range s.all() {
		c.file.Close()
	}
}

func newSalt() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:])
}
