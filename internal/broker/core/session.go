package core

import "time"

// session is what the server knows of a client: its subscriptions, and what is on
// its way to it and from it. It outlives its connection when the client asks for
// that.
type session struct {
	id       string
	identity Identity
	user     string
	number   uint64 // in the journal; 0: it ends with the connection
	expiry   uint32 // seconds that it is kept without a connection
	conn     *conn  // nil: the client is away
	// queueQoS0 is what its listener said: messages of QoS 0 wait for it, too.
	queueQoS0 bool
	subs      map[string]*subscription
	q         queue
	inbound   map[uint16]struct{} // packet ids of QoS 2 messages that were received and not released
	left      int64               // when the connection ended, ms
	deadline  int64               // when the session ends, ms; 0: while connected, or never
	will      *will               // that is due at willAt, of a client that is away
	willAt    int64
	timer     *time.Timer
	dropped   uint64
	counted   bool // among those that are away
	online    bool // while the journal is read: its client was connected
}

// forever is the expiry of a session that does not end (MQTT 5, 3.1.2.11.2).
const forever = 0xffffffff

// endSession forgets a session: subscriptions, queue, and its place in the
// journal.
func (s *Server) endSession(sess *session) Seq {
	if s.sessions[sess.id] == sess {
		delete(s.sessions, sess.id)
	}
	if sess.timer != nil {
		sess.timer.Stop()
		sess.timer = nil
	}
	if sess.will != nil { // the session's end is the last moment for it [MQTT-3.1.3-9]
		w := sess.will
		sess.will = nil
		s.publishWill(sess, w)
	}
	if len(sess.subs) > 0 {
		for _, sub := range sess.subs {
			s.subs.remove(sub)
		}
		sess.subs = nil
		s.changed()
	}
	s.handOn(sess)
	s.queued -= sess.q.bytes
	sess.q = queue{}
	if sess.number == 0 {
		return 0
	}
	s.countAway(sess, false)
	number := sess.number
	sess.number = 0
	return s.record(recSessionEnd, appendUint(nil, number), false)
}

// persist gives a session a place in the journal, or changes what is written
// there of it.
func (s *Server) persist(sess *session) Seq {
	if sess.number == 0 {
		s.number++
		sess.number = s.number
	}
	return s.record(recSession, sess.appendRecord(nil), false)
}

// leave is for a session whose connection has ended: it waits for its client, or
// ends.
func (s *Server) leave(sess *session) {
	sess.conn = nil
	sess.left = s.now()
	if sess.number == 0 {
		s.endSession(sess)
		return
	}
	sess.deadline = 0
	if sess.expiry != forever {
		sess.deadline = sess.left + int64(sess.expiry)*1000
	}
	s.countAway(sess, true)
	s.record(recLeft, s.appendLeft(nil, sess), true)
	s.wind(sess)
	s.makeRoom(sess)
}

// wind sets the session's timer for what comes first: its end or its will.
func (s *Server) wind(sess *session) {
	if sess.timer != nil {
		sess.timer.Stop()
		sess.timer = nil
	}
	due := sess.deadline
	if sess.will != nil && (due == 0 || sess.willAt < due) {
		due = sess.willAt
	}
	if due == 0 || sess.conn != nil {
		return
	}
	wait := time.Duration(max(0, due-s.now())) * time.Millisecond
	sess.timer = time.AfterFunc(min(wait, 24*time.Hour), func() { s.guard(func() { s.due(sess) }) })
}

// due does what a session's timer is for.
func (s *Server) due(sess *session) {
	s.mu.Lock()
	defer s.unlock()
	if s.closing || sess.conn != nil || s.sessions[sess.id] != sess {
		return
	}
	now := s.now()
	if sess.will != nil && now >= sess.willAt {
		w := sess.will
		sess.will = nil
		s.publishWill(sess, w)
		if sess.number != 0 {
			s.record(recWill, s.appendWill(appendUint(nil, sess.number), nil, 0), false)
		}
	}
	if sess.deadline != 0 && now >= sess.deadline {
		s.counts.expired.Add(1)
		s.endSession(sess)
		return
	}
	s.wind(sess)
}

// countAway counts the sessions of a user's clients that are away.
func (s *Server) countAway(sess *session, away bool) {
	if away == sess.counted {
		return
	}
	sess.counted = away
	if away {
		s.away[sess.user]++
	} else if s.away[sess.user]--; s.away[sess.user] <= 0 {
		delete(s.away, sess.user)
	}
}

// makeRoom ends the session that has been away for longest, of a user with too
// many of them.
func (s *Server) makeRoom(sess *session) {
	if s.away[sess.user] <= s.lim.MaxAwaySessions {
		return
	}
	var oldest *session
	for _, other := range s.sessions {
		if other.counted && other.user == sess.user && other != sess && (oldest == nil || other.left < oldest.left) {
			oldest = other
		}
	}
	if oldest == nil {
		return
	}
	if missed, ok := s.logs.drops.allow(); ok {
		s.log.Warn("an MQTT session was given up: too many clients of its user are away",
			"client", clip(oldest.id), "user", clip(oldest.user), "limit", s.lim.MaxAwaySessions, "not_logged", missed)
	}
	s.endSession(oldest)
}

// unlock lets the lock go and writes to the connections that have got something.
// The result are those that do not keep up.
func (s *Server) unlock() (pressed []*conn) {
	touched := s.touched
	s.touched = nil
	if len(s.pressed) > 0 {
		pressed, s.pressed = s.pressed, nil
		for _, c := range pressed {
			c.press = false
		}
	}
	kicked := s.kicked
	s.kicked = nil
	s.mu.Unlock()
	for _, c := range touched {
		c.out.flush()
	}
	for _, c := range kicked {
		c.out.finish()
	}
	return pressed
}
