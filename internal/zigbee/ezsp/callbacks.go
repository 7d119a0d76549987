package ezsp

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Callback is something the NCP tells without being asked: a StackStatus,
// IncomingMessage, MessageSent, TrustCenterJoin, ChildJoin, RouteRecord,
// RouteError, NetworkError, IDConflict, ManyToOneRequest, NetworkKeySwitched,
// KeyEstablished, CounterRollover, or Unknown. The results of a scan go to
// whoever has asked for it.
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
	Type   MessageType
	APS    APSFrame
	LQI    uint8
	RSSI   int8 // dBm
	Sender uint16
	// EUI64 is the sender's address when the NCP knows it; 0 when not, and
	// always before EZSP 14.
	EUI64   zcl.EUI64
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

// RouteRecord tells the way from a device to us, which is our way to it in
// reverse. The NCP uses it by itself in source routes.
type RouteRecord struct {
	Source uint16
	EUI64  zcl.EUI64
	LQI    uint8
	RSSI   int8     // dBm, of the last hop
	Relays []uint16 // from the device's neighbour to ours
}

// RouteError says that a router could not pass on a message along a source
// route, or back to us along a many-to-one route.
type RouteError struct {
	Status Status
	Target uint16 // whom the message was for
}

// NetworkError is a network status that another node reports (Zigbee 3.4.3).
type NetworkError struct {
	Code   uint8 // 0x00 no route, 0x0B many-to-one route, 0x0D address conflict, …
	Target uint16
}

// IDConflict says that two nodes use the same address. The NCP has told the
// network; both take a new one.
type IDConflict struct{ NodeID uint16 }

// ManyToOneRequest is the announcement of another concentrator.
type ManyToOneRequest struct {
	Source uint16
	EUI64  zcl.EUI64
	Cost   uint8
}

// NetworkKeySwitched says that the network has gone over to its next key.
type NetworkKeySwitched struct{ Sequence uint8 }

// KeyEstablished says what became of a link key (UG100: EmberKeyStatus).
type KeyEstablished struct {
	Partner zcl.EUI64
	Status  uint8
}

// CounterRollover says that one of the stack's counters has begun anew.
type CounterRollover struct{ Counter uint8 }

// Unknown is a callback that this package does not read.
type Unknown struct {
	ID      FrameID
	Payload []byte
}

func (StackStatus) callback()        {}
func (IncomingMessage) callback()    {}
func (MessageSent) callback()        {}
func (TrustCenterJoin) callback()    {}
func (ChildJoin) callback()          {}
func (RouteRecord) callback()        {}
func (RouteError) callback()         {}
func (NetworkError) callback()       {}
func (IDConflict) callback()         {}
func (ManyToOneRequest) callback()   {}
func (NetworkKeySwitched) callback() {}
func (KeyEstablished) callback()     {}
func (CounterRollover) callback()    {}
func (energyResult) callback()       {}
func (networkFound) callback()       {}
func (scanComplete) callback()       {}
func (Unknown) callback()            {}

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
			eui64(c, &m.EUI64)
			if m.EUI64 == zcl.EUI64Any {
				m.EUI64 = 0
			}
			c.skip(2) // binding and address table index
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

	routeRecordLayout = layout[RouteRecord]{all(func(c *coder, v *RouteRecord) {
		u16(c, &v.Source)
		eui64(c, &v.EUI64)
		u8(c, &v.LQI)
		u8(c, &v.RSSI)
		list8(c, &v.Relays, u16)
	})}

	routeErrorLayout = layout[RouteError]{all(func(c *coder, v *RouteError) { emberStatus(c, &v.Status); u16(c, &v.Target) })}

	networkErrorLayout = layout[NetworkError]{all(func(c *coder, v *NetworkError) { u8(c, &v.Code); u16(c, &v.Target) })}

	idConflictLayout = layout[IDConflict]{all(func(c *coder, v *IDConflict) { u16(c, &v.NodeID) })}

	manyToOneLayout = layout[ManyToOneRequest]{all(func(c *coder, v *ManyToOneRequest) {
		u16(c, &v.Source)
		eui64(c, &v.EUI64)
		u8(c, &v.Cost)
	})}

	keySwitchedLayout = layout[NetworkKeySwitched]{all(func(c *coder, v *NetworkKeySwitched) { u8(c, &v.Sequence) })}

	keyEstablishedLayout = layout[KeyEstablished]{all(func(c *coder, v *KeyEstablished) { eui64(c, &v.Partner); u8(c, &v.Status) })}

	rolloverLayout = layout[CounterRollover]{all(func(c *coder, v *CounterRollover) { u8(c, &v.Counter) })}
)

// callbackDecoders reads each callback that is known, in the versions that
// have it. A number that was given to another frame later is that frame.
var callbackDecoders = map[FrameID]struct {
	has    versions
	decode func(Version, []byte) (Callback, error)
}{
	0x0019: {decode: decodeAs(stackStatusLayout)},
	0x001B: {decode: decodeAs(networkFoundLayout)},
	0x001C: {decode: decodeAs(scanCompleteLayout)},
	0x0023: {decode: decodeAs(childJoinLayout)},
	0x0024: {decode: decodeAs(trustCenterJoinLayout)},
	0x003F: {decode: decodeAs(messageSentLayout)},
	0x0045: {decode: decodeAs(incomingMessageLayout)},
	0x0048: {decode: decodeAs(energyResultLayout)},
	0x0059: {decode: decodeAs(routeRecordLayout)},
	0x006E: {decode: decodeAs(keySwitchedLayout)},
	0x007C: {decode: decodeAs(idConflictLayout)},
	0x007D: {decode: decodeAs(manyToOneLayout)},
	0x0080: {decode: decodeAs(routeErrorLayout)},
	0x009B: {decode: decodeAs(keyEstablishedLayout)},
	0x00C4: {decode: decodeAs(networkErrorLayout)},
	0x00F2: {decode: decodeAs(rolloverLayout)},
}

func callbackDecoder(id FrameID, v Version) (func(Version, []byte) (Callback, error), bool) {
	d, known := callbackDecoders[id]
	return d.decode, known && d.has.include(v)
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
	room  [4]Callback   // of the queue while it is short
	wake  chan struct{} // has room for one
}

func (q *callbackQueue) init() { q.wake, q.queue = make(chan struct{}, 1), q.room[:0] }

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
		q.queue = q.room[:0] // gives back what a burst has taken
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
