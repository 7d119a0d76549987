//go:build e2e

package durability

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/testservers/loopdisk"
)

// TestAFullDisk fills the disk while messages come in: nothing more is
// acknowledged, messages still go to those who are there, and when there is room
// again the broker goes on by itself.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	if !loopdisk.Private(t) {
		return
	}
	disk := loopdisk.New(t, 64<<20, loopdisk.Card)
	b := start(t, disk.Dir)
	away := b.connect(hello{id: "away"})
	if err := away.subscribe("d/#", 1); err != nil {
		t.Fatal(err)
	}
	away.Close()
	here := b.connect(hello{id: "here", clean: true})
	if err := here.subscribe("live", 0); err != nil {
		t.Fatal(err)
	}

	filler := filepath.Join(disk.Dir, "filler")
	fill(t, filler)
	w := b.connect(hello{id: "publisher", clean: true})
	acked := make(chan uint16, 10000)
	go func() {
		for {
			p, err := w.read()
			if err != nil {
				close(acked)
				return
			}
			acked <- p.id
		}
	}()
	const window = 10
	payload := strings.Repeat("x", 4000)
	sent, got := 0, 0
	full := false
	for begin := time.Now(); !full; {
		if time.Since(begin) > patience {
			t.Fatalf("%d messages of %d bytes are acknowledged on a full disk", got, len(payload))
		}
		for ; sent-got < window; sent++ {
			if err := w.publish("d/x", payload, 1, false, false, uint16(sent+1)); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case <-acked:
			got++
		case <-time.After(4 * time.Second):
			full = true
		}
	}
	t.Logf("%d messages were acknowledged before the disk was full, %d wait", got, sent-got)
	if err := w.publish("live", "still here", 0, false, false, 0); err != nil {
		t.Fatal(err)
	}
	if m, err := here.read(); err != nil || string(m.body) != "still here" {
		t.Errorf("a subscriber that is here got %q, %v", m.body, err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); got < sent; got++ {
		select {
		case <-acked:
		case <-time.After(patience - time.Since(begin)):
			t.Fatalf("there is room again, and %d messages are not acknowledged:\n%s", sent-got, tail(b.said.String()))
		}
	}
	b.end(syscall.SIGKILL)
	b = start(t, disk.Dir)
	away = b.connect(hello{id: "away"})
	for i := range sent {
		m, err := away.read()
		if err != nil || m.kind != tPublish {
			t.Fatalf("%d of %d messages are there: %v", i, sent, err)
		}
		if err := away.answer(tPuback, m.id); err != nil {
			t.Fatal(err)
		}
	}
	b.end(syscall.SIGKILL)
}

// fill takes all that is left on a disk.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 64<<10)
	for err == nil {
		_, err = f.Write(b)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	for err = nil; err == nil; {
		_, err = f.Write(b[:4096])
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}
