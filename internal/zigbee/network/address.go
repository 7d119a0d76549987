package network

import (
	"context"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/ezsp"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
	"github.com/smartcore-ireland/hems/internal/zigbee/zdo"
)

// Network addresses change: when a device rejoins, and when two have the same.

// toAwake is the broadcast address of all that listen all the time (Zigbee
// specification 3.6.5).
const toAwake = 0xFFFD

// firstBroadcast is the first address that no node has.
const firstBroadcast = 0xFFF8

// isNode reports whether an address is that of a node other than us.
func isNode(node uint16) bool { return node != 0 && node < firstBroadcast }

const (
	seekEvery = time.Minute     // the network is asked for one device no more often
	seekFor   = 2 * time.Second // and an answer is waited for that long
)

// findAgain looks for the address of a device that could not be reached under
// the one it had: in what the dongle knows, then by asking the network. It
// reports whether there is another one.
func (n *Network) findAgain(ctx context.Context, s *session, d *member, old uint16) bool {
	n.mu.Lock()
	found := d.NodeID != old && d.NodeID != unknownNode
	n.mu.Unlock()
	if found {
		return true
	}
	if node, err := s.ez.LookupNodeID(ctx, d.EUI64); err == nil && node != old && isNode(node) {
		n.moved(d.EUI64, node)
		return true
	}
	n.mu.Lock()
	if time.Since(d.sought) < seekEvery {
		n.mu.Unlock()
		return false
	}
	d.sought = time.Now()
	n.mu.Unlock()
	if err := s.broadcast(ctx, toAwake, zdo.NWKAddrRequest{EUI64: d.EUI64}); err != nil {
		return false
	}
	for deadline := time.Now().Add(seekFor); time.Now().Before(deadline); {
		if sleep(ctx, seekFor/8) != nil {
			return false
		}
		n.mu.Lock()
		found = d.NodeID != old && d.NodeID != unknownNode
		n.mu.Unlock()
		if found {
			return true
		}
	}
	return false
}

// moved notes the address that a known device has by now.
func (n *Network) moved(e zcl.EUI64, node uint16) {
	if !isNode(node) {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.devices[e]
	if d == nil || d.NodeID == node {
		return
	}
	if n.noise.ok("another address") {
		n.log.Info("a device has another address", "device", e, "was", hex16(d.NodeID), "node", hex16(node))
	}
	n.place(e, node)
}

// conflict is told when two devices have the same address. The stack makes both
// choose another; until they say which, none of them can be told by it.
func (n *Network) conflict(c ezsp.IDConflict) {
	n.stats.conflicts.Add(1)
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.nodes[c.NodeID]
	if d == nil {
		return
	}
	if n.noise.ok("conflict") {
		n.log.Warn("two devices have the same address: they will choose others", "node", hex16(c.NodeID), "device", d.EUI64)
	}
	delete(n.nodes, c.NodeID)
	d.NodeID = unknownNode
	n.changed()
}

// broadcast sends a ZDO message to all nodes of a kind.
func (s *session) broadcast(ctx context.Context, to uint16, q zdo.Message) error {
	s.mu.Lock()
	s.zdoSeq++
	seq := s.zdoSeq
	s.mu.Unlock()
	f := ezsp.APSFrame{Cluster: q.Cluster(), Options: apsOptions}
	const everywhere = 0 // radius
	return s.whenFree(ctx, func() error {
		_, err := s.ez.SendBroadcast(ctx, to, f, everywhere, 0, zdo.Append(nil, seq, q))
		return err
	})
}
