package network

import (
	"cmp"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

const (
	// unknownNode is the network address of a device whose address is not known.
	unknownNode = 0xFFFE
	// maxDevices bounds what strangers who are let in can fill.
	maxDevices = 1000
)

// member is a Device with what only this package needs. Network.mu guards all
// of it but turn.
type member struct {
	Device
	sleepy bool // its receiver is off while it is idle

	turn      chan struct{}  // holds a token while no request to it is under way
	working   bool           // its interview or configuration is under way
	again     bool           // and is to be done once more after that
	failedAt  time.Time      // when that last failed
	failures  int            // and how often in a row
	setUp     time.Time      // when its setup was last done, in this process
	model     *modelState    // nil: to be worked out; see modelOf
	options   map[string]any // that a person has chosen
	tuyaAsked time.Time      // when it was last asked for its version
	pinged    time.Time      // when it was last asked for a sign of life
	joinTold  time.Time      // when the dongle last told that it joined as new
	relays    []uint16       // the way of its last route record, from it to us; never changed in place
	backoff   int            // pings in a row that it has not answered
	sought    time.Time      // when the network was last asked for its address
	pending   int            // requests that wait until it wakes up
	awake     chan struct{}  // closed when it does
}

func newDevice(d Device, sleepy bool) *member {
	dev := &member{Device: d, sleepy: sleepy, turn: make(chan struct{}, 1), awake: make(chan struct{})}
	dev.turn <- struct{}{}
	return dev
}

// snapshot is the device as it is. It shares what never changes (see Device):
// nothing is copied for each report.
func (d *member) snapshot() Device { return d.Device }

// edit changes an endpoint, one not known yet included, in a new list of
// endpoints. What the change reaches inside the endpoint it must clone.
// Network.mu is held.
func (d *member) edit(id uint8, change func(*Endpoint)) {
	list := slices.Clone(d.Endpoints)
	i := slices.IndexFunc(list, func(e Endpoint) bool { return e.ID == id })
	if i < 0 {
		list, i = append(list, Endpoint{ID: id}), len(list)
	}
	change(&list[i])
	d.Endpoints = list
	d.unmodel()
}

func (d *member) event(k Kind) Event {
	return Event{Kind: k, Device: d.snapshot(), EUI64: d.EUI64}
}

func (n *Network) devicesLocked() []Device {
	all := make([]Device, 0, len(n.devices))
	for _, d := range n.devices {
		all = append(all, d.snapshot())
	}
	slices.SortFunc(all, byJoining)
	return all
}

// byJoining is the order in which devices joined.
func byJoining(a, b Device) int {
	return cmp.Or(a.Joined.Compare(b.Joined), cmp.Compare(a.EUI64, b.EUI64))
}

// place makes sure that a device is known under an address. fresh says that it
// was not known before. It gives nil when there is no room for another one.
// n.mu is held.
func (n *Network) place(e zcl.EUI64, node uint16) (d *member, fresh bool) {
	d = n.devices[e]
	if d == nil {
		if len(n.devices) >= maxDevices {
			if n.noise.ok("too many devices") {
				n.log.Warn("a device is ignored: there are too many", "device", e, "most", maxDevices)
			}
			return nil, false
		}
		d = newDevice(Device{
			EUI64: e, NodeID: unknownNode, Type: TypeUnknown,
			Interview: InterviewPending, Joined: time.Now().UTC().Truncate(time.Millisecond),
		}, false)
		d.options = n.options[e]
		n.devices[e] = d
		fresh = true
	}
	if d.NodeID == node && !fresh {
		return d, false
	}
	if n.nodes[d.NodeID] == d {
		delete(n.nodes, d.NodeID)
	}
	if other := n.nodes[node]; other != nil && other != d { // addresses are given anew
		other.NodeID = unknownNode
	}
	d.NodeID = node
	n.nodes[node] = d
	n.changed()
	return d, fresh
}

// forget takes a device out of the list. n.mu is held.
func (n *Network) forget(d *member) {
	delete(n.devices, d.EUI64)
	if n.nodes[d.NodeID] == d {
		delete(n.nodes, d.NodeID)
	}
	n.changed()
	n.putLocked(d.event(Left))
}

// alive notes that a device was heard. n.mu is held.
func (n *Network) alive(d *member) {
	d.LastSeen = time.Now().UTC().Truncate(time.Millisecond)
	d.backoff = 0
	n.touched = true
	n.setAvailable(d, true)
}

func (n *Network) setAvailable(d *member, available bool) {
	if d.Available == available {
		return
	}
	d.Available = available
	n.changed()
	n.putLocked(d.event(AvailabilityChanged))
}

// wait is how long the device may take to answer.
func (n *Network) wait(d *member) time.Duration {
	if d.sleepy {
		return n.timing.SleepyRequest
	}
	return n.timing.Request
}
