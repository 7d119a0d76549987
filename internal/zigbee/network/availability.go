package network

import (
	"context"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

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
		since := d.LastSeen
		if since.Before(s.since) {
			since = s.since
		}
		if now.Sub(since) < n.silence(d) {
			continue
		}
		if d.sleepy || d.Type == TypeUnknown { // it would not hear us
			n.setAvailable(d, false)
			continue
		}
		if d.working || d.NodeID == unknownNode || now.Sub(d.pinged) < n.timing.ActiveTimeout {
			continue
		}
		d.pinged = now
		s.spawn(func(ctx context.Context) { n.ping(ctx, s, d) })
	}
}

// silence is how long a device may be silent.
func (n *Network) silence(d *member) time.Duration {
	if !d.sleepy && d.Type != TypeUnknown {
		return n.timing.ActiveTimeout
	}
	limit := n.timing.PassiveTimeout
	for _, e := range d.Endpoints {
		for _, r := range e.Reporting {
			if r.Max == 0 || r.Max == 0xFFFF { // reports on change only, or never
				continue
			}
			missed := time.Duration(n.timing.MissedReports) * time.Duration(r.Max) * time.Second
			limit = min(limit, max(missed, n.timing.ActiveTimeout))
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
	err := n.persist(ctx, func() error {
		_, err := n.readDevice(ctx, s, d, endpoint, zcl.ClusterBasic, 0, []uint16{zcl.AttrZCLVersion})
		return err
	})
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.devices[d.EUI64] != d || s.ctx.Err() != nil {
		return
	}
	// Any answer is a sign of life, and has been noted as such.
	if err != nil && time.Since(d.LastSeen) >= n.timing.ActiveTimeout {
		n.log.Info("a device does not answer any more", "device", d.EUI64, "err", err)
		n.setAvailable(d, false)
	}
}
