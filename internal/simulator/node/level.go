package node

import "encoding/binary"

// Dimmer is what the level cluster moves. Levels are 1 to 254.
type Dimmer struct {
	Get  func() uint8
	Set  func(uint8)
	On   func() bool
	Turn func(on bool)
}

// Level is the level control cluster (ZCL section 3.10). Movements arrive at
// once.
func Level(d Dimmer) Cluster {
	l := &level{Dimmer: d}
	return Cluster{
		ID: 0x0008,
		Attributes: []Attribute{
			{ID: 0x0000, Type: TypeU8, Reportable: true, Get: func() Value { return Number(int64(l.Get())) }},
			{ID: 0x0001, Type: TypeU16, Get: func() Value { return Number(0) }},
			{ID: 0x000F, Type: TypeBitmap8, Get: func() Value { return Number(l.options) }, Set: func(v Value) bool { l.options = v.Number; return true }},
			{ID: 0x0010, Type: TypeU16, Get: func() Value { return Number(l.transition) }, Set: func(v Value) bool { l.transition = v.Number; return true }},
			{ID: 0x0011, Type: TypeU8, Get: func() Value { return Number(0xFE) }},
		},
		Command: l.command,
		attach: func(n *Node, e *Endpoint) {
			n.scenic[e.ID] = append(n.scenic[e.ID], sceneState{0x0008, l.Get, l.Set})
		},
	}
}

type level struct {
	Dimmer
	options, transition int64
}

func (l *level) command(c Command) Reply {
	const moveTo, move, step, stop, withOnOff = 0, 1, 2, 3, 4
	const least, most = 1, 254
	if c.Manufacturer != 0 || c.ID > stop+withOnOff {
		return Reply{Status: statusUnsupClusterCommand}
	}
	onOff := c.ID >= withOnOff
	to := int(l.Get())
	p := c.Payload
	switch c.ID % withOnOff {
	case moveTo:
		if len(p) < 3 || p[0] > most {
			return Reply{Status: statusMalformed}
		}
		_ = binary.LittleEndian.Uint16(p[1:]) // transition time
		to = int(p[0])
	case move:
		if len(p) < 2 {
			return Reply{Status: statusMalformed}
		}
		to = map[bool]int{true: least, false: most}[p[0] == 1]
	case step:
		if len(p) < 4 {
			return Reply{Status: statusMalformed}
		}
		to += map[bool]int{true: -int(p[1]), false: int(p[1])}[p[0] == 1]
	case stop:
		return Reply{}
	}
	if onOff {
		l.Turn(to > 0 && !(c.ID%withOnOff != moveTo && to <= least))
	} else if !l.On() && l.options&1 == 0 {
		return Reply{} // a dimmer that is off does not move
	}
	l.Set(uint8(min(max(to, least), most)))
	return Reply{}
}
