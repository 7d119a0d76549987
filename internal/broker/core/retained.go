package core

import "strings"

// retainedTree holds the retained messages by topic.
type retainedTree struct {
	root  rnode
	count int
	bytes int64               // of topics and payloads
	dirty map[string]struct{} // topics whose message of QoS 0 is not in the journal yet
}

type rnode struct {
	kids map[string]*rnode
	msg  *message
}

func (t *retainedTree) get(topic string) *message {
	n := &t.root
	for rest, more := topic, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		if n = n.kids[level]; n == nil {
			return nil
		}
	}
	return n.msg
}

func retainedSize(m *message) int64 { return int64(len(m.topic) + len(m.payload)) }

// set puts m in the place of its topic's message, which it returns.
func (t *retainedTree) set(m *message) (old *message) {
	n := &t.root
	for rest, more := m.topic, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		kid := n.kids[level]
		if kid == nil {
			kid = &rnode{}
			if n.kids == nil {
				n.kids = make(map[string]*rnode, 1)
			}
			n.kids[level] = kid // a part of the topic, which m keeps anyway
		}
		n = kid
	}
	if old = n.msg; old != nil {
		t.bytes -= retainedSize(old)
	} else {
		t.count++
	}
	n.msg = m
	t.bytes += retainedSize(m)
	return old
}

// remove takes a topic's message away.
func (t *retainedTree) remove(topic string) (old *message) {
	if old = t.root.remove(topic); old != nil {
		t.count--
		t.bytes -= retainedSize(old)
	}
	return old
}

func (n *rnode) remove(topic string) (old *message) {
	level, rest, more := strings.Cut(topic, "/")
	kid := n.kids[level]
	if kid == nil {
		return nil
	}
	if more {
		old = kid.remove(rest)
	} else {
		old, kid.msg = kid.msg, nil
	}
	if kid.msg == nil && len(kid.kids) == 0 {
		delete(n.kids, level)
	}
	return old
}

// match calls f for the messages whose topics the filter matches.
func (t *retainedTree) match(filter string, f func(*message)) { t.root.match(filter, true, f) }

func (n *rnode) match(filter string, first bool, f func(*message)) {
	level, rest, more := strings.Cut(filter, "/")
	if level == "#" {
		n.all(first, f)
		return
	}
	step := func(kid *rnode) {
		if !more {
			if kid.msg != nil {
				f(kid.msg)
			}
			return
		}
		if rest == "#" && kid.msg != nil { // a/# matches a
			f(kid.msg)
		}
		kid.match(rest, false, f)
	}
	if level != "+" {
		if kid := n.kids[level]; kid != nil {
			step(kid)
		}
		return
	}
	for name, kid := range n.kids {
		if !first || !strings.HasPrefix(name, "$") {
			step(kid)
		}
	}
}

// all calls f for everything below n.
func (n *rnode) all(first bool, f func(*message)) {
	for name, kid := range n.kids {
		if first && strings.HasPrefix(name, "$") {
			continue
		}
		if kid.msg != nil {
			f(kid.msg)
		}
		kid.all(false, f)
	}
}

// mayRetain tells whether a message is within the limits of what is kept.
func (s *Server) mayRetain(p *publication) bool {
	old := s.retained.get(p.topic)
	bytes := s.retained.bytes + int64(len(p.topic)+len(p.payload))
	if old != nil {
		bytes -= retainedSize(old)
	}
	if old == nil && s.retained.count >= s.lim.MaxRetained || bytes > s.lim.MaxRetainedBytes && bytes > s.retained.bytes {
		s.counts.retainedRefused.Add(1)
		return false
	}
	return true
}

// retain keeps the message in the place of the topic's last one; an empty one
// takes it away. One of QoS 0 is written later, together with others.
func (s *Server) retain(p *publication) {
	if len(p.payload) == 0 {
		old := s.retained.remove(p.topic)
		if old == nil && p.qos == 0 {
			return
		}
		if old != nil && p.qos == 0 {
			s.dirty(p.topic)
			return
		}
		if old != nil {
			delete(s.retained.dirty, p.topic)
		}
		p.kept = old != nil
		return
	}
	m := p.message()
	s.retained.set(m)
	if p.qos == 0 {
		s.dirty(p.topic)
		return
	}
	delete(s.retained.dirty, p.topic)
	p.kept = true
}

func (s *Server) dirty(topic string) {
	if s.journal == nil {
		return
	}
	if s.retained.dirty == nil {
		s.retained.dirty = map[string]struct{}{}
	}
	if len(s.retained.dirty) == 0 {
		s.dirtySince = s.now()
	}
	s.retained.dirty[topic] = struct{}{}
}

// writeDirty puts the last message of each topic that has changed into the
// journal.
func (s *Server) writeDirty() {
	for topic := range s.retained.dirty {
		if m := s.retained.get(topic); m != nil {
			s.storeMessage(m)
		} else {
			s.record(recUnretain, appendString(nil, topic), false)
		}
	}
	s.retained.dirty = nil
}

// expireRetained forgets the retained messages whose time is over.
func (s *Server) expireRetained() {
	now := s.now()
	var over []string
	s.retained.root.all(false, func(m *message) {
		if m.expires != 0 && m.expires <= now {
			over = append(over, m.topic)
		}
	})
	for _, topic := range over {
		s.retained.remove(topic)
		s.record(recUnretain, appendString(nil, topic), true) // also of what came before it
		delete(s.retained.dirty, topic)
	}
}
