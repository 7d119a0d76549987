package devices

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator/node"
	"github.com/smartcore-ireland/hems/internal/simulator/quantity"
	"github.com/smartcore-ireland/hems/internal/simulator/radio"
	"github.com/smartcore-ireland/hems/internal/simulator/zdo"
)

// checkIn is the check-in interval of the ZCL.
const checkIn = time.Hour

// quickPoll is the long poll interval that a device tells that hears at once.
const quickPoll = 6 * time.Second

// Describe builds a device of the model over its quantities.
func (m Model) Describe(eui radio.EUI64, q *quantity.Set) node.Description {
	d := node.Description{
		EUI64: eui, Node: m.node(), Power: m.Power, Poll: m.Poll, Bindings: m.Bindings,
		Alone: m.Alone, Mute: m.Mute, Forgets: m.Forgets, ViaRouter: m.ViaRouter,
		Image: node.Image{Type: m.Image.Type, Version: m.Image.Version},
	}
	d.Capability = d.Node[2]
	if d.Manufacturer = m.Code; m.Code == 0 {
		d.Manufacturer = binary.LittleEndian.Uint16(d.Node[3:])
	}
	for _, e := range m.Endpoints {
		d.Endpoints = append(d.Endpoints, m.endpoint(e, q))
	}
	return d
}

func (m Model) endpoint(e Endpoint, q *quantity.Set) node.Endpoint {
	built := node.Endpoint{Endpoint: zdo.Endpoint{ID: e.ID, Profile: e.Profile, Device: e.Device, Version: e.Version, In: e.In, Out: e.Out}}
	clusters := slices.Clone(e.In)
	for _, a := range e.Attributes { // some answer for clusters that they do not list
		if !slices.Contains(clusters, a.Cluster) {
			clusters = append(clusters, a.Cluster)
		}
	}
	for _, id := range clusters {
		c, ok := m.shared(id, e, q)
		if !ok {
			c = node.Cluster{ID: id}
		}
		for _, a := range e.Attributes {
			if a.Cluster == id {
				c.Attributes = replace(c.Attributes, a.build(q, e.ID))
			}
		}
		c.Command = commands(id, e, q, c.Command)
		built.Clusters = append(built.Clusters, c)
	}
	return built
}

// replace adds an attribute, instead of the shared one with its identifier.
func replace(all []node.Attribute, a node.Attribute) []node.Attribute {
	i := slices.IndexFunc(all, func(o node.Attribute) bool { return o.ID == a.ID && o.Manufacturer == a.Manufacturer })
	if i >= 0 {
		all[i] = a
		return all
	}
	return append(all, a)
}

// shared builds the clusters that work the same in all devices.
func (m Model) shared(id uint16, e Endpoint, q *quantity.Set) (node.Cluster, bool) {
	switch {
	case id == 0x0000:
		return m.basic(), true
	case id == 0x0003:
		return node.Identify(), true
	case id == 0x0004:
		return node.Groups(), true
	case id == 0x0005:
		return node.Scenes(), true
	case id == 0x0006 && e.Switch != nil:
		return e.Switch.build(q, e.ID), true
	case id == 0x0008 && e.Dimmer != "":
		return dimmer(e, q), true
	case id == 0x0020:
		interval, long := m.CheckIn, m.Poll
		if interval == 0 {
			interval = checkIn
		}
		if long == 0 {
			long = quickPoll
		}
		return node.PollControl(interval, long), true
	case id == 0x0500 && e.Zone != nil:
		return node.Zone(e.Zone.build(q)), true
	case id == 0xEF00 && e.Tuya != nil:
		return node.Tuya(e.Tuya.build(q)), true
	}
	return node.Cluster{}, false
}

