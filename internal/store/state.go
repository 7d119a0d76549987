package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
	"github.com/smartcore-ireland/hems/internal/store/pages"
)

// state is what is known about the file beside it, in path.state: how the last
// run ended, when it was checked, what was lost, and where its tables lie, in
// case its own word for that cannot be read. Without it nothing is wrong.
type state struct {
	Clean   bool          `json:"clean"` // the last run ended by Close
	Checked time.Time     `json:"checked,omitzero"`
	Bad     []Lost        `json:"bad,omitempty"` // what the last check found
	Salvage *Salvage      `json:"salvage,omitempty"`
	Schema  []pages.Entry `json:"schema,omitempty"`
}

// maxState bounds the file, in bytes.
const maxState = 1 << 20

// loadState reads the state; what cannot be read is taken for none.
func (s *Store) loadState() {
	b, err := os.ReadFile(s.path + ".state")
	if err != nil || len(b) > maxState || json.Unmarshal(b, &s.state) != nil {
		s.state = state{}
		return
	}
	if b, err = json.Marshal(s.state); err == nil {
		s.written = string(b) // as it would be written, so that it is not for nothing
	}
}

// changeState changes the state and writes it when that made a difference.
// When it cannot be written, the next change writes it.
func (s *Store) changeState(f func(*state)) {
	s.stateMu.Lock()
	defer s.stateMu.Unlock()
	f(&s.state)
	b, err := json.Marshal(s.state)
	if err != nil || string(b) == s.written {
		return
	}
	if err := atomicfile.Write(s.path+".state", b, s.o.Mode); err != nil {
		s.o.Log.Debug("what is known about the store could not be noted", "err", err)
		return
	}
	s.written = string(b)
}

// schema is where the tables of the file were when it was last opened.
func (s *Store) schema() []pages.Entry {
	s.stateMu.Lock()
	defer s.stateMu.Unlock()
	return slices.Clone(s.state.Schema)
}

// gone tells that a file that was there is not there any more, or empty: nothing
// can be read of it.
func (s *Store) gone() {
	info, err := os.Stat(s.path)
	log, logErr := os.Stat(s.path + "-wal")
	empty := err == nil && info.Size() == 0 && (logErr != nil || log.Size() == 0)
	if len(s.schema()) == 0 || len(s.sources()) > 0 || !empty && !errors.Is(err, os.ErrNotExist) {
		return
	}
	s.o.Log.Error("the store of readings is empty or gone, and a new one is begun", "file", s.path)
	now := s.o.Now().UTC()
	s.changeState(func(st *state) {
		*st = state{Salvage: &Salvage{Began: now, Ended: now, Cause: "the file was empty or gone"}}
	})
}

// beginReport begins the report of a salvage, or goes on with that of the one
// that was interrupted.
func (s *Store) beginReport() (r Salvage) {
	s.changeState(func(st *state) {
		if st.Salvage == nil || !st.Salvage.Ended.IsZero() {
			st.Salvage = &Salvage{Began: s.o.Now().UTC()}
		}
		st.Salvage.Waits, st.Salvage.Saved, st.Salvage.Lost = "", 0, nil
		r = *st.Salvage
	})
	return r
}

// salvageGoesOn is about what Check tells; it is not worth writing down.
func (s *Store) salvageGoesOn(r Salvage) {
	s.stateMu.Lock()
	defer s.stateMu.Unlock()
	r.Lost = slices.Clone(r.Lost)
	s.state.Salvage = &r
}

func (s *Store) salvageWaits(err error) {
	s.changeState(func(st *state) {
		if st.Salvage != nil {
			st.Salvage.Waits = err.Error()
		}
	})
}

func (s *Store) endReport(r Salvage) {
	r.Ended, r.Waits = s.o.Now().UTC(), ""
	r.Lost = slices.Clone(r.Lost)
	s.changeState(func(st *state) { st.Salvage = &r })
	args := []any{"readings", r.Saved}
	for _, l := range r.Lost {
		args = append(args, "lost", l.String())
	}
	s.o.Log.Warn("what could be read of the damaged store has been taken over", args...)
}

// String is the range as a person says it, in the zone of From.
func (l Lost) String() string {
	const day, clock = "2 Jan 2006", "15:04"
	if l.From.Format(day) == l.To.Format(day) {
		return fmt.Sprintf("%s %s–%s", l.From.Format(day), l.From.Format(clock), l.To.Format(clock))
	}
	return fmt.Sprintf("%s %s – %s %s", l.From.Format(day), l.From.Format(clock), l.To.Format(day), l.To.Format(clock))
}

// Check is what is known about the soundness of the file.
type Check struct {
	// Checked is when all of it was last read; zero: never yet.
	Checked time.Time `json:"checked,omitzero"`
	// Running: it is being read now.
	Running bool `json:"running"`
	// Bad is what that found: readings that are in the file and cannot be read.
	Bad []Lost `json:"bad,omitempty"`
	// Salvage is what became of the last damaged file; nil: there was none.
	Salvage *Salvage `json:"salvage,omitempty"`
}

// Check returns what is known about the soundness of the file, without looking.
func (s *Store) Check() Check {
	s.stateMu.Lock()
	defer s.stateMu.Unlock()
	c := Check{Checked: s.state.Checked, Running: s.checking, Bad: slices.Clone(s.state.Bad)}
	if s.state.Salvage != nil {
		r := *s.state.Salvage
		r.Lost = slices.Clone(r.Lost)
		c.Salvage = &r
	}
	return c
}
