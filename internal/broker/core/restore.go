package core

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// loading is what is known while the journal is being read.
type loading struct {
	messages map[uint64]*stored
	sessions map[uint64]*session
	shift    int64 // from the wall's clock to the server's
	bad      int   // records that made no sense
}

type stored struct {
	*message
	refs int
}

var errRecord = errors.New("its fields do not fill it")

// Load takes one record of the journal, in the order in which they were written.
// It comes before Start. A record that makes no sense is left out and counted.
func (s *Server) Load(kind byte, body []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loading == nil {
		s.loading = &loading{
			messages: map[uint64]*stored{}, sessions: map[uint64]*session{},
			shift: s.now() - time.Now().UnixMilli(),
		}
	}
	if err := s.load(kind, body); err != nil {
		s.loading.bad++
		if s.loading.bad == 1 {
			s.log.Warn("a record of the broker's journal makes no sense and is left out", "kind", kind, "error", err)
		}
	}
	return nil
}

// Note is the text that was kept with SetNote.
func (s *Server) Note() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.note
}

// SetNote keeps a text of the assembly's own.
func (s *Server) SetNote(note string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note = note
	s.record(recNote, []byte(note), false)
}

// reader takes fields off a record. What is not there makes it bad.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) bytes() []byte {
	n := r.uint()
	if r.bad || n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) clone() []byte {
	if b := r.bytes(); len(b) > 0 {
		return append([]byte(nil), b...)
	}
	return nil
}

func (r *reader) time(l *loading) int64 {
	v := r.uint()
	if v == 0 {
		return 0
	}
	return max(1, int64(v)+l.shift)
}

// came is when a message came, at the end of its record; earlier versions wrote
// none.
func (r *reader) came() int64 {
	if r.bad || len(r.b) == 0 {
		return 0
	}
	return int64(min(r.uint(), 1<<62))
}

func (s *Server) load(kind byte, body []byte) error {
	l := s.loading
	r := &reader{b: body}
	switch kind {
	case recMessage:
		return s.loadMessage(r)
	case recQueued:
		number := r.uint()
		m := l.messages[number]
		if m == nil && number != 0 {
			return fmt.Errorf("message %d is not known", number)
		}
		s.loadReceipt(r, m)
	case recUnretain:
		l.unref(s.retained.remove(string(r.bytes())))
	case recNote:
		s.note, r.b = string(body), nil
	case recSession:
		number, expiry := r.uint(), r.uint()
		id, user := string(r.bytes()), string(r.bytes())
		if r.bad {
			return errRecord
		}
		sess := l.sessions[number]
		if sess == nil {
			sess = &session{id: id, number: number}
			if old := s.sessions[id]; old != nil {
				l.forget(s, old)
			}
			l.sessions[number], s.sessions[id] = sess, sess
		}
		sess.queueQoS0 = len(r.b) > 0 && r.uint() != 0
		sess.user, sess.expiry, sess.online, sess.will = user, uint32(expiry), true, nil
		s.number = max(s.number, number)
	case recCame, recLeft, recSessionEnd, recSubscribe, recUnsubscribe, recWill, recDone, recReceived, recReleasedIn, recInbound:
		number := r.uint()
		sess := l.sessions[number]
		if sess == nil {
			return nil // of a session that has ended, or that is not kept
		}
		s.loadOf(sess, kind, r)
	default:
		return errors.New("its kind is not known")
	}
	if r.bad {
		return errRecord
	}
	return nil
}

