package updates

import (
	"time"

	"github.com/smartcore-ireland/hems/internal/update/slot"
)

// Tick looks at the house and does what is due: confirms a trial or gives it up,
// ends a probation, clears the count of starts. It is to be called every few
// seconds, by one goroutine that may wait for the card.
func (m *Machine) Tick() {
	if m.o.Card == nil {
		return
	}
	h, at := m.o.House(), time.Now()
	m.mu.Lock()
	t, ended, busy, stale := m.trial, m.ended, m.busy, at.Sub(m.seenAt) >= seeEvery
	m.mu.Unlock()
	if stale && !busy {
		m.see()
	}
	switch {
	case ended:
	case t != nil:
		m.judge(t, h, at)
	default:
		m.settle(h, at)
	}
}

// judge confirms the trial, gives it up, or waits.
func (m *Machine) judge(t *trial, h House, at time.Time) {
	t.last = h.missing(t.expect)
	t.well.note(at, len(t.last) == 0)
	up := m.o.Uptime()
	m.mu.Lock()
	m.progress = min(1, max(0, 1-float64(t.until-up)/float64(m.o.TrialLimit)))
	m.mu.Unlock()
	switch {
	case len(h.Looping) > 0:
		m.giveUp(list(t.last))
	case t.well.unison >= wholeFor:
		m.confirm(t, up)
	case up >= t.until:
		m.giveUp("it was not well in time: " + m.reason(t))
	}
}

func (m *Machine) reason(t *trial) string {
	if len(t.last) == 0 {
		return "it got well only at the last moment"
	}
	return list(t.last)
}

// giveUp writes why and goes back to the old system by an ordinary restart.
func (m *Machine) giveUp(why string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.story.Says = why
	if err := m.save(); err != nil {
		m.o.Log.Error("why this version gives up is not kept", "err", err)
	}
	m.phase, m.message, m.ended = Restarting, "this version is not well: the one before is started again", true
	m.o.Log.Error("this version gives up its trial", "why", why)
	m.o.End("", "the trial of version "+m.o.Version+" did not go well")
}

// confirm makes this system the one that boots. Where the card does not take
// that, it is tried again until the time is up.
func (m *Machine) confirm(t *trial, up time.Duration) {
	if err := m.o.Card.Commit(); err != nil {
		m.o.Log.Error("this version is well and cannot be confirmed", "err", err)
		t.last = []string{"the card did not take its confirmation: " + err.Error()}
		if up >= t.until {
			m.giveUp("it was not well in time: " + m.reason(t))
		}
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trial, m.confirmed, m.probation = nil, true, true
	m.story = story{Verdict: m.installed(&m.story)}
	if err := m.save(); err != nil { // the next start finds the story trying and the card committed
		m.o.Log.Error("the verdict on this update is not kept", "err", err)
	}
	m.rest()
	m.seen.Committed, m.seenAt = m.seen.Running, time.Time{}
	m.o.Log.Info("this version is confirmed", "version", m.o.Version)
}

// settle counts the health of an installed system.
func (m *Machine) settle(h House, at time.Time) {
	well := h.able()
	m.wellClear.note(at, well)
	m.wellProbation.note(at, well)
	m.mu.Lock()
	probation, cleared := m.probation, m.cleared
	m.mu.Unlock()
	var err error
	switch {
	case probation && m.wellProbation.total >= probationFor:
		if err = m.o.Card.EndProbation(); err == nil {
			m.mu.Lock()
			m.probation = false
			if m.phase == Probation {
				m.rest()
			}
			m.mu.Unlock()
			m.o.Log.Info("this version has been well for half an hour and counts as good", "version", m.o.Version)
		}
		m.wellProbation.total = 0
	case !cleared && m.wellClear.unison >= clearAfter:
		if err = m.o.Card.ClearBoots(); err == nil {
			m.mu.Lock()
			m.cleared = true
			m.mu.Unlock()
		}
		m.wellClear.unison = 0
	}
	if err != nil {
		m.o.Log.Error("the card's ledger", "err", err)
	}
}

// seeEvery is how often the card is looked at for those who ask about it.
const seeEvery = 10 * time.Second

// Slots is what the card holds.
type Slots struct {
	Running, Committed slot.Slot
	Other              Other
}

// Other is what stands in the slot that does not run.
type Other struct {
	Slot    slot.Slot `json:"slot"`
	Version string    `json:"version"`
	Whole   bool      `json:"whole"` // it may be gone back to
}

// see looks at the card. It waits while an update is written.
func (m *Machine) see() {
	s, err := m.slots()
	if err != nil {
		m.o.Log.Warn("looking at the card", "err", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen, m.seenAt = s, time.Now()
}

func (m *Machine) slots() (Slots, error) {
	st, err := m.o.Card.Status()
	if err != nil {
		return Slots{}, err
	}
	s := Slots{Running: st.Running, Committed: st.Committed, Other: Other{Slot: st.Running.Other()}}
	c, err := m.o.Card.Look(s.Other.Slot)
	if err != nil {
		return s, err
	}
	s.Other.Version, s.Other.Whole = c.Version, c.Whole() && st.Ledger.Good == s.Other.Slot
	return s, nil
}

// Slots is what the card held when it was last looked at, seconds ago; false when
// it has none. While the other slot is written it is not whole.
func (m *Machine) Slots() (Slots, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.seen
	if m.phase == Writing {
		s.Other.Whole = false
	}
	return s, s.Running != ""
}

// Cleared tells whether this start counts no more against the system.
func (m *Machine) Cleared() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cleared
}
