//go:build bench

package durability

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/testservers/loopdisk"
)

var wear = flag.Duration("wear", 3*time.Minute, "how long TestWear counts what reaches the disk")

// TestWear runs the real broker on disks of their own, with 50 devices that each
// publish a retained message of 200 bytes every 10 seconds, at that rate, and
// counts the bytes that reach the disk, scaled to a day.
func TestWear(t *testing.T) {
	if !loopdisk.Private(t) {
		return
	}
	var results sync.Map
	cases := []struct {
		name, options string
		qos           byte
		devices       int
		fresh, reader bool    // reader: a subscriber of QoS 1 with a session that stays
		most          float64 // MB a day; 0: is only told
	}{
		{"QoS 0, card", loopdisk.Card, 0, 50, false, false, 100},
		{"QoS 1, card", loopdisk.Card, 1, 50, false, false, 500},
		{"QoS 0, plain mount", loopdisk.Plain, 0, 50, false, false, 100},
		{"QoS 1, plain mount", loopdisk.Plain, 1, 50, false, false, 500},
		{"QoS 1, card, first minutes of a new disk", loopdisk.Card, 1, 50, true, false, 0},
		{"QoS 1 with a subscriber, card", loopdisk.Card, 1, 50, false, true, 500},
		{"idle, card", loopdisk.Card, 1, 0, false, false, 0.001},
	}
	var all sync.WaitGroup
	for _, c := range cases {
		disk := loopdisk.New(t, 64<<20, c.options)
		b := start(t, disk.Dir)
		all.Go(func() {
			if !c.fresh {
				warm(t, b)
				time.Sleep(65 * time.Second) // the broker has nothing left to write
				disk.Settle(t)
			}
			watcher := b.connect(hello{id: "watcher", clean: true})
			watcher.SetDeadline(time.Time{})
			if err := watcher.subscribe("$SYS/#", 0); err != nil {
				t.Error(err)
			}
			go func() {
				for {
					if _, err := watcher.read(); err != nil {
						return
					}
				}
			}()
			if c.reader {
				w := b.connect(hello{id: "reader"})
				w.SetDeadline(time.Time{})
				if err := w.subscribe("home/#", 1); err != nil {
					t.Error(err)
				}
				go func() {
					for {
						m, err := w.read()
						if err != nil || m.qos() == 1 && w.answer(tPuback, m.id) != nil {
							return
						}
					}
				}()
				time.Sleep(5 * time.Second)
			}
			before, begin := disk.Counts(t), time.Now()
			var devices sync.WaitGroup
			for i := range c.devices {
				w := b.connect(hello{id: fmt.Sprint("device-", i), clean: true})
				w.SetDeadline(time.Time{})
				devices.Go(func() {
					next := begin.Add(time.Duration(rand.Int64N(int64(10 * time.Second))))
					for n := 0; next.Sub(begin) < *wear; n++ {
						time.Sleep(time.Until(next))
						next = next.Add(10 * time.Second)
						payload := fmt.Sprintf("%-200d", n)
						err := w.publish(fmt.Sprintf("home/device-%d/state", i), payload, c.qos, true, false, uint16(n%60000+1))
						if err == nil && c.qos > 0 {
							_, err = w.read()
						}
						if err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			devices.Wait()
			time.Sleep(time.Until(begin.Add(*wear)))
			took := time.Since(begin)
			n := disk.Counts(t).Since(before)
			day := float64(n.Bytes) / took.Seconds() * 86400 / 1e6
			b.end(syscall.SIGTERM)
			results.Store(c.name, fmt.Sprintf("%.1f MB a day at the disk (%v in %v; %s)", day, n, took.Round(time.Second), stopped.FindString(b.said.String())))
			if c.most > 0 && day > c.most {
				t.Errorf("%s: %.1f MB a day reach the disk, at most %.0f may", c.name, day, c.most)
			}
		})
	}
	all.Wait()
	var table strings.Builder
	for _, c := range cases {
		if r, ok := results.Load(c.name); ok {
			fmt.Fprintf(&table, "%s: %s\n", c.name, r)
		}
	}
	t.Logf("50 devices, 200 bytes retained every 10 s:\n%s", table.String())
}

// stopped is what the broker says of its journal at its end.
var stopped = regexp.MustCompile(`journal_bytes_written=.*`)

// warm makes the broker's files what they are after some hours.
func warm(t *testing.T, b *program) {
	w := b.connect(hello{id: "warm", clean: true})
	done := make(chan struct{})
	const messages, window = 30000, 100
	room := make(chan struct{}, window)
	go func() {
		defer close(done)
		for range messages {
			if _, err := w.read(); err != nil {
				t.Error(err)
				return
			}
			<-room
		}
	}()
	for n := range messages {
		select {
		case room <- struct{}{}:
		case <-done:
			return
		}
		if err := w.publish(fmt.Sprintf("home/device-%d/state", n%50), fmt.Sprintf("%-200d", n), 1, true, false, uint16(n%60000+1)); err != nil {
			t.Error(err)
			return
		}
	}
	<-done
	w.Close()
}
