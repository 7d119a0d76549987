//go:build e2e

package readings

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/testservers/loopdisk"
)

// TestPowerCuts cuts the power of the whole appliance at random moments: the disk
// is copied as it is then, without what the system has only in memory, and broker
// and writer go on with the copy. What was acknowledged is stored once and is at
// the database once.
func TestPowerCuts(t *testing.T) {
	t.Parallel()
	if !loopdisk.Private(t) {
		return
	}
	images := tempDir(t)
	disk := loopdisk.New(t, 128<<20, loopdisk.Card)
	h := newHouse(t, disk.Dir, influx1(t))
	for i := range 10 {
		h.add(fmt.Sprint("d", i), 1)
	}
	disk.Settle(t) // the files that this test wrote
	h.start()
	wait := h.publish(2, 10*time.Millisecond)
	for i := range *cuts {
		moment()
		h.kill()
		copied := filepath.Join(images, []string{"a", "b"}[i%2])
		disk.Cut(t, copied)
		disk.Unmount(t)
		disk = loopdisk.Mount(t, copied, loopdisk.Card)
		h.moveTo(disk.Dir)
		h.startBroker()
		h.startMetrics()
	}
	moment()
	wait()
	h.complete()
	h.enough(20 * *cuts)
	h.kill()
}

// TestAFullDisk fills the disk of the whole appliance while readings come in.
// When there is room again, all that was acknowledged is stored, once.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	if !loopdisk.Private(t) {
		return
	}
	disk := loopdisk.New(t, 64<<20, loopdisk.Card)
	h := newHouse(t, disk.Dir, influx1(t))
	for i := range 5 {
		h.add(fmt.Sprint("d", i), 1)
	}
	h.start()
	wait := h.publish(1, 10*time.Millisecond)
	moment()
	filler := filepath.Join(disk.Dir, "filler")
	fill(t, filler)
	h.metrics.says(t, "readings could not be stored")
	moment()
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	before := h.count()
	eventually(t, "readings to be acknowledged again", func() bool { return h.count() > before+50 })
	wait()
	h.complete()
	h.kill()
}

// fill takes all that is left on a disk.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{64 << 10, 4 << 10} {
		b := make([]byte, size)
		for err = nil; err == nil; {
			_, err = f.Write(b)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}
