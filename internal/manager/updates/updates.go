// Package updates takes an update of the whole system from its arrival to the
// verdict: receive, verify, write into the slot that is not running, try it once,
// confirm it when the house is as whole as it was before, and say what became of
// it. It knows the order of these steps and keeps their story in a file that both
// systems write. It must never know how the house is looked at, nor how a machine
// is restarted.
//
//	old system                          new system
//	receiving, verifying, writing
//	restarting: the story says trying ─►  not the one that boots: on trial
//	                                      whole in time: confirmed, probation
//	the story says trying, and it is   ◄─ else it says why, and restarts
//	the old one that runs: returned
package updates

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/boot/keeper"
	"github.com/smartcore-ireland/hems/internal/update/bundle"
	"github.com/smartcore-ireland/hems/internal/update/refusal"
	"github.com/smartcore-ireland/hems/internal/update/sign"
	"github.com/smartcore-ireland/hems/internal/update/slot"
)

// Times of the policy.
const (
	// margin is how long before the watchdog would end a trial it ends itself,
	// so that there is time to say why.
	margin = 20 * time.Second
	// whole is how long all must be well before a trial is confirmed.
	wholeFor = 5 * time.Second
	// probationFor is how long a confirmed system must have been well before it
	// counts as good.
	probationFor = 30 * time.Minute
	// clearAfter is how long a system must be well for this start not to count
	// against it.
	clearAfter = 2 * time.Minute
)

// Reasons to refuse what is asked, beside those of package bundle.
var (
	ErrBusy = refusal.New("busy", "an update is under way", "wait until it is done")
	ErrCard = refusal.New("no_slots", "this system has no second place on its card",
		"flash the card with an image that has two")
	ErrTrial = refusal.New("on_trial", "this version is itself on trial",
		"wait for the verdict, at most five minutes")
	ErrSpace = refusal.New("no_space", "there is not enough room on the card for the update",
		"keep readings for fewer days, or use a larger card")
	ErrOther = refusal.New("no_other", "there is no other version to go back to",
		"install the older version from its file")
	ErrNothing = refusal.New("nothing_available", "there is no update to install",
		"look for one first")
	ErrNoFeed = refusal.New("no_feed", "no address to look for updates at is set",
		"set update.feed")
	ErrFeed = refusal.New("feed", "the place where updates are looked for does not answer as it should",
		"check update.feed and the internet connection")
	ErrWrite = refusal.New("write", "the update could not be written, and what runs is as it was",
		"try again; if this stays, replace the card")
)

// Settings is what of hems.yaml concerns updates.
type Settings struct {
	Developer bool
	Feed      string // "" for none
	Automatic bool
	Zone      *time.Location
}

// Options is what a Machine has to do with.
type Options struct {
	Dir      string     // of update.json and staging/
	Runtime  string     // what does not outlive a start of the machine
	Card     *slot.Card // nil: there are no slots
	PartUUID string     // of the card's boot partition
	Version  string     // that runs
	Policy   bundle.Policy
	Trust    sign.Trust
	// TrialLimit is in what time after the start a trial must be confirmed.
	TrialLimit time.Duration
	Settings   func() Settings
	// House is how it is with the house at this moment.
	House func() House
	// End restarts the machine in an orderly way, with an argument for the
	// firmware; it returns at once.
	End func(argument, why string)
	// Free is the room for staging, in bytes.
	Free func() (int64, error)
	// Uptime is how long the machine runs.
	Uptime func() time.Duration
	// HTTP asks the feed. Nil: one with sane limits.
	HTTP *http.Client
	Log  *slog.Logger
}

// Phase is what is being done.
type Phase string

// The phases, in their order.
const (
	Idle       Phase = "idle"
	Receiving  Phase = "receiving"
	Verifying  Phase = "verifying"
	Writing    Phase = "writing"
	Restarting Phase = "restarting"
	Trying     Phase = "trying"
	Probation  Phase = "probation"
)

// View is what is told about updates.
type View struct {
	Phase     Phase      `json:"phase"`
	Progress  float64    `json:"progress"` // of the phase, 0 to 1
	Version   string     `json:"version,omitempty"`
	Message   string     `json:"message,omitempty"`
	Verdict   *Verdict   `json:"verdict"`
	Available *Available `json:"available"`
}

// Machine is the state of updates. Its methods may be called from any goroutine.
type Machine struct {
	o Options

	mu        sync.Mutex
	story     story
	phase     Phase
	progress  float64
	version   string
	message   string
	available *Available
	lookedAt  time.Time // when the feed was last looked at
	busy      bool      // an update is between its arrival and its restart
	ended     bool      // the machine is being restarted
	armed     *story    // what the story says once gok restarts

	trial     *trial // nil: this start is no trial
	confirmed bool   // it was one
	probation bool
	cleared   bool // this start counts no more against the system
	seen      Slots
	seenAt    time.Time

	// of Tick alone
	wellClear, wellProbation health
}

