package node

import (
	"errors"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator/radio"
)

// Times of joining: how long a device looks for a network, how much longer each
// further device of the house does, how long after joining it announces
// itself, how long after the request it leaves, after how long without its
// parent it looks for another one, and for how long a router that has just
// joined lets others in (base device behaviour specification, section 8.3).
const (
	searchTime   = 300 * time.Millisecond
	turnTime     = 500 * time.Millisecond
	announceTime = 250 * time.Millisecond
	leaveTime    = 150 * time.Millisecond
	orphanTime   = 12 * time.Second
	steeringTime = 180 * time.Second
)

// ErrClosed: nobody lets the device in at the moment.
var ErrClosed = errors.New("no network is open for joining: permit joining on the coordinator first")

// ErrNotJoined: the device has no network.
var ErrNotJoined = errors.New("the device is not part of the network: let it join first")

// ErrSilent: the device has no power.
var ErrSilent = errors.New("the device is silent: let it speak first")

// NetworkChanged implements radio.Device. A device without a network joins one
// that opens, as if its owner held the button; a device of this network that
// the coordinator has forgotten, or whose channel changed, comes back to it
// with the network key.
func (n *Node) NetworkChanged() {
	hub := n.o.Air.Hub()
	if hub == nil || n.silent {
		return
	}
	net, up := hub.Up()
	switch {
	case up && n.partOf(net):
		if n.forgotten(hub) {
			n.search(n.rejoin)
		}
	case up && n.moved(net):
		n.search(n.rejoin)
	default:
		if _, _, open := n.door(); open {
			n.search(n.join)
		}
	}
}

// Press is the button: a device that is part of the network announces itself,
// and one that sleeps checks in; another one tries to join. ErrClosed says that
// it cannot.
func (n *Node) Press() error {
	if n.silent {
		return ErrSilent
	}
	if n.connected() {
		n.fresh()
		n.announce()
		for _, f := range n.checkIns {
			f()
		}
		return nil
	}
	if _, _, open := n.door(); !open {
		return ErrClosed
	}
	n.search(n.join)
	return nil
}

// Rejoin lets the device look for a parent again, with a new short address.
func (n *Node) Rejoin() error {
	switch {
	case n.silent:
		return ErrSilent
	case !n.connected():
		return ErrNotJoined
	}
	n.memory.ID = n.freeID()
	n.comeBack(n.o.Air.Hub())
	return nil
}

// Leave lets the device leave the network by itself.
func (n *Node) Leave() error {
	switch {
	case n.silent:
		return ErrSilent
	case !n.connected():
		return ErrNotJoined
	}
	n.leave()
	return nil
}

func (n *Node) partOf(net radio.Network) bool { return n.memory.Joined && n.memory.Network == net }

// moved says whether net is the device's network on another channel or under
// another PAN identifier.
func (n *Node) moved(net radio.Network) bool {
	m := n.memory.Network
	return n.memory.Joined && m != net && m.Extended == net.Extended && m.Key == net.Key
}

// connected says whether the device's network is up.
func (n *Node) connected() bool {
	hub := n.o.Air.Hub()
	if hub == nil {
		return false
	}
	net, up := hub.Up()
	return up && n.partOf(net)
}

// forgotten says whether the coordinator should have the device among its
// children and has not.
func (n *Node) forgotten(hub radio.Hub) bool {
	return n.memory.Parent == radio.Coordinator && !n.Role().Router && !hub.Knows(n.o.EUI64, n.memory.ID)
}

func (n *Node) linkKey() radio.Key {
	if n.o.LinkKey == (radio.Key{}) {
		return radio.WellKnownKey
	}
	return n.o.LinkKey
}

// door finds who lets the device in: the coordinator or a router.
func (n *Node) door() (net radio.Network, parent uint16, open bool) {
	hub := n.o.Air.Hub()
	if hub == nil {
		return radio.Network{}, 0, false
	}
	net, admitted := hub.Admit(n.o.EUI64, n.linkKey())
	if !admitted {
		return net, 0, false
	}
	_, direct := hub.Permits()
	routers := n.o.Air.Open(net)
	if len(routers) > 0 && (n.o.ViaRouter || !direct) {
		return net, n.choose(net, routers), true
	}
	return net, radio.Coordinator, direct
}

