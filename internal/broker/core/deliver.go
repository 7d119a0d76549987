package core

import "sync/atomic"

// outTotal is of all connections.
type outTotal struct {
	bytes atomic.Int64
	sent  atomic.Uint64
}

// scratch holds the encoded forms of the message that is being published, so that
// it is encoded once for all its subscribers. It is guarded by the server's lock.
type scratch struct {
	forms [16]form
	b     []byte
}

// form is the head of a packet in one of its forms, in scratch.b.
type form struct {
	from, to int
	pid      int // where the packet id is
}

func (s *scratch) reset() {
	s.forms = [16]form{}
	s.b = s.b[:0]
}

// sendNow sends a message of QoS 0.
func (c *conn) sendNow(p *publication, t *target, retain bool) {
	c.encode(p.topic, p.payload, p.props, p.expires, 0, 0, retain, false, t.ids, p)
}

// encode sends a PUBLISH. p is the publication in work, whose forms may be used
// again; nil for a message out of a queue. False: it was not sent, for its size or
// because too much is on the way.
func (c *conn) encode(topic string, payload, props []byte, expires int64, pid uint16, qos byte, retain, dup bool, ids []uint32, p *publication) bool {
	s := c.s
	flags := qos << 1
	if retain {
		flags |= 1
	}
	if dup {
		flags |= 8
	}
	o := outgoing{topic: topic, props: props, payloadSize: len(payload), pid: pid, v5: c.version == 5, flags: flags}
	if o.v5 {
		o.ids = ids
		if expires != 0 {
			left := (expires - s.now() + 999) / 1000
			if left <= 0 && !dup {
				return false
			}
			o.expiry, o.expires = uint32(max(1, left)), true
		}
	}
	if c.maxPacket != 0 {
		size := 5 + 2 + len(topic) + 2 + len(payload)
		if o.v5 {
			size += 4 + 5 + 3 + len(props) + 5*len(ids)
		}
		if o.alias = 0; c.aliasMax > 0 {
			o.alias = 1 // there may be one
		}
		if size > int(c.maxPacket) && len(o.appendHead(nil))+len(payload) > int(c.maxPacket) {
			return false
		}
	}
	o.alias = 0
	size := int64(len(topic) + len(payload) + len(props) + 16)
	if qos == 0 && !c.replaying {
		if has := c.out.bytes.Load() + size; has > fairQueue && (has > s.lim.MaxQueuedBytes || s.out.bytes.Load()+size > s.lim.MaxQueuedBytesAll) {
			s.drop(c.sess, topic)
			return false
		}
	}
	var head []byte
	constant := p == nil
	if p != nil {
		constant = p.own || p.msg != nil
		if p.msg != nil {
			payload = p.msg.payload
		} else if len(payload) >= byReference {
			payload, constant = p.message().payload, true
		}
	}
	if c.aliasMax > 0 {
		o.alias, o.noTopic = c.aliasOut(topic)
	}
	if p == nil || o.alias != 0 || len(o.ids) > 0 {
		s.headBuf = o.appendHead(s.headBuf[:0])
		head = s.headBuf
	} else {
		head = s.formOf(&o)
	}
	c.touch(c.out.add(head, payload, constant))
	s.counts.delivered.Add(1)
	return true
}

// formOf encodes a head, or takes the one that was encoded for another subscriber.
func (s *Server) formOf(o *outgoing) []byte {
	k := int(o.flags & 7)
	if o.v5 {
		k |= 8
	}
	f := &s.scratch.forms[k]
	if f.to == 0 {
		f.from = len(s.scratch.b)
		s.scratch.b = o.appendHead(s.scratch.b)
		f.to = len(s.scratch.b)
		if o.flags&6 != 0 {
			h := 1
			for s.scratch.b[f.from+h]&0x80 != 0 {
				h++
			}
			f.pid = f.from + h + 1 + 2 + len(o.topic)
		}
	} else if f.pid != 0 {
		s.scratch.b[f.pid], s.scratch.b[f.pid+1] = byte(o.pid>>8), byte(o.pid)
	}
	return s.scratch.b[f.from:f.to]
}

// touch remembers that c is to be written to, and whether its publishers are to
// wait for it.
func (c *conn) touch(touch bool, waiting int64) {
	s := c.s
	if touch {
		s.touched = append(s.touched, c)
	}
	if waiting > outMark && !c.press {
		c.press = true
		s.pressed = append(s.pressed, c)
	}
}

// send sends a packet that is encoded.
func (c *conn) send(b []byte) { c.touch(c.out.add(b, nil, false)) }

// hasRoom tells whether one more message may be on its way.
func (c *conn) hasRoom() bool { return c.inflight < c.window && c.out.bytes.Load() < outMark }

// aliasOut is the alias of a topic, and whether the client knows it already.
func (c *conn) aliasOut(topic string) (alias uint16, known bool) {
	if a := c.aliases[topic]; a != 0 {
		return a, true
	}
	if len(c.aliases) >= c.aliasMax {
		return 0, false
	}
	if c.aliases == nil {
		c.aliases = map[string]uint16{}
	}
	a := uint16(len(c.aliases) + 1)
	c.aliases[topic] = a
	return a, false
}

// pump sends what waits, in order, as far as the client takes it.
func (sess *session) pump() {
	c, s := sess.conn, sess.conn.s
	q := &sess.q
	now := int64(0)
	for q.next < q.n {
		e := q.at(q.next)
		if e.done {
			q.next++
			continue
		}
		if !c.hasRoom() && (e.qos > 0 || c.out.bytes.Load() >= outMark) {
			if c.inflight < c.window {
				c.out.starved.Store(true) // the way out is full: go on when it is empty
			}
			return
		}
		if e.released {
			c.send(appendAck(nil, c.version, pktPubrel, e.pid, 0))
			c.inflight++
			q.next++
			continue
		}
		m := e.msg
		if now == 0 {
			now = s.now()
		}
		sent := false
		if m.expires == 0 || m.expires > now || e.sent { // what was begun is ended (MQTT 5, 3.3.2.3.3)
			sent = c.encode(m.topic, m.payload, c.stamped(m), m.expires, e.pid, e.qos, e.retain, e.sent && e.qos > 0, e.ids, nil)
		}
		q.next++
		if !sent || e.qos == 0 {
			s.done(sess, e)
			continue
		}
		e.sent = true
		c.inflight++
	}
}

// done takes a message off a session's queue.
func (s *Server) done(sess *session, e *entry) {
	if e.msg != nil {
		n := e.msg.size()
		sess.q.bytes -= n
		s.queued -= n
		if e.qos == 0 {
			sess.q.waitingQoS0--
		}
	}
	if sess.number != 0 {
		s.recordDone(sess, e.pid)
	}
	sess.q.finish(e)
	if sess.conn != nil {
		sess.conn.out.queued(sess.q.n)
	}
}

// weed takes off a session's queue what waits there and its user may not read
// any more. What was sent once is ended as the protocol has it.
func (s *Server) weed(sess *session) {
	for i := sess.q.n - 1; i >= 0 && sess.q.n > 0; i-- {
		e := sess.q.at(i)
		if e.done || e.sent || e.msg == nil || sess.identity.MayRead(e.msg.topic) {
			continue
		}
		s.drop(sess, e.msg.topic)
		s.done(sess, e)
	}
}
