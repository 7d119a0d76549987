package mqttclient

import (
	"github.com/eclipse/paho.golang/paho"
)

// maxBacklog is how many bytes of QoS 0 messages may wait for slow handlers.
// QoS 1 and 2 are bounded by receiveMaximum.
const maxBacklog = 32 << 20

// perMessage is the bookkeeping of one waiting message, in bytes, counted so
// that empty messages cannot fill the memory either.
const perMessage = 256

// received is a message on its way from the connection to the handlers.
type received struct {
	msg Message
	ack func() // nil for QoS 0
}

func (r received) size() int { return len(r.msg.Topic) + len(r.msg.Payload) + perMessage }

// receive is called by the library for each message and must not block: it is
// what reads the ping responses too.
func (c *Client) receive(pr paho.PublishReceived) (bool, error) {
	p := pr.Packet
	r := received{msg: Message{Topic: p.Topic, Payload: p.Payload, QoS: p.QoS, Retain: p.Retain}}
	if p.QoS > 0 {
		client := pr.Client // an acknowledgement belongs to the connection it came on
		r.ack = func() { _ = client.Ack(p) }
		c.inbox.put(r)
		return true, nil
	}
	if c.inbox.putWithin(r, maxBacklog, r.size()) {
		return true, nil
	}
	c.mu.Lock()
	c.dropped++
	n := c.dropped
	c.mu.Unlock()
	if n&(n-1) == 0 { // the 1st, 2nd, 4th, 8th…
		c.log.Warn("MQTT messages were dropped because their handlers are too slow",
			"client", c.opt.ClientID, "dropped", n, "topic", r.msg.Topic)
	}
	return true, nil
}

// deliver calls the handlers, message by message, until the client is closed.
func (c *Client) deliver() {
	var handlers []func(Message)
	for {
		r, ok := c.inbox.get()
		if !ok {
			return
		}
		handlers = handlers[:0]
		c.mu.Lock()
		for _, s := range c.order {
			if Match(s.filter, r.msg.Topic) {
				handlers = append(handlers, c.filters[s.filter])
			}
		}
		c.mu.Unlock()
		for _, h := range handlers {
			h(r.msg)
		}
		if r.ack != nil {
			r.ack()
		}
	}
}

// Dropped is how many QoS 0 messages were dropped because handlers were slow.
func (c *Client) Dropped() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dropped
}
