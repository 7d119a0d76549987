package boot

import (
	"path/filepath"

	"github.com/smartcore-ireland/hems/internal/boot/report"
)

// dataDir is the appliance's data directory in /perm.
const dataDir = "hems"

// A ledger counts the boots on the boot partition.
type ledger interface {
	// count counts this boot and reports which slot the next start takes by
	// itself, how many boots were counted, and a slot that was given up now: the
	// board must then be restarted.
	count(device, running string) (committed string, boots int, gaveUp string, err error)
}

// others are the rooms whose work is done at the start.
var others struct {
	ledger  ledger
	restore func(data string) (applied bool, err error)
}

func (b *start) countBoot() error {
	r := &b.hand.Report
	if others.ledger == nil || b.disk == nil {
		return nil
	}
	var err error
	r.Committed, r.Boots, r.Returned, err = others.ledger.count(b.disk.Partition(1), r.Slot)
	r.Trial = err == nil && r.Slot != "" && r.Slot != r.Committed
	return err
}

// applyRestore puts a restore that was waiting in place.
func (b *start) applyRestore() error {
	if others.restore == nil || b.hand.Report.Perm.State == report.Memory {
		return nil // in memory there is nothing to put it over
	}
	r := &b.hand.Report.Restore
	applied, err := others.restore(filepath.Join(b.perm, dataDir))
	r.Applied = applied
	if err != nil {
		r.Error = err.Error()
	}
	return err
}
