package manager

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// maxStateFile bounds boot.json and clock.json, in bytes.
const maxStateFile = 64 << 10

// boot is how the appliance started, as boot.json of the runtime directory tells
// it.
type boot struct {
	Slot       string `json:"slot"`
	Committed  string `json:"committed"`
	Trial      bool   `json:"trial"`
	TrialLimit int    `json:"trial_limit_s"`
	Boots      int    `json:"boots"`
	Returned   string `json:"returned"`
	Perm       struct {
		State   string `json:"state"`
		Message string `json:"message"`
		Detail  string `json:"detail"`
	} `json:"perm"`
	Watchdog struct {
		Identity string `json:"identity"`
	} `json:"watchdog"`
	text json.RawMessage // all of it
}

// clock is whether the time is a time server's since the start, as clock.json of
// the runtime directory tells it. Without the file it is not.
type clock struct {
	Synchronised bool      `json:"synchronised"`
	Source       string    `json:"source,omitempty"`
	At           time.Time `json:"at,omitzero"`
}

// readState reads a small JSON file of the runtime directory; false when it is
// not there.
func readState(runtime, name string, v any) (text []byte, ok bool, err error) {
	f, err := os.Open(filepath.Join(runtime, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err == nil {
		defer f.Close()
		text, err = io.ReadAll(io.LimitReader(f, maxStateFile))
	}
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		return nil, false, fmt.Errorf("reading %s: %w", name, err)
	}
	return text, true, nil
}

func readBoot(runtime string) (b boot, ok bool, err error) {
	text, ok, err := readState(runtime, "boot.json", &b)
	b.text = text
	return b, ok, err
}

func readClock(runtime string) (c clock, err error) {
	_, ok, err := readState(runtime, "clock.json", &c)
	c.Synchronised = ok && err == nil // it exists only then
	return c, err
}
