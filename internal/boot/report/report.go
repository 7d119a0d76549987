// Package report is what the start of the appliance found and did, as the file
// boot.json of the runtime directory tells it. It knows the file's form and must
// never know how the start is done, nor what its readers make of it.
//
// There is no such file in development, where nothing boots.
package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
)

// Name is the file's name in the runtime directory.
const Name = "boot.json"

// Runtime is the runtime directory of the appliance.
const Runtime = "/run/hems"

// Boot is one start of the appliance.
type Boot struct {
	Slot       string   `json:"slot"`          // the slot that runs, "a" or "b"; "" when the kernel was not told
	Committed  string   `json:"committed"`     // the slot that the next start takes by itself; "" when it could not be read
	Trial      bool     `json:"trial"`         // the slot that runs is not the committed one
	TrialLimit int      `json:"trial_limit_s"` // seconds in which a trial must be confirmed
	Boots      int      `json:"boots"`         // starts of this slot that no healthy manager has cleared, this one included
	Returned   string   `json:"returned"`      // the slot that was given up because it kept failing to start, or ""
	Perm       Perm     `json:"perm"`
	Restore    Restore  `json:"restore"`
	Watchdog   Watchdog `json:"watchdog"`
	// At is when the start was done, by a clock that mostly is not set yet.
	At time.Time `json:"at"`
}

// State is how it stands with the file system that keeps the data.
type State string

// The states of /perm.
const (
	OK       State = "ok"       // on the card, nothing wrong
	Repaired State = "repaired" // on the card, after faults that were repaired at this start
	Errors   State = "errors"   // on the card and written to, but faults were found since the start
	ReadOnly State = "readonly" // on the card, which is not written to any more
	Memory   State = "memory"   // not on the card: everything is lost with the power
)

// Perm is /perm, where all data is.
type Perm struct {
	State   State  `json:"state"`
	Message string `json:"message"` // for the person: what happened and what to do; "" when nothing is wrong
	Detail  string `json:"detail"`  // for the log and the diagnostics
	Grown   bool   `json:"grown"`   // the file system was grown to the card's size at this start
}

// Restore is what became of a backup that was waiting to be put in place.
type Restore struct {
	Applied bool   `json:"applied"`
	Error   string `json:"error"` // why it was not, or ""
}

// Watchdog is the board's watchdog. Without one all is empty.
type Watchdog struct {
	Identity string `json:"identity"`  // the driver's name for it
	Timeout  int    `json:"timeout_s"` // seconds without a sign of life until it resets the board
}

// Read returns what is told in a runtime directory. An error for which
// errors.Is(err, os.ErrNotExist) holds means that nothing booted, or that the
// start is not done yet.
func Read(runtime string) (Boot, error) {
	var b Boot
	text, err := os.ReadFile(filepath.Join(runtime, Name))
	if err == nil {
		err = json.Unmarshal(text, &b)
	}
	if err != nil {
		return Boot{}, fmt.Errorf("reading how the appliance started: %w", err)
	}
	return b, nil
}

// Write replaces the file, for everyone to read.
func Write(runtime string, b Boot) error {
	text, err := json.MarshalIndent(b, "", "  ")
	if err == nil {
		err = atomicfile.Write(filepath.Join(runtime, Name), append(text, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("telling how the appliance started: %w", err)
	}
	return nil
}
