// Package health is the one sentence a process says about itself on MQTT:
// well, failing and why, or gone. It knows the topic and the form of that
// sentence and must never know what any process does.
package health

import "encoding/json"

// State is what a process says of itself.
type State string

// The states of a process. Offline is published by the broker on its behalf
// (the MQTT will), so that a process that was killed is known to be gone.
const (
	OK      State = "ok"
	Failing State = "failing"
	Offline State = "offline"
)

// Report is the payload of a health topic, retained, QoS 1.
type Report struct {
	State State `json:"state"`
	// Message is one lower-case sentence for a householder. With OK it is worth
	// knowing and no fault; mostly it is empty then.
	Message string `json:"message,omitempty"`
	// Hint is what to do about it.
	Hint string `json:"hint,omitempty"`
	// Detail is the technical side of both (ports, numbers), for who opens it;
	// empty when Message says it all.
	Detail string `json:"detail,omitempty"`
}

// Filter matches the health topics of all processes.
const Filter = "hems/+/health"

// Topic is the health topic of a process ("zigbee", "metrics").
func Topic(process string) string { return "hems/" + process + "/health" }

// Payload is the report as it travels.
func (r Report) Payload() []byte {
	b, err := json.Marshal(r)
	if err != nil { // strings always marshal
		panic(err)
	}
	return b
}
