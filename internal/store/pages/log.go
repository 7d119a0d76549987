package pages

import (
	"encoding/binary"
	"io"
)

// Log is what a write-ahead log holds.
type Log struct {
	// Commits is how many transactions SQLite finds in it.
	Commits int
	// Broken: in the middle of it something is damaged, and SQLite would
	// silently take back all transactions from there on, although each was
	// safely written before the next began. A last transaction that is not
	// whole is none of this: that is what a power cut leaves.
	Broken bool
	// Lost is how many pages' newest versions are damaged, when it is broken.
	Lost int

	frames map[uint32]int64 // of the newest whole version of a page: where it begins
}

const (
	logHeader   = 32
	frameHeader = 24
	frameSize   = frameHeader + Size
)

// frame is the header of a page in the log.
type frame struct {
	page   uint32
	commit bool // last of its transaction
	salt   [2]uint32
	sum    [2]uint32
	ours   bool // it is of the log's own run, and not left from an earlier one
	whole  bool // its checksum is right, given that of the one before
}

// ScanLog reads a write-ahead log of size bytes.
//
// A page's checksum begins with that of the page before it as it is written
// there, so that behind a damaged page others can still be told from nonsense.
func ScanLog(r io.ReaderAt, size int64) Log {
	var l Log
	head := make([]byte, logHeader)
	if size < logHeader+frameSize {
		return l
	}
	if _, err := r.ReadAt(head, 0); err != nil {
		clear(head)
	}
	var order binary.ByteOrder = binary.LittleEndian
	if be32(head) == 0x377f0683 {
		order = binary.BigEndian
	}
	sum := checksum(order, [2]uint32{}, head[:24])
	salt := [2]uint32{be32(head[16:]), be32(head[20:])}
	known := sum == [2]uint32{be32(head[24:]), be32(head[28:])} && be32(head)&^1 == 0x377f0682 && be32(head[8:]) == Size
	if !known { // the pages say which run they are of
		salt = saltOf(r)
	}
	var all []frame
	buf := make([]byte, frameSize)
	for at := int64(logHeader); at+frameSize <= size; at += frameSize {
		var f frame
		if _, err := r.ReadAt(buf, at); err == nil {
			f = frame{page: be32(buf), commit: be32(buf[4:]) != 0,
				salt: [2]uint32{be32(buf[8:]), be32(buf[12:])}, sum: [2]uint32{be32(buf[16:]), be32(buf[20:])}}
			f.whole = checksum(order, checksum(order, sum, buf[:8]), buf[frameHeader:]) == f.sum && f.page > 0 && f.page <= maxPages
		}
		f.ours = f.salt == salt && f.page > 0
		f.whole = f.whole && f.ours && (known || len(all) > 0)
		sum = f.sum
		all = append(all, f)
	}
	l.take(all)
	return l
}

// saltOf is the salt that two of the first three pages bear, or else the first.
func saltOf(r io.ReaderAt) (salt [2]uint32) {
	var seen [3][2]uint32
	b := make([]byte, frameHeader)
	for i := range seen {
		if _, err := r.ReadAt(b, logHeader+int64(i)*frameSize); err == nil {
			seen[i] = [2]uint32{be32(b[8:]), be32(b[12:])}
		}
	}
	if seen[1] == seen[2] && seen[1] != ([2]uint32{}) {
		return seen[1]
	}
	return seen[0]
}

// take decides which versions of the pages count.
func (l *Log) take(all []frame) {
	prefix := 0 // up to and with the last commit before anything is bad
	i := 0
	for ; i < len(all) && all[i].whole; i++ {
		if all[i].commit {
			prefix = i + 1
			l.Commits++
		}
	}
	// One commit from the first bad page on may be of the transaction that a
	// power cut interrupted; of two, the first was finished.
	later, end := 0, prefix
	for ; i < len(all); i++ {
		if all[i].ours && all[i].commit {
			later++
		}
		if all[i].whole && all[i].commit {
			end = i + 1
		}
	}
	if later < 2 || end == prefix {
		end = prefix
	} else {
		l.Broken = true
	}
	l.frames = map[uint32]int64{}
	lost := map[uint32]bool{}
	for i, f := range all[:end] {
		switch {
		case f.whole:
			l.frames[f.page] = logHeader + int64(i)*frameSize + frameHeader
			delete(lost, f.page)
		case f.page > 0 && f.page <= maxPages:
			lost[f.page] = true
		default:
			lost[0] = true
		}
	}
	l.Lost = len(lost)
}

// checksum is the log's own.
func checksum(order binary.ByteOrder, s [2]uint32, b []byte) [2]uint32 {
	s0, s1 := s[0], s[1]
	if order == binary.LittleEndian { // always, here: and so without a call a word
		for ; len(b) >= 8; b = b[8:] {
			s0 += binary.LittleEndian.Uint32(b) + s1
			s1 += binary.LittleEndian.Uint32(b[4:]) + s0
		}
		return [2]uint32{s0, s1}
	}
	for ; len(b) >= 8; b = b[8:] {
		s0 += binary.BigEndian.Uint32(b) + s1
		s1 += binary.BigEndian.Uint32(b[4:]) + s0
	}
	return [2]uint32{s0, s1}
}
