package node

import (
	"encoding/binary"
	"time"
)

// Tuya datapoint types.
const (
	PointRaw    = 0
	PointBool   = 1
	PointNumber = 2
	PointText   = 3
	PointEnum   = 4
	PointBitmap = 5
)

// Datapoint is one datapoint of Tuya's own cluster.
type Datapoint struct {
	ID   uint8
	Type uint8
	Get  func() []byte     // big-endian, as it goes out
	Set  func([]byte) bool // nil: cannot be set
	Skip func() bool       // left out of bursts now; nil: never
}

// Points is a Tuya device's cluster.
type Points struct {
	Points []Datapoint
	// Burst are the datapoints that go out one after another at each interval.
	Burst []uint8
	// Seldom go out with every tenth burst.
	Seldom []uint8
	// Every is the interval of bursts.
	Every func() time.Duration
	// Clock says that the device asks for the time when it starts to measure.
	Clock bool
	// Version is what the microcontroller calls its firmware.
	Version uint8
}

// clusterTuya is Tuya's own cluster, with its commands.
const (
	clusterTuya     = 0xEF00
	tuyaSet         = 0x00
	tuyaResponse    = 0x01
	tuyaReport      = 0x02
	tuyaQuery       = 0x03
	tuyaSend        = 0x04
	tuyaVersionAsk  = 0x10
	tuyaVersionTell = 0x11
	tuyaTime        = 0x24
	tuyaGateway     = 0x25
)

// pointGap passes between the datapoints of a burst.
const pointGap = 40 * time.Millisecond

// Tuya is the cluster 0xEF00: datapoints one to a frame, in bursts, with a
// sequence number that grows by 256 because its bytes are the wrong way round.
func Tuya(p Points) Cluster {
	t := &tuya{Points: p}
	return Cluster{ID: clusterTuya, Command: t.command, attach: func(n *Node, e *Endpoint) {
		t.n, t.e = n, e
		n.starts = append(n.starts, t.start)
	}}
}

type tuya struct {
	Points
	n      *Node
	e      *Endpoint
	seq    uint16
	bursts int
	cancel func()
}

func (t *tuya) start() {
	if t.cancel != nil {
		t.cancel()
	}
	t.cancel = t.n.o.Air.After(t.Every(), func() {
		t.burst()
		t.start()
	})
}

// burst sends what is due.
func (t *tuya) burst() {
	ids := t.Burst
	if t.bursts%10 == 0 {
		ids = append(append([]uint8(nil), ids...), t.Seldom...)
	}
	if t.Clock && t.bursts == 0 && !t.n.silent && t.n.memory.Joined {
		t.askTime()
	}
	t.bursts++
	for i, id := range ids {
		t.n.o.Air.After(time.Duration(i)*pointGap, func() { t.tell(tuyaReport, id) })
	}
}

// find returns a datapoint, nil when there is none such.
func (t *tuya) find(id uint8) *Datapoint {
	for i := range t.Points.Points {
		if t.Points.Points[i].ID == id {
			return &t.Points.Points[i]
		}
	}
	return nil
}

func (t *tuya) tell(command, id uint8) {
	d := t.find(id)
	if d == nil || d.Skip != nil && d.Skip() || t.n.silent || !t.n.memory.Joined {
		return
	}
	t.seq += 0x0100
	value := d.Get()
	b := binary.LittleEndian.AppendUint16(nil, t.seq)
	b = append(b, d.ID, d.Type)
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	t.n.notify(t.e, clusterTuya, Source{Endpoint: 1}, command, append(b, value...))
}

func (t *tuya) command(c Command) Reply {
	p := c.Payload
	switch {
	case c.Manufacturer != 0:
		return Reply{Status: statusUnsupMfrCommand}
	case c.ID == tuyaQuery:
		for i, d := range t.Points.Points {
			t.n.o.Air.After(time.Duration(i)*pointGap, func() { t.tell(tuyaReport, d.ID) })
		}
		return Reply{}
	case c.ID == tuyaSet || c.ID == tuyaSend:
		return t.set(p)
	case c.ID == tuyaVersionAsk && len(p) >= 2:
		return Reply{Respond: true, Command: tuyaVersionTell, Payload: []byte{p[0], p[1], t.Version}}
	case c.ID == tuyaTime, c.ID == tuyaGateway:
		return Reply{} // answers to what the device may have asked
	}
	return Reply{Status: statusUnsupClusterCommand}
}

// set obeys datapoints: a sequence number, then identifier, type, length and
// value of each.
func (t *tuya) set(p []byte) Reply {
	if len(p) < 6 {
		return Reply{Status: statusMalformed}
	}
	for p = p[2:]; len(p) > 0; {
		if len(p) < 4 {
			return Reply{Status: statusMalformed}
		}
		id, kind, length := p[0], p[1], int(binary.BigEndian.Uint16(p[2:]))
		if len(p) < 4+length {
			return Reply{Status: statusMalformed}
		}
		value := p[4 : 4+length]
		p = p[4+length:]
		if d := t.find(id); d != nil && d.Type == kind && d.Set != nil && d.Set(value) {
			t.tell(tuyaResponse, id)
		}
	}
	return Reply{}
}

// AskTime asks the coordinator for the time, as Tuya's devices do now and then.
func (t *tuya) askTime() {
	t.n.notify(t.e, clusterTuya, Source{Endpoint: 1}, tuyaTime, []byte{0x08, 0x00})
}
