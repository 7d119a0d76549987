package journal

import (
	"encoding/binary"
	"hash/crc32"
)

// The form on the disk; numbers are little endian. A file begins with a header
// on a page of its own:
//
//	magic    8  "HEMSjrnl"
//	version  4  1
//	kind     4  1: a segment of the log, 2: a state
//	number   8  of the segment, or the generation of the state
//	first    8  a segment: number of its first record; a state: of the last record it stands for
//	count    8  a state: its records
//	salt     8  random, so that what an older use of these blocks has left, or a payload holds, never passes as a part of this file
//	crc      4  CRC-32C of all before
//
// and goes on with batches, one a flush, each from the beginning of a page:
//
//	magic    4  "bAtc"
//	length   4  of the records
//	first    8  number of its first record
//	salt     8  of the file
//	count    4  of records
//	crc      4  CRC-32C of all before
//	records, and zeros to the end of the page
//
// A record is
//
//	crc      4  CRC-32C of salt, number, and all that follows
//	length  1…  of the body, as a varint
//	kind     1
//	body
const (
	pageSize    = 4096
	fileMagic   = "HEMSjrnl"
	batchMagic  = "bAtc"
	version     = 1
	kindLog     = 1
	kindState   = 2
	headerSize  = 52
	batchHeader = 32
	maxBatch    = 1 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type header struct {
	version, kind              uint32
	number, first, count, salt uint64
}

func (h header) encode() []byte {
	b := make([]byte, 0, pageSize)
	b = append(b, fileMagic...)
	b = binary.LittleEndian.AppendUint32(b, version)
	b = binary.LittleEndian.AppendUint32(b, h.kind)
	for _, v := range [...]uint64{h.number, h.first, h.count, h.salt} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return b[:pageSize]
}

func parseHeader(b []byte) (h header, ok bool) {
	if len(b) < headerSize || string(b[:8]) != fileMagic ||
		crc32.Checksum(b[:headerSize-4], castagnoli) != binary.LittleEndian.Uint32(b[headerSize-4:]) {
		return h, false
	}
	h.version, h.kind = binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])
	for i, v := range [...]*uint64{&h.number, &h.first, &h.count, &h.salt} {
		*v = binary.LittleEndian.Uint64(b[16+8*i:])
	}
	return h, true
}

// batch is records on their way to a flush. Its bytes begin with room for the
// batch's header, and each record with room for its sum, which seal fills in.
type batch struct {
	b     []byte
	first uint64
	count uint32
}

func (a *batch) add(kind byte, body []byte) {
	if a.b == nil {
		a.b = make([]byte, batchHeader, pageSize)
	}
	a.b = append(a.b, 0, 0, 0, 0)
	a.b = binary.AppendUvarint(a.b, uint64(len(body)))
	a.b = append(a.b, kind)
	a.b = append(a.b, body...)
	a.count++
}

// end is the number of the last record.
func (a *batch) end() uint64 { return a.first + uint64(a.count) - 1 }

// bytes of the records.
func (a *batch) bytes() int64 { return int64(max(len(a.b), batchHeader)) - batchHeader }

// reset keeps the buffer for the next use, unless it is much larger than what it
// was needed for.
func (a *batch) reset() {
	a.count = 0
	if cap(a.b) > 1<<20 || cap(a.b) > max(2*bulk, 4*len(a.b)) {
		a.b = nil
	} else if a.b != nil {
		a.b = a.b[:batchHeader]
	}
}

// seal fills in the sums and the header, for a file with this salt, and returns
// whole pages. It may be called again, for another file.
func (a *batch) seal(salt uint64) []byte {
	length := int(a.bytes())
	for off, n := batchHeader, a.first; off < batchHeader+length; n++ {
		body, size := binary.Uvarint(a.b[off+4:])
		end := off + 4 + size + 1 + int(body)
		binary.LittleEndian.PutUint32(a.b[off:], recordSum(salt, n, a.b[off+4:end]))
		off = end
	}
	head := append(a.b[:0], batchMagic...)
	head = binary.LittleEndian.AppendUint32(head, uint32(length))
	head = binary.LittleEndian.AppendUint64(head, a.first)
	head = binary.LittleEndian.AppendUint64(head, salt)
	head = binary.LittleEndian.AppendUint32(head, a.count)
	binary.LittleEndian.AppendUint32(head, crc32.Checksum(head, castagnoli))
	a.b = append(a.b, zeros[:pages(int64(len(a.b)))-int64(len(a.b))]...)
	whole := a.b
	a.b = a.b[:batchHeader+length]
	return whole
}

var zeros [grow]byte

// recordSum covers where the record stands, so that a whole one from elsewhere
// does not pass for it.
func recordSum(salt, number uint64, rec []byte) uint32 {
	var seed [16]byte
	binary.LittleEndian.PutUint64(seed[:], salt)
	binary.LittleEndian.PutUint64(seed[8:], number)
	return crc32.Update(crc32.Update(0, castagnoli, seed[:]), castagnoli, rec)
}

func saltOf(batch []byte) uint64 { return binary.LittleEndian.Uint64(batch[16:]) }

type batchHead struct {
	first  uint64
	length int64
	count  uint32
}

func parseBatch(b []byte, salt uint64) (h batchHead, ok bool) {
	if len(b) < batchHeader || string(b[:4]) != batchMagic || binary.LittleEndian.Uint64(b[16:]) != salt ||
		crc32.Checksum(b[:batchHeader-4], castagnoli) != binary.LittleEndian.Uint32(b[batchHeader-4:]) {
		return h, false
	}
	h.length, h.first = int64(binary.LittleEndian.Uint32(b[4:])), binary.LittleEndian.Uint64(b[8:])
	h.count = binary.LittleEndian.Uint32(b[24:])
	// a record has at least six bytes
	return h, h.length <= maxBatch && h.count > 0 && int64(h.count)*6 <= h.length
}

// A place of a record in a batch's bytes.
type span struct {
	kind       byte
	start, end int // of the body
	bad        bool
}

// spans finds the records in a batch's bytes, as far as the framing goes. A
// record whose sum is wrong is bad, and the rest of the bytes, when its length
// leads nowhere.
func (h batchHead) spans(b []byte, salt uint64, out []span) []span {
	off := 0
	for n := uint64(0); n < uint64(h.count); n++ {
		if off+6 > len(b) {
			return append(out, span{start: off, end: len(b), bad: true})
		}
		body, size := binary.Uvarint(b[off+4:])
		start := off + 4 + size + 1
		if size <= 0 || body > uint64(len(b)) || start+int(body) > len(b) {
			return append(out, span{start: off, end: len(b), bad: true})
		}
		end := start + int(body)
		sum := recordSum(salt, h.first+n, b[off+4:end])
		out = append(out, span{kind: b[start-1], start: start, end: end, bad: sum != binary.LittleEndian.Uint32(b[off:])})
		off = end
	}
	return out
}

// pages is n bytes in whole pages.
func pages(n int64) int64 { return (n + pageSize - 1) / pageSize * pageSize }
