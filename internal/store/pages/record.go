package pages

import (
	"fmt"
	"math"
)

// varint reads SQLite's variable number of up to nine bytes; its length is 0
// where b ends before it.
func varint(b []byte) (v int64, n int) {
	var u uint64
	for i := range min(len(b), 9) {
		if i == 8 {
			return int64(u<<8 | uint64(b[i])), 9
		}
		u = u<<7 | uint64(b[i]&0x7f)
		if b[i] < 0x80 {
			return int64(u), i + 1
		}
	}
	return 0, 0
}

// Values decodes a record: nil, int64, float64, string or []byte for each
// column. Bytes are the record's own. With an error come the columns before
// what is bad.
func Values(record []byte) ([]any, error) {
	head, n := varint(record)
	if n == 0 || head < int64(n) || head > int64(len(record)) {
		return nil, fmt.Errorf("%w: a record's head of %d bytes", ErrBad, head)
	}
	types, body := record[n:head], record[head:]
	var all []any
	for len(types) > 0 {
		t, n := varint(types)
		if n == 0 || t < 0 {
			return all, fmt.Errorf("%w: a record's head is cut short", ErrBad)
		}
		types = types[n:]
		size, ok := bodySize(t, len(body))
		if !ok {
			return all, fmt.Errorf("%w: a column of type %d is longer than its record", ErrBad, t)
		}
		all = append(all, value(t, body[:size]))
		body = body[size:]
	}
	if len(body) != 0 {
		return all, fmt.Errorf("%w: a record is longer than its columns", ErrBad)
	}
	return all, nil
}

// bodySize is how many bytes a column of a type takes of those that are left.
func bodySize(t int64, left int) (int, bool) {
	size := [...]int64{0, 1, 2, 3, 4, 6, 8, 8, 0, 0, -1, -1}
	n := (t - 12) / 2
	if t < 12 {
		n = size[t]
	}
	return int(n), n >= 0 && n <= int64(left)
}

func value(t int64, b []byte) any {
	switch {
	case t == 0:
		return nil
	case t == 8 || t == 9:
		return t - 8
	case t <= 7:
		v := int64(int8(b[0]))
		for _, c := range b[1:] {
			v = v<<8 | int64(c)
		}
		if t == 7 {
			return math.Float64frombits(uint64(v))
		}
		return v
	case t%2 == 1:
		return string(b)
	}
	return b
}
