package network

import (
	"context"
	"math"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/ezsp"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
	"github.com/smartcore-ireland/hems/internal/zigbee/zdo"
)

// maxPermit is the longest time the network can be opened at once: one byte of
// seconds, of which 255 would mean for ever.
const maxPermit = 254 * time.Second

// joinRepeat is how long the same join may be told again: once by each router
// that has heard it.
const joinRepeat = 10 * time.Second

// broadcast addresses (Zigbee specification 3.6.5).
const toRouters = 0xFFFC

// PermitJoin opens the network to new devices for d (at most 254 s, rounded
// up to whole seconds), or closes it when d is 0 or less.
func (n *Network) PermitJoin(ctx context.Context, d time.Duration) error {
	s, err := n.up()
	if err != nil {
		return err
	}
	return n.permit(ctx, s, min(max(d, 0), maxPermit))
}

func (n *Network) permit(ctx context.Context, s *session, d time.Duration) error {
	seconds := uint8(math.Ceil(d.Seconds()))
	if err := s.permit(ctx, seconds); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing != nil {
		n.closing.Stop()
		n.closing = nil
	}
	wasOpen := !n.info.PermitUntil.IsZero()
	n.info.PermitUntil = time.Time{}
	if seconds > 0 {
		open := time.Duration(seconds) * time.Second
		n.info.PermitUntil = time.Now().Add(open)
		n.closing = time.AfterFunc(open, n.permitEnded)
		n.log.Info("the network is open to new devices", "seconds", seconds)
	} else if wasOpen {
		n.log.Info("the network is closed to new devices")
	}
	if wasOpen || seconds > 0 {
		n.putLocked(Event{Kind: PermitJoinChanged, Info: n.infoLocked()})
	}
	return nil
}

// permitEnded tells that the time is over. The NCP and the routers have closed
// by themselves; the trust centre's policy is ours to take back.
func (n *Network) permitEnded() {
	n.mu.Lock()
	if n.info.PermitUntil.IsZero() || time.Now().Before(n.info.PermitUntil) {
		n.mu.Unlock()
		return
	}
	n.info.PermitUntil = time.Time{}
	n.putLocked(Event{Kind: PermitJoinChanged, Info: n.infoLocked()})
	s := n.session
	n.mu.Unlock()
	n.log.Info("the network is closed to new devices: its time is over")
	if s == nil {
		return // the next start sets the policy anew
	}
	ctx, cancel := context.WithTimeout(s.ctx, 2*n.timing.Command)
	defer cancel()
	if err := s.closePolicy(ctx); err != nil {
		n.log.Debug("could not take back the join policy", "err", err)
	}
}

// reopen opens the network again when the dongle was lost while it was open.
func (n *Network) reopen(ctx context.Context, s *session) error {
	n.mu.Lock()
	left := time.Until(n.info.PermitUntil)
	open := !n.info.PermitUntil.IsZero()
	n.mu.Unlock()
	if !open || left < time.Second {
		return nil
	}
	return s.permit(ctx, uint8(math.Ceil(left.Seconds())))
}

// permit tells the NCP and all routers. To open: the key that new devices
// have, then who may come, then the door; to close: the other way round.
func (s *session) permit(ctx context.Context, seconds uint8) error {
	if seconds > 0 {
		if err := s.ez.ImportTransientKey(ctx, zcl.EUI64Any, ezsp.Key(wellKnownLinkKey)); err != nil {
			return err
		}
		if err := s.ez.SetPolicy(ctx, ezsp.PolicyTrustCenter, tcAllowJoins); err != nil {
			return err
		}
	} else if err := s.closePolicy(ctx); err != nil {
		return err
	}
	if err := s.ez.PermitJoining(ctx, seconds); err != nil {
		return err
	}
	s.mu.Lock()
	s.zdoSeq++
	seq := s.zdoSeq
	s.mu.Unlock()
	q := zdo.PermitJoiningRequest{Duration: seconds, TrustCenter: true}
	f := ezsp.APSFrame{Cluster: q.Cluster(), Options: apsOptions}
	const everywhere = 0xFF // radius
	_, err := s.ez.SendBroadcast(ctx, toRouters, f, everywhere, seq, zdo.Append(nil, seq, q))
	return err
}

func (s *session) closePolicy(ctx context.Context) error {
	if err := s.ez.ClearTransientLinkKeys(ctx); err != nil {
		return err
	}
	return s.ez.SetPolicy(ctx, ezsp.PolicyTrustCenter, tcRejoinsOnly)
}

// trustCenterJoin takes the NCP's word that a device has come or gone.
func (n *Network) trustCenterJoin(s *session, j ezsp.TrustCenterJoin) {
	if j.EUI64 == s.eui64 || j.EUI64 == zcl.EUI64None || j.EUI64 == zcl.EUI64Any {
		return
	}
	if j.Status == ezsp.DeviceLeft {
		n.mu.Lock()
		defer n.mu.Unlock()
		if d := n.devices[j.EUI64]; d != nil {
			n.log.Info("a device has left", "device", j.EUI64)
			n.forget(d)
		}
		return
	}
	if j.Decision == ezsp.JoinDenied {
		n.log.Warn("a device was not let in", "device", j.EUI64, "node", hex16(j.NodeID))
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	old := n.nodes[j.NodeID]
	d, fresh := n.place(j.EUI64, j.NodeID)
	if d == nil {
		return
	}
	n.alive(d)
	if j.Status == ezsp.UnsecuredJoin {
		told := d.joinTold
		d.joinTold = time.Now()
		if d == old && d.working && time.Since(told) < joinRepeat {
			return
		}
	}
	d.failedAt = time.Time{}
	// A device that comes back with its keys still has its bindings. One that
	// comes as new was reset, and has lost them.
	if joined := fresh || j.Status == ezsp.UnsecuredJoin; joined {
		n.log.Info("a device has joined", "device", j.EUI64, "node", hex16(j.NodeID))
		if d.Configured || d.Interview != InterviewPending {
			d.Configured = false
			if !d.working {
				d.Interview = InterviewPending
			}
			for i := range d.Endpoints {
				d.Endpoints[i].Bindings, d.Endpoints[i].Reporting = nil, nil
			}
			d.again = d.working
		}
		// A process that is killed now must know of the device when it is back:
		// one that was never set up says nothing by itself.
		n.saveDevicesNow()
		n.putLocked(d.event(Joined))
	} else {
		n.log.Info("a device has rejoined", "device", j.EUI64, "node", hex16(j.NodeID))
		n.putLocked(d.event(Announced))
	}
	n.onboard(s, d)
}

// announced takes a device's broadcast that it is there, perhaps under a new
// address. n.mu is held.
func (n *Network) announced(s *session, a zdo.DeviceAnnounce) {
	if a.EUI64 == s.eui64 || a.EUI64 == zcl.EUI64None || a.EUI64 == zcl.EUI64Any {
		return
	}
	d, fresh := n.place(a.EUI64, a.NWKAddr)
	if d == nil {
		return
	}
	n.alive(d)
	d.failedAt = time.Time{} // whoever has pressed its button wants it to work
	if sleepy := a.Capability&zdo.CapabilityRxOnWhenIdle == 0; d.Type == TypeUnknown {
		d.sleepy = sleepy
	}
	if fresh {
		n.log.Info("a device of this network was not known", "device", a.EUI64, "node", hex16(a.NWKAddr))
		n.saveDevicesNow()
		n.putLocked(d.event(Joined))
	}
	n.putLocked(d.event(Announced))
	n.onboard(s, d)
}
