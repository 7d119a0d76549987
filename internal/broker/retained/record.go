package retained

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// A record in the log:
//
//	magic   4  "\xf5RET"
//	id      8  of the file, random, so that neither the leavings of an older
//	           file in reused blocks nor bytes inside a payload pass as a record
//	length  4  of the body, little endian
//	crc     4  CRC-32C of id, length and body
//	body       a message; one with an empty payload deletes its topic
//
// The magic is not zero, so a page of zeros holds no record.
const (
	magic      = "\xf5RET"
	headerSize = 20
	maxBody    = 2 << 20 // a packet of 1 MiB with all it may hold is smaller
)

type fileID [8]byte

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendRecord appends the framed message to b.
func appendRecord(b []byte, id fileID, m Message) []byte {
	start := len(b)
	b = append(b, magic...)
	b = append(b, id[:]...)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0) // length and crc, below
	b = appendBody(b, m)
	rec := b[start:]
	binary.LittleEndian.PutUint32(rec[12:], uint32(len(rec)-headerSize))
	binary.LittleEndian.PutUint32(rec[16:], checksum(rec))
	return b
}

func checksum(rec []byte) uint32 {
	sum := crc32.Update(0, castagnoli, rec[4:16])
	return crc32.Update(sum, castagnoli, rec[headerSize:])
}

func recordSize(m Message) int64 { return int64(len(appendRecord(nil, fileID{}, m))) }

// scanner reads records one after the other and finds the next one after damage.
type scanner struct {
	r       *bufio.Reader
	id      fileID
	hasID   bool
	damaged uint64 // places where bytes had to be skipped
	good    int64  // bytes of whole records so far
	skipped int64  // bytes that belong to none
	inGap   bool
}

func newScanner(r io.Reader) *scanner {
	return &scanner{r: bufio.NewReaderSize(r, headerSize+maxBody)}
}

// next returns the next whole record's message, or io.EOF.
func (s *scanner) next() (Message, error) {
	for {
		rec, err := s.whole()
		if err != nil {
			return Message{}, err
		}
		if rec == nil {
			if err := s.skip(); err != nil {
				return Message{}, err
			}
			continue
		}
		m, err := parseBody(rec[headerSize:])
		n := len(rec)
		s.id, s.hasID = fileID(rec[4:12]), true
		if _, discardErr := s.r.Discard(n); discardErr != nil {
			return Message{}, discardErr
		}
		s.good += int64(n)
		s.inGap = false
		if err != nil { // whole, but written by a version that is not this one
			s.damaged++
			continue
		}
		return m, nil
	}
}

// whole peeks at the record that begins here, nil where there is none.
func (s *scanner) whole() ([]byte, error) {
	head, err := s.r.Peek(headerSize)
	if len(head) == 0 {
		return nil, err
	}
	if len(head) < headerSize {
		return nil, ioError(err)
	}
	if string(head[:4]) != magic || s.hasID && fileID(head[4:12]) != s.id {
		return nil, nil
	}
	n := binary.LittleEndian.Uint32(head[12:])
	if n > maxBody {
		return nil, nil
	}
	rec, err := s.r.Peek(headerSize + int(n))
	if len(rec) < headerSize+int(n) {
		return nil, ioError(err)
	}
	if checksum(rec) != binary.LittleEndian.Uint32(rec[16:]) {
		return nil, nil
	}
	return rec, nil
}

// ioError is err unless it only says that the file is over.
func ioError(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// skip goes forward to the next place where a record may begin.
func (s *scanner) skip() error {
	if !s.inGap {
		s.inGap = true
		s.damaged++
	}
	if _, err := s.r.Discard(1); err != nil {
		return err
	}
	s.skipped++
	for {
		b, err := s.r.Peek(max(1, s.r.Buffered()))
		if len(b) == 0 {
			return err
		}
		n := bytes.IndexByte(b, magic[0])
		if n == 0 {
			return nil
		}
		if n < 0 {
			n = len(b)
		}
		if _, err := s.r.Discard(n); err != nil {
			return err
		}
		s.skipped += int64(n)
	}
}

// bodyVersion is the first byte of a body.
const bodyVersion = 1

func appendBody(b []byte, m Message) []byte {
	text := byte(0)
	if m.Properties.Text {
		text = 1
	}
	b = append(b, bodyVersion, m.QoS, text)
	b = binary.AppendVarint(b, m.Expires)
	b = appendBytes(b, m.Topic)
	b = appendBytes(b, m.Payload)
	b = appendBytes(b, m.Properties.ContentType)
	b = appendBytes(b, m.Properties.ResponseTopic)
	b = appendBytes(b, m.Properties.Correlation)
	b = binary.AppendUvarint(b, uint64(len(m.Properties.User)))
	for _, u := range m.Properties.User {
		b = appendBytes(b, u.Key)
		b = appendBytes(b, u.Value)
	}
	return b
}

func appendBytes[T string | []byte](b []byte, v T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

var errBody = errors.New("the record is not a message of this version")

func parseBody(b []byte) (m Message, err error) {
	if len(b) < 3 || b[0] != bodyVersion || b[1] > 2 || b[2] > 1 {
		return m, errBody
	}
	m.QoS, m.Properties.Text = b[1], b[2] == 1
	var n int
	if m.Expires, n = binary.Varint(b[3:]); n <= 0 {
		return m, errBody
	}
	f := fields{b: b[3+n:]}
	m.Topic = string(f.bytes())
	m.Payload = bytes.Clone(f.bytes())
	m.Properties.ContentType = string(f.bytes())
	m.Properties.ResponseTopic = string(f.bytes())
	m.Properties.Correlation = bytes.Clone(f.bytes())
	for n := f.count(); n > 0 && !f.bad; n-- {
		m.Properties.User = append(m.Properties.User, UserProperty{string(f.bytes()), string(f.bytes())})
	}
	if f.bad || len(f.b) > 0 || m.Topic == "" {
		return Message{}, fmt.Errorf("%w: its fields do not fill it", errBody)
	}
	return m, nil
}

// fields takes length-prefixed fields off a body.
type fields struct {
	b   []byte
	bad bool
}

func (f *fields) count() uint64 {
	v, n := binary.Uvarint(f.b)
	if n <= 0 {
		f.bad, f.b = true, nil
		return 0
	}
	f.b = f.b[n:]
	return v
}

func (f *fields) bytes() []byte {
	n := f.count()
	if f.bad || n > uint64(len(f.b)) {
		f.bad, f.b = true, nil
		return nil
	}
	v := f.b[:n:n]
	f.b = f.b[n:]
	if n == 0 {
		return nil
	}
	return v
}
