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

// maxClock bounds clock.json, in bytes.
const maxClock = 64 << 10

// clock is whether the time is a time server's since the start, as clock.json of
// the runtime directory tells it.
type clock struct {
	Synchronised bool      `json:"synchronised"`
	Source       string    `json:"source,omitempty"`
	At           time.Time `json:"at,omitzero"`
}

// readClock reads clock.json, which is there only once the time is a server's.
func readClock(runtime string) (clock, error) {
	f, err := os.Open(filepath.Join(runtime, "clock.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return clock{}, nil
	}
	var text []byte
	if err == nil {
		defer f.Close()
		text, err = io.ReadAll(io.LimitReader(f, maxClock))
	}
	var told struct {
		At     time.Time `json:"synchronised_at"`
		Source string    `json:"source"`
	}
	if err == nil {
		err = json.Unmarshal(text, &told)
	}
	if err != nil {
		return clock{}, fmt.Errorf("reading clock.json: %w", err)
	}
	return clock{Synchronised: true, Source: told.Source, At: told.At}, nil
}
