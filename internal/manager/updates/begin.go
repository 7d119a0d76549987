package updates

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
	"github.com/smartcore-ireland/hems/internal/update/slot"
)

// trial is this start, while it is one.
type trial struct {
	until  time.Duration // uptime at which it gives up by itself
	expect Expect
	well   health
	last   []string // what was missing at the last look
}

// begin decides what this start is, from what the card and the story say. It is
// called once.
func (m *Machine) begin() error {
	st, err := m.o.Card.Status()
	if err != nil {
		return fmt.Errorf("asking the card which system runs: %w", err)
	}
	if st.Trial {
		m.beginTrial(st)
		return nil
	}
	if st.Tries != "" { // an arming that nothing came of, or a trial that is over
		if err := m.o.Card.Disarm(); err != nil {
			m.o.Log.Error("a restart by chance could try the other slot", "err", err)
		}
	}
	m.probation = st.Ledger.Probation
	changed := m.decide(st)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rest()
	if changed {
		if err := m.save(); err != nil {
			m.o.Log.Error("the verdict on the last update is not kept", "err", err)
		}
	}
	return nil
}

// decide gives the verdict that is due, true when there is one.
func (m *Machine) decide(st slot.Status) bool {
	s := &m.story
	switch {
	case s.Writing:
		*s = story{GivenUp: s.GivenUp, Verdict: &Verdict{Result: Failed, Version: s.Version, From: m.o.Version, To: m.o.Version, At: now(),
			Why: "it was interrupted while it was written; what ran goes on"}}
	case s.Trying && s.Slot == st.Running:
		// It was confirmed, and the power was cut before that was written.
		*s = story{Verdict: m.installed(s), GivenUp: s.GivenUp}
	case s.Trying:
		why := "it did not get as far as saying that it runs"
		switch {
		case s.Says != "":
			why = s.Says
		case s.Started:
			why = "it started, and did not get as far as saying why it gave up"
		}
		m.o.Log.Warn("another version was tried and did not hold", "version", s.Version, "why", why)
		*s = story{GivenUp: s.GivenUp, Verdict: &Verdict{Result: Returned, Version: s.Version, From: m.o.Version, To: m.o.Version, At: now(), Why: why}}
	case st.Ledger.Returned != "" && s.GivenUp != st.Ledger.Returned:
		version := "another version"
		if c, err := m.o.Card.Look(st.Ledger.Returned); err == nil && c.Version != "" {
			version = c.Version
		}
		m.o.Log.Warn("the version before was given up by the boot counter", "version", version)
		*s = story{GivenUp: st.Ledger.Returned, Verdict: &Verdict{Result: Returned, Version: version, From: m.o.Version, To: m.o.Version, At: now(),
			Why: "it was installed, but then started again and again without getting well"}}
		return true
	case st.Ledger.Returned == "" && s.GivenUp != "":
		s.GivenUp = ""
	default:
		return false
	}
	return true
}

// installed is the verdict on a story that ended well.
func (m *Machine) installed(s *story) *Verdict {
	return &Verdict{Result: Installed, Version: m.o.Version, From: s.From, To: m.o.Version, At: now()}
}

// firstStart is the file of the runtime directory that remembers when the
// manager first started since the machine did: it may be started again within a
// trial.
const firstStart = "manager-started.json"

func (m *Machine) sinceStart() (at time.Duration) {
	path := filepath.Join(m.o.Runtime, firstStart)
	if b, err := os.ReadFile(path); err == nil && json.Unmarshal(b, &at) == nil && at > 0 && at <= m.o.Uptime() {
		return at
	}
	at = m.o.Uptime()
	b, err := json.Marshal(at)
	if err == nil {
		err = errors.Join(os.MkdirAll(m.o.Runtime, 0o755), atomicfile.Write(path, b, 0o644))
	}
	if err != nil {
		m.o.Log.Warn("the time of the start is not remembered", "err", err)
	}
	return at
}

func (m *Machine) beginTrial(st slot.Status) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := &trial{until: m.sinceStart() + m.o.TrialLimit - margin, expect: Expect{Perm: true}}
	s := &m.story
	if s.Trying && s.Slot == st.Running {
		t.expect = s.Expect
	} else {
		// Nobody here wrote that this is tried: the story was lost, or somebody
		// armed the slot by hand. What holds for every system holds.
		*s = story{Trying: true, Version: m.o.Version, Slot: st.Running, Expect: t.expect}
	}
	s.Started = true
	if err := m.save(); err != nil {
		m.o.Log.Error("that this version runs is not kept", "err", err)
	}
	m.trial = t
	m.phase, m.version, m.message = Trying, m.o.Version, "this version is on trial"
	m.o.Log.Info("this version is on trial", "version", m.o.Version, "slot", st.Running, "for", t.until-m.o.Uptime())
}
