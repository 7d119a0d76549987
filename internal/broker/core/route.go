package core

import (
	"slices"
	"strings"
)

// route is who gets the messages of one topic, as the subscriptions stand.
type route struct {
	topic   string
	gen     uint64
	targets []target
	shares  []*share
}

// target is one session, whose subscriptions that match are taken together: one
// copy with the highest QoS and all identifiers (MQTT 5, 3.3.4).
type target struct {
	sess        *session
	ids         []uint32
	qos         byte
	noLocal     bool // of all
	asPublished bool
	share       *share // alone, of a shared subscription
}

const maxRoutes = 4096 // topics that are remembered

// changed makes all routes stale.
func (s *Server) changed() { s.gen++ }

// routeOf finds who gets messages of a topic. The name is copied only for a topic
// that is new.
func (s *Server) routeOf(topic []byte) *route {
	r := s.routes[string(topic)]
	if r == nil {
		return s.newRoute(string(topic))
	}
	if r.gen != s.gen {
		s.fillRoute(r)
	}
	return r
}

func (s *Server) newRoute(topic string) *route {
	r := s.routes[topic]
	if r == nil {
		if len(s.routes) >= maxRoutes {
			clear(s.routes)
		}
		r = &route{topic: topic}
		s.routes[topic] = r
		s.fillRoute(r)
	} else if r.gen != s.gen {
		s.fillRoute(r)
	}
	return r
}

func (s *Server) fillRoute(r *route) {
	clear(r.targets)
	r.gen, r.targets, r.shares = s.gen, r.targets[:0], r.shares[:0]
	var at map[*session]int // where there are many
	s.subs.match(r.topic, func(n *node) {
		for _, sub := range n.subs {
			r.add(sub, &at)
		}
		r.shares = append(r.shares, n.shares...)
	})
	kept := r.targets[:0]
	for _, t := range r.targets {
		if t.sess.identity.MayRead(r.topic) {
			slices.Sort(t.ids)
			kept = append(kept, t)
		}
	}
	clear(r.targets[len(kept):])
	r.targets = kept
}

func (r *route) add(sub *subscription, at *map[*session]int) {
	found := -1
	if len(r.targets) < 8 {
		for i := range r.targets {
			if r.targets[i].sess == sub.sess {
				found = i
			}
		}
	} else {
		if *at == nil {
			*at = make(map[*session]int, 2*len(r.targets))
			for i := range r.targets {
				(*at)[r.targets[i].sess] = i
			}
		}
		if i, ok := (*at)[sub.sess]; ok {
			found = i
		}
	}
	if found < 0 {
		t := sub.target()
		if *at != nil {
			(*at)[sub.sess] = len(r.targets)
		}
		r.targets = append(r.targets, t)
		return
	}
	t := &r.targets[found]
	t.qos = max(t.qos, sub.qos)
	t.noLocal = t.noLocal && sub.noLocal
	t.asPublished = t.asPublished || sub.asPublished
	if sub.id != 0 {
		t.ids = append(t.ids, sub.id)
	}
}

// publish hands a message to everybody who subscribes to its topic, and writes
// down what must outlive the process. The result is the record that the sender's
// acknowledgement waits for, 0 for none.
func (s *Server) publish(p *publication, r *route) Seq {
	s.counts.published.Add(1)
	if p.retain {
		s.retain(p)
	}
	s.scratch.reset()
	for i := range r.targets {
		t := &r.targets[i]
		p.matched = true
		if t.noLocal && t.sess == p.from {
			continue
		}
		s.deliver(p, t)
	}
	for _, sh := range r.shares {
		if sub := sh.next(r.topic, p.from); sub != nil {
			p.matched = true
			t := sub.target()
			s.deliver(p, &t)
		}
	}
	if p.inbound != 0 || len(p.receipts) > 0 || p.kept {
		return s.recordPublication(p)
	}
	return 0
}

// deliver gives one session a message, or makes it wait.
func (s *Server) deliver(p *publication, t *target) {
	sess, c := t.sess, t.sess.conn
	qos := min(p.qos, t.qos)
	retain := p.retain && t.asPublished
	if qos == 0 {
		if c != nil && sess.q.waitingQoS0 == 0 {
			c.sendNow(p, t, retain)
			return
		}
		if c == nil && (sysWanted(p.topic) || !sess.queueQoS0 && !sess.identity.QueueQoS0()) {
			return
		}
	}
	e := entry{qos: qos, retain: retain, ids: t.ids, share: t.share}
	if qos > 0 && sess.number == 0 && t.share == nil && c != nil && c.hasRoom() && sess.q.unsent() == 0 {
		// The session ends with its connection: nothing is ever sent again, so that
		// only the packet id has to be remembered.
		if sess.q.full() {
			s.drop(sess, p.topic)
			return
		}
		e.sent = true
		pid := sess.q.push(e)
		sess.q.sentOne()
		c.inflight++
		if !c.encode(p.topic, p.payload, p.props, p.expires, pid, qos, retain, false, t.ids, p) {
			c.inflight--
			sess.q.finish(sess.q.at(sess.q.n - 1))
		}
		return
	}
	if !s.mayWait(sess, p) {
		s.drop(sess, p.topic)
		return
	}
	e.msg = p.message()
	s.stamp(e.msg)
	s.enqueue(sess, &e)
	if c != nil {
		sess.pump()
		if n := sess.q.len(); n >= queueMark {
			c.touch(false, outMark+1)
		}
	}
	// Unless it is done with already, as one that is too large for its client.
	if sess.number != 0 && sess.q.find(e.pid) >= 0 {
		p.receipts = append(p.receipts, receipt{sess, e})
	}
}

// mayWait tells whether one more message may wait for a session.
func (s *Server) mayWait(sess *session, p *publication) bool {
	size := int64(len(p.topic)+len(p.payload)+len(p.props)) + 96
	most := s.lim.MaxQueuedMessages
	if sess.conn != nil { // it holds its publishers up, if it reads at all
		most = maxSlots
	}
	return sess.q.len() < most &&
		sess.q.bytes+size <= max(s.lim.MaxQueuedBytes, size) &&
		(sess.q.bytes+size <= fairQueue || s.queued+size <= s.lim.MaxQueuedBytesAll)
}

// enqueue appends to a session's queue, and gives the entry its packet id.
func (s *Server) enqueue(sess *session, e *entry) {
	e.pid = sess.q.push(*e)
	n := e.msg.size()
	sess.q.bytes += n
	s.queued += n
	if e.qos == 0 {
		sess.q.waitingQoS0++
	}
	if sess.conn != nil {
		sess.conn.out.queued(sess.q.n)
	}
}

// drop counts a message that a session does not get.
func (s *Server) drop(sess *session, topic string) {
	s.counts.dropped.Add(1)
	sess.dropped++
	if missed, ok := s.logs.drops.allow(); ok {
		s.log.Warn("MQTT messages were dropped: too much waits for a client already",
			"client", clip(sess.id), "topic", clip(topic), "bytes", sess.q.bytes, "not_logged", missed)
	}
}

// clip keeps a stranger's text short in the log.
func clip(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}