// loadOf takes a record of one session.
func (s *Server) loadOf(sess *session, kind byte, r *reader) {
	l := s.loading
	switch kind {
	case recCame:
		sess.online, sess.will = true, nil
	case recLeft:
		sess.online = false
		sess.left, sess.deadline = r.time(l), r.time(l)
		for i := range min(int(min(r.uint(), maxSlots)), sess.q.len()) {
			sess.q.at(i).sent = sess.q.at(i).qos > 0
		}
	case recSessionEnd:
		l.forget(s, sess)
	case recSubscribe:
		filter, flags, id := string(r.bytes()), r.uint(), r.uint()
		if r.bad || filter == "" {
			return
		}
		sub := &subscription{sess: sess, filter: filter, id: uint32(id), qos: byte(flags & 3), noLocal: flags&4 != 0, asPublished: flags&8 != 0}
		if sess.subs == nil {
			sess.subs = map[string]*subscription{}
		}
		sess.subs[filter] = sub
		s.subs.add(sub)
	case recUnsubscribe:
		filter := string(r.bytes())
		if sub := sess.subs[filter]; sub != nil {
			delete(sess.subs, filter)
			s.subs.remove(sub)
		}
	case recWill:
		sess.willAt, sess.will = r.time(l), nil
		if sess.willAt != 0 {
			flags, expiry := r.uint(), r.uint()
			sess.will = &will{
				topic: string(r.bytes()), props: r.clone(), payload: r.clone(),
				qos: byte(flags & 3), retain: flags&4 != 0, expires: flags&8 != 0, expiry: uint32(expiry),
			}
		}
	case recInbound:
		sess.remember(uint16(r.uint()))
	case recReleasedIn:
		delete(sess.inbound, uint16(r.uint()))
	case recDone, recReceived:
		i := sess.q.find(uint16(r.uint()))
		if i < 0 {
			return
		}
		e := sess.q.at(i)
		l.unref(e.msg)
		if kind == recDone {
			sess.q.finish(e)
		} else {
			e.msg, e.released, e.sent = nil, true, true
		}
	}
}

func (sess *session) remember(pid uint16) {
	if sess.inbound == nil {
		sess.inbound = map[uint16]struct{}{}
	}
	sess.inbound[pid] = struct{}{}
}

func (s *Server) loadMessage(r *reader) error {
	l := s.loading
	number, flags := r.uint(), r.uint()
	m := &message{number: number, qos: byte(flags & 3), expires: r.time(l)}
	m.topic = string(r.bytes())
	m.props, m.payload = r.clone(), r.clone()
	from, pid, n := r.uint(), r.uint(), r.uint()
	if r.bad || m.topic == "" || m.qos > 2 {
		return errRecord
	}
	s.number = max(s.number, number)
	st := l.messages[number]
	if st == nil {
		st = &stored{message: m}
		l.messages[number] = st
	}
	st.refs++ // while it is looked at
	if flags&4 != 0 {
		st.refs++
		l.unref(s.retained.set(st.message))
	}
	if sess := l.sessions[from]; from != 0 && sess != nil {
		sess.remember(uint16(pid))
	}
	if n == 0 && flags&4 == 0 {
		st.came = r.came()
		return nil // of a state: those who get it follow
	}
	for ; n > 0 && !r.bad; n-- {
		s.loadReceipt(r, st)
	}
	st.came = r.came()
	l.unref(st.message)
	if r.bad {
		return errRecord
	}
	return nil
}

func (s *Server) loadReceipt(r *reader, m *stored) {
	sess := s.loading.sessions[r.uint()]
	e := entry{pid: uint16(r.uint())}
	flags := r.uint()
	e.qos, e.retain, e.sent, e.released = byte(flags&3), flags&4 != 0, flags&8 != 0, flags&16 != 0
	for n := r.uint(); n > 0 && !r.bad; n-- {
		e.ids = append(e.ids, uint32(r.uint()))
	}
	if r.bad || sess == nil || e.pid == 0 || e.qos > 2 || m == nil && !e.released {
		return
	}
	// What was on its way when the process ended may have arrived.
	e.sent = e.sent || sess.online && e.qos > 0
	if m != nil && !e.released {
		e.msg = m.message
	}
	if sess.q.restore(e) && e.msg != nil {
		m.refs++
	}
}

