package node

import (
	"encoding/binary"
	"time"
)

// Switch is what the on/off cluster switches.
type Switch struct {
	Get func() bool
	Set func(bool)
	// Tick is the unit of the times in On With Timed Off: 100 ms by the
	// specification, 1 s on Tuya's devices; 0 means 100 ms.
	Tick time.Duration
	// StartUp is the start-up behaviour attribute; nil: the device has none.
	StartUp *Attribute
	// Timed says that the timers' attributes are there.
	Timed bool
	// More are further attributes of the cluster.
	More []Attribute
	// Command handles what the cluster itself does not; it may be nil.
	Command func(Command) Reply
}

// OnOff is the on/off cluster (ZCL section 3.8).
func OnOff(s Switch) Cluster {
	o := &onOff{Switch: s}
	if o.Tick == 0 {
		o.Tick = 100 * time.Millisecond
	}
	c := Cluster{ID: 0x0006, Command: o.command, attach: func(n *Node, e *Endpoint) {
		o.n = n
		n.scenic[e.ID] = append(n.scenic[e.ID], sceneState{0x0006,
			func() uint8 { return uint8(bit(o.Get())) }, func(v uint8) { o.Set(v == 1) }})
	}}
	c.Attributes = append(c.Attributes, Attribute{ID: 0x0000, Type: TypeBool, Reportable: true,
		Get: func() Value { return Number(bit(o.Get())) }})
	if s.Timed {
		c.Attributes = append(c.Attributes,
			Attribute{ID: 0x4000, Type: TypeBool, Get: func() Value { return Number(1) }},
			Attribute{ID: 0x4001, Type: TypeU16, Get: func() Value { return Number(o.left(o.onUntil)) }, Set: o.setOnTime, Reportable: true},
			Attribute{ID: 0x4002, Type: TypeU16, Get: func() Value { return Number(o.left(o.waitUntil)) }, Set: func(Value) bool { return true }})
	}
	if s.StartUp != nil {
		c.Attributes = append(c.Attributes, *s.StartUp)
	}
	c.Attributes = append(c.Attributes, s.More...)
	return c
}

type onOff struct {
	Switch
	n                  *Node
	onUntil, waitUntil time.Time
	cancel             func()
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// left is the time until t in ticks.
func (o *onOff) left(t time.Time) int64 {
	return min(int64((max(time.Until(t), 0)+o.Tick-1)/o.Tick), 0xFFFE)
}

func (o *onOff) setOnTime(v Value) bool {
	if !o.Get() {
		return false
	}
	o.offAfter(v.Number)
	return true
}

// offAfter switches off after a number of ticks; 0 ends a timer.
func (o *onOff) offAfter(ticks int64) {
	if o.cancel != nil {
		o.cancel()
		o.cancel = nil
	}
	o.onUntil = time.Time{}
	if ticks == 0 || ticks >= 0xFFFF {
		return
	}
	d := time.Duration(ticks) * o.Tick
	o.onUntil = time.Now().Add(d)
	o.cancel = o.n.o.Air.After(d, func() {
		o.cancel = nil
		o.onUntil = time.Time{}
		o.Set(false)
		o.n.Look()
	})
}

func (o *onOff) command(c Command) Reply {
	const off, on, toggle, offWithEffect, onRecall, timedOff = 0x00, 0x01, 0x02, 0x40, 0x41, 0x42
	if c.Manufacturer != 0 {
		return o.other(c)
	}
	switch c.ID {
	case off, offWithEffect:
		if c.ID == offWithEffect && len(c.Payload) != 2 {
			return Reply{Status: statusMalformed}
		}
		o.offAfter(0)
		o.Set(false)
	case on, onRecall:
		o.waitUntil = time.Time{}
		o.offAfter(0)
		o.Set(true)
	case toggle:
		o.offAfter(0)
		o.Set(!o.Get())
	case timedOff:
		return o.timed(c.Payload)
	default:
		return o.other(c)
	}
	return Reply{}
}

func (o *onOff) other(c Command) Reply {
	if o.Command != nil {
		return o.Command(c)
	}
	return Reply{Status: statusUnsupClusterCommand}
}

// timed obeys On With Timed Off (ZCL section 3.8.2.3.6): control, on time and
// off wait time.
func (o *onOff) timed(p []byte) Reply {
	const onlyWhenOn = 0x01
	if len(p) != 5 {
		return Reply{Status: statusMalformed}
	}
	on, wait := int64(binary.LittleEndian.Uint16(p[1:])), int64(binary.LittleEndian.Uint16(p[3:]))
	switch {
	case p[0]&onlyWhenOn != 0 && !o.Get():
		return Reply{}
	case !o.Get() && time.Now().Before(o.waitUntil):
		return Reply{} // it waits and stays off
	}
	o.Set(true)
	o.offAfter(max(on, o.left(o.onUntil)))
	if on < 0xFFFF && wait < 0xFFFF {
		o.waitUntil = time.Now().Add(time.Duration(on+wait) * o.Tick)
	}
	return Reply{}
}
