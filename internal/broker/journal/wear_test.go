//go:build bench

package journal_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/broker/journal"
	"github.com/smartcore-ireland/hems/internal/testservers/loopdisk"
)

var wear = flag.Duration("wear", 2*time.Minute, "how long TestWear counts what reaches the disk")

// TestWear keeps what 50 devices send every 10 seconds, 200 bytes each, as it
// comes, and counts the bytes that reach the disk, scaled to a day.
func TestWear(t *testing.T) {
	if !loopdisk.Private(t) {
		return
	}
	const devices, every = 50, 10 * time.Second
	for _, c := range []struct {
		name, options string
		lazy          bool
		fresh         bool
		most          float64 // MB a day
	}{
		{"QoS 1 on the card", loopdisk.Card, false, false, 500},
		{"QoS 1 on a plain mount", loopdisk.Plain, false, false, 500},
		{"QoS 1 on the card, the first minutes", loopdisk.Card, false, true, 700},
		{"QoS 0 on the card", loopdisk.Card, true, false, 100},
		{"QoS 0 on a plain mount", loopdisk.Plain, true, false, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			disk := loopdisk.New(t, 64<<20, c.options)
			l, _, err := journal.Open(disk.Dir+"/journal", journal.Options{}, func(byte, []byte) error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			latest := map[int][]byte{}
			put := func(dev int) {
				body := make([]byte, 250)
				latest[dev] = body
				if !c.lazy {
					l.Append(1, body, false)
				}
			}
			compact := func() {
				if l.WantsCompaction() {
					if err := l.Compact(func(emit func(byte, []byte)) {
						for _, b := range latest {
							emit(1, b)
						}
					}); err != nil {
						t.Error(err)
					}
				}
			}
			if !c.fresh { // what is there after some hours
				for i := range 10000 {
					put(i % devices)
					if c.lazy {
						l.Append(1, latest[i%devices], true)
					}
					if i%1000 == 0 {
						if err := l.Flush(); err != nil {
							t.Fatal(err)
						}
						compact()
					}
				}
				if err := l.Flush(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(40 * time.Second)
			}
			next := make([]time.Time, devices)
			start := time.Now()
			for i := range next {
				next[i] = start.Add(time.Duration(rand.Int64N(int64(every))))
			}
			before, flushes := disk.Counts(t), l.Stats()
			coalesced := start
			for time.Since(start) < *wear {
				for i := range next {
					if !time.Now().Before(next[i]) {
						put(i)
						next[i] = next[i].Add(every)
					}
				}
				if c.lazy && time.Since(coalesced) > 55*time.Second {
					coalesced = time.Now()
					for _, b := range latest {
						l.Append(1, b, false)
					}
					clear(latest)
				}
				compact()
				time.Sleep(10 * time.Millisecond)
			}
			took := time.Since(start)
			n, s := disk.Counts(t).Since(before), l.Stats()
			day := float64(n.Bytes) / took.Seconds() * 86400 / 1e6
			fmt.Printf("%s: %.0f MB a day at the disk (%v in %v; the log wrote %d bytes in %d flushes, %d states)\n",
				c.name, day, n, took.Round(time.Second), s.Written-flushes.Written, s.Flushes-flushes.Flushes, s.Compactions-flushes.Compactions)
			if day > c.most {
				t.Errorf("%.0f MB a day reach the disk, at most %.0f may", day, c.most)
			}
			before = disk.Counts(t)
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
