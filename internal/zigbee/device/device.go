// Package device knows what the clusters of a certain model mean: which
// attribute is the power in watts, what must be set up on the device so that it
// reports, what can be set on it, and what a person should see of it. It turns
// what a device sends into readings, and wishes into actions.
//
// It must never know how attributes travelled, who asked for them, or where
// readings go.
//
// A Definition is data: a short table, one file a family of devices. Adding a
// device takes no code (see the example of Definition): what it does is put
// together from parts (measures, onOff, choiceSetting, dp, …), and where the
// device departs from the specification the part says so (fixed, neverZero,
// held, …). A device without a definition is understood by its clusters.
package device

import (
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Identity is how a device names itself in the Basic cluster, and its
// manufacturer's code in the node descriptor.
type Identity struct {
	ManufacturerName string
	ModelID          string
	ManufacturerCode uint16 // of the node descriptor
}

// Subject is all that a Model follows from. What an interview has not found is
// zero.
type Subject struct {
	Identity
	Endpoints   []Endpoint
	AppVersion  uint8  // of the Basic cluster; some makers tell variants by it
	PowerSource uint8  // ZCL 3.2.2.2.8: 1 mains, 3 battery, 0x80 battery backup
	SWBuildID   string // of the Basic cluster
	DateCode    string // of the Basic cluster
	Told        []Told
	Form        Form
}

// Told is what an attribute of Model.Watches has said. It is of the kind that
// stays: the type of a zone, the unit of a meter.
type Told struct {
	Endpoint     uint8   `json:"endpoint"`
	Cluster      uint16  `json:"cluster"`
	Manufacturer uint16  `json:"manufacturer,omitempty"`
	Attribute    uint16  `json:"attribute"`
	Value        float64 `json:"value"`
}

// Endpoint is one application of a device, as its simple descriptor has it.
type Endpoint struct {
	ID                uint8
	Profile, DeviceID uint16
	In, Out           []uint16
}

// Form is whose keys, units and precision readings and exposes have.
type Form int

// The forms.
const (
	// Reference is ours: energy with the full resolution of the counter, the
	// voltage of a battery in volts.
	Reference Form = iota
	// Z2M2 is Zigbee2MQTT 2's.
	Z2M2
)

// Info is what people and lists are told of a model.
type Info struct {
	Model, Vendor, Description string
	// Supported: there is a definition. A generated model has none.
	Supported bool
	// Source is "native" with a definition, else "generated".
	Source      string
	SupportsOTA bool
	// Version counts what was changed of the definition, as Zigbee2MQTT does.
	Version string
	// PowerSource is where the device has its power from when it does not say it.
	PowerSource string
	// ForgetsSetup: bindings and reporting are gone when the device has lost
	// its power. It is set up again whenever it announces itself.
	ForgetsSetup bool
	// CountsFrom2000: a Tuya device takes the time as seconds since 2000 UTC, and
	// not since 1970.
	CountsFrom2000 bool
}

// Setup is what to do on one cluster of a device, in the order of the fields.
// Each step is best effort: a device that refuses one attribute still reports
// the others.
type Setup struct {
	Endpoint uint8
	Cluster  uint16
	// EnrollIAS: write the coordinator's address to attribute 0x0010, answer the
	// enrolment and wait until attribute 0x0000 says enrolled. Source: ZCL8 §8.2.
	EnrollIAS bool
	Bind      bool
	// Scales are attributes to read before Reporting is sent, which is then that
	// of WithScales.
	Scales []uint16
	// Reporting is at most four attributes, all of Manufacturer.
	Reporting    []zcl.ReportConfig
	Manufacturer uint16
	Read         []ReadGroup
	// Actions are writes and commands that the device needs to work.
	Actions []Action
	// Optional: the device may lack any of it. A refusal is no fault.
	Optional bool

	changes []float64 // of Reporting, in the unit of the quantity
	scaling []scale   // of Reporting
	generic bool      // it grows while a model is made
}

// ReadGroup is attributes that are read in one request: all of them standard
// (Manufacturer 0) or all of one manufacturer. At most four, but for makers
// whose devices want to be asked for certain ones together.
type ReadGroup struct {
	Manufacturer uint16
	Attributes   []uint16
}

// Poll is what must be asked regularly, because the device does not report it.
type Poll struct {
	Every time.Duration
	Do    []Action
}

// ActionKind is what an Action does.
type ActionKind int

// The kinds of action, with the fields of Action that they use.
const (
	Command ActionKind = iota // Command, Payload: a command of the cluster, whose answer is awaited
	Write                     // Attributes
	Read                      // IDs: the answer comes as a message of the device
)

// Action is one request to a device.
type Action struct {
	Kind         ActionKind
	Endpoint     uint8
	Cluster      uint16
	Manufacturer uint16
	Command      uint8
	Payload      []byte
	Attributes   []zcl.Attribute
	IDs          []uint16
}

// Input is one ZCL message of a device.
type Input struct {
	Time       time.Time
	Endpoint   uint8
	Cluster    uint16
	Frame      zcl.Frame
	Attributes []zcl.Attribute // of a report or a read response
}

// Reading is one quantity of a device, under the key it is published by, with
// the precision of the Subject's Form.
type Reading struct {
	Key   string
	Value any // float64, int64, bool, string, nil, or a map or list of these
}

// Note is something that was dropped, and why.
type Note struct {
	Key  string
	Kind NoteKind
	Text string // for the log: lower case, no full stop
	// Ask is what to ask the device so that the next of the kind is understood.
	Ask []Action
}

// NoteKind is why something was dropped.
type NoteKind int

// The kinds of note.
const (
	Unknown    NoteKind = iota // the device says that it does not know
	Impossible                 // outside what can be true
	WentBack                   // a counter below its last value
	Jumped                     // a counter further ahead than any power could bring it
	Restarted                  // a counter that began again is accepted as such
	Wrapped                    // a counter that went past its largest value
	Incomplete                 // a part of a set of values that never became whole
	Held                       // a value waits for the next to bear it out
	Learnt                     // nothing was dropped: Decoder.Model is another now
)

var noteKinds = [...]string{"unknown value", "impossible value", "counter went back", "counter jumped",
	"counter began again", "counter wrapped", "set of values was incomplete", "value is held back", "model was learnt"}

func (k NoteKind) String() string {
	if k >= 0 && int(k) < len(noteKinds) {
		return noteKinds[k]
	}
	return "note"
}
