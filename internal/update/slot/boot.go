package slot

import (
	"context"
	"errors"
	"fmt"

	"github.com/smartcore-ireland/hems/internal/update/bootpart"
)

// How often a committed slot may start without being found healthy, before it is
// given up for the other one.
const (
	ProbationBoots = 3
	CommittedBoots = 6
)

// Arm has the next restart with "0 tryboot" try a slot. It takes a slot that this
// process has staged, or one that the ledger calls good, after reading all of
// it.
func (c *Card) Arm(ctx context.Context, to Slot) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.arm(ctx, to); err != nil {
		return fmt.Errorf("arming slot %s: %w", to, err)
	}
	return nil
}

func (c *Card) arm(ctx context.Context, to Slot) error {
	status, err := c.status()
	if err != nil {
		return err
	}
	if err := c.mayWrite(status, to); err != nil { // the same slots may be tried
		return err
	}
	if c.staged != to {
		if status.Ledger.Good != to {
			return fmt.Errorf("%w: it was neither written by this process nor healthy before: install an update", ErrNotWhole)
		}
		if _, err := c.verify(ctx, to); err != nil {
			return err
		}
	}
	return c.writeSector(bootpart.TryFile, ConfigText(to))
}

// Disarm takes Arm back.
func (c *Card) Disarm() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	status, err := c.status()
	if err == nil && status.Committed == "" {
		err = errors.New("config.txt cannot be understood")
	}
	if err == nil && status.Tries != "" {
		err = c.writeSector(bootpart.TryFile, ConfigText(status.Committed))
	}
	if err != nil {
		return fmt.Errorf("disarming the trial: %w", err)
	}
	return nil
}

// Commit makes the running slot the one that boots, by one sector, and begins its
// probation. Of a slot that is committed already it does nothing.
func (c *Card) Commit() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.commit(); err != nil {
		return fmt.Errorf("committing slot %s: %w", c.running, err)
	}
	return nil
}

func (c *Card) commit() error {
	status, err := c.status()
	if err != nil || !status.Trial {
		return err
	}
	// The ledger comes first: a cut between the two leaves the old slot committed
	// with a ledger that calls itself the other, which CountBoot understands.
	if err := c.writeLedger(Ledger{Good: status.Committed, Probation: true}); err != nil {
		return err
	}
	return c.writeSector(bootpart.ConfigFile, ConfigText(c.running))
}

// Boot is what CountBoot found.
type Boot struct {
	Committed Slot
	Trial     bool // this start tries the running slot: it was not counted
	Boots     int  // of the committed slot since it was last found healthy, this one included
	Probation bool
	Returned  Slot // a slot that was given up, until it is overwritten
	// GaveUp: the running slot has just been given up, the other one boots next.
	// The caller restarts at once.
	GaveUp bool
}

// CountBoot counts this start of the committed slot. A slot that has started too
// often without being found healthy is given up when the other one is whole. To
// be called once at each start, before anything that may fail. An error is to be
// reported and is no reason not to go on.
func (c *Card) CountBoot(ctx context.Context) (Boot, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, err := c.countBoot(ctx)
	if err != nil {
		err = fmt.Errorf("counting this start: %w", err)
	}
	return b, err
}

func (c *Card) countBoot(ctx context.Context) (Boot, error) {
	status, err := c.status()
	if err != nil {
		return Boot{}, err
	}
	l := status.Ledger
	if l.Good == status.Committed && l.Good != "" {
		// A commit or a return was cut in its middle: the ledger is about the
		// other slot.
		l.Boots, l.Good, l.Probation = 0, "", false
	}
	if l.Returned == status.Committed {
		l.Returned = "" // it was to be given up, and was not yet
	}
	b := Boot{Committed: status.Committed, Trial: status.Trial, Boots: l.Boots, Probation: l.Probation, Returned: l.Returned}
	if status.Trial || status.Committed == "" {
		return b, nil
	}
	l.Boots = min(l.Boots+1, maxBoots)
	b.Boots = l.Boots
	if err := c.writeLedger(l); err != nil {
		return b, err
	}
	if l.Good == "" || l.Boots < ProbationBoots || l.Boots < CommittedBoots && !l.Probation {
		return b, nil
	}
	if _, err := c.verify(ctx, l.Good); err != nil {
		return b, fmt.Errorf("slot %s does not get healthy after %d starts and cannot be given up: %w", c.running, l.Boots, err)
	}
	if err := c.giveBack(l); err != nil {
		return b, err
	}
	b.Committed, b.Returned, b.GaveUp = l.Good, c.running, true
	return b, nil
}

// giveBack makes the good slot the one that boots. Until config.txt is written
// the ledger keeps naming it good, so a cut before leads here again.
func (c *Card) giveBack(l Ledger) error {
	good := l.Good
	l.Returned = c.running
	if err := c.writeLedger(l); err != nil {
		return err
	}
	if err := c.writeSector(bootpart.ConfigFile, ConfigText(good)); err != nil {
		return err
	}
	if err := c.writeSector(bootpart.TryFile, ConfigText(good)); err != nil {
		return err
	}
	return c.writeLedger(Ledger{Returned: c.running})
}

// ClearBoots notes that the running system is healthy. In probation it does
// nothing: a system that is healthy for a minute and then hangs must be counted.
func (c *Card) ClearBoots() error { return c.clear(false) }

// EndProbation notes that the running system has been healthy for long enough.
func (c *Card) EndProbation() error { return c.clear(true) }

func (c *Card) clear(probation bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	status, err := c.status()
	l := status.Ledger
	if err == nil && !status.Trial && (probation || !l.Probation) && (l.Boots > 0 || l.Probation || status.Damaged) {
		l.Boots, l.Probation = 0, false
		err = c.writeLedger(l)
	}
	if err != nil {
		return fmt.Errorf("noting that slot %s is healthy: %w", c.running, err)
	}
	return nil
}
