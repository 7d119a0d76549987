package live

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// pairingTopic carries the steps of a device that is joining.
const pairingTopic = "hems/zigbee/pairing"

// MaxPermit is how long the network may be open for new devices at most
// (Zigbee's permit duration is one byte, and 255 would mean for ever).
const MaxPermit = 254 * time.Second

// Pairing is whether new devices may join, and how far the last one got. It is
// also an answer of the JSON interface: names and units stay.
type Pairing struct {
	Open    bool       `json:"open"`
	Until   *time.Time `json:"until"`
	LeftSec float64    `json:"left_s"` // until then, when this was written
	Device  string     `json:"device,omitempty"`
	Address string     `json:"address,omitempty"`
	Steps   []Step     `json:"steps"`
}

// Step is one step of a device's way into the home.
type Step struct {
	Name    string  `json:"step"` // "joined", "node_descriptor", "endpoints", "basic", "binding", "reporting", "first_reading", "failed"
	OK      bool    `json:"ok"`
	Message string  `json:"message,omitempty"`
	Seconds float64 `json:"seconds"` // since the first step
}

// maxSteps bounds what one device can make of its way.
const maxSteps = 32

// pairing is what the Model remembers of it.
type pairing struct {
	until   time.Time // zero: closed
	address string
	name    string
	began   int64 // ms since 1970
	steps   []Step
}

// Pairing is whether new devices may join, and how far the last one got.
func (m *Model) Pairing() Pairing {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pairingNow(m.o.Clock())
}

// pairingNow needs mu.
func (m *Model) pairingNow(now time.Time) Pairing {
	p := Pairing{Device: m.pair.name, Address: m.pair.address, Steps: slices.Clone(m.pair.steps)}
	if p.Steps == nil {
		p.Steps = []Step{}
	}
	if now.Before(m.pair.until) {
		until := m.pair.until
		p.Open, p.Until, p.LeftSec = true, &until, until.Sub(now).Seconds()
	}
	return p
}

// onBridgeInfo reads until when the network is open.
func (m *Model) onBridgeInfo(msg mqttclient.Message) {
	if m.tooBig(msg) {
		return
	}
	var info struct {
		PermitJoin    bool  `json:"permit_join"`
		PermitJoinEnd int64 `json:"permit_join_end"` // ms since 1970
	}
	if err := json.Unmarshal(msg.Payload, &info); err != nil {
		m.drop(msg.Topic, "it is not the bridge's description: "+err.Error())
		return
	}
	var until time.Time
	if info.PermitJoin {
		latest := m.o.Clock().Add(MaxPermit)
		until = latest
		if end := time.UnixMilli(info.PermitJoinEnd); info.PermitJoinEnd > 0 && end.Before(latest) {
			until = end
		}
	}
	m.mu.Lock()
	m.pair.until = until
	m.mu.Unlock()
	m.changed()
}

func (m *Model) onPairing(msg mqttclient.Message) {
	if m.tooBig(msg) {
		return
	}
	var s struct {
		Address string `json:"ieee_address"`
		Name    string `json:"friendly_name"`
		Step    string `json:"step"`
		OK      bool   `json:"ok"`
		Message string `json:"message"`
		At      int64  `json:"at"` // ms since 1970
	}
	if err := json.Unmarshal(msg.Payload, &s); err != nil || s.Step == "" {
		m.drop(msg.Topic, "it is not a step of a pairing")
		return
	}
	m.mu.Lock()
	if s.Address != m.pair.address || s.Step == "joined" {
		m.pair = pairing{until: m.pair.until, address: s.Address, began: s.At}
	}
	m.pair.name = s.Name
	step := Step{Name: s.Step, OK: s.OK, Message: s.Message, Seconds: max(0, float64(s.At-m.pair.began)/1000)}
	// A step that is done again replaces what it said the first time.
	if i := slices.IndexFunc(m.pair.steps, func(o Step) bool { return o.Name == s.Step }); i >= 0 {
		m.pair.steps[i] = step
	} else if len(m.pair.steps) < maxSteps {
		m.pair.steps = append(m.pair.steps, step)
	}
	m.mu.Unlock()
	m.changed()
}
