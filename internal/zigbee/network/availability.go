package network

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// A device is available when it was heard not too long ago. One that listens
// all the time is asked for a sign of life before it is given up, and ever more
// rarely after that; one that sleeps is only waited for.

// AvailabilityOptions are how the availability of a device is judged.
type AvailabilityOptions struct {
	// Off judges nothing: the device is always available.
	Off bool
	// Timeout is how long the device may be silent; 0 is the default of its
	// kind. It replaces what follows from the device's reporting, too.
	Timeout time.Duration
}

// AvailabilityDefaults are for devices without options of their own. Zero
// times are those of Timing.
type AvailabilityDefaults struct {
	Off            bool
	ActiveTimeout  time.Duration // of devices that listen all the time
	PassiveTimeout time.Duration // of devices that sleep
	// MaxJitter spreads pings over this time, so that not all go at once; 0 is
	// 30 s, less than 0 is none.
	MaxJitter time.Duration
	// NoBackoff asks devices that are away as often as others.
	NoBackoff bool
	// PauseOnBackoffOver stops asking a device that is away once the time
	// between pings is more than that many times ActiveTimeout; 0 never stops.
	PauseOnBackoffOver int
}

// maxBackoff is the longest time between pings to a device that is away, in
// times of the timeout.
const maxBackoff = 32

// SetAvailability sets how the availability of a device is judged, until the
// process ends. The zero options are the defaults. It may be called for a
// device that has not joined yet.
func (n *Network) SetAvailability(e zcl.EUI64, o AvailabilityOptions) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if o == (AvailabilityOptions{}) {
		delete(n.availability, e)
	} else {
		if n.availability == nil {
			n.availability = make(map[zcl.EUI64]AvailabilityOptions)
		}
		n.availability[e] = o
	}
	if d := n.devices[e]; d != nil {
		d.pinged, d.backoff = time.Time{}, 0
		if o.Off {
			n.setAvailable(d, true)
		}
	}
}

// SetAvailabilityDefaults sets how devices without options of their own are
// judged.
func (n *Network) SetAvailabilityDefaults(o AvailabilityDefaults) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.judging = o
	if o.Off {
		for e, d := range n.devices {
			if _, own := n.availability[e]; !own {
				n.setAvailable(d, true)
			}
		}
	}
}

// watchAvailability looks for devices that have fallen silent. Time during
// which the dongle was away is not held against them.
func (s *session) watchAvailability(ctx context.Context) {
	for sleep(ctx, s.n.timing.AvailabilityCheck) == nil {
		s.n.checkSilence(s)
	}
}

func (n *Network) checkSilence(s *session) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	for _, d := range n.devices {
		o, own := n.availability[d.EUI64]
		if o.Off || !own && n.judging.Off {
			continue
		}
		since := d.LastSeen
		if since.Before(s.since) {
			since = s.since
		}
		limit := n.silence(d)
		if now.Sub(since) < limit {
			continue
		}
		if d.sleepy || d.Type == TypeUnknown { // it would not hear us
			n.setAvailable(d, false)
			continue
		}
		if d.working || d.NodeID == unknownNode || !n.pingDue(d, limit, now) {
			continue
		}
		d.pinged = now
		jitter := n.jitter()
		s.spawn(func(ctx context.Context) {
			if sleep(ctx, jitter) == nil {
				n.ping(ctx, s, d)
			}
		})
	}
}

// pingDue reports whether a silent device is to be asked now. n.mu is held.
func (n *Network) pingDue(d *member, limit time.Duration, now time.Time) bool {
	wait := limit
	if !n.judging.NoBackoff {
		wait *= time.Duration(min(1<<min(d.backoff, 10), maxBackoff))
		if over := n.judging.PauseOnBackoffOver; over > 0 && d.backoff > 0 && wait > time.Duration(over)*limit {
			return false
		}
	}
	return now.Sub(d.pinged) >= wait
}

func (n *Network) jitter() time.Duration {
	most := n.judging.MaxJitter
	if most == 0 {
		most = min(30*time.Second, n.timing.AvailabilityCheck)
	}
	if most <= 0 {
		return 0
	}
	return rand.N(most)
}

// silence is how long a device may be silent. n.mu is held.
func (n *Network) silence(d *member) time.Duration {
	if o := n.availability[d.EUI64]; o.Timeout > 0 {
		return o.Timeout
	}
	active, passive := n.timing.ActiveTimeout, n.timing.PassiveTimeout
	if n.judging.ActiveTimeout > 0 {
		active = n.judging.ActiveTimeout
	}
	if n.judging.PassiveTimeout > 0 {
		passive = n.judging.PassiveTimeout
	}
	if !d.sleepy && d.Type != TypeUnknown {
		return active
	}
	limit := passive
	for _, e := range d.Endpoints {
		for _, r := range e.Reporting {
			if r.Max == 0 || r.Max == 0xFFFF { // reports on change only, or never
				continue
			}
			missed := time.Duration(n.timing.MissedReports) * time.Duration(r.Max) * time.Second
			limit = min(limit, max(missed, active))
		}
	}
	return limit
}

// ping asks a device that listens for a sign of life.
func (n *Network) ping(ctx context.Context, s *session, d *member) {
	endpoint, ok := n.basicEndpoint(d)
	if !ok {
		endpoint = 1
	}
	asked := time.Now()
	n.mu.Lock()
	node := d.NodeID
	n.mu.Unlock()
	err := n.persist(ctx, func() error {
		_, err := n.readDevice(ctx, s, d, endpoint, zcl.ClusterBasic, 0, []uint16{zcl.AttrZCLVersion})
		return err
	})
	if err != nil && mayPass(err) && s.ctx.Err() == nil {
		n.findAgain(ctx, s, d, node)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.devices[d.EUI64] != d || s.ctx.Err() != nil {
		return
	}
	// Any answer is a sign of life, and has been noted as such.
	if err == nil || d.LastSeen.After(asked) {
		d.backoff = 0
		return
	}
	d.backoff++
	if d.Available {
		n.log.Info("a device does not answer any more", "device", d.EUI64, "err", err)
	}
	n.setAvailable(d, false)
}
