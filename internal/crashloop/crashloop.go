// Package crashloop decides when a program that keeps ending is in a crash
// loop, and how long it is then held back. It knows times and must never know
// what the program is or how it is started.
package crashloop

import "time"

// The rule: more than limit starts within window is a crash loop; the program
// is then held back, each time longer, until it has run quietly.
const (
	limit  = 5
	window = 2 * time.Minute
	quiet  = 10 * time.Minute
)

var holds = []time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute}

// Loop follows one program. The zero value is a program that has not ended yet.
type Loop struct {
	recent   []time.Time // restarts within window, since the last hold
	last     time.Time   // the latest restart
	step     int         // holds in a row
	restarts int
}

// Restarted notes that the program ended, and is started again, at now. A
// positive answer is a crash loop: hold the program back for that long.
func (l *Loop) Restarted(now time.Time) (hold time.Duration) {
	l.Settle(now)
	l.restarts++
	l.last = now
	l.recent = append(l.recent, now)
	for len(l.recent) > 0 && now.Sub(l.recent[0]) > window {
		l.recent = l.recent[1:]
	}
	if len(l.recent) <= limit {
		return 0
	}
	l.recent = nil
	hold = holds[min(l.step, len(holds)-1)]
	l.step++
	return hold
}

// Released notes that a program that was held back is started at now; that
// start is not counted.
func (l *Loop) Released(now time.Time) { l.last = now }

// Settle forgets the holds after ten quiet minutes.
func (l *Loop) Settle(now time.Time) {
	if l.step > 0 && now.Sub(l.last) >= quiet {
		l.step = 0
	}
}

// Looping tells whether the program was held back and has not been quiet since.
func (l *Loop) Looping() bool { return l.step > 0 }

// Restarts is how often the program ended.
func (l *Loop) Restarts() int { return l.restarts }
