package mqttclient

import (
	"fmt"
	"strings"

	"github.com/smartcore-ireland/hems/internal/mqttclient/packet"
)

// maxBacklog is how many bytes of QoS 0 messages may wait for slow handlers.
// QoS 1 and 2 are bounded by receiveMaximum.
const maxBacklog = 32 << 20

// perMessage is the bookkeeping of one waiting message, in bytes, counted so
// that empty messages cannot fill the memory either.
const perMessage = 256

// received is a message on its way from the connection to the handlers.
type received struct {
	msg  Message
	debt *debt // nil for QoS 0
}

func (r received) size() int { return len(r.msg.Topic) + len(r.msg.Payload) + perMessage }

// read takes what the broker sends until the connection is lost, and says why it
// was. It must not wait for handlers: it is what reads acknowledgements too.
func (c *Client) read(conn *conn) error {
	for {
		p, err := packet.Read(conn.in)
		if err != nil {
			return err
		}
		conn.heard.Store(true)
		switch p.Kind {
		case packet.Publish:
			c.receive(conn, p)
		case packet.Puback, packet.Pubrec, packet.Pubcomp, packet.Suback, packet.Unsuback:
			release, done := c.flying.answered(p)
			if release {
				conn.later(packet.Pubrel, p.ID)
				conn.flush()
			}
			if done {
				conn.freeSlot()
			}
		case packet.Pubrel:
			c.owed.released(p.ID)
			conn.later(packet.Pubcomp, p.ID)
			conn.flush()
		case packet.Disconnect:
			return fmt.Errorf("the broker disconnected us with reason 0x%02x%s", p.Reason, inWords(p.Text))
		case packet.Pingresp:
		default:
			return fmt.Errorf("the broker sent a %v", p.Kind)
		}
	}
}

func (c *Client) receive(conn *conn, p packet.Packet) {
	r := received{msg: Message{
		Topic: p.Topic, Payload: p.Payload, QoS: p.QoS, Retain: p.Retain, Expiry: p.Expiry, Again: p.Again,
	}}
	if p.Stamp != "" {
		r.msg.Received, r.msg.Age = readStamp(p.Stamp)
	}
	if p.QoS > 0 {
		if r.debt = c.owed.came(conn, p.ID, p.QoS, p.Again); r.debt != nil {
			if c.opt.HoldAcks {
				r.msg.ID = p.ID
			}
			c.inbox.put(r)
		}
		return
	}
	if c.inbox.putWithin(r, maxBacklog, r.size()) {
		return
	}
	c.mu.Lock()
	c.dropped++
	n := c.dropped
	c.mu.Unlock()
	if n&(n-1) == 0 { // the 1st, 2nd, 4th, 8th…
		c.log.Warn("MQTT messages were dropped because their handlers are too slow",
			"client", c.opt.ClientID, "dropped", n, "topic", r.msg.Topic)
	}
}

// deliver calls the handlers, message by message, until the client is closed.
func (c *Client) deliver() {
	for {
		r, ok := c.inbox.get()
		if !ok {
			return
		}
		handlers := c.route(r.msg.Topic)
		if d := r.debt; d != nil && c.opt.HoldAcks && len(handlers) > 0 {
			d.handlers.Store(int32(len(handlers)))
			r.msg.Acknowledge = func() { c.owed.pay(d) }
		}
		for _, h := range handlers {
			h(r.msg)
		}
		if r.debt == nil {
			continue
		}
		if r.msg.Acknowledge == nil {
			c.owed.pay(r.debt)
		}
		if c.inbox.empty() { // they are on their way when there is nothing else to do
			c.owed.flush()
		}
	}
}

// maxRoutes bounds the topics whose handlers are remembered.
const maxRoutes = 1000

// route finds the handlers of a topic, in the order in which their subscriptions
// were first made.
func (c *Client) route(topic string) []func(Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if handlers, known := c.routes[topic]; known {
		return handlers
	}
	var handlers []func(Message)
	for _, s := range c.order {
		if Match(s.filter, topic) {
			handlers = append(handlers, c.filters[s.filter])
		}
	}
	if len(handlers) == 0 && c.opt.Unclaimed != nil {
		handlers = append(handlers, c.opt.Unclaimed)
	}
	if c.routes == nil || len(c.routes) >= maxRoutes {
		c.routes = map[string][]func(Message){}
	}
	c.routes[strings.Clone(topic)] = handlers // of which more may hang than the topic
	return handlers
}

// Dropped is how many QoS 0 messages were dropped because handlers were slow.
func (c *Client) Dropped() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dropped
}
