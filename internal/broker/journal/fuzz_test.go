package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// files are those of a log that has a state and records after it.
func files(t testing.TB) map[string][]byte {
	t.Helper()
	d := newDisk()
	h, _, err := openHouse(d)
	if err != nil {
		t.Fatal(err)
	}
	for range 40 {
		h.change()
	}
	if err := h.compact(); err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		h.change()
		if i%7 == 0 {
			if err := h.log.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := h.log.Close(); err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for n, i := range d.names {
		out[n] = d.inodes[i]
	}
	return out
}

// sums makes all sums right, so that what they protect is looked at.
func sums(b []byte) {
	fix := func(b []byte) { binary.LittleEndian.PutUint32(b[len(b)-4:], crc32.Checksum(b[:len(b)-4], castagnoli)) }
	if len(b) < headerSize {
		return
	}
	copy(b, fileMagic)
	fix(b[:headerSize])
	h, _ := parseHeader(b)
	for off := pageSize; off+batchHeader <= len(b); off += pageSize {
		if string(b[off:off+4]) != batchMagic {
			continue
		}
		binary.LittleEndian.PutUint64(b[off+16:], h.salt)
		fix(b[off : off+batchHeader])
		x, ok := parseBatch(b[off:], h.salt)
		if !ok {
			continue
		}
		data := b[off+batchHeader : min(len(b), off+batchHeader+int(x.length))]
		at := 0
		for i, p := range x.spans(data, h.salt, nil) {
			if at+4 < p.end {
				binary.LittleEndian.PutUint32(data[at:], recordSum(h.salt, x.first+uint64(i), data[at+4:p.end]))
			}
			at = p.end
		}
	}
}

// FuzzOpen opens a log whose segment and state are anything: that is no error,
// and what is appended then is there afterwards, behind what was found.
func FuzzOpen(f *testing.F) {
	var segment, state []byte
	for n, b := range files(f) {
		if n == stateName {
			state = b
		} else if len(b) > len(segment) {
			segment = b
		}
	}
	f.Add(segment, state, false)
	f.Add(segment, []byte{}, true)
	f.Add(segment[:9000], state[:5000], true)
	f.Add([]byte{}, state, false)
	f.Fuzz(func(t *testing.T, segment, state []byte, right bool) {
		if right {
			sums(segment)
			sums(state)
		}
		d := newDisk()
		for i, b := range [][]byte{segment, state, segment} {
			name := []string{"segment-1", stateName, "segment-2"}[i]
			d.names[name], d.inodes[i+1] = i+1, slices.Clone(b)
		}
		if len(segment) > pageSize {
			d.inodes[3] = d.inodes[3][:pageSize]
		}
		open := func() (*Log, []string, Report) {
			var got []string
			o := small
			o.FS = d
			l, r, err := Open("", o, func(kind byte, body []byte) error {
				got = append(got, fmt.Sprint(kind, bytes.Clone(body)))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != r.Records {
				t.Errorf("%d records were loaded, %d reported", len(got), r.Records)
			}
			return l, got, r
		}
		l, got, _ := open()
		l.Append(7, []byte("new"), false)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l, again, _ := open()
		defer l.Close()
		want := append(got, fmt.Sprint(7, []byte("new")))
		if diff := cmp.Diff(want, again); diff != "" {
			t.Errorf("opened again (-want +got):\n%s", diff)
		}
	})
}
