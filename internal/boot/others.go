package boot

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smartcore-ireland/hems/internal/backup/staged"
	"github.com/smartcore-ireland/hems/internal/boot/report"
	"github.com/smartcore-ireland/hems/internal/update/slot"
)

// dataDir is the appliance's data directory in /perm.
const dataDir = "hems"

// countWithin bounds the counting, which reads a whole slot when one is given up.
const countWithin = 2 * time.Minute

// countBoot counts this start in the card's ledger, before anything that may
// fail. When the slot is given up for the other one the board restarts at once,
// and this does not return.
func (b *start) countBoot() error {
	r := &b.hand.Report
	if b.disk == nil {
		return errors.New("the card was not found")
	}
	ctx, cancel := context.WithTimeout(context.Background(), countWithin)
	defer cancel()
	counted, err := count(ctx, slot.Slot(r.Slot), b.disk.Partition(1), b.disk.Partition(2), b.disk.Partition(3))
	r.Committed, r.Trial = string(counted.Committed), counted.Trial
	r.Boots, r.Returned = counted.Boots, string(counted.Returned)
	if counted.GaveUp {
		b.log.printf("slot %s was started %d times without getting healthy: slot %s from now on", r.Slot, counted.Boots, counted.Committed)
		b.restart()
	}
	return err
}

// count counts a start of the slot running of the card with these partitions.
func count(ctx context.Context, running slot.Slot, boot, rootA, rootB string) (slot.Boot, error) {
	var devices []*slot.Disk
	defer func() {
		for _, d := range devices {
			d.Close()
		}
	}()
	for _, name := range []string{boot, rootA, rootB} {
		d, err := slot.OpenDevice(name)
		if err != nil {
			return slot.Boot{}, err
		}
		devices = append(devices, d)
	}
	card, err := slot.New(slot.Parts{Boot: devices[0], Roots: map[slot.Slot]slot.Device{slot.A: devices[1], slot.B: devices[2]}}, running)
	if err != nil {
		return slot.Boot{}, err
	}
	return card.CountBoot(ctx)
}

// restart restarts the board plainly: what config.txt names is booted.
func (b *start) restart() {
	unix.Sync()
	b.log.printf("restarting: %v", b.reboot())
}

// applyRestore puts a restore that waits in place of what is there, before any
// program looks at it.
func (b *start) applyRestore() error {
	if b.hand.Report.Perm.State == report.Memory {
		return nil // what waits is on the card, and stays there
	}
	r := &b.hand.Report.Restore
	outcome, err := staged.Apply(filepath.Join(b.perm, dataDir))
	switch {
	case err != nil:
		r.Error = err.Error()
	case outcome.Result == staged.Restored:
		r.Applied = true
		b.log.printf("a backup was put in place")
	case outcome.Result == staged.Kept:
		r.Error = outcome.Why
		err = fmt.Errorf("the old data stays: %s", outcome.Why)
	}
	return err
}
