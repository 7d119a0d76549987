package node

import (
	"encoding/binary"
	"time"
)

// quarter is the unit of poll control's times.
const quarter = 250 * time.Millisecond

// PollControl is the poll control cluster (ZCL section 3.16): how often a
// sleeping device asks its parent, and its check-ins. long is the device's
// interval at first; checkIn is how often it checks in at first.
func PollControl(checkIn, long time.Duration) Cluster {
	p := &pollControl{checkIn: int64(checkIn / quarter), long: int64(long / quarter), short: 2, fast: 40}
	number := func(id uint16, t uint8, v *int64, set func(int64) bool) Attribute {
		a := Attribute{ID: id, Type: t, Get: func() Value { return Number(*v) }}
		if set != nil {
			a.Set = func(v Value) bool { return set(v.Number) }
		}
		return a
	}
	return Cluster{
		ID: 0x0020,
		Attributes: []Attribute{
			number(0x0000, TypeU32, &p.checkIn, p.setCheckIn),
			number(0x0001, TypeU32, &p.long, nil),
			number(0x0002, TypeU16, &p.short, nil),
			number(0x0003, TypeU16, &p.fast, func(v int64) bool { p.fast = v; return v > 0 }),
		},
		Command: p.command,
		attach: func(n *Node, e *Endpoint) {
			p.n, p.e = n, e
			if n.o.Poll > 0 { // others hear at once, whatever the attribute says
				n.poll = func() time.Duration { return time.Duration(p.long) * quarter }
			}
			n.starts = append(n.starts, p.schedule)
			n.checkIns = append(n.checkIns, p.announce)
		},
	}
}

// Limits of the intervals in quarter seconds (ZCL section 3.16.4).
const (
	leastInterval = 4
	mostInterval  = 0x6E0000
)

type pollControl struct {
	n                          *Node
	e                          *Endpoint
	checkIn, long, short, fast int64
	cancel                     func()
}

func (p *pollControl) setCheckIn(v int64) bool {
	if v != 0 && v < p.long || v > mostInterval {
		return false
	}
	p.checkIn = v
	p.schedule()
	return true
}

// schedule lets the device check in after its interval.
func (p *pollControl) schedule() {
	if p.cancel != nil {
		p.cancel()
		p.cancel = nil
	}
	if p.checkIn == 0 {
		return
	}
	p.cancel = p.n.o.Air.After(time.Duration(p.checkIn)*quarter, func() {
		p.announce()
		p.schedule()
	})
}

// announce is a check-in, to the coordinator if it is bound.
func (p *pollControl) announce() {
	hub := p.n.o.Air.Hub()
	if hub == nil || p.n.silent || !p.n.memory.Joined {
		return
	}
	for _, b := range p.n.memory.Bindings {
		if b.Endpoint == p.e.ID && b.Cluster == 0x0020 && b.Target == hub.EUI64() {
			p.n.notify(p.e, 0x0020, Source{Endpoint: b.TargetEndpoint}, 0x00, nil)
			p.n.stayAwake(7680 * time.Millisecond) // until it is answered
		}
	}
}

func (p *pollControl) command(c Command) Reply {
	const checkInResponse, fastStop, setLong, setShort = 0, 1, 2, 3
	b := c.Payload
	switch {
	case c.Manufacturer != 0:
		return Reply{Status: statusUnsupMfrCommand}
	case c.ID == checkInResponse && len(b) == 3:
		ticks := int64(binary.LittleEndian.Uint16(b[1:]))
		if ticks == 0 {
			ticks = p.fast
		}
		if b[0] != 0 {
			p.n.stayAwake(time.Duration(ticks) * quarter)
		}
	case c.ID == fastStop && len(b) == 0:
		p.n.awake = time.Time{}
	case c.ID == setLong && len(b) == 4:
		v := int64(binary.LittleEndian.Uint32(b))
		if v < leastInterval || v > mostInterval || p.checkIn != 0 && v > p.checkIn {
			return Reply{Status: statusInvalidValue}
		}
		p.long = v
	case c.ID == setShort && len(b) == 2:
		v := int64(binary.LittleEndian.Uint16(b))
		if v < 1 || v > p.long {
			return Reply{Status: statusInvalidValue}
		}
		p.short = v
	default:
		return Reply{Status: statusUnsupClusterCommand}
	}
	return Reply{}
}
