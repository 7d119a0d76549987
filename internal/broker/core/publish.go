package core

import (
	"strings"

	"github.com/smartcore-ireland/hems/internal/broker/door"
)

// publish takes a PUBLISH (MQTT 5, 3.3 and 4.3).
func (c *conn) publish(pk *door.Packet) error {
	s, sess := c.s, c.sess
	qos := pk.First >> 1 & 3
	p := publication{payload: pk.Payload, qos: qos, retain: pk.First&1 != 0, own: pk.Large, from: sess}
	topic := pk.Topic
	var r *route
	if len(pk.Properties) > 0 {
		travel, expiry, expires, alias, _ := travelling(s.propsBuf[:0], pk.Properties)
		s.propsBuf, p.props = travel, travel
		if expires {
			p.expires = s.now() + max(int64(expiry)*1000, 1)
		}
		if alias != 0 {
			if int(alias) > s.lim.MaxTopicAlias {
				return refuse(rcTopicAlias, "a topic alias beyond the maximum")
			}
			if len(topic) > 0 {
				if c.aliasIn == nil {
					c.aliasIn = map[uint16]string{}
				}
				c.aliasIn[alias] = string(topic)
			} else if name, ok := c.aliasIn[alias]; ok {
				r = s.newRoute(name)
			} else {
				return refuse(rcProtocolError, "an unknown topic alias and no topic") // MQTT 5, 3.3.2.3.4
			}
		}
	}
	if qos == 2 {
		if _, again := sess.inbound[pk.ID]; again {
			c.acknowledge(pktPubrec, pk.ID, 0, s.lastUrgent(sess))
			return nil
		}
	}
	if qos > 0 {
		if c.incoming++; c.version == 5 && c.incoming > s.lim.ReceiveMaximum {
			return refuse(rcReceiveMaximum, "more messages than the receive maximum")
		}
	}
	if r == nil {
		r = s.routeOf(topic)
	}
	p.topic = r.topic
	if !c.mayWrite(r) {
		c.refusePublish(pk, qos)
		return nil
	}
	if p.retain && len(p.payload) > 0 && !s.mayRetain(&p) {
		p.retain = false
		if missed, ok := s.logs.drops.allow(); ok {
			s.log.Warn("an MQTT message was delivered but not retained: the store is full",
				"topic", clip(p.topic), "client", clip(sess.id), "topics_limit", s.lim.MaxRetained, "bytes_limit", s.lim.MaxRetainedBytes, "not_logged", missed)
		}
	}
	if qos == 2 {
		if sess.inbound == nil {
			sess.inbound = map[uint16]struct{}{}
		}
		sess.inbound[pk.ID] = struct{}{}
		if sess.number != 0 {
			p.inbound = pk.ID
		}
	}
	seq := s.publish(&p, r)
	if qos == 0 {
		return nil
	}
	reason := byte(0)
	if !p.matched && c.version == 5 {
		reason = rcNoSubscribers
	}
	if qos == 1 {
		c.acknowledge(pktPuback, pk.ID, reason, seq)
	} else {
		c.acknowledge(pktPubrec, pk.ID, reason, seq)
	}
	return nil
}

// acknowledge answers a message of QoS 1 or 2. PUBACK, and PUBCOMP, end it.
func (c *conn) acknowledge(kind byte, pid uint16, reason byte, seq Seq) {
	var b [5]byte
	ends := kind != pktPubrec || reason >= 0x80
	c.answerAfter(seq, appendAck(b[:0], c.version, kind, pid, reason), ends)
}

// mayWrite asks the client's identity, and remembers the answer for the topic that
// it published to last.
func (c *conn) mayWrite(r *route) bool {
	if c.last == r && c.lastGen == c.s.gen {
		return c.writes
	}
	c.last, c.lastGen = r, c.s.gen
	c.writes = !strings.HasPrefix(r.topic, "$") && c.sess.identity.MayWrite(r.topic)
	return c.writes
}

// refusePublish answers what the access list forbids. Versions before 5 cannot
// say no: the message is taken, and nobody gets it [MQTT-3.3.5-2].
func (c *conn) refusePublish(pk *door.Packet, qos byte) {
	c.s.refusedAccess("an MQTT publication is against the access list", "user", c.sess.user, "topic", clip(string(pk.Topic)))
	reason := byte(0)
	if c.version == 5 {
		reason = rcNotAuthorized
	}
	switch qos {
	case 1:
		c.acknowledge(pktPuback, pk.ID, reason, 0)
	case 2:
		if reason == 0 {
			c.incoming-- // nothing is remembered: its PUBREL is one of an unknown id
		}
		c.acknowledge(pktPubrec, pk.ID, reason, 0)
	}
}

// release takes PUBREL: the client may use the packet id for another message, so
// that it is answered only when that can be relied on (MQTT 5, 4.3.3).
func (c *conn) release(pk *door.Packet) error {
	s, sess := c.s, c.sess
	f := fields{pk.Body}
	pid := f.uint16()
	if _, known := sess.inbound[pid]; !known {
		reason := byte(0)
		if c.version == 5 {
			reason = rcPacketIDUnknown
		}
		c.answerAfter(0, appendAck(nil, c.version, pktPubcomp, pid, reason), false)
		return nil
	}
	delete(sess.inbound, pid)
	var seq Seq
	if sess.number != 0 {
		seq = s.record(recReleasedIn, appendUint(appendUint(nil, sess.number), uint64(pid)), false)
	}
	c.acknowledge(pktPubcomp, pid, 0, seq)
	return nil
}

// acknowledged takes PUBACK, PUBREC and PUBCOMP for a message that was sent to
// the client.
func (c *conn) acknowledged(pk *door.Packet) error {
	s, sess := c.s, c.sess
	f := fields{pk.Body}
	pid := f.uint16()
	reason := byte(0)
	if len(f.b) > 0 {
		reason = f.byte()
	}
	kind := pk.First & 0xf0
	i := sess.q.find(pid)
	var e *entry
	if i >= 0 && i < sess.q.next {
		e = sess.q.at(i)
	}
	switch {
	case kind == pktPubrec && (e == nil || e.qos != 2):
		if reason < 0x80 {
			rc := byte(0)
			if c.version == 5 {
				rc = rcPacketIDUnknown
			}
			c.answerAfter(0, appendAck(nil, c.version, pktPubrel, pid, rc), false)
		}
		return nil
	case e == nil:
		return nil
	case kind == pktPubrec && reason < 0x80:
		if !e.released {
			e.released = true
			if e.msg != nil {
				n := e.msg.size()
				sess.q.bytes -= n
				s.queued -= n
				e.msg = nil
			}
		}
		var seq Seq
		if sess.number != 0 {
			seq = s.record(recReceived, appendUint(appendUint(nil, sess.number), uint64(pid)), false)
		}
		c.answerAfter(seq, appendAck(nil, c.version, pktPubrel, pid, 0), false)
		return nil
	case kind == pktPuback && e.qos != 1 || kind == pktPubcomp && !e.released:
		return refuse(rcProtocolError, "an acknowledgement of another kind than the message asks for")
	}
	c.inflight--
	s.done(sess, e)
	sess.pump()
	return nil
}

// refusedAccess counts and logs what the access list forbids.
func (s *Server) refusedAccess(what string, args ...any) {
	s.counts.access.Add(1)
	if missed, ok := s.logs.access.allow(); ok {
		s.log.Warn(what, append(args, "not_logged", missed)...)
	}
}
