package core

// share is the group of a shared subscription: each message goes to one member.
type share struct {
	group   string
	members []*subscription
	turn    int
}

// next is whose turn it is: of those who may read the topic, one who is connected
// if there is any.
func (sh *share) next(topic string, from *session) *subscription {
	var away *subscription
	for range sh.members {
		sh.turn = (sh.turn + 1) % len(sh.members)
		sub := sh.members[sh.turn]
		if !sub.sess.identity.MayRead(topic) {
			continue
		}
		if sub.sess.conn != nil {
			return sub
		}
		if away == nil {
			away = sub
		}
	}
	if away != nil && away.sess.number == 0 {
		return nil
	}
	return away
}

// handOn gives the messages of a session that ends, and that it has from shared
// subscriptions, to other members of their groups (MQTT 5, 4.8.2).
//
// The session has no subscriptions any more. Of QoS 2, what was sent to it is
// nobody else's [MQTT-4.8.2-5].
func (s *Server) handOn(sess *session) {
	for i := range sess.q.len() {
		e := sess.q.at(i)
		if e.done || e.msg == nil || e.qos == 0 || e.share == nil || e.qos == 2 && e.sent || len(e.share.members) == 0 {
			continue
		}
		sub := e.share.next(e.msg.topic, nil)
		if sub == nil || sub.sess == sess {
			continue
		}
		p := publication{topic: e.msg.topic, payload: e.msg.payload, props: e.msg.props, expires: e.msg.expires, qos: e.msg.qos, own: true, msg: e.msg}
		t := sub.target()
		s.scratch.reset()
		s.deliver(&p, &t)
		if len(p.receipts) > 0 {
			s.recordPublication(&p) // all of it: the journal may not have it any more
		}
	}
}

// target is the subscription alone.
func (sub *subscription) target() target {
	t := target{sess: sub.sess, qos: sub.qos, noLocal: sub.noLocal, asPublished: sub.asPublished, share: sub.share}
	if sub.id != 0 {
		t.ids = []uint32{sub.id}
	}
	return t
}
