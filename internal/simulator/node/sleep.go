package node

import (
	"time"
)

// Times of a sleeping device (as EmberZNet's end device support has them): how
// long it asks often after something happened, how often it then asks, and how
// long after joining.
const (
	stayTime  = 3 * time.Second
	shortPoll = 250 * time.Millisecond
	freshTime = 60 * time.Second
)

// stayAwake lets a sleeping device ask its parent often for d, and now.
func (n *Node) stayAwake(d time.Duration) {
	if !n.Role().Sleepy {
		return
	}
	if until := time.Now().Add(d); until.After(n.awake) {
		n.awake = until
	}
	n.o.Air.After(n.o.Air.Delay(), func() { n.o.Air.Poll(n) })
}

// Wakes implements radio.Device. Polls come at multiples of the interval,
// shifted by the device's address.
func (n *Node) Wakes() time.Duration {
	every := n.poll()
	if !n.Role().Sleepy || every <= 0 {
		return 0
	}
	now := time.Now()
	if now.Before(n.awake) {
		return min(shortPoll, every)
	}
	since := time.Duration(now.UnixNano()+int64(n.o.EUI64)%int64(every)) % every
	return every - since
}

// Silence takes the device's power away, or gives it back. A device that gets
// it back announces itself.
func (n *Node) Silence(silent bool) {
	if n.silent == silent {
		return
	}
	n.silent = silent
	if !silent {
		n.powerUp()
	}
}

// Restart is a short power cut.
func (n *Node) Restart() {
	n.silent = false
	n.powerUp()
}

// powerUp begins a new life: everything configured is reported anew.
func (n *Node) powerUp() {
	clear(n.last)
	n.permits = time.Time{}
	if n.o.Forgets && len(n.memory.Reporting) > 0 {
		n.memory.Reporting = nil
		n.o.Changed()
	}
	for _, f := range n.starts {
		f()
	}
	n.NetworkChanged()
	if n.connected() {
		n.fresh()
		n.announce()
	}
}

// fresh keeps a device that has just joined or been switched on awake for a
// while, because it expects to be asked.
func (n *Node) fresh() { n.stayAwake(freshTime) }