func (m Model) basic() node.Cluster {
	c := node.Cluster{ID: 0x0000}
	constant := func(id uint16, t uint8, v node.Value) {
		c.Attributes = append(c.Attributes, node.Attribute{ID: id, Type: t, Get: func() node.Value { return v }})
	}
	for i, v := range []int{m.Basic.ZCL, m.Basic.App, m.Basic.Stack, m.Basic.HW} {
		if v != None {
			constant(uint16(i), u8, node.Number(int64(v)))
		}
	}
	constant(0x0004, str, node.Text(m.Maker))
	constant(0x0005, str, node.Text(m.Model))
	if m.Basic.Date != "" {
		constant(0x0006, str, node.Text(m.Basic.Date))
	}
	constant(0x0007, enum8, node.Number(int64(m.Basic.Source)))
	if m.Basic.Build != "" {
		constant(0x4000, str, node.Text(m.Basic.Build))
	}
	c.Command = func(c node.Command) node.Reply { // reset to factory defaults leaves the network alone
		const reset, unsupported = 0x00, 0x81
		if c.ID == reset && c.Manufacturer == 0 {
			return node.Reply{}
		}
		return node.Reply{Status: unsupported}
	}
	return c
}

// commands adds the model's own commands to a cluster's.
func commands(cluster uint16, e Endpoint, q *quantity.Set, next func(node.Command) node.Reply) func(node.Command) node.Reply {
	var mine []Command
	for _, c := range e.Commands {
		if c.Cluster == cluster {
			mine = append(mine, c)
		}
	}
	if mine == nil {
		return next
	}
	return func(c node.Command) node.Reply {
		for _, m := range mine {
			if m.ID == c.ID && m.Manufacturer == c.Manufacturer {
				for _, name := range m.Zero {
					q.Set(name, 0)
				}
				return node.Reply{}
			}
		}
		if next == nil {
			return node.Reply{Status: 0x81}
		}
		return next(c)
	}
}

// build makes an attribute of an endpoint.
func (a Attribute) build(q *quantity.Set, endpoint uint8) node.Attribute {
	b := node.Attribute{ID: a.ID, Manufacturer: a.Manufacturer, Type: a.Type, Reportable: a.Report}
	switch {
	case a.Of != "":
		b.Get = func() node.Value { return a.value(q) }
	case a.Type == str || a.Type == octets:
		b.Get = func() node.Value { return node.Text(a.Text) }
	default:
		b.Get = func() node.Value { return node.Number(a.Number) }
	}
	if a.Own != [3]int{} {
		b.Own = &node.Interval{Min: uint16(a.Own[0]), Max: uint16(a.Own[1]), Change: int64(a.Own[2])}
	}
	if a.Unknown > 0 {
		reads, get := 0, b.Get
		b.Get = func() node.Value {
			if reads++; reads%a.Unknown == 0 {
				return node.Unknown(a.Type)
			}
			return get()
		}
	}
	if a.Min != 0 || a.Max != 0 || a.Any {
		a.write(&b, q, endpoint)
	}
	if a.WriteOnly {
		b.Get = nil
	}
	return b
}

// write lets an attribute be written: the quantity behind it, or a setting that
// survives among the quantities.
func (a Attribute) write(b *node.Attribute, q *quantity.Set, endpoint uint8) {
	fits := func(v node.Value) bool { return a.Any || v.Number >= a.Min && v.Number <= a.Max }
	if a.Of != "" {
		b.Set = func(v node.Value) bool {
			return fits(v) && q.Set(a.Of, float64(v.Number)/a.scale(q)) == nil
		}
		return
	}
	key, get := fmt.Sprintf("%d/%04x/%04x/%04x", endpoint, a.Cluster, a.Manufacturer, a.ID), b.Get
	b.Get = func() node.Value {
		if n, bytes, ok := q.Recall(key); ok {
			return node.Value{Number: n, Bytes: bytes}
		}
		return get()
	}
	b.Set = func(v node.Value) bool {
		if !fits(v) {
			return false
		}
		if a.Zero != "" {
			return v.Number != 1 || q.Set(a.Zero, 0) == nil
		}
		q.Keep(key, v.Number, v.Bytes)
		return true
	}
}

func (a Attribute) scale(q *quantity.Set) float64 {
	s := a.Scale
	if s == 0 {
		s = 1
	}
	if a.By != "" {
		s *= q.Get(a.By)
	}
	return s
}

// value is the quantity as the attribute has it. Counters are cut off, other
// numbers are rounded.
func (a Attribute) value(q *quantity.Set) node.Value {
	v := q.Get(a.Of) * a.scale(q)
	if a.And != "" {
		v += 2 * q.Get(a.And)
	}
	switch a.Type {
	case single:
		return node.Single(v)
	case u48:
		return node.Number(int64(math.Floor(v + 1e-6)))
	}
	return node.Number(int64(math.Round(v)))
}

