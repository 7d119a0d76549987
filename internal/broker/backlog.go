package broker

import (
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// What may wait for clients, in bytes of payload: for one that reads slowly,
// does not acknowledge or is away, and for all of them together. The server
// counts messages only, and 20,480 of the largest would be 20 GB. A client may
// always have a little waiting, however full the others are.
const (
	maxBacklog    = 16 << 20
	maxBacklogAll = 96 << 20
	fairBacklog   = 256 << 10
)

// maxAway is how many sessions are kept of one user's clients that are away;
// the one that has been away for longest makes way.
const maxAway = 100

// backlog is what waits for one client. It may be more than really waits: the
// server does not say when it drops a message for want of a packet id, or for a
// client that is away. For one that is away it is therefore counted again when
// it seems too much.
type backlog struct {
	mu      sync.Mutex
	bytes   int64
	gone    bool      // nothing waits any more, ever
	counted time.Time // again
}

// addBacklog changes what waits; below nothing it does not go.
func (b *Broker) addBacklog(l *backlog, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b.setBacklog(l, l.bytes+n)
}

// setBacklog needs the backlog's lock.
func (b *Broker) setBacklog(l *backlog, n int64) {
	n = max(0, n)
	if l.gone {
		n = 0
	}
	b.waiting.Add(n - l.bytes)
	l.bytes = n
}

// countBacklog counts what really waits for a client whose queue is empty.
func (b *Broker) countBacklog(cl *mqtt.Client, l *backlog) {
	var n int64
	for _, pk := range cl.State.Inflight.GetAll(false) {
		n += int64(len(pk.Payload))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b.setBacklog(l, n)
}

// endBacklog is for a client whose messages were given up or handed over.
func (b *Broker) endBacklog(cl *mqtt.Client) {
	if cl == nil {
		return
	}
	if c, ok := cl.Net.Conn.(*conn); ok {
		c.backlog.mu.Lock()
		defer c.backlog.mu.Unlock()
		c.backlog.gone = true
		b.setBacklog(&c.backlog, 0)
	}
}

// admitBacklog tells whether a message of the topic, which is being published or
// replayed, may wait for a client, and counts it.
func (b *Broker) admitBacklog(cl *mqtt.Client, topic string) bool {
	c, ok := cl.Net.Conn.(*conn)
	if !ok {
		return true
	}
	limit := int64(maxBacklog)
	size, qos := b.publishing.size(topic)
	if size == 0 && c.replaying.Load() {
		if pk, ok := b.server.Topics.Retained.Get(topic); ok {
			size, qos, limit = int64(len(pk.Payload)), pk.FixedHeader.Qos, maxRetainedBytes
		}
	}
	if size == 0 || qos == 0 && cl.Closed() {
		return true // not kept for one that is away
	}
	l := &c.backlog
	l.mu.Lock()
	defer l.mu.Unlock()
	over := func() bool {
		has := l.bytes + size
		return has > limit || has > fairBacklog && b.waiting.Load()+size > maxBacklogAll
	}
	if over() && cl.Closed() && time.Since(l.counted) > time.Second {
		l.counted = time.Now()
		l.mu.Unlock()
		b.countBacklog(cl, l)
		l.mu.Lock()
	}
	if over() {
		b.counts.messages.Add(1)
		if missed, ok := b.dropLog.allow(); ok {
			b.log.Warn("MQTT messages were dropped: too much waits for a client already",
				"client", clip(cl.ID), "topic", clip(topic), "bytes", l.bytes, "bytes_of_all", b.waiting.Load(), "not_logged", missed)
		}
		return false
	}
	b.setBacklog(l, l.bytes+size)
	return true
}

// doneBacklog takes a message that was sent, acknowledged or given up off the
// backlog.
func (b *Broker) doneBacklog(cl *mqtt.Client, pk packets.Packet) {
	if c, ok := cl.Net.Conn.(*conn); ok && len(pk.Payload) > 0 {
		b.addBacklog(&c.backlog, -int64(len(pk.Payload)))
	}
}

// publishing are the messages that are being handed to subscribers, by topic.
// The server asks whether a client may have a message by its topic alone.
type publishing struct {
	mu      sync.Mutex
	byTopic map[string]published
}

type published struct {
	n    int   // how many
	size int64 // of the largest payload
	qos  byte
}

func (p *publishing) begin(pk packets.Packet) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byTopic == nil {
		p.byTopic = map[string]published{}
	}
	m := p.byTopic[pk.TopicName]
	p.byTopic[pk.TopicName] = published{m.n + 1, max(m.size, int64(len(pk.Payload))), max(m.qos, pk.FixedHeader.Qos)}
}

func (p *publishing) end(topic string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.byTopic[topic]; m.n > 1 {
		m.n--
		p.byTopic[topic] = m
	} else {
		delete(p.byTopic, topic)
	}
}

func (p *publishing) size(topic string) (size int64, qos byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.byTopic[topic]
	return m.size, m.qos
}

// published says that the message c was publishing, if any, is with all its
// subscribers.
func (b *Broker) published(c *conn) {
	if c.publishing != "" {
		b.publishing.end(c.publishing)
		c.publishing = ""
	}
}

// left is for a connection that has ended: only a kept session has messages that
// wait on.
func (b *Broker) left(c *conn) {
	if kept, ok := b.server.Clients.Get(c.client.ID); ok && kept == c.client {
		b.countBacklog(c.client, &c.backlog)
	} else {
		b.endBacklog(c.client)
	}
}

// makeRoom ends the kept sessions of cl's user beyond maxAway, but not the one
// that cl comes back to.
func (b *Broker) makeRoom(cl *mqtt.Client) {
	for {
		var oldest *mqtt.Client
		away := 0
		for _, other := range b.server.Clients.GetAll() {
			if !other.Closed() || other.ID == cl.ID || string(other.Properties.Username) != string(cl.Properties.Username) {
				continue
			}
			away++
			if oldest == nil || other.StopTime() < oldest.StopTime() {
				oldest = other
			}
		}
		if away <= maxAway || !b.giveUp(oldest) {
			return
		}
	}
}

// giveUp ends a kept session, unless its client is coming back just now.
func (b *Broker) giveUp(cl *mqtt.Client) bool {
	holder := &conn{established: make(chan struct{})}
	if !b.sessions.hold(cl.ID, holder) {
		return false
	}
	defer b.sessions.release(holder)
	if kept, ok := b.server.Clients.Get(cl.ID); !ok || kept != cl {
		return false
	}
	b.forget(cl)
	b.server.Clients.Delete(cl.ID)
	if missed, ok := b.dropLog.allow(); ok {
		b.log.Warn("an MQTT session was given up: too many clients of its user are away",
			"client", clip(cl.ID), "user", string(cl.Properties.Username), "limit", maxAway, "not_logged", missed)
	}
	return true
}

// forget takes away what is kept for a session that ends.
func (b *Broker) forget(cl *mqtt.Client) {
	b.server.UnsubscribeClient(cl)
	cl.ClearInflights()
	b.endBacklog(cl)
}
