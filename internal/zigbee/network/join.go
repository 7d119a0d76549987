package network

import (
	"context"
	"fmt"
	"math"
	"slices"
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

// broadcastPasses is how long a broadcast is under way at most, in all but the
// largest networks.
const broadcastPasses = time.Second

// broadcast addresses (Zigbee specification 3.6.5).
const toRouters = 0xFFFC

// door is for how long the network is open, and where.
type door struct {
	seconds uint8
	// via is the one node at which devices may join; 0 is all of them.
	via zcl.EUI64
}

// PermitJoin opens the network to new devices for d (at most 254 s, rounded
// up to whole seconds), or closes it when d is 0 or less.
func (n *Network) PermitJoin(ctx context.Context, d time.Duration) error {
	return n.PermitJoinVia(ctx, d, 0)
}

// PermitJoinVia opens the network at one router only, or at the coordinator
// only when via is its address (Info.EUI64). Devices that are near another
// router cannot join then. With a zero address it is PermitJoin. Closing closes
// all.
func (n *Network) PermitJoinVia(ctx context.Context, d time.Duration, via zcl.EUI64) error {
	s, err := n.up()
	if err != nil {
		return err
	}
	if via != 0 && via != s.eui64 {
		n.mu.Lock()
		router := n.devices[via]
		isRouter := router != nil && router.Type == TypeRouter
		n.mu.Unlock()
		if router == nil {
			return ErrUnknownDevice{via}
		}
		if !isRouter {
			return &Error{
				Message: fmt.Sprintf("%v is not a router: no device can join at it", via),
				Advice:  "choose a device that is on the mains, or leave out the device to open the whole network",
			}
		}
	}
	seconds := uint8(math.Ceil(min(max(d, 0), maxPermit).Seconds()))
	if seconds == 0 {
		via = 0
	}
	return n.permit(ctx, s, door{seconds, via})
}

func (n *Network) permit(ctx context.Context, s *session, o door) error {
	select { // one after the other: what opens the network is several steps
	case n.permitting <- struct{}{}:
		defer func() { <-n.permitting }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := s.permit(ctx, o); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing != nil {
		n.closing.Stop()
		n.closing = nil
	}
	wasOpen := !n.info.PermitUntil.IsZero()
	n.info.PermitUntil, n.info.PermitVia = time.Time{}, 0
	if o.seconds > 0 {
		open := time.Duration(o.seconds) * time.Second
		n.info.PermitUntil, n.info.PermitVia = time.Now().Add(open), o.via
		n.closing = time.AfterFunc(open, n.permitEnded)
		n.log.Info("the network is open to new devices", "seconds", o.seconds)
	} else if wasOpen {
		n.log.Info("the network is closed to new devices")
	}
	if wasOpen || o.seconds > 0 {
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
	n.info.PermitUntil, n.info.PermitVia = time.Time{}, 0
	n.putLocked(Event{Kind: PermitJoinChanged, Info: n.infoLocked()})
	s := n.session
	n.mu.Unlock()
	n.log.Info("the network is closed to new devices: its time is over")
	if s == nil {
		return // the next start sets the policy anew
	}
	ctx, cancel := context.WithTimeout(s.ctx, 2*n.timing.Command)
	defer cancel()
	select {
	case n.permitting <- struct{}{}:
		defer func() { <-n.permitting }()
	case <-ctx.Done():
		return
	}
	n.mu.Lock()
	again := !n.info.PermitUntil.IsZero()
	n.mu.Unlock()
	if again { // it was opened meanwhile
		return
	}
	if err := s.closePolicy(ctx); err != nil {
		n.log.Debug("could not take back the join policy", "err", err)
	}
}

// reopen opens the network again when the dongle was lost while it was open.
func (n *Network) reopen(ctx context.Context, s *session) error {
	n.mu.Lock()
	left := time.Until(n.info.PermitUntil)
	open := !n.info.PermitUntil.IsZero()
	via := n.info.PermitVia
	n.mu.Unlock()
	if !open || left < time.Second {
		return nil
	}
	return s.permit(ctx, door{uint8(math.Ceil(left.Seconds())), via})
}

// permit tells the NCP and the routers. To open: the keys that new devices
// have, then who may come, then the doors; to close: the other way round.
func (s *session) permit(ctx context.Context, o door) error {
	if o.seconds > 0 {
		if err := s.ez.ImportTransientKey(ctx, zcl.EUI64Any, ezsp.Key(wellKnownLinkKey)); err != nil {
			return err
		}
		if err := s.n.importInstallKeys(ctx, s); err != nil {
			return err
		}
		if err := s.ez.SetPolicy(ctx, ezsp.PolicyTrustCenter, tcAllowJoins); err != nil {
			return err
		}
	} else if err := s.closePolicy(ctx); err != nil {
		return err
	}
	own := o.seconds
	if o.via != 0 && o.via != s.eui64 {
		own = 0
	}
	if err := s.ez.PermitJoining(ctx, own); err != nil {
		return err
	}
	s.n.mu.Lock()
	wasOpen := !s.n.info.PermitUntil.IsZero()
	router := s.n.devices[o.via]
	s.n.mu.Unlock()
	switch {
	case o.via == 0:
		return s.broadcast(ctx, toRouters, zdo.PermitJoiningRequest{Duration: o.seconds, TrustCenter: true})
	case wasOpen: // elsewhere, perhaps: that is closed
		if err := s.broadcast(ctx, toRouters, zdo.PermitJoiningRequest{TrustCenter: true}); err != nil {
			return err
		}
	}
	if o.via == s.eui64 {
		return nil
	}
	if wasOpen { // the broadcast must not come after what opens the router
		if err := sleep(ctx, broadcastPasses); err != nil {
			return err
		}
	}
	if router == nil {
		return ErrUnknownDevice{o.via}
	}
	return s.n.oncemore(ctx, s, router, func(ctx context.Context, s *session, d *member) error {
		_, err := askDevice[zdo.PermitJoiningResponse](ctx, s.n, s, d, func(uint16) zdo.Message {
			return zdo.PermitJoiningRequest{Duration: o.seconds, TrustCenter: true}
		})
		return err
	})
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
	if !isNode(j.NodeID) {
		return
	}
	if j.Decision == ezsp.JoinDenied {
		if n.noise.ok("not let in") {
			n.log.Warn("a device was not let in", "device", j.EUI64, "node", hex16(j.NodeID))
		}
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
	d.wake()
	n.installed(j.EUI64)
	if j.Status == ezsp.UnsecuredJoin {
		told := d.joinTold
		d.joinTold = time.Now()
		if d == old && d.working && time.Since(told) < joinRepeat {
			return
		}
	}
	d.failedAt, d.failures = time.Time{}, 0
	// A device that comes back with its keys still has its bindings. One that
	// comes as new was reset, and has lost them.
	if joined := fresh || j.Status == ezsp.UnsecuredJoin; joined {
		n.log.Info("a device has joined", "device", j.EUI64, "node", hex16(j.NodeID))
		if d.Configured || d.Interview != InterviewPending {
			d.Configured = false
			if !d.working {
				d.Interview = InterviewPending
			}
			d.Endpoints = slices.Clone(d.Endpoints)
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
	if a.EUI64 == s.eui64 || a.EUI64 == zcl.EUI64None || a.EUI64 == zcl.EUI64Any || !isNode(a.NWKAddr) {
		return
	}
	d, fresh := n.place(a.EUI64, a.NWKAddr)
	if d == nil {
		return
	}
	n.alive(d)
	d.wake()
	d.failedAt, d.failures = time.Time{}, 0 // whoever has pressed its button wants it to work
	if sleepy := a.Capability&zdo.CapabilityRxOnWhenIdle == 0; d.Type == TypeUnknown {
		d.sleepy = sleepy
	}
	if fresh {
		n.log.Info("a device of this network was not known", "device", a.EUI64, "node", hex16(a.NWKAddr))
		n.saveDevicesNow()
		n.putLocked(d.event(Joined))
	}
	n.putLocked(d.event(Announced))
	if !fresh && !d.working && d.Configured && n.modelOf(d).forgets {
		d.Configured = false // it was without power
	}
	n.onboard(s, d)
}
