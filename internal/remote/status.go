package remote

import "time"

// State is how a way in is.
type State string

// The states.
const (
	Off      State = "off"       // nobody has set it up, or it was switched off
	Starting State = "starting"  // it is on its way up by itself
	Up       State = "up"        // visitors can come in
	Down     State = "down"      // they cannot; it is tried again by itself
	NeedsYou State = "needs-you" // they cannot until a person has done Action
)

// Status is how a way in is, for people. It is also an answer of the JSON
// interface: names stay.
type Status struct {
	Way    Way       `json:"way"`
	State  State     `json:"state"`
	Since  time.Time `json:"since,omitzero"`   // when it came into that state; zero: not known
	Detail string    `json:"detail,omitempty"` // a householder's sentence
	Action string    `json:"action,omitempty"` // what to do, a sentence; empty: nothing
	Links  []string  `json:"links,omitempty"`  // addresses at which it answers
}

// A Reporter tells how one way in is. Status may be called from any goroutine at
// any time, and answers at once.
type Reporter interface{ Status() Status }
