package store

import (
	"bytes"
	"cmp"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"sync"
)

// The form of a blob, used both for a block (all series of one commit) and for
// a chunk (one series of one hour):
//
//	byte     form, 1
//	4 bytes  CRC-32C of all that follows, big endian
//	DEFLATE of:
//	  uvarint number of columns, then for each column in ascending series id:
//	    uvarint series id
//	    uvarint number of samples, at least 1
//	    varint  time of the first sample, ms since 1970
//	    varint  first difference of times, then differences of differences
//	    byte    decimals, 0..9: the values are whole numbers of 10^-decimals,
//	            a varint and varint differences; or 255: 8 bytes each,
//	            IEEE 754, little endian
//
// Meters report decimal numbers of few digits at steady intervals, so that a
// sample takes about three bytes.
const (
	blobForm    = 1
	blobHeader  = 5
	rawValues   = 255
	maxDecimals = 9
	// maxBlob bounds what a blob may inflate to, so that a damaged one cannot
	// take all memory: an hour of a thousand series each second fits.
	maxBlob = 64 << 20
)

// errBlob is wrapped by every error of decodeBlob.
var errBlob = errors.New("damaged readings")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Sample is a value at a time.
type Sample struct {
	Milli int64 // ms since 1970
	Value float64
}

// column is the samples of one series, in ascending time.
type column struct {
	sid     int64
	samples []Sample
}

// tidy sorts the columns by series and each column by time. Of samples of one
// series at one time the last to arrive is kept.
func tidy(columns []column) (n int) {
	slices.SortFunc(columns, func(a, b column) int { return cmp.Compare(a.sid, b.sid) })
	for i := range columns {
		columns[i].samples = tidySamples(columns[i].samples)
		n += len(columns[i].samples)
	}
	return n
}

func tidySamples(s []Sample) []Sample {
	slices.SortStableFunc(s, func(a, b Sample) int { return cmp.Compare(a.Milli, b.Milli) })
	kept := s[:0]
	for i, v := range s {
		if i+1 < len(s) && s[i+1].Milli == v.Milli {
			continue // a later arrival has the same time
		}
		kept = append(kept, v)
	}
	return kept
}

// encoder holds what is reused from one blob to the next.
type encoder struct {
	plain  []byte
	values []float64
	ints   []int64
	out    bytes.Buffer
	flate  *flate.Writer
}

// blob encodes tidy columns. The result is valid until the next call.
func (e *encoder) blob(columns []column) ([]byte, error) {
	e.plain = e.appendColumns(e.plain[:0], columns)
	return e.pack(blobForm, e.plain)
}

// appendColumns appends what is compressed in a blob.
func (e *encoder) appendColumns(p []byte, columns []column) []byte {
	p = binary.AppendUvarint(p, uint64(len(columns)))
	for _, c := range columns {
		p = binary.AppendUvarint(p, uint64(c.sid))
		p = binary.AppendUvarint(p, uint64(len(c.samples)))
		p = appendTimes(p, c.samples)
		p = e.appendValues(p, c.samples)
	}
	return p
}

// pack compresses p and puts its form and checksum before it. The result is
// valid until the next call.
func (e *encoder) pack(form byte, p []byte) ([]byte, error) {
	e.out.Reset()
	e.out.Write(make([]byte, blobHeader))
	if e.flate == nil {
		w, err := flate.NewWriter(&e.out, flate.DefaultCompression)
		if err != nil {
			return nil, err
		}
		e.flate = w
	} else {
		e.flate.Reset(&e.out)
	}
	if _, err := e.flate.Write(p); err != nil {
		return nil, err
	}
	if err := e.flate.Close(); err != nil {
		return nil, err
	}
	b := e.out.Bytes()
	b[0] = form
	binary.BigEndian.PutUint32(b[1:], crc32.Checksum(b[blobHeader:], castagnoli))
	return b, nil
}

func appendTimes(p []byte, s []Sample) []byte {
	p = binary.AppendVarint(p, s[0].Milli)
	var last int64
	for i := 1; i < len(s); i++ {
		d := s[i].Milli - s[i-1].Milli
		p = binary.AppendVarint(p, d-last)
		last = d
	}
	return p
}

var pow10 = [maxDecimals + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}

func (e *encoder) appendValues(p []byte, s []Sample) []byte {
	e.values = e.values[:0]
	for _, v := range s {
		e.values = append(e.values, v.Value)
	}
	decimals, ok := e.scale()
	if !ok {
		p = append(p, rawValues)
		for _, v := range s {
			p = binary.LittleEndian.AppendUint64(p, math.Float64bits(v.Value))
		}
		return p
	}
	p = append(p, byte(decimals))
	var last int64
	for _, v := range e.ints {
		p = binary.AppendVarint(p, v-last)
		last = v
	}
	return p
}

