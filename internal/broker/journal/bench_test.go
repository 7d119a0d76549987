package journal

import (
	"fmt"
	"testing"
)

func nothing(byte, []byte) error { return nil }

// BenchmarkAppend appends records of a reading's size as fast as it can; the disk
// follows behind.
func BenchmarkAppend(b *testing.B) {
	l, _, err := Open(b.TempDir(), Options{MaxPending: 1 << 30}, nothing)
	if err != nil {
		b.Fatal(err)
	}
	body := make([]byte, 250)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		l.Append(1, body, false)
	}
	if err := l.Flush(); err != nil {
		b.Fatal(err)
	}
	s := l.Stats()
	b.ReportMetric(float64(s.Written)/float64(s.Records), "disk-B/op")
	b.ReportMetric(float64(s.Records)/float64(s.Flushes), "records/flush")
	l.Close()
}

// BenchmarkOpen opens a log that holds 10,000 records of the size of retained
// messages, in a state or behind one another in the log.
func BenchmarkOpen(b *testing.B) {
	for _, where := range []string{"state", "log"} {
		b.Run(where, func(b *testing.B) {
			dir := b.TempDir()
			l, _, err := Open(dir, Options{}, nothing)
			if err != nil {
				b.Fatal(err)
			}
			body := make([]byte, 250)
			for range 10000 {
				l.Append(1, body, false)
			}
			if where == "state" {
				if err := l.Compact(func(emit func(byte, []byte)) {
					for range 10000 {
						emit(1, body)
					}
				}); err != nil {
					b.Fatal(err)
				}
			}
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				n := 0
				l, r, err := Open(dir, Options{}, func(byte, []byte) error { n++; return nil })
				if err != nil || n < 10000 || r.Repaired {
					b.Fatalf("%d records, %+v, %v", n, r, err)
				}
				l.Close()
			}
		})
	}
}

// BenchmarkRecordOnTheDisk is one record after the other, each waited for.
func BenchmarkRecordOnTheDisk(b *testing.B) {
	for _, size := range []int{100, 4000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			l, _, err := Open(b.TempDir(), Options{}, nothing)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				l.Append(1, make([]byte, size), false)
				if err := l.Flush(); err != nil {
					b.Fatal(err)
				}
			}
			s := l.Stats()
			b.ReportMetric(float64(s.Written)/float64(s.Records), "disk-B/op")
			l.Close()
		})
	}
}
