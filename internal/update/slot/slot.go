// Package slot puts a whole system into the one of the card's two slots that is
// not running, has it tried once, makes it the one that boots, and gives it up
// again when it does not hold. It knows what belongs to a slot (boot files, the
// root partition, the command line that joins them), which slot boots, and the
// order of writes that keeps one of the two whole through a power cut at any
// moment. It must never know where an update came from, who signed it, what makes
// a system healthy, nor how a machine is restarted.
//
// Which slot boots is one sector: config.txt, followed by the firmware at each
// start, names the committed slot. tryboot.txt is followed instead for a single
// start, when the kernel asked for it with the restart command "0 tryboot"; while
// nothing is to be tried it names the committed slot too, so that such a restart
// leads nowhere else. hems.txt is the ledger: how often the committed slot has
// started without being found healthy, and whether the other one is still whole.
//
//	Stage   the other slot is written and read back   nothing boots it
//	Arm     tryboot.txt names it                      one start may try it
//	Commit  the tried system makes itself the one     config.txt, one sector
//	        that boots, and begins its probation
//	CountBoot, at each start: a committed slot that does not get healthy is given
//	        up for the other one
package slot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/smartcore-ireland/hems/internal/update/bootpart"
)

// Slot is a or b; see bootpart.
type Slot = bootpart.Slot

// The slots.
const (
	A = bootpart.A
	B = bootpart.B
)

// A Device is a partition, from its first byte. Writes are of whole sectors of
// 512 bytes. Sync returns when all that was written is on the disk. Reads after
// it must come from the disk.
type Device interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
	Size() int64 // in bytes
}

// Parts are the partitions of the card that an update is concerned with.
type Parts struct {
	Boot  Device          // the boot partition, formatted by bootpart
	Roots map[Slot]Device // the root partitions
}

// Errors that a caller tells apart.
var (
	// ErrInUse: the slot runs, or is the one that boots next.
	ErrInUse = errors.New("the slot is in use")
	// ErrNotWhole: the slot may not be tried, because it is not known to be whole.
	ErrNotWhole = errors.New("the slot is not known to be whole")
	// ErrDiffers: what was read back is not what was written.
	ErrDiffers = errors.New("the card does not keep what is written to it")
)

// Card is the card of the running system. Its methods may be called by several at
// once; one runs after the other. Other processes must not write the partitions.
type Card struct {
	parts   Parts
	running Slot

	mu     sync.Mutex
	staged Slot // written and read back by this very process
}

// New is the card on which the slot running runs. It reads nothing.
func New(parts Parts, running Slot) (*Card, error) {
	if !running.Valid() {
		return nil, fmt.Errorf("opening the card: the running slot is %q: the kernel's command line must have hems_slot=a or b", string(running))
	}
	return &Card{parts: parts, running: running}, nil
}

// Status is which slot boots, and what is known of it.
type Status struct {
	Running   Slot
	Committed Slot // what config.txt names; none when it cannot be understood
	Tries     Slot // what tryboot.txt names, unless it is the committed slot
	Trial     bool // the running slot is not the committed one
	Ledger    Ledger
	Damaged   bool // hems.txt could not be understood: Ledger is that of a new card
}

// Status reads the three sectors.
func (c *Card) Status() (Status, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status()
}

func (c *Card) status() (Status, error) {
	s := Status{Running: c.running}
	config, err := bootpart.ReadSector(c.parts.Boot, bootpart.ConfigFile)
	if err != nil {
		return s, err
	}
	try, err := bootpart.ReadSector(c.parts.Boot, bootpart.TryFile)
	if err != nil {
		return s, err
	}
	ledger, err := bootpart.ReadSector(c.parts.Boot, bootpart.LedgerFile)
	if err != nil {
		return s, err
	}
	s.Committed, s.Tries = ParseConfig(config), ParseConfig(try)
	if s.Tries == s.Committed {
		s.Tries = ""
	}
	s.Trial = s.Committed != c.running
	if s.Ledger, err = ParseLedger(ledger); err != nil {
		s.Damaged = true
	}
	return s, nil
}

// tries is how often a sector is written before the card is called broken.
const tries = 3

// writeSector replaces a file of one sector and does not return without error
// until it is on the disk and reads back.
func (c *Card) writeSector(name string, text []byte) error {
	for try := 1; ; try++ {
		err := bootpart.WriteSector(c.parts.Boot, name, text)
		if err == nil {
			err = c.parts.Boot.Sync()
		}
		var got []byte
		if err == nil {
			got, err = bootpart.ReadSector(c.parts.Boot, name)
		}
		if err == nil && string(got) != string(text) {
			err = fmt.Errorf("%s: %w", name, ErrDiffers)
		}
		if err == nil || try == tries {
			return err
		}
	}
}

func (c *Card) writeLedger(l Ledger) error { return c.writeSector(bootpart.LedgerFile, l.Text()) }

// Target is the slot an update would be written to.
func (c *Card) Target() (Slot, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := c.status()
	if err == nil {
		err = c.mayWrite(s, c.running.Other())
	}
	if err != nil {
		return "", err
	}
	return c.running.Other(), nil
}

// mayWrite says whether a slot may be overwritten.
func (c *Card) mayWrite(s Status, to Slot) error {
	switch {
	case !to.Valid():
		return fmt.Errorf("%q is not a slot", string(to))
	case to == s.Running:
		return fmt.Errorf("slot %s runs: %w", to, ErrInUse)
	case s.Committed == "":
		return errors.New("config.txt cannot be understood, so neither slot is safe to overwrite: flash the card again")
	case s.Trial:
		return fmt.Errorf("slot %s is being tried and %s is what boots if it fails: %w: wait for the verdict", s.Running, to, ErrInUse)
	}
	return nil
}

// checked is a device that stops when the context ends and counts its bytes.
type checked struct {
	Device
	ctx   context.Context
	count func(bytes int)
}

func (d checked) ReadAt(p []byte, off int64) (int, error) {
	if err := d.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := d.Device.ReadAt(p, off)
	d.count(n)
	return n, err
}

func (d checked) WriteAt(p []byte, off int64) (int, error) {
	if err := d.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := d.Device.WriteAt(p, off)
	d.count(n)
	return n, err
}
