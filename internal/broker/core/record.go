package core

import (
	"encoding/binary"
	"time"
)

// Kinds of records. Their bodies are made of unsigned varints and of texts with a
// varint length; a session and a message are named by their number.
const (
	recMessage     = 1  // a message, whether it is retained, who is to get it, and when it came
	recQueued      = 2  // a message that is there already waits for one more session
	recUnretain    = 3  // a topic has no retained message any more
	recDone        = 4  // a session is done with a packet id
	recReceived    = 5  // QoS 2: the client has the message
	recReleasedIn  = 6  // QoS 2: a packet id of the client's is free again
	recSession     = 7  // a session begins, or its expiry has changed
	recCame        = 8  // its client is connected
	recLeft        = 9  // and is away
	recSessionEnd  = 10 // it ends
	recSubscribe   = 11
	recUnsubscribe = 12
	recWill        = 13 // what to publish of a client that is away, and when
	recInbound     = 14 // QoS 2: a message that nobody gets has a packet id
	recNote        = 15 // a text of the assembly's own
)

// record appends to the journal and returns what an acknowledgement must wait for.
func (s *Server) record(kind byte, body []byte, lazy bool) Seq {
	if s.journal == nil || s.loading != nil {
		return 0
	}
	seq := s.journal.Append(kind, body, lazy)
	if !lazy {
		s.urgent = seq
	}
	return seq
}

// hurry has the journal flushed now: what clients wait for before they can do
// anything, and what is rare, does not wait for others to share the flush.
func (s *Server) hurry(seq Seq) {
	if s.journal == nil || seq <= s.durable {
		return
	}
	if s.hurrying {
		s.hurryAgain = true
		return
	}
	s.hurrying = true
	j := s.journal
	go func() {
		for {
			_ = j.Flush() // its own tries go on, and Notify tells
			time.Sleep(hurryPause)
			s.mu.Lock()
			again := s.hurryAgain
			s.hurryAgain, s.hurrying = false, again
			s.mu.Unlock()
			if !again {
				return
			}
		}
	}()
}

// hurryPause is the least time between two such flushes.
const hurryPause = 50 * time.Millisecond

// lastUrgent is what an answer must wait for that stands for an earlier one.
func (s *Server) lastUrgent(sess *session) Seq {
	if sess.number == 0 {
		return 0
	}
	return s.urgent
}

