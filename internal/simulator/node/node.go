// Package node is a simulated Zigbee device: a router or an end device that
// sleeps. It joins a network that is open, answers ZDO and ZCL requests about
// the endpoints and attributes it was given, obeys the clusters every device
// shares (groups, scenes, on/off, level, identify, IAS zone, poll control, and
// Tuya's own), keeps a binding table and reporting configurations, and
// reports. It knows the Zigbee and ZCL wire formats and must never know what
// its attributes measure, nor anything of the coordinator but the air between
// them.
package node

import (
	"encoding/binary"
	"log/slog"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator/radio"
	"github.com/smartcore-ireland/hems/internal/simulator/zdo"
)

// Attribute is one attribute of a server cluster. Manufacturer is 0 for the
// attributes of the ZCL.
type Attribute struct {
	ID           uint16
	Manufacturer uint16
	Type         uint8
	Get          func() Value          // nil: cannot be read
	Set          func(Value) (ok bool) // nil: cannot be written; false: value out of range
	Reportable   bool
	// Own is how the device reports the attribute without being configured to:
	// to the coordinator, bound or not.
	Own *Interval
}

// Interval is a reporting interval in seconds and the least change.
type Interval struct {
	Min, Max uint16
	Change   int64
}

// Cluster is a server cluster on an endpoint.
type Cluster struct {
	ID         uint16
	Attributes []Attribute
	// Command handles a cluster command; nil: the cluster has none.
	Command func(Command) Reply
	// attach gives a cluster of this package the device it works in.
	attach func(*Node, *Endpoint)
}

// Command is a cluster command as it reached a device.
type Command struct {
	ID           uint8
	Manufacturer uint16
	Payload      []byte
	// From is where it came from, for what is sent later.
	From Source
}

// Source is an endpoint of the coordinator.
type Source struct {
	Profile  uint16
	Endpoint uint8
	TSN      uint8
}

// Reply is what a device answers to a cluster command: a command of its own, or
// a default response with a status.
type Reply struct {
	Status  uint8
	Respond bool // Command and Payload are the answer
	Command uint8
	Payload []byte
}

// Endpoint is a simple descriptor with the clusters behind it.
type Endpoint struct {
	zdo.Endpoint
	Clusters []Cluster // those of In that have something to answer
}

// Image is what an over-the-air client says about its firmware.
type Image struct {
	Type    uint16
	Version uint32
}

// Description is what a device is born with.
type Description struct {
	EUI64        radio.EUI64
	Node         [13]byte // node descriptor
	Power        uint16   // power descriptor
	Capability   uint8    // MAC capability flags, as in Device_annce
	Manufacturer uint16
	Endpoints    []Endpoint
	// LinkKey is the key of the install code; zero means the well-known one.
	LinkKey radio.Key
	// Poll is how often a sleeping device asks its parent when nothing is going
	// on; 0: so often that it hears at once.
	Poll time.Duration
	// Bindings is how many entries of the binding table an endpoint may take; 0
	// means all 16 of them.
	Bindings int
	// Alone says that every report has a frame to itself.
	Alone bool
	// Mute says that reporting can be configured and never happens.
	Mute bool
	// Forgets says that reporting configurations are lost without power.
	Forgets bool
	// ViaRouter says that the device prefers a router as its parent.
	ViaRouter bool
	// Image is the firmware of a device with an OTA client; zero: it asks for none.
	Image Image
}

// Binding is an entry of the binding table: to one endpoint of one node, or to
// a group.
type Binding struct {
	Endpoint       uint8       `json:"endpoint"`
	Cluster        uint16      `json:"cluster"`
	Target         radio.EUI64 `json:"target,omitempty"`
	TargetEndpoint uint8       `json:"target_endpoint,omitempty"`
	Group          uint16      `json:"group,omitempty"`
}

