package network

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Requests to devices that sleep. One is tried at once, as the device may poll
// its parent soon. When it does not answer, the request waits until the device
// is heard (a report, an announcement, a check-in) and is tried again then: a
// device that has just spoken listens for a moment.

// Limits of what waits for sleeping devices.
const (
	maxPendingEach = 16
	maxPending     = 256
)

// ErrQueueFull says that too many requests wait for sleeping devices already.
var ErrQueueFull = errors.New("too many requests wait until a sleeping device wakes up: try again later")

// ErrAsleep says how long a request has waited for a device that sleeps.
type ErrAsleep struct {
	Waited time.Duration
	Err    error // how the last try has ended
}

func (e ErrAsleep) Error() string {
	return fmt.Sprintf("the device is asleep and has not woken up within %v: press a button on it", e.Waited.Round(time.Second))
}

func (e ErrAsleep) Unwrap() error { return e.Err }

// whenAwake does a request to a device. One to a device that sleeps is tried
// again whenever the device wakes up, until Timing.Queue is over or ctx ends.
func (n *Network) whenAwake(ctx context.Context, e zcl.EUI64, do func(context.Context, *session, *member) error) error {
	n.mu.Lock()
	d := n.devices[e]
	if d == nil {
		n.mu.Unlock()
		return ErrUnknownDevice{e}
	}
	sleepy := d.sleepy
	n.mu.Unlock()
	if !sleepy {
		s, err := n.up()
		if err != nil {
			return err
		}
		return n.oncemore(ctx, s, d, do)
	}

	start := time.Now()
	queued := false
	defer func() {
		if queued {
			n.mu.Lock()
			d.pending--
			n.mu.Unlock()
			n.stats.waiting.Add(-1)
		}
	}()
	for {
		n.mu.Lock()
		if n.devices[e] != d {
			n.mu.Unlock()
			return ErrUnknownDevice{e}
		}
		awake := d.awake
		n.mu.Unlock()
		s, err := n.up()
		if err != nil && !queued {
			return err // what was queued outlives the dongle
		}
		if err == nil {
			if queued {
				err = do(ctx, s, d)
			} else {
				err = n.oncemore(ctx, s, d, do)
			}
		}
		if err == nil || ctx.Err() != nil || !mayPass(err) {
			return err
		}
		if !queued {
			n.mu.Lock()
			if d.pending >= maxPendingEach || n.stats.waiting.Load() >= maxPending {
				n.mu.Unlock()
				return fmt.Errorf("%w: %w", ErrQueueFull, err)
			}
			d.pending++
			n.mu.Unlock()
			queued = true
			n.stats.waiting.Add(1)
			n.stats.queued.Add(1)
			n.log.Debug("a request waits until a device wakes up", "device", e, "err", err)
		}
		left := n.timing.Queue - time.Since(start)
		if left <= 0 {
			return ErrAsleep{time.Since(start), err}
		}
		timer := time.NewTimer(left)
		select {
		case <-awake:
			timer.Stop()
			n.stats.retries.Add(1)
		case <-timer.C:
			return ErrAsleep{time.Since(start), err}
		case <-ctx.Done():
			timer.Stop()
			return ErrAsleep{time.Since(start), err}
		}
	}
}

// mayPass reports whether a fault is one that another try can get over.
func mayPass(err error) bool {
	return errors.Is(err, ErrTimeout) || errors.Is(err, ErrNotDelivered) || errors.Is(err, ErrDown) || errors.Is(err, errNoAddress)
}

// oncemore does a request to a device, and once more when it could not be
// delivered and the device has another address by now.
func (n *Network) oncemore(ctx context.Context, s *session, d *member, do func(context.Context, *session, *member) error) error {
	n.mu.Lock()
	node := d.NodeID
	n.mu.Unlock()
	err := do(ctx, s, d)
	if err == nil || ctx.Err() != nil || !errors.Is(err, ErrNotDelivered) && !errors.Is(err, errNoAddress) {
		return err
	}
	if !n.findAgain(ctx, s, d, node) {
		return err
	}
	n.stats.retries.Add(1)
	return do(ctx, s, d)
}

// wake lets go what waits for a device. n.mu is held.
func (d *member) wake() {
	if d.pending > 0 {
		close(d.awake)
		d.awake = make(chan struct{})
	}
}
