package broker

import (
	"bytes"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// quota is how many messages of QoS 1 and 2 a client takes before it
// acknowledges one (MQTT 5, 4.9). The server has its own, which is switched
// off: looking for the next message to send it locks a table for reading twice,
// and hangs for good, with everybody who publishes to that client, when one of
// them wants to write in between; and it forgets the order of what waits.
type quota struct {
	mu    sync.Mutex
	max   int // 0: any number
	open  map[uint16]struct{}
	freed chan struct{} // one token: there may be room
}

// begin sets the number that a client takes.
func (q *quota) begin(maximum uint16) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if maximum >= maxQueued {
		maximum = 0 // no more than maxQueued are ever on their way
	}
	q.max, q.open, q.freed = int(maximum), map[uint16]struct{}{}, make(chan struct{}, 1)
}

// take counts a message, if there is room for it or it must be sent anyway.
func (q *quota) take(id uint16, anyway bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.max == 0 {
		return true
	}
	if _, again := q.open[id]; !again && !anyway && len(q.open) >= q.max {
		return false
	}
	q.open[id] = struct{}{}
	return true
}

// give takes back what take has counted; an unknown id changes nothing.
func (q *quota) give(id uint16) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, ok := q.open[id]; !ok {
		return
	}
	delete(q.open, id)
	select {
	case q.freed <- struct{}{}:
	default:
	}
}

// awaitQuota holds a message back until the client may have it, or is gone. It
// is the client's own writing goroutine that waits, before it takes any lock;
// what is sent by others (answers, pings) goes past. What a session has kept is
// sent by the goroutine that reads, before it does, and cannot wait.
func (b *Broker) awaitQuota(cl *mqtt.Client, c *conn, pk packets.Packet) {
	if tooLarge(pk) {
		b.doneBacklog(cl, pk)
		cl.State.Inflight.Delete(pk.PacketID) // the server does not send it, and keeps it
		return
	}
	for {
		anyway := false
		select {
		case <-c.established:
		default:
			anyway = true
		}
		if c.quota.take(pk.PacketID, anyway) {
			return
		}
		select {
		case <-c.quota.freed:
		case <-c.Finished():
			return
		}
	}
}

// tooLarge tells whether pk is larger than its client takes. Such a message
// counts as delivered (MQTT 5, 3.1.2.11.4).
func tooLarge(pk packets.Packet) bool {
	if pk.Mods.MaxSize == 0 {
		return false
	}
	var b bytes.Buffer
	return pk.PublishEncode(&b) == nil && uint32(b.Len()) > pk.Mods.MaxSize
}