func (s Switch) build(q *quantity.Set, endpoint uint8) node.Cluster {
	sw := node.Switch{
		Get: func() bool { return q.Get(s.Of) != 0 },
		Set: func(on bool) {
			if s.Zero != "" && on {
				q.Set(s.Zero, 0)
			}
			v := 0.0
			if on {
				v = 1
			}
			q.Set(s.Of, v)
		},
		Timed: s.Timed,
	}
	if s.Seconds {
		sw.Tick = time.Second
	}
	if s.StartUp {
		a := set(0x0006, 0x4003, enum8, 0xFF, 0, 0xFF).build(q, endpoint)
		sw.StartUp = &a
	}
	for _, a := range s.More {
		sw.More = append(sw.More, a.build(q, endpoint))
	}
	if s.Vendor != nil {
		sw.Command = func(c node.Command) node.Reply {
			if c.Manufacturer != 0 && slices.Contains(s.Vendor, c.ID) {
				return node.Reply{}
			}
			return node.Reply{Status: 0x81}
		}
	}
	return node.OnOff(sw)
}

func dimmer(e Endpoint, q *quantity.Set) node.Cluster {
	return node.Level(node.Dimmer{
		Get: func() uint8 { return uint8(q.Get(e.Dimmer)) },
		Set: func(v uint8) { q.Set(e.Dimmer, float64(v)) },
		On:  func() bool { return e.Switch == nil || q.Get(e.Switch.Of) != 0 },
		Turn: func(on bool) {
			if e.Switch == nil {
				return
			}
			v := 0.0
			if on {
				v = 1
			}
			q.Set(e.Switch.Of, v)
		},
	})
}

func (z Zone) build(q *quantity.Set) node.IASZone {
	return node.IASZone{Type: z.Type, Short: z.Short, Status: func() (status uint16) {
		for bit, name := range z.Bits {
			if q.Get(name) != 0 {
				status |= 1 << bit
			}
		}
		return status
	}}
}

func (t Tuya) build(q *quantity.Set) node.Points {
	p := node.Points{Burst: t.Burst, Seldom: t.Seldom, Version: t.Version, Clock: t.Clock,
		Every: func() time.Duration { return time.Duration(max(q.Get(t.Every), 1) * float64(time.Second)) }}
	for _, d := range t.Points {
		p.Points = append(p.Points, d.build(q))
	}
	return p
}

func (d Point) build(q *quantity.Set) node.Datapoint {
	scale := d.Scale
	if scale == 0 {
		scale = 1
	}
	built := node.Datapoint{ID: d.ID, Type: d.Type, Get: func() []byte { return d.bytes(q, scale) }}
	if d.Set {
		built.Set = func(b []byte) bool {
			var v int64
			for _, c := range b {
				v = v<<8 | int64(c)
			}
			if len(b) == 4 {
				v = int64(int32(v))
			}
			return q.Set(d.Of, float64(v)/scale) == nil
		}
	}
	if d.With != "" {
		built.Skip = func() bool { return q.Get(d.With) == 0 }
	}
	return built
}

func (d Point) bytes(q *quantity.Set, scale float64) []byte {
	if len(d.Blob) == 3 { // voltage, current and power in 8 bytes
		b := binary.BigEndian.AppendUint16(nil, uint16(math.Round(q.Get(d.Blob[0])*10)))
		for i, s := range []float64{1000, 1} {
			v := uint32(int64(math.Round(q.Get(d.Blob[i+1]) * s)))
			b = append(b, byte(v>>16), byte(v>>8), byte(v))
		}
		return b
	}
	v := q.Get(d.Of)
	switch {
	case d.Sign:
		v = map[bool]float64{true: 1}[v < 0]
	case d.Absolute:
		v = math.Abs(v)
	}
	n := int64(math.Round(v * scale))
	switch d.Type {
	case node.PointBool, node.PointEnum, node.PointBitmap:
		return []byte{byte(n)}
	}
	return binary.BigEndian.AppendUint32(nil, uint32(n))
}