// Reporting is the configuration of one attribute's reports. Times are in
// seconds. Max 0 means no report without change.
type Reporting struct {
	Endpoint     uint8  `json:"endpoint"`
	Cluster      uint16 `json:"cluster"`
	Manufacturer uint16 `json:"manufacturer,omitempty"`
	Attribute    uint16 `json:"attribute"`
	Min          uint16 `json:"min"`
	Max          uint16 `json:"max"`
	Change       int64  `json:"change"` // raw, of the attribute's type
}

// Group is a group that an endpoint is a member of.
type Group struct {
	Endpoint uint8  `json:"endpoint"`
	ID       uint16 `json:"id"`
	Name     string `json:"name,omitempty"`
}

// Scene is a stored scene: what the switches of an endpoint were.
type Scene struct {
	Endpoint   uint8  `json:"endpoint"`
	Group      uint16 `json:"group"`
	ID         uint8  `json:"id"`
	Transition uint16 `json:"transition,omitempty"`
	Name       string `json:"name,omitempty"`
	// Fields are the extension field sets as they go over the wire.
	Fields []byte `json:"fields,omitempty"`
}

// Enrolment is where an IAS zone reports to.
type Enrolment struct {
	Endpoint uint8       `json:"endpoint"`
	CIE      radio.EUI64 `json:"cie,omitempty"`
	Enrolled bool        `json:"enrolled,omitempty"`
	ID       uint8       `json:"id"`
}

// Memory is what a device does not forget without power.
type Memory struct {
	Joined    bool          `json:"joined"`
	ID        uint16        `json:"id"`
	Parent    uint16        `json:"parent,omitempty"`
	Network   radio.Network `json:"network"`
	Bindings  []Binding     `json:"bindings,omitempty"`
	Reporting []Reporting   `json:"reporting,omitempty"`
	Groups    []Group       `json:"groups,omitempty"`
	Scenes    []Scene       `json:"scenes,omitempty"`
	Zones     []Enrolment   `json:"zones,omitempty"`
}

// Report is one attribute's value going out.
type Report struct {
	Endpoint           uint8
	Cluster, Attribute uint16
	Value              int64
	Time               time.Time // just before the coordinator's dongle got it
}

// Options of a device.
type Options struct {
	Description
	Memory   Memory
	Air      *radio.Air
	Changed  func()         // the memory changed and must be kept
	Reported func([]Report) // reports were taken by the coordinator's dongle
	// Every replaces the minimum reporting interval, and any change is then
	// reported; for measuring. 0: as configured.
	Every time.Duration
	Tick  func() // called before each look at the reports when Every is set
	// Position is the device's place among those of the house, which decides
	// whose turn it is when all want to join.
	Position int
	Log      *slog.Logger
}

// Node is a device in the air. All its methods must be called in the world
// (radio.Air.Do), but New.
type Node struct {
	o        Options
	log      *slog.Logger
	memory   Memory
	last     map[reportKey]lastReport
	born     []Reporting // see own
	joining  bool
	silent   bool
	longest  uint16    // time between reports that it takes, in s; 0: any
	permits  time.Time // newcomers may associate until then
	awake    time.Time // a sleeping device asks its parent often until then
	looking  bool
	next     time.Time // when Every has the device look next
	starts   []func()  // of clusters, at power-up
	looks    []func()  // of clusters, when something may have changed
	triggers []func()  // of clusters, when somebody does what they sense
	checkIns []func()  // of clusters, when the button is pressed
	scenic   map[uint8][]sceneState
	poll     func() time.Duration
	aps, tsn uint8
	zdoSeq   uint8
}

// Limits of the tables, as small devices have them.
const (
	maxBindings  = 16
	maxReporting = 64
	maxGroups    = 16
	maxScenes    = 16
	maxPayload   = 80 // bytes of ZCL frame that fit one APS frame
)

