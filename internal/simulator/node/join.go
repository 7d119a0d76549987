package node

import (
	"errors"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator/radio"
)

// Times of joining: how long a device looks for a network, how long after
// joining it announces itself, and how long after the request it leaves.
const (
	searchTime   = 300 * time.Millisecond
	announceTime = 250 * time.Millisecond
	leaveTime    = 150 * time.Millisecond
)

// ErrClosed: the coordinator lets no device in at the moment.
var ErrClosed = errors.New("no network is open for joining: permit joining on the coordinator first")

// NetworkChanged implements radio.Device. A device without a network joins one
// that opens, as if its owner held the button; a device of this network that
// the coordinator has forgotten comes back to it with the network key.
func (n *Node) NetworkChanged() {
	hub := n.o.Air.Hub()
	if hub == nil {
		return
	}
	if net, up := hub.Up(); up && n.partOf(net) {
		if !hub.Knows(n.o.EUI64, n.memory.ID) {
			n.search(n.rejoin)
		}
		return
	}
	if _, open := hub.Open(); open {
		n.search(n.join)
	}
}

// Press is the button: a device that is part of the network announces itself,
// another one tries to join. ErrClosed says that it cannot.
func (n *Node) Press() error {
	hub := n.o.Air.Hub()
	if hub == nil {
		return ErrClosed
	}
	if net, up := hub.Up(); up && n.partOf(net) {
		n.announce()
		return nil
	}
	if _, open := hub.Open(); !open {
		return ErrClosed
	}
	n.search(n.join)
	return nil
}

func (n *Node) partOf(net radio.Network) bool { return n.memory.Joined && n.memory.Network == net }

func (n *Node) search(then func()) {
	if n.joining {
		return
	}
	n.joining = true
	n.o.Air.After(searchTime, func() {
		n.joining = false
		then()
	})
}

func (n *Node) join() {
	hub := n.o.Air.Hub()
	net, open := hub.Open()
	if !open || n.partOf(net) {
		return
	}
	n.memory = Memory{Joined: true, ID: uint16(1 + n.o.Air.Random().UintN(0xFFF6)), Network: net}
	clear(n.last)
	n.o.Changed()
	n.log.Info("device joined", "eui64", n.o.EUI64, "id", n.memory.ID)
	n.associated(hub, radio.UnsecuredJoin)
}

func (n *Node) rejoin() {
	hub := n.o.Air.Hub()
	if net, up := hub.Up(); !up || !n.partOf(net) || hub.Knows(n.o.EUI64, n.memory.ID) {
		return
	}
	n.log.Info("device came back", "eui64", n.o.EUI64, "id", n.memory.ID)
	n.associated(hub, radio.SecuredRejoin)
}

func (n *Node) associated(hub radio.Hub, how radio.Join) {
	hub.Member(n.o.EUI64, n.memory.ID, how, true)
	id := n.memory.ID
	n.o.Air.After(announceTime, func() {
		if n.memory.Joined && n.memory.ID == id {
			n.announce()
		}
	})
}

// leave forgets the network and everything that was agreed in it.
func (n *Node) leave() {
	if !n.memory.Joined {
		return
	}
	id, net := n.memory.ID, n.memory.Network
	n.memory = Memory{}
	clear(n.last)
	n.o.Changed()
	n.log.Info("device left", "eui64", n.o.EUI64, "id", id)
	if hub := n.o.Air.Hub(); hub != nil {
		if now, up := hub.Up(); up && now == net {
			hub.Member(n.o.EUI64, id, radio.Left, true)
		}
	}
	n.NetworkChanged()
}
