package live

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/smartcore-ireland/hems/internal/health"
)

// Health is the state of everything in one line: well, or the first thing wrong
// and what to do.
type Health struct {
	OK      bool   `json:"ok"`
	Part    string `json:"part,omitempty"`    // the first failing part: "broker", "zigbee", "metrics", "manager", "store", "meter"
	Message string `json:"message,omitempty"` // a sentence for a householder
	Hint    string `json:"hint,omitempty"`    // what to do about it
	Detail  string `json:"detail,omitempty"`  // the technical side of it, for who opens it
}

// grace is how long a part may be silent after the start before it counts as
// failing: everything starts at once.
const grace = 15 * time.Second

// brokerPause is how long the broker may be away before the page says so: a
// restart is a pause, not a fault. So may the other processes, which need
// longer.
const (
	brokerPause  = 2 * time.Second
	processPause = 5 * time.Second
)

// report is what a process said of itself last.
type report struct {
	health.Report
	at time.Time // of arrival
}

// Health is the state of everything, for the householder: a part that has only
// just been started, or is started again, is not a fault.
func (m *Model) Health() Health {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.wellbeing(m.o.Clock(), grace)
}

// SetManager puts what the manager was heard to say elsewhere in the place of
// its report on MQTT.
func (m *Model) SetManager(r health.Report) {
	m.mu.Lock()
	m.manager = &r
	m.mu.Unlock()
	m.changed()
}

// Failing is the first part of the appliance that does not work at this moment,
// for a monitor: "broker", "zigbee", "metrics", "manager", "store", or empty. A meter with
// a flat battery is not the appliance's fault.
func (m *Model) Failing() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if part := m.wellbeing(m.o.Clock(), 0).Part; part != "meter" {
		return part
	}
	return ""
}

// wellbeing looks at the parts in the order in which a reading passes them:
// when the broker is away, nothing is known of the others. A part may be silent
// for patience. It needs mu.
func (m *Model) wellbeing(now time.Time, patience time.Duration) Health {
	starting := now.Sub(m.started) < patience
	if !m.down.IsZero() {
		if starting && !m.met || now.Sub(m.down) < min(patience, brokerPause) {
			return Health{OK: true}
		}
		return Health{Part: "broker", Message: "The parts of the appliance cannot reach each other.",
			Hint: "This mends itself within seconds. If it stays, restart the appliance.", Detail: "The broker (hems-broker) does not answer over MQTT."}
	}
	for _, p := range []struct{ name, gone string }{
		{"zigbee", "The radio is not running, so nothing new is heard."},
		{"metrics", "The recorder is not running, so readings are not kept."},
	} {
		switch r, known := m.reports[p.name]; {
		case !known && starting:
		case known && r.State == health.Offline && now.Sub(r.at) < min(patience, processPause):
		case !known, r.State == health.Offline, r.State == "":
			return Health{Part: p.name, Message: p.gone, Hint: mends, Detail: "hems-" + p.name + " is not connected over MQTT."}
		case r.State != health.OK:
			return Health{Part: p.name, Message: sentence(r.Message, "Something is wrong with "+p.name+"."), Hint: sentence(r.Hint, ""), Detail: sentence(r.Detail, "")}
		}
	}
	// The manager says what no other process can: the card, programs that keep
	// ending, an update that came back.
	r := m.reports["manager"].Report
	if m.manager != nil {
		r = *m.manager
	}
	if r.State == health.Failing {
		return Health{Part: "manager", Message: sentence(r.Message, "Something is wrong with the appliance."), Hint: sentence(r.Hint, ""), Detail: sentence(r.Detail, "")}
	}
	if m.storeErr != nil && now.Sub(m.storeBad) >= patience {
		return Health{Part: "store", Message: "The stored readings cannot be read.",
			Hint: "If this stays, restart the appliance and check that its card is not full."}
	}
	power, _ := m.meter()
	if power != nil && power.availability(m.avail) == "offline" {
		return Health{Part: "meter", Message: "The meter is out of reach.",
			Hint: "Check its batteries, then move it or the dongle closer. Readings resume by themselves."}
	}
	if n := m.now(now); n.Stage == Gone {
		return Health{Part: "meter", Message: "The meter has gone quiet.",
			Hint: "Check its batteries, then move it or the dongle closer. Readings resume by themselves."}
	}
	return Health{OK: true}
}

// mends is what to do about a process that is away: it is supervised.
const mends = "It is started again by itself. If this stays, restart the appliance."

// sentence is a report's lower-case message as it stands on a page.
func sentence(s, otherwise string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return otherwise
	}
	r, n := utf8.DecodeRuneInString(s)
	s = string(unicode.ToUpper(r)) + s[n:]
	if !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, "?") {
		s += "."
	}
	return s
}
