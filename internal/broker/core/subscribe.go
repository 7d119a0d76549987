package core

import (
	"strings"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/smartcore-ireland/hems/internal/broker/door"
)

// subscribe takes SUBSCRIBE (MQTT 5, 3.8).
func (c *conn) subscribe(pk *door.Packet) error {
	s, sess := c.s, c.sess
	in, err := decode(packets.Subscribe, c.version, pk.Body)
	if err != nil {
		return err
	}
	type replay struct {
		sub *subscription
		new bool
	}
	var reasons []byte
	var replays []replay
	var seq Seq
	for i := range in.Filters {
		asked := &in.Filters[i]
		filter := strings.Clone(asked.Filter)
		sub := &subscription{
			sess: sess, filter: filter, id: uint32(asked.Identifier), qos: asked.Qos,
			noLocal: asked.NoLocal, asPublished: asked.RetainAsPublished,
		}
		_, inner := splitShare(filter)
		if strings.EqualFold(filter[:min(len(filter), 7)], "$share/") && inner == filter {
			inner = "" // not the prefix of the specification: nobody is allowed that
		}
		old, known := sess.subs[filter]
		switch {
		case inner == "" || !sess.identity.MaySubscribe(inner):
			s.refusedAccess("an MQTT subscription is against the access list", "user", sess.user, "filter", clip(filter))
			// Not 87: a client of Paho's interoperability suite knows 80 alone.
			reasons = append(reasons, rcUnspecified)
			continue
		case !known && len(sess.subs) >= s.lim.MaxSubscriptions:
			s.refusedAccess("an MQTT client has too many subscriptions", "client", clip(sess.id), "limit", s.lim.MaxSubscriptions)
			reasons = append(reasons, failure(c.version, rcQuota))
			continue
		}
		reasons = append(reasons, sub.qos)
		if sess.subs == nil {
			sess.subs = map[string]*subscription{}
		}
		sess.subs[filter] = sub
		s.subs.add(sub)
		s.changed()
		if sess.number != 0 && (!known || !old.same(sub)) {
			seq = s.record(recSubscribe, sub.appendRecord(nil), false)
		}
		if handling := asked.RetainHandling; sub.share == nil && (handling == 0 || handling == 1 && !known) {
			replays = append(replays, replay{sub, !known})
		}
	}
	s.hurry(seq)
	c.answerAfter(seq, encode(packets.Suback, packets.Packet{ProtocolVersion: c.version, PacketID: in.PacketID, ReasonCodes: reasons}), false)
	for _, r := range replays {
		s.replay(c, r.sub)
	}
	return nil
}

// same tells whether two subscriptions to one filter are alike.
func (sub *subscription) same(other *subscription) bool {
	return sub.id == other.id && sub.qos == other.qos && sub.noLocal == other.noLocal && sub.asPublished == other.asPublished
}

// unsubscribe takes UNSUBSCRIBE (MQTT 5, 3.10).
func (c *conn) unsubscribe(pk *door.Packet) error {
	s, sess := c.s, c.sess
	in, err := decode(packets.Unsubscribe, c.version, pk.Body)
	if err != nil {
		return err
	}
	var reasons []byte
	var seq Seq
	for i := range in.Filters {
		filter := in.Filters[i].Filter
		sub := sess.subs[filter]
		if sub == nil {
			reasons = append(reasons, rcNoSubscription)
			continue
		}
		reasons = append(reasons, rcSuccess)
		delete(sess.subs, filter)
		s.subs.remove(sub)
		s.changed()
		if sess.number != 0 {
			seq = s.record(recUnsubscribe, appendString(appendUint(nil, sess.number), filter), false)
		}
	}
	s.hurry(seq)
	c.answerAfter(seq, encode(packets.Unsuback, packets.Packet{ProtocolVersion: c.version, PacketID: in.PacketID, ReasonCodes: reasons}), false)
	return nil
}

// replay sends the retained messages that match a new subscription (MQTT 5,
// 3.3.1.3).
func (s *Server) replay(c *conn, sub *subscription) {
	sess := c.sess
	now := s.now()
	c.replaying = true
	defer func() { c.replaying = false }()
	t := sub.target()
	send := func(m *message) {
		if m.expires != 0 && m.expires <= now || !sess.identity.MayRead(m.topic) {
			return
		}
		qos := min(m.qos, sub.qos)
		if qos == 0 && sess.q.waitingQoS0 == 0 {
			c.encode(m.topic, m.payload, m.props, m.expires, 0, 0, true, false, t.ids, nil)
			return
		}
		if sess.q.full() {
			s.drop(sess, m.topic)
			return
		}
		e := entry{msg: m, qos: qos, retain: true, ids: t.ids}
		s.enqueue(sess, &e)
		if sess.number != 0 {
			s.recordQueued(receipt{sess, e})
		}
	}
	s.sysReplay(sub.filter, send)
	s.retained.match(sub.filter, send)
	sess.pump()
}

// failure is a filter's code in SUBACK: there is but one before MQTT 5.
func failure(version, reason byte) byte {
	if version < 5 {
		return rcUnspecified
	}
	return reason
}
