package bridge

import (
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Steps of the pairing, in the order in which a person sees them.
const (
	stepJoined         = "joined"
	stepNodeDescriptor = "node_descriptor"
	stepEndpoints      = "endpoints"
	stepBasic          = "basic"
	stepBinding        = "binding"
	stepReporting      = "reporting"
	stepFirstReading   = "first_reading"
	stepFailed         = "failed"
)

// stepOf is the step that a network's InterviewStep is about. What is about
// neither the node nor its endpoints is about the Basic cluster, where a device
// says who made it. The steps of the setup are none of these: they show in what
// is known of the device (pairingProgress).
func stepOf(words string) string {
	words = strings.ToLower(words)
	switch {
	case strings.HasPrefix(words, "node"):
		return stepNodeDescriptor
	case strings.HasPrefix(words, "endpoint"):
		return stepEndpoints
	case strings.HasPrefix(words, "model"), strings.HasPrefix(words, "basic"):
		return stepBasic
	}
	return ""
}

// stepText is what a person reads of a step of the interview.
func (b *Bridge) stepText(d *device, words string) string {
	switch stepOf(words) {
	case stepNodeDescriptor:
		if d.Type == network.TypeEndDevice {
			return "the device has said that it is an end device"
		}
		return "the device has said what kind of radio it is"
	case stepEndpoints:
		if _, id, ok := strings.Cut(words, " "); ok {
			return "the device has described its endpoint " + id
		}
		return "the device has listed its endpoints"
	}
	switch model := d.shownVendor() + " " + d.shownModel(); {
	case d.known():
		return "it is a " + model + ": " + d.model.Info().Description
	case model != " ":
		return "it is a " + strings.TrimSpace(model)
	}
	return "the device has been asked who made it"
}

// pairingMessage is one step of a device's way into the home, our own topic.
type pairingMessage struct {
	IEEEAddress  zcl.EUI64 `json:"ieee_address"`
	FriendlyName string    `json:"friendly_name"`
	Step         string    `json:"step"`
	OK           bool      `json:"ok"`
	Message      string    `json:"message"`
	At           int64     `json:"at"` // ms since 1970
}

// pairing is a device that joined lately, and which of the steps that no event
// tells of were published.
type pairing struct {
	since            time.Time
	bound, reporting bool
}

// pairingFor is how long after joining the first reading is still a step.
const pairingFor = 15 * time.Minute

func (b *Bridge) pairingJoined(e network.Event) {
	for other, p := range b.pairing {
		if e.Time.Sub(p.since) > pairingFor {
			delete(b.pairing, other)
		}
	}
	b.pairing[e.EUI64] = &pairing{since: e.Time}
	b.pairingStep(e, stepJoined, "the device has joined the network")
}

// pairingProgress publishes the steps that show in what is known of the device
// by now: that it is bound, that it has agreed to report, that it has said its
// first reading.
func (b *Bridge) pairingProgress(e network.Event, reading bool) {
	p, ok := b.pairing[e.EUI64]
	if !ok {
		return
	}
	e.Err = nil // of another step
	bindings, reports := 0, 0
	for _, ep := range e.Device.Endpoints {
		bindings += len(ep.Bindings)
		reports += len(ep.Reporting)
	}
	if bindings > 0 && !p.bound {
		p.bound = true
		b.pairingStep(e, stepBinding, "the device sends its readings here")
	}
	if reports > 0 && !p.reporting {
		p.reporting = true
		b.pairingStep(e, stepReporting, "the device knows when to report")
	}
	if reading {
		b.pairingStep(e, stepFirstReading, "the first reading has arrived")
		delete(b.pairing, e.EUI64)
	}
}

// pairingStep publishes a step. Steps of an interview that a person asked for
// later are published too: they are the same steps.
func (b *Bridge) pairingStep(e network.Event, step, text string) {
	m := pairingMessage{
		IEEEAddress:  e.EUI64,
		FriendlyName: b.names.name(e.EUI64),
		Step:         step,
		OK:           e.Err == nil && step != stepFailed,
		Message:      text,
		At:           e.Time.UnixMilli(),
	}
	if e.Err != nil {
		m.Message = e.Err.Error()
		if step == stepFailed {
			m.Message = text + ": " + m.Message
		}
	}
	b.sendJSON(pairingTopic, m)
}
