package network

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/device"
)

// Some devices report little or nothing by themselves: they are asked now and
// then, as their model says.

const (
	pollParallel = 4               // devices polled at once
	pollLongest  = time.Minute     // sleep of the poller
	pollShortest = time.Second     // whatever a model or an option says
	pollStart    = 5 * time.Second // from the network's start to the first polls, at most
)

// pollTime is when a poll is due.
type pollTime struct {
	at      time.Time
	running bool
}

// fill plans the polls of a model: the first ones soon, spread a little.
func (m *modelState) fill(d *member) {
	m.next = make([]pollTime, len(m.polls))
	for i, p := range m.polls {
		m.next[i].at = time.Now().Add(min(spread(pollStart), spread(p.Every)))
	}
}

func spread(d time.Duration) time.Duration { return rand.N(max(d, 1)) }

// replan wakes the poller: what it is to do has changed. n.mu is held.
func (n *Network) replan() {
	select {
	case n.pollWake <- struct{}{}:
	default:
	}
}

// poll asks devices that must be asked.
func (s *session) poll(ctx context.Context) {
	turns := make(chan struct{}, pollParallel)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-s.n.pollWake:
		case <-ctx.Done():
			return
		}
		timer.Reset(s.n.pollDue(s, turns))
	}
}

// pollDue starts the polls that are due, and says when to look again.
func (n *Network) pollDue(s *session, turns chan struct{}) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	wait := pollLongest
	for _, d := range n.devices {
		m := d.model
		if m == nil || len(m.polls) == 0 || d.sleepy && d.onBattery() || d.NodeID == unknownNode {
			continue
		}
		for i, p := range m.polls {
			next := &m.next[i]
			if next.at.After(now) {
				wait = min(wait, next.at.Sub(now))
				continue
			}
			every := max(p.Every, pollShortest)
			next.at = now.Add(every - every/20 + spread(every/10))
			wait = min(wait, next.at.Sub(now))
			if next.running || d.working || !d.Available {
				continue
			}
			select {
			case turns <- struct{}{}:
			default: // too many at once: a moment later
				next.at = now.Add(pollShortest/2 + spread(pollShortest))
				wait = min(wait, pollShortest)
				continue
			}
			next.running = true
			s.spawn(func(ctx context.Context) {
				n.pollDevice(ctx, s, d, p)
				<-turns
				n.mu.Lock()
				next.running = false
				n.mu.Unlock()
			})
		}
	}
	return max(wait, pollShortest/10)
}

// onBattery reports whether a device lives on its battery, or does not say what
// it lives on: then it is not kept awake by being asked. One with a supply that
// sleeps nevertheless hears us at its next look, seconds later.
func (d *member) onBattery() bool {
	const battery, backup = 3, 0x80 // ZCL 3.2.2.2.8
	source := d.PowerSource &^ backup
	return source == battery || source == 0
}

// pollDevice asks a device what its model says. The answers are events.
func (n *Network) pollDevice(ctx context.Context, s *session, d *member, p device.Poll) {
	for _, a := range p.Do {
		if err := n.act(ctx, s, d, a); err != nil {
			n.log.Debug("a poll failed", "device", d.EUI64, "cluster", hex16(a.Cluster), "err", err)
			if mayPass(err) {
				return
			}
		}
	}
}