// choose takes the router with the fewest children.
func (n *Node) choose(net radio.Network, routers []uint16) uint16 {
	best := routers[0]
	for _, r := range routers {
		if n.o.Air.Children(net, r) < n.o.Air.Children(net, best) {
			best = r
		}
	}
	return best
}

func (n *Node) search(then func()) {
	if n.joining {
		return
	}
	n.joining = true
	n.o.Air.After(searchTime+time.Duration(n.o.Position)*turnTime, func() {
		n.joining = false
		if !n.silent {
			then()
		}
	})
}

// freeID chooses a short address that nobody has.
func (n *Node) freeID() uint16 {
	for {
		id := uint16(1 + n.o.Air.Random().UintN(0xFFF6))
		_, _, taken := n.o.Air.Lookup(n.memory.Network, func(_ radio.EUI64, other uint16) bool { return other == id })
		if !taken {
			return id
		}
	}
}

func (n *Node) join() {
	net, parent, open := n.door()
	if !open || n.partOf(net) {
		return
	}
	n.memory = Memory{Joined: true, Parent: parent, Network: net}
	n.memory.ID = n.freeID()
	clear(n.last)
	n.o.Changed()
	if n.Role().Router {
		n.permit(uint8(steeringTime / time.Second))
	}
	n.log.Info("device joined", "eui64", n.o.EUI64, "id", n.memory.ID, "parent", parent)
	n.associated(n.o.Air.Hub(), radio.UnsecuredJoin)
}

func (n *Node) rejoin() {
	hub := n.o.Air.Hub()
	net, up := hub.Up()
	if !up || !n.partOf(net) && !n.moved(net) || n.partOf(net) && !n.forgotten(hub) && n.o.Air.Reached(n) {
		return
	}
	n.memory.Network = net
	n.comeBack(hub)
}

// comeBack rejoins with the network key, through the parent it had or, when
// that does not answer, through another one.
func (n *Node) comeBack(hub radio.Hub) {
	if !n.o.Air.Reached(n) {
		n.memory.Parent = n.anyParent()
	}
	n.o.Changed()
	n.log.Info("device came back", "eui64", n.o.EUI64, "id", n.memory.ID, "parent", n.memory.Parent)
	n.associated(hub, radio.SecuredRejoin)
}

// anyParent is who takes an orphan: a router that works, or the coordinator.
func (n *Node) anyParent() uint16 {
	if n.o.ViaRouter {
		for _, r := range n.o.Air.Neighbours(n.memory.Network, radio.Coordinator) {
			if r.Role.Router && r.EUI64 != n.o.EUI64 {
				return r.ID
			}
		}
	}
	return radio.Coordinator
}

func (n *Node) associated(hub radio.Hub, how radio.Join) {
	n.tell(hub, n.memory.ID, how)
	n.fresh()
	id := n.memory.ID
	n.o.Air.After(announceTime, func() {
		if n.memory.Joined && n.memory.ID == id && !n.silent {
			n.announce()
		}
	})
}

func (n *Node) tell(hub radio.Hub, id uint16, how radio.Join) {
	hub.Member(radio.Member{EUI64: n.o.EUI64, ID: id, Parent: n.memory.Parent, Role: n.Role(), How: how})
}

// leave forgets the network and everything that was agreed in it.
func (n *Node) leave() {
	if !n.memory.Joined {
		return
	}
	id, net, parent := n.memory.ID, n.memory.Network, n.memory.Parent
	n.memory = Memory{}
	clear(n.last)
	n.o.Changed()
	n.log.Info("device left", "eui64", n.o.EUI64, "id", id)
	if hub := n.o.Air.Hub(); hub != nil {
		if now, up := hub.Up(); up && now == net {
			n.memory.Parent = parent
			n.tell(hub, id, radio.Left)
			n.memory.Parent = 0
		}
	}
	n.NetworkChanged()
}

// lookForParent lets a device whose parent does not answer, because it has no
// power or talks on another channel by now, find its network again.
func (n *Node) lookForParent() {
	if n.silent || n.joining || !n.lost() {
		return
	}
	n.joining = true
	n.o.Air.After(orphanTime, func() {
		n.joining = false
		if !n.silent && n.lost() {
			n.rejoin()
		}
	})
}

// lost says whether the device's network is up and the device not in touch
// with it.
func (n *Node) lost() bool {
	hub := n.o.Air.Hub()
	if hub == nil {
		return false
	}
	net, up := hub.Up()
	return up && (n.moved(net) || n.partOf(net) && !n.o.Air.Reached(n))
}
