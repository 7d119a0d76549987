package clock

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
)

// file is the name of both files.
const file = "clock.json"

// maxFile bounds them, in bytes.
const maxFile = 4096

// Status is the file clock.json in the runtime directory, which is there once
// the clock has been synchronised since this boot.
type Status struct {
	At     time.Time `json:"synchronised_at"` // the last time
	Source string    `json:"source"`          // the server that was followed
	Offset float64   `json:"offset"`          // seconds by which the clock was wrong then
}

// Synchronised reads the Status in the runtime directory; false when the clock
// has not been synchronised since this boot.
func Synchronised(runtime string) (Status, bool, error) {
	var s Status
	ok, err := read(filepath.Join(runtime, file), &s)
	return s, ok, err
}

// memory is the file clock.json on disk.
type memory struct {
	Time time.Time `json:"time"`
}

func read(path string, v any) (ok bool, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", path, err)
	}
	return true, nil
}

// begin moves a clock that has forgotten the time forward to the latest that is
// known, and learns whether an earlier run has synchronised it.
func (k *keeper) begin() {
	_, ok, err := Synchronised(k.Runtime)
	if err != nil {
		k.Log.Warn("it is not known whether the clock was synchronised", "err", err)
	}
	k.synchronised = ok
	k.savedAt = time.Now()
	var m memory
	if _, err := read(filepath.Join(k.Dir, file), &m); err != nil {
		k.Log.Warn("the time is not known from before", "err", err)
	}
	latest, from := k.Built, "when the system was built"
	consider := func(t time.Time, what string) {
		if t.After(latest) && t.Before(k.Built.Add(life)) {
			latest, from = t, what
		}
	}
	consider(m.Time, "when it was last known")
	if t, ok := k.Clock.Battery(); ok {
		consider(t, "the clock with a battery")
	}
	k.saved = m.Time
	behind := latest.Sub(k.Clock.Now())
	if behind <= 0 {
		return
	}
	if err := k.Clock.Step(behind); err != nil {
		k.Log.Error("the clock is behind and cannot be set", "by", behind, "err", err)
		return
	}
	k.Log.Info("the clock was behind and is moved on; time servers will set it", "by", behind.Round(time.Second), "to", from)
}

// save keeps the time on disk, and sets the clock with a battery. A clock that
// nobody confirmed does not replace a later time.
func (k *keeper) save() {
	k.savedAt = time.Now()
	now := k.Clock.Now().UTC().Truncate(time.Second)
	if k.synchronised {
		if err := k.Clock.SetBattery(now); err != nil {
			k.Log.Debug("the clock with a battery cannot be set", "err", err)
		}
	} else if !now.After(k.saved) {
		return
	}
	b, err := json.Marshal(memory{now})
	if err == nil {
		if err = os.MkdirAll(k.Dir, 0o700); err == nil {
			err = atomicfile.Write(filepath.Join(k.Dir, file), append(b, '\n'), 0o600)
		}
	}
	if err != nil {
		k.Log.Error("the time cannot be kept for the next start", "err", err)
		return
	}
	k.saved = now
}

// announce writes the Status.
func (k *keeper) announce(op opinion) error {
	b, err := json.Marshal(Status{At: k.Clock.Now().UTC().Truncate(time.Millisecond), Source: op.source, Offset: op.offset.Seconds()})
	if err == nil {
		err = atomicfile.Write(filepath.Join(k.Runtime, file), append(b, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("telling that the clock is right: %w", err)
	}
	return nil
}
