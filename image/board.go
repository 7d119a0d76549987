package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/image/firmware"
)

// An Event is something the board did.
type Event struct {
	At   time.Time
	Kind Kind
	// Boot is what the firmware chose, without the kernel's bytes (Booted).
	Boot firmware.Boot
	// Try: the tryboot flag was set when the firmware chose (Booted), or is set
	// for the next boot (Reset).
	Try bool
	// Cause is why the board reset (Reset).
	Cause Cause
	// Text is the system's last words, or why the board stands still.
	Text string
}

// Slot is the directory of the boot partition that was booted from, "a" or "b";
// empty for another event or when the files are at the top.
func (e Event) Slot() string { return strings.TrimSuffix(e.Boot.Prefix, "/") }

// A Kind of event.
type Kind string

// What a board does. After StandsStill nothing follows until its power is cut.
const (
	Booted      Kind = "booted"
	Reset       Kind = "reset"
	StandsStill Kind = "stands still"
	PoweredOff  Kind = "powered off"
	PowerCut    Kind = "power cut"
)

// A Cause of a reset.
type Cause string

// The causes.
const (
	ByReboot    Cause = "reboot"                // the system asked for it
	ByPanic     Cause = "panic"                 // the kernel gave up
	ByWatchdog  Cause = "watchdog"              // nobody kicked the watchdog
	ByNotTaking Cause = "watchdog never opened" // no program opened it within kernel_watchdog_timeout
)

// String is the event as a line for a log.
func (e Event) String() string {
	switch e.Kind {
	case Booted:
		s := fmt.Sprintf("boots %s by %s", e.Boot.KernelFile, e.Boot.Config)
		for _, n := range e.Boot.Notes {
			s += "; " + n
		}
		return s
	case Reset:
		s := fmt.Sprintf("resets: %s", e.Cause)
		if e.Try {
			s += ", with the tryboot flag set"
		}
		if e.Text != "" {
			s += ": " + e.Text
		}
		return s
	case StandsStill:
		return e.Text
	case PowerCut:
		return "its power is cut"
	}
	return string(e.Kind)
}

// What ends Run but its context.
var (
	// ErrPowerCut is the end of a machine after PowerCut.
	ErrPowerCut = errors.New("the power was cut")
	// ErrResets is the end of a machine that reset too often.
	ErrResets = errors.New("the board reset too often")
)

// Run is the board from power-on to power-off: it boots what its firmware
// chooses, again at each reset, and returns nil when the system switched itself
// off or ctx has ended, which is a power cut to what runs inside. ErrPowerCut and
// ErrResets are as they say; any other error is of a machine that could not start
// or that ended by itself. The tryboot flag
// does not outlive Run.
func (v *VM) Run(ctx context.Context) error {
	if v.Board.Name == "" {
		v.Board = firmware.Pi4
	}
	v.mu.Lock()
	v.cut = false
	v.mu.Unlock()
	console, err := openConsole(v.Console)
	if err != nil {
		return err
	}
	defer console.Close()
	try := v.Try
	for resets := 0; ; resets++ {
		if v.Resets > 0 && resets > v.Resets {
			return fmt.Errorf("running the virtual machine: %w: %d times (its console is in %s)", ErrResets, resets, v.Console)
		}
		boot, err := load(v.Disk, v.Board, try)
		var pattern *firmware.ErrorPattern
		switch {
		case errors.As(err, &pattern):
			v.tell(Event{Kind: StandsStill, Text: strings.TrimPrefix(pattern.Error(), "the board ")})
			return v.standStill(ctx)
		case err != nil:
			return err
		}
		v.tell(Event{Kind: Booted, Boot: boot, Try: try})
		console.begin()
		end, err := v.once(ctx, boot, console)
		switch {
		case ctx.Err() != nil:
			return nil
		case v.wasCut():
			v.tell(Event{Kind: PowerCut})
			return ErrPowerCut
		case err != nil:
			return fmt.Errorf("running the virtual machine: %w (its console is in %s)", err, v.Console)
		case end.off:
			v.tell(Event{Kind: PoweredOff})
			return nil
		}
		try = end.try
		v.tell(Event{Kind: Reset, Cause: end.cause, Try: try, Text: end.words})
	}
}

func (v *VM) tell(e Event) {
	if v.Events != nil {
		e.At = time.Now()
		e.Boot.Kernel = nil
		v.Events(e)
	}
}

// standStill is a board that shows an error pattern.
func (v *VM) standStill(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(50 * time.Millisecond):
			if v.wasCut() {
				v.tell(Event{Kind: PowerCut})
				return ErrPowerCut
			}
		}
	}
}

// PowerCut ends the machine as a pulled plug does: what it has not written is
// lost, and the tryboot flag with it. Run returns ErrPowerCut; calling it again
// is plugging it in.
func (v *VM) PowerCut() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.cut = true
	if v.process != nil {
		_ = v.process.Kill() // it has ended already
	}
}

func (v *VM) wasCut() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.cut
}

// Pid is the process of the machine, 0 while there is none.
func (v *VM) Pid() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.process == nil {
		return 0
	}
	return v.process.Pid
}

// started has the machine's process; it is killed at once when the power was cut
// before. nil: it has ended.
func (v *VM) started(p *os.Process) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.process = p
	if v.cut && p != nil {
		_ = p.Kill()
	}
}

// load lets the firmware choose from a disk's boot partition.
func load(disk string, board firmware.Board, try bool) (firmware.Boot, error) {
	f, err := os.Open(disk)
	if err != nil {
		return firmware.Boot{}, fmt.Errorf("opening the card: %w", err)
	}
	defer f.Close()
	files, err := bootFS(f)
	if err != nil {
		return firmware.Boot{}, err
	}
	boot, err := firmware.Load(files, board, try)
	if err == nil {
		_, err = boot.Image()
	}
	return boot, err
}
