package core

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	mathrand "math/rand/v2"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/smartcore-ireland/hems/internal/broker/door"
)

func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

// refuseConnect answers CONNECT with a refusal: the code of MQTT 5, or of those
// before (MQTT 3.1.1, table 3.1), which have few.
func (c *conn) refuseConnect(h *hello, reason byte) error {
	code := reason
	if h.version < 5 {
		code = 3
		switch reason {
		case rcClientID:
			code = 2
		case rcCredentials, rcNotAuthorized:
			code = 5
		}
	}
	c.out.add(encode(packets.Connack, packets.Packet{ProtocolVersion: h.version, ReasonCode: code}), nil, false)
	c.out.linger.Store(true)
	return errEnded
}

// connect takes CONNECT: who is it, may it come in, and which session has it.
func (c *conn) connect(pk door.Packet) error {
	s := c.s
	h, err := parseConnect(pk.Body)
	c.version = h.version
	if err != nil {
		return err
	}
	if h.method {
		return c.refuseConnect(&h, rcAuthMethod)
	}
	if h.id == "" {
		if h.version == 3 || h.version == 4 && !h.clean {
			return c.refuseConnect(&h, rcClientID)
		}
		h.id, h.assigned = newClientID(), true
	}
	who, err := s.auth.SignIn(Credentials{
		ClientID: h.id, HasUser: h.hasUser, User: string(h.user), Password: h.password,
		Certificate: c.listener.Certificate, Remote: c.remote, Listener: c.listener,
	})
	if err != nil {
		s.counts.signIns.Add(1)
		if !errors.Is(err, ErrCredentials) {
			s.log.Error("an MQTT user cannot sign in", "error", err)
		}
		if missed, ok := s.logs.signIn.allow(); ok {
			s.log.Warn("an MQTT sign-in was refused: wrong or missing user name or password",
				"user", clip(string(h.user)), "client", clip(h.id), "remote", c.remote, "not_logged", missed)
		}
		s.addr.failed(c.address)
		time.Sleep(s.lim.SignInDelay + mathrand.N(s.lim.SignInDelay))
		return c.refuseConnect(&h, rcCredentials)
	}
	s.knows(c)
	if h.will != nil && !who.MayWrite(h.will.topic) {
		s.refusedAccess("an MQTT will is against the access list", "user", who.User(), "topic", clip(h.will.topic))
		return c.refuseConnect(&h, rcNotAuthorized)
	}
	s.awaitOld(h.id)
	s.mu.Lock()
	defer s.unlock()
	if s.closing {
		return c.refuseConnect(&h, rcShuttingDown)
	}
	if old := s.sessions[h.id]; old != nil && old.user != who.User() {
		s.refusedAccess("an MQTT client id belongs to another user", "user", who.User(), "client", clip(h.id))
		return c.refuseConnect(&h, rcNotAuthorized)
	}
	s.attach(c, &h, who)
	return nil
}

// awaitOld gives a connection that has the client's id a moment to end by itself:
// when a client comes back at once, what it said last may not have been read yet.
func (s *Server) awaitOld(id string) {
	s.mu.Lock()
	var old *conn
	if sess := s.sessions[id]; sess != nil {
		old = sess.conn
	}
	s.mu.Unlock()
	if old == nil {
		return
	}
	t := time.NewTimer(20 * time.Millisecond)
	defer t.Stop()
	select {
	case <-old.gone:
	case <-t.C:
	}
}

func newClientID() string {
	var b [12]byte
	_, _ = rand.Read(b[:])
	return "auto-" + hex.EncodeToString(b[:])
}

