package bridge

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"os"
	"slices"
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
	// Decoder is what the decoder of the device's messages remembers.
	Decoder json.RawMessage `json:"decoder,omitempty"`

	texts []field // Values by key, as they were last written
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
		switch {
		case st == nil || st.Values == nil && len(st.Decoder) == 0:
			delete(s.of, e)
		case st.Values == nil:
			st.Values = make(map[string]any)
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

// fields are the values as JSON, by key. Only what has changed since the last
// call is written anew.
func (st *state) fields() []field {
	if len(st.texts) != len(st.Values) {
		st.texts = nil
	}
	for i := range st.texts {
		f := &st.texts[i]
		v, ok := st.Values[f.key]
		if !ok {
			st.texts = nil
			break
		}
		if !same(f.value, v) {
			f.value, f.text = v, appendField(f.text[:0], f.key, v)
		}
	}
	if st.texts == nil {
		for _, key := range slices.Sorted(maps.Keys(st.Values)) {
			st.texts = append(st.texts, newField(key, st.Values[key]))
		}
	}
	return st.texts
}

// remember brings the decoders' memory into the states that are to be saved.
func (s *states) remember(devices map[zcl.EUI64]*device) {
	for e, d := range devices {
		memory := d.decoder.Memory()
		if st, ok := s.of[e]; ok || memory != nil {
			if !ok {
				st = s.get(e)
			}
			if !bytes.Equal(st.Decoder, memory) && (memory == nil || json.Valid(memory)) {
				st.Decoder, s.dirty = memory, true
			}
		}
	}
}