// unref forgets a message that nobody needs any more.
func (l *loading) unref(m *message) {
	if m == nil {
		return
	}
	if st := l.messages[m.number]; st != nil {
		if st.refs--; st.refs <= 0 {
			delete(l.messages, m.number)
		}
	}
}

// forget ends a session while the journal is read.
func (l *loading) forget(s *Server, sess *session) {
	for i := range sess.q.len() {
		l.unref(sess.q.at(i).msg)
	}
	for _, sub := range sess.subs {
		s.subs.remove(sub)
	}
	delete(l.sessions, sess.number)
	if s.sessions[sess.id] == sess {
		delete(s.sessions, sess.id)
	}
}

// loaded makes what was read the server's state: all clients are away, and what
// was due meanwhile is done.
func (s *Server) loaded() {
	l := s.loading
	if l == nil {
		return
	}
	now := s.now()
	for _, sess := range s.sessions {
		sess.identity = s.auth.Identify(sess.user, sess.id)
		for i := range sess.q.len() {
			e := sess.q.at(i)
			if sess.online && e.qos > 0 {
				e.sent = true
			}
			if e.msg != nil {
				n := e.msg.size()
				sess.q.bytes += n
				s.queued += n
				if e.qos == 0 {
					sess.q.waitingQoS0++
				}
			}
		}
		if sess.online || sess.left == 0 {
			sess.left, sess.deadline = now, 0
		}
		// A clock that was wrong must keep no session for longer than it asked for.
		if most := now + int64(sess.expiry)*1000; sess.expiry != forever && (sess.deadline == 0 || sess.deadline > most) {
			sess.deadline = most
		}
		sess.online = false
		s.countAway(sess, true)
	}
	s.loading = nil
	if l.bad > 0 {
		s.log.Warn("records of the broker's journal were left out", "records", l.bad)
	}
	for _, sess := range slices.Collect(maps.Values(s.sessions)) {
		s.wind(sess)
	}
	s.expireRetained()
}

// compact gives the journal the whole state, in the place of how it came to be.
func (s *Server) compact(j Journal) error {
	return j.Compact(func(emit func(kind byte, body []byte)) {
		s.mu.Lock()
		defer s.unlock()
		s.emit(emit)
	})
}

func (s *Server) emit(emit func(kind byte, body []byte)) {
	var b []byte
	known := map[*message]struct{}{}
	put := func(m *message, retained bool) {
		if _, ok := known[m]; ok {
			return
		}
		known[m] = struct{}{}
		if m.number == 0 {
			s.number++
			m.number = s.number
		}
		b = s.appendNobody(b[:0], m, retained)
		emit(recMessage, b)
	}
	if s.note != "" {
		emit(recNote, []byte(s.note))
	}
	s.retained.root.all(false, func(m *message) { put(m, true) })
	s.retained.dirty = nil
	for _, sess := range s.sessions {
		if sess.number == 0 {
			continue
		}
		b = sess.appendRecord(b[:0])
		emit(recSession, b)
		if sess.conn == nil {
			b = s.appendLeft(b[:0], sess)
			emit(recLeft, b)
		}
		for _, sub := range sess.subs {
			b = sub.appendRecord(b[:0])
			emit(recSubscribe, b)
		}
		for pid := range sess.inbound {
			b = appendUint(appendUint(b[:0], sess.number), uint64(pid))
			emit(recInbound, b)
		}
		if sess.will != nil {
			b = s.appendWill(appendUint(b[:0], sess.number), sess.will, sess.willAt)
			emit(recWill, b)
		}
		for i := range sess.q.len() {
			e := sess.q.at(i)
			if e.done || e.msg != nil && sysWanted(e.msg.topic) { // $SYS is in memory alone
				continue
			}
			number := uint64(0) // QoS 2, received: its id alone is needed
			if e.msg != nil {
				put(e.msg, false)
				number = e.msg.number
			}
			b = appendReceipt(appendUint(b[:0], number), receipt{sess, *e})
			emit(recQueued, b)
		}
	}
}