func appendUint(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

func appendString[T string | []byte](b []byte, v T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

// Times in records are those of the wall, because they are read by another
// process: the server's own clock does not jump.
func (s *Server) wall(ms int64) uint64 {
	if ms == 0 {
		return 0
	}
	return uint64(max(1, ms-s.now()+time.Now().UnixMilli()))
}

// appendMessage is the body of recMessage without those who get it.
func (s *Server) appendMessage(b []byte, m *message, retained bool) []byte {
	flags := uint64(m.qos)
	if retained {
		flags |= 4
	}
	b = appendUint(b, m.number)
	b = appendUint(b, flags)
	b = appendUint(b, s.wall(m.expires))
	b = appendString(b, m.topic)
	b = appendString(b, m.props)
	return appendString(b, m.payload)
}

// appendNobody is the body of recMessage without any who get it.
func (s *Server) appendNobody(b []byte, m *message, retained bool) []byte {
	return appendUint(append(s.appendMessage(b, m, retained), 0, 0, 0), uint64(m.came))
}

func appendReceipt(b []byte, r receipt) []byte {
	flags := uint64(r.e.qos)
	if r.e.retain {
		flags |= 4
	}
	if r.e.sent {
		flags |= 8
	}
	if r.e.released {
		flags |= 16
	}
	b = appendUint(b, r.sess.number)
	b = appendUint(b, uint64(r.e.pid))
	b = appendUint(b, flags)
	b = appendUint(b, uint64(len(r.e.ids)))
	for _, id := range r.e.ids {
		b = appendUint(b, uint64(id))
	}
	return b
}

// recordPublication writes down what must be kept of a message: that it is
// retained, who is to get it, and that its sender must not send it again.
func (s *Server) recordPublication(p *publication) (seq Seq) {
	lazy := p.qos == 0
	b := s.recordBuf[:0]
	stored := p.kept && len(p.payload) > 0 || len(p.receipts) > 0
	if p.kept && len(p.payload) == 0 {
		seq = s.record(recUnretain, appendString(b, p.topic), lazy)
	}
	if stored {
		m := p.message()
		if m.number == 0 {
			s.number++
			m.number = s.number
		}
		b = s.appendMessage(b[:0], m, p.kept && len(p.payload) > 0)
		if p.inbound != 0 {
			b = appendUint(appendUint(b, p.from.number), uint64(p.inbound))
		} else {
			b = appendUint(appendUint(b, 0), 0)
		}
		b = appendUint(b, uint64(len(p.receipts)))
		for _, r := range p.receipts {
			b = appendReceipt(b, r)
		}
		b = appendUint(b, uint64(m.came))
		seq = s.record(recMessage, b, lazy)
	} else if p.inbound != 0 {
		seq = s.record(recInbound, appendUint(appendUint(b[:0], p.from.number), uint64(p.inbound)), false)
	}
	s.recordBuf = b
	return seq
}

// storeMessage writes a retained message down that no record has yet.
func (s *Server) storeMessage(m *message) {
	if m.number == 0 {
		s.number++
		m.number = s.number
	}
	s.record(recMessage, s.appendNobody(s.recordBuf[:0], m, true), false)
}

// recordQueued writes down that a retained message waits for one more session. Of
// QoS 0 the journal may not have it yet.
func (s *Server) recordQueued(r receipt) Seq {
	if m := r.e.msg; m.number == 0 || m.qos == 0 {
		return s.recordPublication(&publication{topic: m.topic, qos: m.qos, msg: m, receipts: []receipt{r}})
	}
	return s.record(recQueued, appendReceipt(appendUint(s.recordBuf[:0], r.e.msg.number), r), r.e.qos == 0)
}

func (s *Server) recordDone(sess *session, pid uint16) {
	var b [16]byte
	s.record(recDone, appendUint(appendUint(b[:0], sess.number), uint64(pid)), true)
}

func (sess *session) appendRecord(b []byte) []byte {
	b = appendUint(b, sess.number)
	b = appendUint(b, uint64(sess.expiry))
	b = appendString(b, sess.id)
	b = appendString(b, sess.user)
	if sess.queueQoS0 {
		return append(b, 1)
	}
	return append(b, 0)
}

func (s *Server) appendLeft(b []byte, sess *session) []byte {
	b = appendUint(b, sess.number)
	b = appendUint(b, s.wall(sess.left))
	b = appendUint(b, s.wall(sess.deadline))
	return appendUint(b, uint64(sess.q.next)) // so many were sent
}

func (sub *subscription) appendRecord(b []byte) []byte {
	flags := uint64(sub.qos)
	if sub.noLocal {
		flags |= 4
	}
	if sub.asPublished {
		flags |= 8
	}
	b = appendUint(b, sub.sess.number)
	b = appendString(b, sub.filter)
	b = appendUint(b, flags)
	return appendUint(b, uint64(sub.id))
}

// appendWill appends a will and when it is due; nil takes it away.
func (s *Server) appendWill(b []byte, w *will, at int64) []byte {
	b = appendUint(b, s.wall(at))
	if w == nil {
		return b
	}
	flags := uint64(w.qos)
	if w.retain {
		flags |= 4
	}
	if w.expires {
		flags |= 8
	}
	b = appendUint(b, flags)
	b = appendUint(b, uint64(w.expiry))
	b = appendString(b, w.topic)
	b = appendString(b, w.props)
	return appendString(b, w.payload)
}
