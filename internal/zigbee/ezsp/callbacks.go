package ezsp

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Callback is something the NCP tells without being asked: a StackStatus,
// IncomingMessage, MessageSent, TrustCenterJoin, ChildJoin, or Unknown.
type Callback interface{ callback() }

// StackStatus says that the state of the network has changed.
type StackStatus struct{ Status Status }

// MessageType is how a message was addressed (UG100: EmberIncomingMessageType).
type MessageType uint8

// The types of incoming message.
const (
	Unicast MessageType = iota
	UnicastReply
	Multicast
	MulticastLoopback
	Broadcast
	BroadcastLoopback
)

// IncomingMessage is a message from a device, or from the NCP itself.
type IncomingMessage struct {
	Type    MessageType
	APS     APSFrame
	LQI     uint8
	RSSI    int8 // dBm
	Sender  uint16
	Payload []byte
}

// MessageSent says what became of a message sent before.
type MessageSent struct {
	Type        uint8
	Destination uint16
	APS         APSFrame
	Tag         uint8
	Status      Status
}

// JoinStatus is how a device has come, or gone (UG100: EmberDeviceUpdate).
type JoinStatus uint8

// The ways to join and to leave.
const (
	SecuredRejoin  JoinStatus = 0
	UnsecuredJoin  JoinStatus = 1
	DeviceLeft     JoinStatus = 2
	UnsecureRejoin JoinStatus = 3
)

// TrustCenterJoin says that a device has joined or left the network.
type TrustCenterJoin struct {
	NodeID   uint16
	EUI64    zcl.EUI64
	Status   JoinStatus
	Decision uint8 // UG100: EmberJoinDecision; 2 = denied
	Parent   uint16
}

// JoinDenied is the Decision that keeps a device out.
const JoinDenied = 2

// ChildJoin says that a device has become a child of the NCP, or is one no
// longer.
type ChildJoin struct {
	Index   uint8
	Joining bool
	NodeID  uint16
	EUI64   zcl.EUI64
	Type    uint8
}

// Unknown is a callback that this package does not read.
type Unknown struct {
	ID      FrameID
	Payload []byte
}

func (StackStatus) callback()     {}
func (IncomingMessage) callback() {}
func (MessageSent) callback()     {}
func (TrustCenterJoin) callback() {}
func (ChildJoin) callback()       {}
func (Unknown) callback()         {}

var (
	stackStatusLayout = layout[StackStatus]{all(func(c *coder, v *StackStatus) { emberStatus(c, &v.Status) })}

	incomingMessageLayout = layout[IncomingMessage]{
		all(func(c *coder, m *IncomingMessage) {
			u8(c, &m.Type)
			apsFrame(c, &m.APS)
		}),
		until(13, func(c *coder, m *IncomingMessage) {
			u8(c, &m.LQI)
			u8(c, &m.RSSI)
			u16(c, &m.Sender)
			c.skip(2) // binding and address table index
		}),
		from(14, func(c *coder, m *IncomingMessage) {
			u16(c, &m.Sender)
			c.skip(8 + 2) // EUI64; binding and address table index
			u8(c, &m.LQI)
			u8(c, &m.RSSI)
			c.skip(4) // time stamp
		}),
		all(func(c *coder, m *IncomingMessage) { bytes8(c, &m.Payload) }),
	}

	messageSentLayout = layout[MessageSent]{
		from(14, func(c *coder, m *MessageSent) { slStatus(c, &m.Status) }),
		all(func(c *coder, m *MessageSent) {
			u8(c, &m.Type)
			u16(c, &m.Destination)
			apsFrame(c, &m.APS)
			u8(c, &m.Tag)
		}),
		from(14, func(c *coder, m *MessageSent) { c.skip(1) }), // the tag's high byte
		until(13, func(c *coder, m *MessageSent) { emberStatus(c, &m.Status) }),
		// The message itself follows; it is not needed.
	}

	trustCenterJoinLayout = layout[TrustCenterJoin]{all(func(c *coder, v *TrustCenterJoin) {
		u16(c, &v.NodeID)
		eui64(c, &v.EUI64)
		u8(c, &v.Status)
		u8(c, &v.Decision)
		u16(c, &v.Parent)
	})}

	childJoinLayout = layout[ChildJoin]{all(func(c *coder, v *ChildJoin) {
		u8(c, &v.Index)
		flag8(c, &v.Joining)
		u16(c, &v.NodeID)
		eui64(c, &v.EUI64)
		u8(c, &v.Type)
	})}
)

// callbackDecoders reads each callback that is known.
var callbackDecoders = map[FrameID]func(Version, []byte) (Callback, error){
	0x0019: decodeAs(stackStatusLayout),
	0x0023: decodeAs(childJoinLayout),
	0x0024: decodeAs(trustCenterJoinLayout),
	0x003F: decodeAs(messageSentLayout),
	0x0045: decodeAs(incomingMessageLayout),
}

func decodeAs[T Callback](l layout[T]) func(Version, []byte) (Callback, error) {
	return func(v Version, b []byte) (Callback, error) { return l.decode(v, b) }
}

// maxCallbacks bounds what waits for a reader. Replies share the link with
// callbacks, so a slow reader must not hold the link up.
const maxCallbacks = 2048

type callbackQueue struct {
	lost atomic.Uint64

	mu    sync.Mutex
	queue []Callback
	wake  chan struct{} // has room for one
}

func (q *callbackQueue) init() { q.wake = make(chan struct{}, 1) }

func (q *callbackQueue) put(cb Callback) {
	q.mu.Lock()
	if len(q.queue) >= maxCallbacks {
		q.queue = q.queue[1:]
		q.lost.Add(1)
	}
	q.queue = append(q.queue, cb)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *callbackQueue) take() (Callback, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == 0 {
		return nil, false
	}
	cb := q.queue[0]
	q.queue[0] = nil
	if q.queue = q.queue[1:]; len(q.queue) == 0 {
		q.queue = nil
	}
	return cb, true
}

// Callback waits for the next callback, in the order in which the NCP sent
// them. One goroutine may wait. When the connection has ended, what came before
// is delivered first, then its error.
func (c *Conn) Callback(ctx context.Context) (Callback, error) {
	for {
		if cb, ok := c.calls.take(); ok {
			return cb, nil
		}
		select {
		case <-c.calls.wake:
		case <-c.done:
			if cb, ok := c.calls.take(); ok {
				return cb, nil
			}
			return nil, c.err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
