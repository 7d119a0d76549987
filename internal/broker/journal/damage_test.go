package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// written is a log with a state of three records, and after it four flushes of
// three records each, the last two in a segment of their own.
func written(t *testing.T) *disk {
	t.Helper()
	d := newDisk()
	l, _ := kept(t, "", Options{FS: d, Segment: 3 * pageSize})
	for i := range 3 {
		l.Append(1, fmt.Append(nil, "old", i), true)
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := l.Compact(func(emit func(byte, []byte)) {
		for i := range 3 {
			emit(1, fmt.Append(nil, "state", i))
		}
	}); err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		l.Append(1, fmt.Append(nil, "record", i), true) // so that Flush alone flushes

		if i%3 == 2 {
			if err := l.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return d
}

// segmentOf finds the segment that begins with the n-th record.
func segmentOf(t *testing.T, d *disk, first uint64) []byte {
	t.Helper()
	for name, i := range d.names {
		if h, ok := parseHeader(d.inodes[i]); ok && strings.HasPrefix(name, "segment") && h.first == first+4 {
			return d.inodes[i]
		}
	}
	t.Fatalf("no segment begins with record %d", first)
	return nil
}

func TestDamage(t *testing.T) {
	find := func(t *testing.T, b []byte, text string) int {
		t.Helper()
		i := strings.Index(string(b), text)
		if i < 0 {
			t.Fatalf("%q is not there", text)
		}
		return i
	}
	all := "state0 state1 state2 record0 record1 record2 record3 record4 record5 record6 record7 record8 record9 record10 record11"
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, d *disk)
		gone   string
		want   Report // but for the bytes, the place and the records that are there
		aside  string // what is put aside
	}{
		{"none", func(t *testing.T, d *disk) {}, "", Report{}, ""},
		{"a record in the middle of the log", func(t *testing.T, d *disk) {
			b := segmentOf(t, d, 0)
			b[find(t, b, "record1")+2] ^= 1
		}, "record1", Report{Repaired: true, LostRecords: 1}, "rebord1"},
		{"the length of one", func(t *testing.T, d *disk) {
			b := segmentOf(t, d, 0)
			b[find(t, b, "record1")-2] = 200
		}, "record1 record2", Report{Repaired: true, LostRecords: 2}, "record2"},
		{"the head of a flush in the middle", func(t *testing.T, d *disk) {
			segmentOf(t, d, 0)[pageSize] ^= 1
		}, "record0 record1 record2", Report{Repaired: true, LostRecords: 3}, "record1"},
		{"the head of a segment", func(t *testing.T, d *disk) {
			segmentOf(t, d, 6)[8] ^= 1
		}, "", Report{Repaired: true}, ""},
		{"a segment that is missing", func(t *testing.T, d *disk) {
			for name, i := range d.names {
				if h, _ := parseHeader(d.inodes[i]); h.kind == kindLog && h.first == 4 {
					delete(d.names, name)
				}
			}
		}, "record0 record1 record2 record3 record4 record5", Report{Repaired: true, LostRecords: 6}, ""},
		{"a segment that is cut short, of which more follow", func(t *testing.T, d *disk) {
			for _, i := range d.names {
				if h, _ := parseHeader(d.inodes[i]); h.kind == kindLog && h.first == 4 {
					d.inodes[i] = d.inodes[i][:2*pageSize]
				}
			}
		}, "record3 record4 record5", Report{Repaired: true, LostRecords: 3}, ""},
		{"the tail: a torn record", func(t *testing.T, d *disk) {
			b := segmentOf(t, d, 6)
			b[find(t, b, "record10")] ^= 1
		}, "record10 record11", Report{Repaired: true}, "record11"},
		{"the tail: a flush of which nothing has arrived", func(t *testing.T, d *disk) {
			clear(segmentOf(t, d, 6)[2*pageSize:])
		}, "record9 record10 record11", Report{}, ""},
		{"the tail: its end is zeros", func(t *testing.T, d *disk) {
			b := segmentOf(t, d, 6)
			clear(b[find(t, b, "record10")+3:])
		}, "record10 record11", Report{Repaired: true}, "rec"},
		{"a record of the state", func(t *testing.T, d *disk) {
			b := d.inodes[d.names[stateName]]
			b[find(t, b, "state1")] ^= 1
		}, "state1", Report{Repaired: true, LostRecords: 1}, "rtate1"},
		{"the state's head", func(t *testing.T, d *disk) {
			d.inodes[d.names[stateName]][9] ^= 1
		}, "state0 state1 state2", Report{Repaired: true, LostRecords: 3}, "state1"}, // of the log: the three that it stood for
		{"a state of a later version of this program", func(t *testing.T, d *disk) {
			b := d.inodes[d.names[stateName]]
			b[8] = version + 1
			binary.LittleEndian.PutUint32(b[headerSize-4:], crc32.Checksum(b[:headerSize-4], castagnoli))
		}, "state0 state1 state2", Report{Repaired: true, LostRecords: 3}, ""},
		{"half a state that is not in use", func(t *testing.T, d *disk) {
			d.names[stateName+".tmp"], d.inodes[99] = 99, []byte("half")
		}, "", Report{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := written(t)
			c.damage(t, d)
			open := func() (*Log, Report, string) {
				var got []string
				l, r, err := Open("", Options{FS: d, Segment: 3 * pageSize}, func(_ byte, body []byte) error {
					got = append(got, string(body))
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				return l, r, strings.Join(got, " ")
			}
			l, r, got := open()
			want := all
			if c.gone != "" {
				want = strings.ReplaceAll(strings.ReplaceAll(all+" ", c.gone+" ", ""), "  ", " ")
			}
			if diff := cmp.Diff(strings.Fields(want), strings.Fields(got)); diff != "" {
				t.Errorf("what is there (-want +got):\n%s", diff)
			}
			aside := ""
			if r.Aside != "" {
				aside = string(d.inodes[d.names[r.Aside]])
			}
			if !strings.Contains(aside, c.aside) || c.aside == "" && aside != "" {
				t.Errorf("%q is put aside, %q should be", aside, c.aside)
			}
			if diff := cmp.Diff(c.want, Report{Repaired: r.Repaired, LostRecords: r.LostRecords}); diff != "" {
				t.Errorf("the report (-want +got):\n%s\n%+v", diff, r)
			}
			if n := l.Stats().NeedsCompact; n != c.want.Repaired || n && !l.WantsCompaction() {
				t.Errorf("it needs a new state: %v", n)
			}

			// It goes on, and what was wrong is told once.
			l.Append(1, []byte("after"), false)
			if err := l.Compact(func(emit func(byte, []byte)) { emit(1, []byte("all")) }); err != nil {
				t.Fatal(err)
			}
			l.Append(1, []byte("new"), false)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l, r, got = open()
			if got != "all new" || r.Repaired {
				t.Errorf("after the repair: %q, %+v", got, r)
			}
			l.Close()
			for name := range d.names {
				if strings.HasSuffix(name, ".tmp") {
					t.Errorf("%s is left", name)
				}
			}
		})
	}
}

// TestARecordThatIsLargerThanASegment is kept as any other.
func TestARecordThatIsLargerThanASegment(t *testing.T) {
	d := newDisk()
	l, _ := kept(t, "", Options{FS: d, Segment: 3 * pageSize})
	large := strings.Repeat("x", 10*pageSize)
	for _, s := range []string{"a", large, "b", large, "c"} {
		l.Append(1, []byte(s), false)
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	l.Close()
	_, got := kept(t, "", Options{FS: d, Segment: 3 * pageSize})
	if diff := cmp.Diff([]string{"1 a", "1 " + large, "1 b", "1 " + large, "1 c"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
