package node

import (
	"encoding/binary"
	"time"
)

// Identify is the identify cluster (ZCL section 3.5).
func Identify() Cluster {
	i := &identify{}
	return Cluster{
		ID: 0x0003,
		Attributes: []Attribute{{ID: 0x0000, Type: TypeU16,
			Get: func() Value { return Number(i.left()) },
			Set: func(v Value) bool { i.blink(v.Number); return true }}},
		Command: i.command,
	}
}

type identify struct {
	until time.Time
}

func (i *identify) blink(seconds int64) {
	i.until = time.Now().Add(time.Duration(seconds) * time.Second)
}

// left is how many seconds it goes on blinking.
func (i *identify) left() int64 {
	return int64((max(time.Until(i.until), 0) + time.Second - 1) / time.Second)
}

func (i *identify) command(c Command) Reply {
	const start, query, trigger = 0x00, 0x01, 0x40
	switch {
	case c.Manufacturer != 0:
		return Reply{Status: statusUnsupMfrCommand}
	case c.ID == start && len(c.Payload) == 2:
		i.blink(int64(binary.LittleEndian.Uint16(c.Payload)))
		return Reply{}
	case c.ID == query && i.left() > 0:
		return Reply{Respond: true, Payload: binary.LittleEndian.AppendUint16(nil, uint16(i.left()))}
	case c.ID == query:
		return Reply{}
	case c.ID == trigger && len(c.Payload) == 2:
		return Reply{}
	}
	return Reply{Status: statusUnsupClusterCommand}
}
