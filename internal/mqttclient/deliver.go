package mqttclient

import (
	"fmt"

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
	conn *conn // on which it is to be acknowledged
	id   uint16
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
			delete(c.halves, p.ID)
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
	r := received{msg: Message(p.Message), conn: conn, id: p.ID}
	switch p.QoS {
	case 2:
		if c.halves[p.ID] {
			return // sent again; its acknowledgement is under way
		}
		c.halves[p.ID] = true
		fallthrough
	case 1:
		c.inbox.put(r)
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

// acknowledge says that the handlers have a message. It is on its way when there
// is nothing else to do, or much to acknowledge.
func (c *Client) acknowledge(r received) {
	switch r.msg.QoS {
	case 1:
		r.conn.later(packet.Puback, r.id)
	case 2:
		r.conn.later(packet.Pubrec, r.id)
	default:
		return
	}
	if c.inbox.empty() {
		r.conn.flush()
	}
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
		c.acknowledge(r)
	}
}

// Dropped is how many QoS 0 messages were dropped because handlers were slow.
func (c *Client) Dropped() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dropped
}
