package network

import (
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/device"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// State is how far the coordinator has come with its dongle.
type State int

// The states. Down has its reason in Info.Err, except before the first attempt
// and after Run has returned.
const (
	Down     State = iota // no dongle, or one that does not do its work
	Starting              // the line is open; the stack is being started
	Up                    // the network works
)

func (s State) String() string {
	switch s {
	case Down:
		return "down"
	case Starting:
		return "starting"
	case Up:
		return "up"
	}
	return "unknown"
}

// Info is the coordinator and its network. What is not known yet is zero; what
// was known stays when the dongle goes away.
type Info struct {
	State State
	// Err says why the State is Down; Hint(Err) says what to do about it.
	Err           error
	EUI64         zcl.EUI64 // of the dongle
	PANID         uint16
	ExtendedPANID uint64
	Channel       uint8
	EZSPVersion   uint8
	Firmware      string // "7.4.4 build 0 [GA]"
	// PermitUntil is when the network closes to new devices; zero when it is
	// closed.
	PermitUntil time.Time
	// PermitVia is the only router (or the coordinator) at which devices may
	// join until then; zero when they may join at any.
	PermitVia zcl.EUI64
	// Dropped counts MessageReceived events lost to a slow reader of Events.
	Dropped uint64
}

// The interview states of a device, named as Zigbee2MQTT names them.
const (
	InterviewPending    = "PENDING"
	InterviewInProgress = "IN_PROGRESS"
	InterviewSuccessful = "SUCCESSFUL"
	InterviewFault      = "FAILED"
)

// The kinds of device, named as Zigbee2MQTT names them.
const (
	TypeEndDevice = "EndDevice"
	TypeRouter    = "Router"
	TypeUnknown   = "Unknown"
)

// Binding says that a device sends what one of its clusters reports to Target,
// or to a Group when that is not 0.
type Binding struct {
	Cluster        uint16    `json:"cluster"`
	Target         zcl.EUI64 `json:"target,omitempty"`
	TargetEndpoint uint8     `json:"target_endpoint,omitempty"`
	Group          uint16    `json:"group,omitempty"`
}

// Reporting is a report that a device has agreed to send. Intervals in seconds;
// Change in the attribute's own unit, 0 for any change or a discrete type.
type Reporting struct {
	Cluster      uint16 `json:"cluster"`
	Attribute    uint16 `json:"attribute"`
	Manufacturer uint16 `json:"manufacturer"`
	Min          uint16 `json:"min"`
	Max          uint16 `json:"max"`
	Change       uint64 `json:"change"`
}

// Endpoint is one application on a device (its simple descriptor) with what
// was configured on it.
type Endpoint struct {
	ID        uint8       `json:"id"`
	Profile   uint16      `json:"profile"`
	DeviceID  uint16      `json:"device_id"`
	In        []uint16    `json:"in,omitempty"`
	Out       []uint16    `json:"out,omitempty"`
	Bindings  []Binding   `json:"bindings,omitempty"`
	Reporting []Reporting `json:"reporting,omitempty"`
}

// Device is what is known of a device. Fields that the interview has not
// filled are zero. What it points to is shared by all copies and never changes:
// a change makes new endpoints.
type Device struct {
	EUI64            zcl.EUI64  `json:"eui64"`
	NodeID           uint16     `json:"node_id"`        // network address; 0xFFFE when it is not known
	Type             string     `json:"type,omitempty"` // TypeEndDevice, TypeRouter, TypeUnknown
	ManufacturerName string     `json:"manufacturer_name,omitempty"`
	ModelID          string     `json:"model_id,omitempty"`
	DateCode         string     `json:"date_code,omitempty"`
	SWBuildID        string     `json:"sw_build_id,omitempty"`
	ZCLVersion       *uint8     `json:"zcl_version,omitempty"`
	AppVersion       *uint8     `json:"app_version,omitempty"`
	StackVersion     *uint8     `json:"stack_version,omitempty"`
	HWVersion        *uint16    `json:"hw_version,omitempty"` // as the maker counts it: 1.0.2 may be 102
	ManufacturerCode uint16     `json:"manufacturer_code"`
	PowerSource      uint8      `json:"power_source"` // ZCL 3.2.2.2.8: 1 mains, 3 battery, 0x80 battery backup
	Endpoints        []Endpoint `json:"endpoints,omitempty"`
	// Told is what the device has said of what it is, beside its descriptors.
	Told         []device.Told `json:"told,omitempty"`
	Interview    string        `json:"interview,omitempty"` // InterviewPending and so on
	Configured   bool          `json:"configured"`
	ConfiguredAs string        `json:"configured_as,omitempty"` // which version of the model's setup that was
	LinkQuality  uint8         `json:"link_quality"`            // of the last frame heard, 0 to 255
	LastSeen     time.Time     `json:"last_seen"`
	Joined       time.Time     `json:"joined"`
	Available    bool          `json:"available"`
}

// Kind is what an Event tells.
type Kind int

// The kinds of event, with the fields of Event that each one fills beside Kind
// and Time. Device is always a copy as of the event.
const (
	StateChanged        Kind = iota // Info, Err
	PermitJoinChanged               // Info (PermitUntil)
	Joined                          // Device, EUI64: a device has joined, or joined again
	Announced                       // Device, EUI64: a device says it is back, perhaps with a new address
	InterviewStarted                // Device, EUI64
	InterviewStep                   // Device, EUI64, Step: what was just learnt or set up, in words; Err when that step failed
	InterviewSucceeded              // Device, EUI64
	InterviewFailed                 // Device, EUI64, Err
	Configured                      // Device, EUI64
	ConfigureFailed                 // Device, EUI64, Err
	Left                            // Device (as it was last known), EUI64
	MessageReceived                 // Device, EUI64, Message
	AvailabilityChanged             // Device, EUI64
)

var kindNames = [...]string{"StateChanged", "PermitJoinChanged", "Joined", "Announced", "InterviewStarted",
	"InterviewStep", "InterviewSucceeded", "InterviewFailed", "Configured", "ConfigureFailed", "Left",
	"MessageReceived", "AvailabilityChanged"}

func (k Kind) String() string {
	if k >= 0 && int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Event is something that happened in the network.
type Event struct {
	Kind    Kind
	Time    time.Time
	Device  Device
	EUI64   zcl.EUI64
	Err     error
	Step    string
	Message *Message
	Info    Info
}

// Message is a ZCL frame that a device has sent to us: a report, the answer to
// a read, or a command of a cluster.
type Message struct {
	Endpoint   uint8 // of the device
	Cluster    uint16
	Frame      zcl.Frame
	Attributes []zcl.Attribute // of reports and read responses
	LQI        uint8
	RSSI       int8 // dBm
}
