package bridge

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

const (
	// saveEvery spares the SD card: a power cut costs at most the readings of
	// this long, and those come again with the next reports.
	saveEvery = 5 * time.Minute
	// staleAfter is the age at which a state is no longer published again after
	// a connection. The broker holds it retained anyway, and who stores readings
	// would take an old one for one of now. Devices report every 5 minutes.
	staleAfter = 15 * time.Minute
)

// state is the last known value of each key of a device.
type state struct {
	// At is when the device was last heard, in milliseconds since 1970.
	At     int64          `json:"at"`
	Values map[string]any `json:"values"`
}

// states remembers what the devices last said, so that a report with some of a
// device's keys is published with all of them, after a restart too.
type states struct {
	path  string
	log   *slog.Logger
	of    map[zcl.EUI64]*state
	dirty bool
}

// loadStates reads the file. One that makes no sense is logged and left out.
func loadStates(path string, log *slog.Logger) *states {
	s := &states{path: path, log: log, of: make(map[zcl.EUI64]*state)}
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return s
	}
	if err == nil {
		err = json.Unmarshal(b, &s.of)
	}
	if err != nil {
		log.Warn("the last readings were not read; devices begin with what they report next", "path", path, "error", err)
		s.of = make(map[zcl.EUI64]*state)
	}
	for e, st := range s.of {
		if st == nil || st.Values == nil {
			delete(s.of, e)
		}
	}
	if s.of == nil {
		s.of = make(map[zcl.EUI64]*state)
	}
	return s
}

// of a device, made when there is none.
func (s *states) get(e zcl.EUI64) *state {
	st, ok := s.of[e]
	if !ok {
		st = &state{Values: make(map[string]any)}
		s.of[e] = st
	}
	return st
}

func (s *states) remove(e zcl.EUI64) {
	if _, ok := s.of[e]; ok {
		delete(s.of, e)
		s.dirty = true
	}
}

// save writes the file when something changed.
func (s *states) save() {
	if !s.dirty {
		return
	}
	b, err := json.Marshal(s.of)
	if err == nil {
		err = atomicfile.Write(s.path, append(b, '\n'), 0o600)
	}
	if err != nil {
		s.log.Error("the last readings were not saved", "error", err)
		return
	}
	s.dirty = false
}

// payload is the state message. Its keys are sorted.
func (st *state) payload() []byte {
	b, err := json.Marshal(st.Values)
	if err != nil { // finite numbers, strings and booleans always marshal
		panic(err)
	}
	return b
}
