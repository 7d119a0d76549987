package radio

import (
	"slices"
	"time"
)

// Limits of what a parent holds for a sleeping child (Zigbee specification,
// nwkTransactionPersistenceTime and a usual buffer).
const (
	HoldTime = 7680 * time.Millisecond
	maxHeld  = 8
)

// maxHops bounds a way through routers.
const maxHops = 15

// heldFrame waits for a sleeping device to ask for it.
type heldFrame struct {
	frame Frame
	sent  func(ok bool)
}

// Down carries a frame from the hub to one device. sent is called with whether
// the device acknowledged it: a device that is not there, does not have the
// network's key, or sleeps for longer than its parent holds frames, does not.
func (a *Air) Down(of Network, f Frame, sent func(ok bool)) {
	d := a.find(of, f.Destination)
	relays, reached := a.way(of, d)
	a.After(a.delay(1+len(relays)), func() {
		if d == nil || !reached || a.find(of, f.Destination) != d || d.Silent() {
			sent(false)
			return
		}
		if wakes := d.Wakes(); d.Role().Sleepy && wakes > 0 {
			a.hold(d, f, wakes, sent)
			return
		}
		sent(true)
		d.Receive(f)
	})
}

// hold keeps a frame at a sleeping device's parent.
func (a *Air) hold(d Device, f Frame, wakes time.Duration, sent func(bool)) {
	eui := d.EUI64()
	if len(a.held[eui]) >= maxHeld {
		sent(false)
		return
	}
	h := &heldFrame{f, sent}
	a.held[eui] = append(a.held[eui], h)
	if wakes <= HoldTime {
		a.After(wakes, func() { a.Poll(d) })
	}
	a.After(HoldTime, func() {
		if i := slices.Index(a.held[eui], h); i >= 0 {
			a.held[eui] = slices.Delete(a.held[eui], i, i+1)
			h.sent(false)
		}
	})
}

// Poll is a sleeping device asking its parent for what it holds.
func (a *Air) Poll(d Device) {
	held := a.held[d.EUI64()]
	if len(held) == 0 || d.Silent() {
		return
	}
	delete(a.held, d.EUI64())
	id, _, joined := d.Address()
	for _, h := range held {
		broadcast := h.frame.Destination >= FirstBroadcast
		if !joined || !broadcast && h.frame.Destination != id {
			h.sent(false)
			continue
		}
		h.sent(true)
		d.Receive(h.frame)
	}
}

// Broadcast carries a frame from the hub to the devices of the network that
// its address means.
func (a *Air) Broadcast(of Network, f Frame) {
	for _, d := range a.devices {
		role := d.Role()
		switch {
		case f.Destination == BroadcastAwake && role.Sleepy, f.Destination == BroadcastRouter && !role.Router:
			continue
		}
		a.spread(of, f, d)
	}
}

// Multicast carries a frame from the hub to all devices of the network that
// listen; they know whether they are members of its group.
func (a *Air) Multicast(of Network, f Frame) {
	f.Multicast = true
	for _, d := range a.devices {
		if !d.Role().Sleepy {
			a.spread(of, f, d)
		}
	}
}

func (a *Air) spread(of Network, f Frame, d Device) {
	relays, reached := a.way(of, d)
	a.After(a.delay(1+len(relays)), func() {
		if _, n, joined := d.Address(); !reached || !joined || n != of || d.Silent() {
			return
		}
		if wakes := d.Wakes(); d.Role().Sleepy && wakes > 0 {
			a.hold(d, f, wakes, func(bool) {})
			return
		}
		d.Receive(f)
	})
}

// Up carries a frame from a device to the hub. It reports whether the hub
// heard it and its host was there to take it.
func (a *Air) Up(d Device, f Frame) bool {
	id, mine, joined := d.Address()
	if a.hub == nil || !joined || d.Silent() {
		return false
	}
	if n, up := a.hub.Up(); !up || n != mine {
		return false
	}
	relays, reached := a.way(mine, d)
	if !reached {
		return false
	}
	f.Source, f.Relays = id, relays
	f.LQI, f.RSSI = a.quality()
	return a.hub.Receive(f)
}

// Delay is the time the next frame takes one way over one hop: the mean, more
// or less.
func (a *Air) Delay() time.Duration {
	if a.latency <= 0 {
		return 0
	}
	return a.latency/2 + time.Duration(a.random.Int64N(int64(a.latency)+1))
}

func (a *Air) delay(hops int) time.Duration {
	d := a.Delay()
	for range min(hops, maxHops) - 1 {
		d += a.Delay()
	}
	return d
}

// DelayTo is the time the next frame takes between a device and the hub.
func (a *Air) DelayTo(d Device) time.Duration {
	_, of, _ := d.Address()
	relays, _ := a.way(of, d)
	return a.delay(1 + len(relays))
}

// way returns the routers between a device and the hub, the device's parent
// first, and whether all of them work.
func (a *Air) way(of Network, d Device) (relays []uint16, ok bool) {
	if d == nil {
		return nil, false
	}
	for range maxHops {
		parent := d.Parent()
		if parent == Coordinator {
			return relays, true
		}
		d = a.find(of, parent)
		if d == nil || d.Silent() || !d.Role().Router {
			return relays, false
		}
		relays = append(relays, parent)
	}
	return relays, false
}

// Reached says whether a device's way to the hub works.
func (a *Air) Reached(d Device) bool {
	_, of, joined := d.Address()
	_, ok := a.way(of, d)
	return joined && ok
}

// quality varies a little around a good link.
func (a *Air) quality() (lqi uint8, rssi int8) {
	swing := a.random.IntN(13) - 6
	return uint8(200 + 2*swing), int8(-50 + swing/2)
}

func (a *Air) find(of Network, id uint16) Device {
	for _, d := range a.devices {
		if got, n, joined := d.Address(); joined && got == id && n == of {
			return d
		}
	}
	return nil
}