// attach gives the connection its session, taken over from another connection
// where there is one, and answers.
func (s *Server) attach(c *conn, h *hello, who Identity) {
	expiry := h.expiry
	if h.version < 5 {
		expiry = 0
		if !h.clean {
			expiry = forever
		}
	}
	limit := c.longest()
	lowered := expiry > limit
	expiry = min(expiry, limit)

	sess := s.sessions[h.id]
	var seq Seq
	if sess != nil {
		s.takeOver(sess, h)
		if h.clean || sess.number == 0 { // or it ended with its connection
			seq = s.endSession(sess)
			sess = nil
		}
	}
	present := sess != nil
	if sess == nil {
		sess = &session{id: h.id, user: who.User()}
		s.sessions[h.id] = sess
	}
	changed := expiry != sess.expiry || sess.queueQoS0 != c.listener.QueueQoS0
	sess.queueQoS0 = c.listener.QueueQoS0
	sess.identity, sess.expiry, sess.conn, sess.deadline, sess.will = who, expiry, c, 0, nil
	if sess.timer != nil {
		sess.timer.Stop()
		sess.timer = nil
	}
	switch {
	case expiry == 0 && sess.number != 0: // it ends with this connection, and after a crash
		seq = max(seq, s.record(recSessionEnd, appendUint(nil, sess.number), false))
		s.countAway(sess, false)
		sess.number = 0
	case expiry != 0:
		s.countAway(sess, false)
		if !present || changed || sess.number == 0 {
			seq = max(seq, s.persist(sess))
		} else {
			s.record(recCame, appendUint(nil, sess.number), true)
		}
	}
	c.sess, c.will = sess, h.will
	c.stamps = c.listener.Local && who.QueueQoS0()
	c.maxPacket = h.maxPacket
	c.window = s.lim.MaxInflightMessages
	if h.version == 5 && h.receiveMax != 65535 {
		c.window = int(h.receiveMax)
	}
	c.incoming = len(sess.inbound)
	c.aliasMax = min(int(h.aliasMax), s.lim.MaxTopicAlias)
	seconds := h.keepAlive
	if most := uint16(min(s.lim.MaxKeepAlive/time.Second, 65535)); h.version == 5 && seconds > most {
		seconds = most
	}
	c.keepAlive = time.Duration(seconds) * time.Second
	c.lastRead = s.now()
	s.conns[c] = struct{}{}
	s.counts.connected.Add(1)
	if len(sess.subs) > 0 {
		s.changed()
	}

	answers := packets.Packet{ProtocolVersion: h.version, SessionPresent: present && h.version > 3}
	if h.version == 5 {
		answers.Properties = packets.Properties{
			SessionExpiryInterval: expiry, SessionExpiryIntervalFlag: lowered,
			ReceiveMaximum: uint16(s.lim.ReceiveMaximum), MaximumPacketSize: uint32(s.lim.Door.PacketSize),
			TopicAliasMaximum: uint16(s.lim.MaxTopicAlias),
			RetainAvailable:   1, RetainAvailableFlag: true,
			WildcardSubAvailable: 1, WildcardSubAvailableFlag: true,
			SubIDAvailable: 1, SubIDAvailableFlag: true,
			SharedSubAvailable: 1, SharedSubAvailableFlag: true,
			ServerKeepAlive: seconds, ServerKeepAliveFlag: seconds != h.keepAlive,
		}
		if h.assigned {
			answers.Properties.AssignedClientID = h.id
		}
	}
	if seq > s.durable {
		s.hurry(seq)
		c.out.hold()
		c.pending = append(c.pending, answer{seq: seq})
		s.waiting[c] = struct{}{}
	}
	c.send(encode(packets.Connack, answers))
	sess.resume()
}

// takeOver ends the connection that a session has, for a newer one.
func (s *Server) takeOver(sess *session, h *hello) {
	old := sess.conn
	if old == nil {
		return
	}
	sess.conn = nil
	s.kick(old, rcTakenOver)
	w := old.will
	old.will = nil
	s.detach(old)
	if w != nil && (w.delay == 0 || h.clean || sess.number == 0) {
		s.publishWill(sess, w)
	}
}

// resume sends what is on its way to a client that has come back, again where it
// was sent before [MQTT-4.4.0-1].
func (sess *session) resume() {
	sess.q.next = 0
	sess.conn.inflight = 0
	sess.conn.s.weed(sess)
	sess.pump()
}

// longestLocal is how long the appliance's own processes may be away, bridges
// whose other end is among them: longer than a stranger, and not for ever, for
// one that was taken out of the configuration never comes back.
const longestLocal = 90 * 24 * time.Hour

// longest is for how many seconds this client's session may be kept.
func (c *conn) longest() uint32 {
	most := c.s.lim.MaxSessionExpiry
	if c.listener.Local {
		most = max(most, longestLocal)
	}
	return uint32(most / time.Second)
}

// changeExpiry is of a session, by its client's DISCONNECT (MQTT 5, 3.14.2.2.2).
func (c *conn) changeExpiry(expiry uint32) error {
	sess, s := c.sess, c.s
	if sess.expiry == 0 && expiry != 0 {
		return refuse(rcProtocolError, "a session that was to end is given an expiry in DISCONNECT")
	}
	if expiry = min(expiry, c.longest()); expiry == sess.expiry {
		return nil
	}
	sess.expiry = expiry
	if expiry == 0 {
		s.endRecord(sess)
		return nil
	}
	s.persist(sess)
	return nil
}

// endRecord takes a session out of the journal: it ends with its connection.
func (s *Server) endRecord(sess *session) Seq {
	if sess.number == 0 {
		return 0
	}
	number := sess.number
	sess.number = 0
	return s.record(recSessionEnd, appendUint(nil, number), false)
}