// New reads the story and decides what this start is.
func New(o Options) (*Machine, error) {
	if o.HTTP == nil {
		o.HTTP = newHTTP()
	}
	o.Policy.Trust, o.Policy.Running = o.Trust, o.Version
	m := &Machine{o: o, phase: Idle}
	if err := os.MkdirAll(m.staging(), 0o700); err != nil {
		return nil, fmt.Errorf("preparing for updates: %w", err)
	}
	m.sweep()
	var err error
	if m.story, err = readStory(m.path()); err != nil {
		o.Log.Error("the story of the last update cannot be read, and is begun anew", "err", err)
	}
	if o.Card != nil {
		if err := m.begin(); err != nil {
			return m, err
		}
		m.see()
	}
	return m, nil
}

func (m *Machine) path() string    { return filepath.Join(m.o.Dir, "update.json") }
func (m *Machine) staging() string { return filepath.Join(m.o.Dir, "staging") }

// sweep removes what an earlier process left behind.
func (m *Machine) sweep() {
	entries, err := os.ReadDir(m.staging())
	if err != nil {
		m.o.Log.Warn("looking for what an interrupted update left", "err", err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(m.staging(), e.Name())); err != nil {
			m.o.Log.Warn("removing what an interrupted update left", "err", err)
		}
	}
}

// View is the state now.
func (m *Machine) View() View {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.view()
}

func (m *Machine) view() View {
	v := View{Phase: m.phase, Progress: m.progress, Version: m.version, Message: m.message, Available: m.available}
	if d := m.story.Verdict; d != nil {
		copied := *d
		v.Verdict = &copied
	}
	return v
}

// Seen notes that a person has read the verdict.
func (m *Machine) Seen() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.story.Verdict == nil || m.story.Verdict.Seen {
		return nil
	}
	m.story.Verdict.Seen = true
	return m.save()
}

// Trying tells whether this start is a trial that is not decided yet.
func (m *Machine) Trying() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.trial != nil
}

// save writes the story. It needs mu.
func (m *Machine) save() error { return m.story.write(m.path()) }

// Word is what the watchdog's keeper is to be told: that the manager lives, or,
// in a start that was a trial and is none any more, that this system stays. It is
// told again and again, for it may be missed.
func (m *Machine) Word() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.confirmed {
		return keeper.Confirmed
	}
	return keeper.Alive
}

// enter claims the machine for one update.
func (m *Machine) enter(p Phase) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.o.Card == nil:
		return ErrCard
	case m.trial != nil:
		return ErrTrial
	case m.busy || m.ended:
		return ErrBusy
	}
	m.busy = true
	m.phase, m.progress, m.version, m.message = p, 0, "", ""
	return nil
}

// leave gives the machine free again after an update that does not restart it.
func (m *Machine) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.busy = false
	m.seenAt = time.Time{}
	m.rest()
}

// rest is the phase while nothing is done. It needs mu.
func (m *Machine) rest() {
	m.phase, m.progress, m.version, m.message = Idle, 0, "", ""
	if m.probation {
		m.phase, m.version = Probation, m.o.Version
		m.message = "this version is installed and is watched for half an hour"
	}
}

// at sets the phase and its progress.
func (m *Machine) at(p Phase, done, total int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.phase, m.progress = p, 0
	if total > 0 {
		m.progress = min(float64(done)/float64(total), 1)
	}
}

// judged writes a verdict on an update that was not tried. seen: who asked for it
// has the answer already.
func (m *Machine) judged(r Result, version string, err error, seen bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.story = story{Verdict: &Verdict{Result: r, Version: version, From: m.o.Version, To: m.o.Version, At: now(), Why: err.Error(), Seen: seen}, GivenUp: m.story.GivenUp}
	if err := m.save(); err != nil {
		m.o.Log.Error("the verdict on an update is not kept", "err", err)
	}
}

func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

// restart hands over to the firmware: the story says that version in slot to is
// tried.
func (m *Machine) restart(ctx context.Context, s story) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	before := m.story
	s.GivenUp = before.GivenUp
	m.story = s
	if err := m.save(); err != nil {
		m.story = before
		return errors.Join(err, m.o.Card.Disarm())
	}
	m.phase, m.progress, m.ended = Restarting, 1, true
	m.message = "the appliance restarts with version " + s.Version
	m.o.Log.Info("restarting to try another version", "version", s.Version, "slot", s.Slot)
	m.o.End(tryOnce, "version "+s.Version+" is tried")
	return nil
}

// tryOnce is what the firmware is told.
const tryOnce = "0 tryboot"
