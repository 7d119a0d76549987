package core

import (
	"errors"
	"io"
	"net"
	"runtime/debug"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/smartcore-ireland/hems/internal/broker/door"
)

// conn is one client's connection. But for door and out, its fields are guarded by
// the server's lock once its session is attached.
type conn struct {
	s        *Server
	door     *door.Conn
	out      out
	listener Listener
	remote   string
	stranger bool   // it has not signed in
	address  string // of remote, without the port; "" for one that is not limited

	sess      *session
	version   byte
	maxPacket uint32 // that the client takes; 0: any
	window    int    // how many messages may be on their way to it
	inflight  int    // how many are
	incoming  int    // messages of QoS 1 and 2 from it that are not acknowledged
	aliasMax  int    // aliases that it takes
	aliases   map[string]uint16
	aliasIn   map[uint16]string
	pending   []answer // that wait for the disk, or for those before them
	will      *will
	keepAlive time.Duration // 0: none
	lastRead  int64         // ms
	press     bool
	stamps    bool // it is told when messages came that had to wait
	replaying bool // retained messages are being sent: nothing is dropped
	ended     bool // no more packets are taken
	gone      chan struct{}
	last      *route // that the client published to
	lastGen   uint64
	writes    bool
	over      bool // too many answers wait; its reader's own
}

// answer is an acknowledgement that waits until seq is durable.
type answer struct {
	seq    Seq
	packet []byte // nil: the answer to CONNECT, which holds everything up
	count  bool   // it ends a message from the client
}

// bounds of what one turn under the lock does.
const (
	maxPending  = 65535
	pauseAtMost = 5 * time.Second
)

// Serve speaks with one client until its end.
func (s *Server) Serve(nc net.Conn, l Listener) {
	c := &conn{s: s, listener: l, remote: remoteOf(nc), gone: make(chan struct{})}
	defer nc.Close()
	if !l.Local {
		c.address = hostOf(c.remote)
	}
	if why := s.arrive(c); why != "" {
		s.counts.turnedAway.Add(1)
		if missed, ok := s.logs.conns.allow(); ok {
			s.log.Warn("an MQTT connection was turned away", "why", why, "remote", c.remote, "listener", l.Name, "not_logged", missed)
		}
		return
	}
	defer s.depart(c)
	defer func() {
		if p := recover(); p != nil {
			s.counts.panics.Add(1)
			s.log.Error("a connection was ended by a fault in the broker", "fault", p, "remote", c.remote, "stack", string(debug.Stack()))
		}
		c.end()
	}()
	c.door = door.New(nc, s.lim.Door)
	c.out.init(nc, &s.out, s.lim.Door.WriteTimeout)
	c.out.drain = c.drained
	pk, err := c.door.Await()
	if err == nil {
		err = c.connect(pk)
	}
	if err == nil {
		err = c.door.Each(c.turn)
	}
	c.explain(err)
}

var (
	errGoodbye = errors.New("the client said goodbye")
	errEnded   = errors.New("the connection was ended")
)

// refusal ends a connection with a reason that an MQTT 5 client is told.
type refusal struct {
	reason byte
	why    string
}

func (r *refusal) Error() string { return r.why }

func refuse(reason byte, why string) error { return &refusal{reason, why} }

// turn takes the packets that have come.
func (c *conn) turn(all []door.Packet) error {
	pressed, err := c.process(all)
	for _, slow := range pressed {
		if slow != c {
			slow.out.await(c.gone)
		}
	}
	if err == nil && c.over {
		c.pause()
	}
	return err
}

func (c *conn) process(all []door.Packet) (pressed []*conn, err error) {
	s := c.s
	s.mu.Lock()
	defer func() { pressed = s.unlock() }()
	c.lastRead = s.now()
	s.counts.received.Add(uint64(len(all)))
	size := 0
	for i := range all {
		size += len(all[i].Body) + 2
	}
	s.counts.bytesIn.Add(uint64(size))
	for i := range all {
		if c.ended {
			return nil, errEnded
		}
		if err := c.handle(&all[i]); err != nil {
			return nil, err
		}
	}
	c.over = len(c.pending) > maxPending
	return nil, nil
}

func (c *conn) handle(pk *door.Packet) error {
	switch pk.First & 0xf0 {
	case pktPublish:
		return c.publish(pk)
	case pktPuback, pktPubrec, pktPubcomp:
		return c.acknowledged(pk)
	case pktPubrel:
		return c.release(pk)
	case pktSubscribe:
		return c.subscribe(pk)
	case pktUnsubscribe:
		return c.unsubscribe(pk)
	case pktPingreq:
		c.send([]byte{pktPingresp, 0})
		return nil
	case pktDisconnect:
		return c.disconnect(pk)
	}
	return refuse(rcProtocolError, "a packet that a client does not send")
}

