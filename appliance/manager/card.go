package manager

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/boot/report"
	"github.com/smartcore-ireland/hems/internal/disk"
	"github.com/smartcore-ireland/hems/internal/manager"
	"github.com/smartcore-ireland/hems/internal/update/bundle"
	"github.com/smartcore-ireland/hems/internal/update/sign"
	"github.com/smartcore-ireland/hems/internal/update/slot"
)

// rootKeys is where an image has the keys whose releases it takes.
const rootKeys = "/etc/hems/roots"

// reportWithin is how long the report of the start may take to appear.
const reportWithin = 10 * time.Second

// updates is what the manager needs to update a card. What is missing is said,
// and leaves an appliance that cannot be updated and does all else.
func updates(ctx context.Context, env appliance.Env) manager.Updates {
	u := manager.Updates{Board: bundle.Board, Listen: env.Address(appliance.PortUpdate), Password: env.Secret("update-password"), ClaimCode: env.Secret("claim-code")}
	if !env.Card {
		return u
	}
	if err := awaitReport(ctx, env.Runtime); err != nil {
		env.Log.Error("how the appliance started is not known", "err", err)
	}
	var err error
	if u.Trust, err = sign.ReadTrust(os.DirFS(rootKeys)); err != nil {
		env.Log.Error("no release is trusted", "err", err)
	}
	cmdline, err := os.ReadFile("/proc/cmdline")
	if err == nil {
		u.Card, u.PartUUID, u.MaxRoot, err = openCard("/sys", "/dev", string(cmdline))
	}
	if err != nil {
		env.Log.Error("this card cannot be updated", "err", err)
	}
	return u
}

// awaitReport waits for what the first process tells of the start.
func awaitReport(ctx context.Context, runtime string) error {
	for deadline := time.Now().Add(reportWithin); ; {
		_, err := report.Read(runtime)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// openCard opens the slots of the disk that a kernel booted from; maxRoot is the
// size of a root partition in bytes.
func openCard(sys, dev, cmdline string) (_ *slot.Card, partUUID string, maxRoot int64, err error) {
	partUUID, _, err = disk.Root(cmdline)
	if err != nil {
		return nil, "", 0, err
	}
	d, err := disk.Find(sys, dev, cmdline)
	if err != nil {
		return nil, "", 0, err
	}
	var devices [3]*slot.Disk
	for i := range devices {
		if devices[i], err = slot.OpenDevice(d.Partition(i + 1)); err != nil {
			return nil, "", 0, err
		}
	}
	running := slot.Slot(kernelWord(cmdline, "hems_slot"))
	card, err := slot.New(slot.Parts{Boot: devices[0], Roots: map[slot.Slot]slot.Device{slot.A: devices[1], slot.B: devices[2]}}, running)
	if err != nil {
		return nil, "", 0, fmt.Errorf("opening the card: %w", err)
	}
	return card, partUUID, min(devices[1].Size(), devices[2].Size()), nil
}

// kernelWord is what stands behind "key=" on the kernel's command line; "" when
// nothing does.
func kernelWord(cmdline, key string) (value string) {
	for w := range strings.FieldsSeq(cmdline) {
		if v, ok := strings.CutPrefix(w, key+"="); ok {
			value = v
		}
	}
	return value
}

// version is that of the system which runs. On a card it is what its release was
// signed as, which the slot's command line has: programs may be older than the
// release they are in.
func version(env appliance.Env) string {
	if env.Card {
		cmdline, err := os.ReadFile("/proc/cmdline")
		if err != nil {
			env.Log.Error("the release that runs is not known", "err", err)
		}
		if v := kernelWord(string(cmdline), "hems_id"); v != "" {
			return v
		}
	}
	return appliance.Version
}
