package manager

import (
	"context"
	"time"

	"github.com/smartcore-ireland/hems/internal/manager/board"
)

// End ends the machine in an orderly way and starts it again: all programs are
// stopped, what is in memory is written, the card is made read-only. argument is
// for the firmware. It returns at once; when it cannot be done the manager ends
// itself, and the watchdog the rest. A second call changes nothing.
func (m *Manager) End(argument, why string) {
	if !m.o.Card || !m.ending.CompareAndSwap(false, true) {
		return
	}
	m.log.Warn("the machine is being started again", "why", why, "argument", argument)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := m.watch.StopAll(ctx, Broker); err != nil {
			m.log.Error("going on although not all programs have stopped", "err", err)
		}
		if m.journal != nil {
			m.journal.Flush()
		}
		if err := board.ReadOnly(m.o.Mount); err != nil {
			m.log.Warn("going on although the card is not read-only", "err", err)
		}
		m.leave(m.o.Restart(argument))
	}()
}

// leave ends the process with that error. gokrazy starts it again, for that is
// no good end.
func (m *Manager) leave(err error) {
	select {
	case m.restart <- err:
	default: // it ends already
	}
}
