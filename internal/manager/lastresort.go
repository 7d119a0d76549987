package manager

import (
	"encoding/json"
	"os"
	"time"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
	"github.com/smartcore-ireland/hems/internal/boot/report"
)

// When broker and dashboard both fail, nobody can use the appliance and nobody
// can repair it from a page: it is started again, not too often.
const (
	bothFail = 10 * time.Minute
	notAgain = 6 * time.Hour
)

// lastResort decides when the machine is started again for the house's sake.
type lastResort struct {
	path  string    // of the file that remembers the last time
	since time.Time // both have failed since then; zero: they have not
}

type lastReboot struct {
	At time.Time `json:"at"`
}

// due tells whether to start the machine again at now. It remembers that, on the
// disk: where it cannot, it is not due.
func (l *lastResort) due(now time.Time, both bool) (bool, error) {
	if !both {
		l.since = time.Time{}
		return false, nil
	}
	if l.since.IsZero() {
		l.since = now
	}
	if now.Sub(l.since) < bothFail {
		return false, nil
	}
	l.since = now // whatever becomes of it, the next time is not at once
	var last lastReboot
	if b, err := os.ReadFile(l.path); err == nil && json.Unmarshal(b, &last) == nil {
		// A clock that is not set yet may say a time before the last one.
		if d := now.Sub(last.At); d.Abs() < notAgain {
			return false, nil
		}
	}
	b, err := json.Marshal(lastReboot{now.UTC()})
	if err == nil {
		err = atomicfile.Write(l.path, b, 0o600)
	}
	return err == nil, err
}

// lastResort is due only where a reboot is the manager's to decide.
func (m *Manager) lastResort(now time.Time, f facts) bool {
	if !m.o.Card || f.update.trial || f.boot.Perm.State == report.Memory {
		return false
	}
	due, err := m.resort.due(now, f.broker.condition == failed && f.gateway.condition == failed)
	if err != nil {
		m.log.Error("the appliance is not started again, because that cannot be remembered", "err", err)
	}
	return due
}
