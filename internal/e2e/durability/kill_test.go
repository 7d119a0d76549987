//go:build e2e

package durability

import (
	"flag"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/testservers/loopdisk"
)

var (
	kills = flag.Int("kills", 10, "how often TestKills kills the broker")
	cuts  = flag.Int("cuts", 10, "how often TestPowerCuts cuts the power")
)

// most messages of a publisher between two ends: all of them wait for the
// subscriber that is away, whose queue is bounded.
const most = 1500

// end waits for a random moment.
func moment() { time.Sleep(time.Duration(20+rand.IntN(700)) * time.Millisecond) }

// TestKills kills the broker at random moments while ten publishers send.
func TestKills(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	h := newHome(t)
	b := start(t, dir)
	h.begin(b)
	for range *kills {
		h.load(b, most, func() {
			moment()
			b.end(syscall.SIGKILL)
		})
		b = start(t, dir)
		h.check(b)
		h.report(b)
	}
	t.Logf("%d kills, %d messages acknowledged, %d lost", *kills, h.acked, h.lost)
	if h.acked < 100**kills {
		t.Errorf("only %d messages were acknowledged", h.acked)
	}
}

// TestPowerCuts cuts the power at random moments while ten publishers send: the
// disk is copied as it is then, without what the system has only in memory, and
// the broker goes on with the copy.
func TestPowerCuts(t *testing.T) {
	t.Parallel()
	if !loopdisk.Private(t) {
		return
	}
	images := tempDir(t)
	disk := loopdisk.New(t, 64<<20, loopdisk.Card)
	h := newHome(t)
	b := start(t, disk.Dir)
	h.begin(b)
	for i := range *cuts {
		h.load(b, most, func() {
			moment()
			b.end(syscall.SIGKILL)
		})
		copied := filepath.Join(images, []string{"a", "b"}[i%2])
		disk.Cut(t, copied)
		disk.Unmount(t)
		disk = loopdisk.Mount(t, copied, loopdisk.Card)
		b = start(t, disk.Dir)
		h.check(b)
		h.report(b)
	}
	b.end(syscall.SIGKILL)
	t.Logf("%d power cuts, %d messages acknowledged, %d lost", *cuts, h.acked, h.lost)
	if h.acked < 100**cuts {
		t.Errorf("only %d messages were acknowledged", h.acked)
	}
}

// TestTheProofCanFail shows that a loss is seen: the power is cut, and the disk
// is as it was some time before.
func TestTheProofCanFail(t *testing.T) {
	t.Parallel()
	if !loopdisk.Private(t) {
		return
	}
	disk := loopdisk.New(t, 64<<20, loopdisk.Card)
	h := newHome(t)
	b := start(t, disk.Dir)
	h.begin(b)
	copied := filepath.Join(tempDir(t), "old")
	disk.Cut(t, copied)
	h.load(b, 200, func() {
		for h.count() < publishers*100 {
			time.Sleep(time.Millisecond)
		}
		b.end(syscall.SIGKILL)
	})
	disk.Unmount(t)
	disk = loopdisk.Mount(t, copied, loopdisk.Card)
	b = start(t, disk.Dir)
	h.patience = time.Second
	h.check(b)
	if h.lost == 0 {
		t.Errorf("of %d messages that were acknowledged none is missed", h.acked)
	}
}
