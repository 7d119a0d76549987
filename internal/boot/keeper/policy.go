package keeper

import (
	"fmt"
	"time"
)

// The times of the policy.
const (
	// Care bounds what the first process may do before the programs start: a
	// full check of a large card takes minutes.
	Care = 15 * time.Minute
	// Grace is how long the manager may take to give its first sign of life once
	// the programs are started.
	Grace = 150 * time.Second
	// Silence is how long it may be silent afterwards.
	Silence = time.Minute
	// TrialLimit is in what time a trial must be confirmed, unless the kernel's
	// command line names another.
	TrialLimit = 300 * time.Second
)

// Policy decides whether the watchdog is kicked: while the manager lives and, in
// a trial, only until its time is up. What it has decided against it never
// decides for again: the board is to be reset then, and whatever is wrong with
// it may still send. The clock of a trial starts when the programs do, so that
// the check of a card is not at a new system's expense.
//
// Times are those of one clock that only runs forwards. Not for more than one
// goroutine at a time.
type Policy struct {
	began, ready, heard time.Time // zero: not yet
	trial               time.Duration
	confirmed           bool
	over                string // why there are no more kicks
}

// NewPolicy begins at the time now.
func NewPolicy(now time.Time) *Policy { return &Policy{began: now} }

// Ready: the programs are being started. trial is in what time this system must
// be confirmed, zero when it is no trial.
func (p *Policy) Ready(now time.Time, trial time.Duration) {
	if p.ready.IsZero() {
		p.ready, p.trial = now, trial
	}
}

// Alive: the manager gave a sign of life.
func (p *Policy) Alive(now time.Time) { p.heard = now }

// Confirmed: the manager has confirmed this system. It is a sign of life too.
func (p *Policy) Confirmed(now time.Time) { p.heard, p.confirmed = now, true }

// Kick reports whether the watchdog is to be kicked, and why not.
func (p *Policy) Kick(now time.Time) (ok bool, why string) {
	if p.over == "" {
		p.over = p.judge(now)
	}
	return p.over == "", p.over
}

func (p *Policy) judge(now time.Time) string {
	switch {
	case p.ready.IsZero():
		if now.Sub(p.began) > Care {
			return fmt.Sprintf("the programs were not started within %v", Care)
		}
	case p.trial > 0 && !p.confirmed && now.Sub(p.ready) > p.trial:
		return fmt.Sprintf("this system was on trial and was not confirmed within %v", p.trial)
	case p.heard.IsZero():
		if now.Sub(p.ready) > Grace {
			return fmt.Sprintf("hems-manager gave no sign of life within %v of the start", Grace)
		}
	case now.Sub(p.heard) > Silence:
		return fmt.Sprintf("hems-manager gave no sign of life for %v", Silence)
	}
	return ""
}