// disconnect is the client's goodbye (MQTT 5, 3.14.4).
func (c *conn) disconnect(pk *door.Packet) error {
	reason := byte(0)
	f := fields{pk.Body}
	if len(f.b) > 0 {
		reason = f.byte()
		if len(f.b) > 0 {
			for props := f.properties(); len(props) > 0; props = props[propertySize(props):] {
				if props[0] == 0x11 {
					if err := c.changeExpiry(be32(props[1:])); err != nil {
						return err
					}
				}
			}
		}
	}
	if reason != rcDisconnectWithWill && reason < 0x80 {
		c.will = nil
	}
	return errGoodbye
}

// overdue tells whether too many answers wait for the disk.
func (c *conn) overdue() bool {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return len(c.pending) > maxPending
}

// pause reads nothing until some answers have gone.
func (c *conn) pause() {
	for end := time.Now().Add(pauseAtMost); c.overdue() && time.Now().Before(end); {
		select {
		case <-c.gone:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// explain tells the client and the log why a connection ends.
func (c *conn) explain(err error) {
	s := c.s
	reason, why := byte(0), ""
	var bad *door.Error
	var r *refusal
	switch {
	case errors.As(err, &bad):
		reason, why = byte(bad.Reason), bad.Error()
		if bad.Reason == door.UnsupportedVersion && c.sess == nil {
			c.out.add(encode(packets.Connack, packets.Packet{ReasonCode: 1}), nil, false)
		}
	case errors.As(err, &r):
		reason, why = r.reason, r.why
	case err == errGoodbye || err == errEnded || errors.Is(err, io.EOF):
	default:
		s.log.Debug("an MQTT connection has ended", "error", err, "remote", c.remote)
	}
	if why == "" {
		return
	}
	s.counts.refused.Add(1)
	if missed, ok := s.logs.packets.allow(); ok {
		s.log.Warn("an MQTT connection was ended", "why", why, "remote", c.remote, "not_logged", missed)
	}
	if reason != 0 && c.sess != nil && c.version == 5 {
		c.out.add(encodeDisconnect(reason), nil, false)
		c.out.linger.Store(true)
	}
}

// end takes the connection from its session.
func (c *conn) end() {
	s := c.s
	if c.door == nil {
		return
	}
	s.mu.Lock()
	if c.sess != nil {
		s.detach(c)
	}
	s.unlock()
	s.knows(c)
	c.out.finish()
	<-c.out.ended
	var rest [512]byte
	for { // until the client has read why
		if _, err := c.door.Conn.Read(rest[:]); err != nil {
			return
		}
	}
}

// detach ends a connection under the lock: its session waits, or ends, or already
// belongs to another connection.
func (s *Server) detach(c *conn) {
	sess := c.sess
	delete(s.conns, c)
	delete(s.waiting, c)
	c.ended = true
	c.pending = nil
	select {
	case <-c.gone:
		return
	default:
		close(c.gone)
	}
	if sess.conn != c {
		return
	}
	w := c.will
	c.will = nil
	s.leave(sess)
	if w != nil {
		s.bequeath(sess, w)
	}
}

// kick ends a connection for a reason. Its reader finds out by itself.
func (s *Server) kick(c *conn, reason byte) {
	if c.ended {
		return
	}
	if c.version == 5 {
		c.send(encodeDisconnect(reason))
		c.out.linger.Store(true)
	}
	c.ended = true
	s.kicked = append(s.kicked, c)
}

// drained is called when everything for the client has gone.
func (c *conn) drained() {
	s := c.s
	s.mu.Lock()
	c.out.starved.Store(false)
	if c.sess != nil && c.sess.conn == c && !c.ended {
		c.sess.pump()
	}
	s.unlock()
}

// answerAfter sends an acknowledgement when seq is durable, and never before one
// that came earlier [MQTT-4.6.0-2].
func (c *conn) answerAfter(seq Seq, packet []byte, count bool) {
	if len(c.pending) == 0 && seq <= c.s.durable {
		c.send(packet)
		if count {
			c.incoming--
		}
		return
	}
	c.pending = append(c.pending, answer{seq, append([]byte(nil), packet...), count})
	c.s.waiting[c] = struct{}{}
}

// madeDurable sends what has waited for the disk.
func (s *Server) madeDurable(mark Seq) {
	s.mu.Lock()
	s.durable = max(s.durable, mark)
	for c := range s.waiting {
		n := 0
		for n < len(c.pending) && c.pending[n].seq <= s.durable {
			if c.pending[n].packet == nil {
				c.out.release()
				s.touched = append(s.touched, c)
			} else {
				c.send(c.pending[n].packet)
			}
			if c.pending[n].count {
				c.incoming--
			}
			n++
		}
		if c.pending = append(c.pending[:0], c.pending[n:]...); len(c.pending) == 0 {
			c.pending = nil
			delete(s.waiting, c)
		}
	}
	s.unlock()
}
