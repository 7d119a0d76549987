// Package node is a simulated battery-powered Zigbee device: it joins a
// network that is open, answers ZDO and ZCL requests about the endpoints and
// attributes it was given, keeps a binding table and reporting configurations,
// and reports. It knows the Zigbee and ZCL wire formats and must never know
// what its attributes measure, nor anything of the coordinator but the air
// between them.
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
}

// Cluster is a server cluster on an endpoint.
type Cluster struct {
	ID         uint16
	Attributes []Attribute
	// Command handles a cluster command; nil or false: the cluster has none such.
	Command func(id uint8, payload []byte) (ok bool)
}

// Endpoint is a simple descriptor with the clusters behind it.
type Endpoint struct {
	zdo.Endpoint
	Clusters []Cluster // those of In that have something to answer
}

// Description is what a device is born with.
type Description struct {
	EUI64        radio.EUI64
	Node         [13]byte // node descriptor
	Power        uint16   // power descriptor
	Capability   uint8    // MAC capability flags, as in Device_annce
	Manufacturer uint16
	Endpoints    []Endpoint
}

// Binding is an entry of the binding table, to one endpoint of one node.
type Binding struct {
	Endpoint       uint8       `json:"endpoint"`
	Cluster        uint16      `json:"cluster"`
	Target         radio.EUI64 `json:"target"`
	TargetEndpoint uint8       `json:"target_endpoint"`
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
	Change       int64  `json:"change"`
}

// Memory is what a device does not forget without power.
type Memory struct {
	Joined    bool          `json:"joined"`
	ID        uint16        `json:"id"`
	Network   radio.Network `json:"network"`
	Bindings  []Binding     `json:"bindings,omitempty"`
	Reporting []Reporting   `json:"reporting,omitempty"`
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
	Log   *slog.Logger
}

// Node is a device in the air. All its methods must be called in the world
// (radio.Air.Do), but New.
type Node struct {
	o        Options
	log      *slog.Logger
	memory   Memory
	last     map[reportKey]lastReport
	joining  bool
	aps, tsn uint8
	zdoSeq   uint8
}

// Limits of the tables, as small devices have them.
const (
	maxBindings  = 16
	maxReporting = 16
	maxPayload   = 80 // bytes of ZCL frame that fit one APS frame
)

// New puts a device into the air.
func New(o Options) *Node {
	n := &Node{o: o, log: o.Log, memory: o.Memory, last: map[reportKey]lastReport{}}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	if n.o.Changed == nil {
		n.o.Changed = func() {}
	}
	if n.o.Reported == nil {
		n.o.Reported = func([]Report) {}
	}
	n.o.Air.Do(func() { n.o.Air.Add(n) })
	return n
}

// Start lets the device live.
func (n *Node) Start() { n.tick() }

// EUI64 returns the extended address.
func (n *Node) EUI64() radio.EUI64 { return n.o.EUI64 }

// Address implements radio.Device.
func (n *Node) Address() (uint16, radio.Network, bool) {
	return n.memory.ID, n.memory.Network, n.memory.Joined
}

// Memory returns a copy of what the device remembers.
func (n *Node) Memory() Memory {
	m := n.memory
	m.Bindings = slices.Clone(m.Bindings)
	m.Reporting = slices.Clone(m.Reporting)
	return m
}

// Receive implements radio.Device.
func (n *Node) Receive(f radio.Frame) {
	if f.Profile == 0 && f.DestinationEndpoint == 0 {
		n.receiveZDO(f)
		return
	}
	for i := range n.o.Endpoints {
		e := &n.o.Endpoints[i]
		if f.DestinationEndpoint == e.ID || f.DestinationEndpoint == 0xFF {
			if f.Profile == e.Profile {
				n.receiveZCL(e, f)
			}
		}
	}
}

// send gives a frame to the coordinator after the air's delay.
func (n *Node) send(f radio.Frame) {
	n.o.Air.After(n.o.Air.Delay(), func() { n.sendNow(f) })
}

func (n *Node) sendNow(f radio.Frame) bool {
	n.aps++
	f.Sequence = n.aps
	return n.o.Air.Up(n, f)
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