// scale finds the fewest decimals with which each of e.values is a whole number
// that divides back to exactly the same value, and leaves those in e.ints.
func (e *encoder) scale() (decimals int, ok bool) {
	const exact = 1 << 53
	for _, v := range e.values {
		for {
			r := math.Round(v * pow10[decimals])
			if math.Abs(r) < exact && r/pow10[decimals] == v && !(r == 0 && math.Signbit(v)) {
				break
			}
			if decimals++; decimals > maxDecimals {
				return 0, false
			}
		}
	}
	e.ints = e.ints[:0]
	for _, v := range e.values { // those seen before decimals grew are checked again
		r := math.Round(v * pow10[decimals])
		if math.Abs(r) >= exact || r/pow10[decimals] != v {
			return 0, false
		}
		e.ints = append(e.ints, int64(r))
	}
	return decimals, true
}

var inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}

// decodeBlob is the reverse of encoder.blob. With only != 0 it returns just
// that series' column, if there. A damaged blob gives an error for which
// errors.Is(err, errBlob) holds, and never a panic.
func decodeBlob(b []byte, only int64) ([]column, error) {
	plain, err := unpack(blobForm, b)
	if err != nil {
		return nil, err
	}
	return parseColumns(plain, only)
}

// unpack is the reverse of pack, with decodeBlob's errors.
func unpack(form byte, b []byte) ([]byte, error) {
	if len(b) < blobHeader || b[0] != form {
		return nil, fmt.Errorf("%w: unknown form", errBlob)
	}
	if crc32.Checksum(b[blobHeader:], castagnoli) != binary.BigEndian.Uint32(b[1:]) {
		return nil, fmt.Errorf("%w: wrong checksum", errBlob)
	}
	r := inflaters.Get().(io.ReadCloser)
	defer inflaters.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(b[blobHeader:]), nil); err != nil {
		return nil, fmt.Errorf("%w: %w", errBlob, err)
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxBlob+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBlob, err)
	}
	if len(plain) > maxBlob {
		return nil, fmt.Errorf("%w: more than %d bytes", errBlob, maxBlob)
	}
	return plain, nil
}

func parseColumns(plain []byte, only int64) ([]column, error) {
	d := decoder{b: plain}
	var columns []column
	for range d.count(4) {
		sid := int64(d.uvarint())
		n := d.count(2)
		if n == 0 || sid <= 0 {
			d.bad = true
		}
		if d.bad {
			break
		}
		if only != 0 && sid != only {
			d.skipColumn(n)
			continue
		}
		s := make([]Sample, n)
		d.times(s)
		d.values(s)
		columns = append(columns, column{sid: sid, samples: s})
	}
	if d.bad || len(d.b) != 0 {
		return nil, fmt.Errorf("%w: contents cut short or too long", errBlob)
	}
	return columns, nil
}

// decoder takes numbers off b and remembers whether one was bad.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count reads a number of things of at least size bytes each: what cannot be
// there is bad, so that a few bytes never allocate much.
func (d *decoder) count(size int) int {
	v := d.uvarint()
	if v > uint64(len(d.b)/size) {
		d.bad, d.b = true, nil
		return 0
	}
	return int(v)
}

// bytes reads a length and that many bytes, which are of b.
func (d *decoder) bytes() []byte {
	n := d.count(1)
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

// skipColumn passes over a column of n samples: a block has those of all series,
// of which a chart wants one.
func (d *decoder) skipColumn(n int) {
	d.skipVarints(n)
	if len(d.b) == 0 {
		d.bad = true
		return
	}
	decimals := d.b[0]
	d.b = d.b[1:]
	switch {
	case decimals <= maxDecimals:
		d.skipVarints(n)
	case decimals == rawValues && len(d.b)/8 >= n:
		d.b = d.b[8*n:]
	default:
		d.bad = true
	}
}

// skipVarints passes over n numbers, of which each ends with a byte below 128.
func (d *decoder) skipVarints(n int) {
	i := 0
	for ; n > 0 && i < len(d.b); i++ {
		if d.b[i] < 0x80 {
			n--
		}
	}
	d.b, d.bad = d.b[i:], d.bad || n > 0
}

func (d *decoder) times(s []Sample) {
	s[0].Milli = d.varint()
	var diff int64
	for i := 1; i < len(s); i++ {
		diff += d.varint()
		s[i].Milli = s[i-1].Milli + diff
	}
}

func (d *decoder) values(s []Sample) {
	if len(d.b) == 0 {
		d.bad = true
		return
	}
	decimals := d.b[0]
	d.b = d.b[1:]
	switch {
	case decimals <= maxDecimals:
		var v int64
		for i := range s {
			v += d.varint()
			s[i].Value = float64(v) / pow10[decimals]
		}
	case decimals == rawValues && len(d.b) >= 8*len(s):
		for i := range s {
			s[i].Value = math.Float64frombits(binary.LittleEndian.Uint64(d.b))
			d.b = d.b[8:]
		}
	default:
		d.bad = true
	}
}
