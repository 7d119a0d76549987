//go:build e2e

package durability

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/testservers/loopdisk"
)

// TestCleanRestarts stops the broker while ten publishers send: what it has
// acknowledged is there, in order, and so are retained messages of QoS 0, which
// nobody acknowledges.
func TestCleanRestarts(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	b := start(t, tempDir(t))
	h.begin(b)
	for round := range 3 {
		w := b.connect(hello{id: "readings", clean: true})
		h.load(b, most, func() {
			for i := range 50 {
				if err := w.publish(fmt.Sprint("readings/", i), fmt.Sprint(round), 0, true, false, 0); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Duration(100+rand.IntN(100)) * time.Millisecond) // it reads them
			b.end(syscall.SIGTERM)
		})
		b = start(t, b.dir)
		readings(t, b, fmt.Sprint(round))
		h.check(b)
		h.report(b)
	}
	t.Logf("%d messages acknowledged, %d lost", h.acked, h.lost)
}

// readings looks for the retained messages of fifty topics.
func readings(t *testing.T, b *program, value string) {
	t.Helper()
	got, want := map[string]string{}, map[string]string{}
	for i := range 50 {
		want[fmt.Sprint("readings/", i)] = value
	}
	w := b.connect(hello{id: "look-readings", clean: true})
	if err := w.subscribe("readings/#", 0); err != nil {
		t.Fatal(err)
	}
	for len(got) < len(want) {
		w.SetReadDeadline(time.Now().Add(time.Minute))
		m, err := w.read()
		if err != nil {
			break
		}
		got[m.topic] = string(m.body)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("retained messages of QoS 0 (-want +got):\n%s", diff)
	}
}

// TestReadingsWithinAMinute: retained messages of QoS 0 are not acknowledged, and
// yet a power cut loses those of the last minute alone.
func TestReadingsWithinAMinute(t *testing.T) {
	t.Parallel()
	if !loopdisk.Private(t) {
		return
	}
	disk := loopdisk.New(t, 64<<20, loopdisk.Card)
	b := start(t, disk.Dir)
	w := b.connect(hello{id: "readings", clean: true})
	for n := range 5 {
		for i := range 50 {
			if err := w.publish(fmt.Sprint("readings/", i), fmt.Sprint(n), 0, true, false, 0); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	time.Sleep(time.Minute)
	b.end(syscall.SIGKILL)
	copied := filepath.Join(tempDir(t), "copy")
	disk.Cut(t, copied)
	disk.Unmount(t)
	disk = loopdisk.Mount(t, copied, loopdisk.Card)
	b = start(t, disk.Dir)
	readings(t, b, "4")
	b.end(syscall.SIGKILL)
}

// TestExpiryOverARestart: sessions and messages expire when they would have
// without a restart, whether the broker was killed or stopped.
func TestExpiryOverARestart(t *testing.T) {
	for name, signal := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "stopped": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const short, long = 5, 600
			b := start(t, tempDir(t))
			for _, s := range []hello{{id: "short", expiry: short}, {id: "long", expiry: long}} {
				w := b.connect(s)
				if err := w.subscribe("e/#", 1); err != nil {
					t.Fatal(err)
				}
				w.send(0xe0, nil) // DISCONNECT
				w.Close()
			}
			w := b.connect(hello{id: "publisher", expiry: long})
			began := time.Now()
			for i, m := range []struct {
				topic  string
				expiry uint32
				retain bool
			}{{"e/queued-short", short, false}, {"e/queued-long", long, false}, {"e/retained-short", short, true}, {"e/retained-long", long, true}} {
				if err := w.publishFor(m.expiry, m.topic, "x", m.retain, uint16(i+1)); err != nil {
					t.Fatal(err)
				}
			}
			b.end(signal)
			time.Sleep(2 * time.Second)
			b = start(t, b.dir)
			time.Sleep(time.Until(began.Add((short + 2) * time.Second)))

			if w := b.connect(hello{id: "short", expiry: short}); w.present {
				t.Error("a session is there after its expiry")
			}
			w = b.connect(hello{id: "long", expiry: long})
			if !w.present {
				t.Error("a session is not there before its expiry")
			}
			collect := func(w *wire) (topics []string) {
				w.SetReadDeadline(time.Now().Add(2 * time.Second))
				for {
					m, err := w.read()
					if err != nil {
						return topics
					}
					if m.kind != tPublish {
						continue
					}
					topics = append(topics, m.topic)
					if e := m.expiry(); e > long-short || e < long-60 {
						t.Errorf("%s still lives for %d s", m.topic, e)
					}
					if m.qos() == 1 {
						w.answer(tPuback, m.id)
					}
				}
			}
			if diff := cmp.Diff("e/queued-long e/retained-long", strings.Join(collect(w), " ")); diff != "" {
				t.Errorf("what waited for the session (-want +got):\n%s", diff)
			}
			w = b.connect(hello{id: "new", clean: true, expiry: 1})
			if err := w.subscribe("e/#", 0); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff("e/retained-long", strings.Join(collect(w), " ")); diff != "" {
				t.Errorf("what is retained (-want +got):\n%s", diff)
			}
		})
	}
}