// New puts a device into the air.
func New(o Options) *Node {
	n := &Node{o: o, log: o.Log, memory: o.Memory, last: map[reportKey]lastReport{}, scenic: map[uint8][]sceneState{}}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	if n.o.Changed == nil {
		n.o.Changed = func() {}
	}
	if n.o.Reported == nil {
		n.o.Reported = func([]Report) {}
	}
	n.poll = func() time.Duration { return n.o.Poll }
	for i := range n.o.Endpoints {
		e := &n.o.Endpoints[i]
		n.born = append(n.born, born(e)...)
		for _, c := range e.Clusters {
			if c.attach != nil {
				c.attach(n, e)
			}
		}
	}
	n.o.Air.Do(func() { n.o.Air.Add(n) })
	return n
}

// Start lets the device live.
func (n *Node) Start() {
	for _, f := range n.starts {
		f()
	}
	n.tick()
}

// EUI64 returns the extended address.
func (n *Node) EUI64() radio.EUI64 { return n.o.EUI64 }

// Address implements radio.Device.
func (n *Node) Address() (uint16, radio.Network, bool) {
	return n.memory.ID, n.memory.Network, n.memory.Joined
}

// Role implements radio.Device: what the descriptors say.
func (n *Node) Role() radio.Role {
	const router, receiverOn = 0x01, 0x08
	return radio.Role{Router: n.o.Node[0]&0x07 == router, Sleepy: n.o.Capability&receiverOn == 0}
}

// Parent implements radio.Device.
func (n *Node) Parent() uint16 { return n.memory.Parent }

// Silent implements radio.Device.
func (n *Node) Silent() bool { return n.silent }

// Memory returns a copy of what the device remembers.
func (n *Node) Memory() Memory {
	m := n.memory
	m.Bindings = slices.Clone(m.Bindings)
	m.Reporting = slices.Clone(m.Reporting)
	m.Groups = slices.Clone(m.Groups)
	m.Scenes = slices.Clone(m.Scenes)
	m.Zones = slices.Clone(m.Zones)
	return m
}

// Receive implements radio.Device.
func (n *Node) Receive(f radio.Frame) {
	n.stayAwake(stayTime)
	if f.Profile == 0 && f.DestinationEndpoint == 0 {
		n.receiveZDO(f)
		return
	}
	for i := range n.o.Endpoints {
		e := &n.o.Endpoints[i]
		switch {
		case f.Multicast && !n.member(e.ID, f.Group):
		case !f.Multicast && f.DestinationEndpoint != e.ID && f.DestinationEndpoint != 0xFF:
		case f.Profile == e.Profile:
			n.receiveZCL(e, f)
		}
	}
}

// send gives a frame to the coordinator after the air's delay.
func (n *Node) send(f radio.Frame) {
	n.o.Air.After(n.o.Air.DelayTo(n), func() { n.sendNow(f) })
}

func (n *Node) sendNow(f radio.Frame) bool {
	n.aps++
	f.Sequence = n.aps
	ok := n.o.Air.Up(n, f)
	n.stayAwake(stayTime)
	return ok
}

func (n *Node) self() zdo.Self {
	s := zdo.Self{EUI64: n.o.EUI64, ID: n.memory.ID, Node: n.o.Node, Power: n.o.Power}
	for _, e := range n.o.Endpoints {
		s.Endpoints = append(s.Endpoints, e.Endpoint)
	}
	return s
}

// announce broadcasts Device_annce.
func (n *Node) announce() {
	n.zdoSeq++
	b := binary.LittleEndian.AppendUint16([]byte{n.zdoSeq}, n.memory.ID)
	b = binary.LittleEndian.AppendUint64(b, uint64(n.o.EUI64))
	b = append(b, n.o.Capability)
	n.send(radio.Frame{Destination: radio.BroadcastAwake, Cluster: zdo.DeviceAnnounce, Payload: b})
}

// notify sends a cluster command of a server to the coordinator.
func (n *Node) notify(e *Endpoint, cluster uint16, to Source, command uint8, payload []byte) {
	n.tsn++
	n.send(radio.Frame{Profile: e.Profile, Cluster: cluster, SourceEndpoint: e.ID, DestinationEndpoint: to.Endpoint,
		Payload: append([]byte{fcClusterCommand | fcFromServer, n.tsn, command}, payload...)})
}
