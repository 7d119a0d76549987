package ash

import (
	"sync"
	"time"
)

// link is the state of a link. What comes from the NCP is worked on by the
// reader's goroutine, and what a clock or the host wants by its own.
type link struct {
	*Conn
	room     chan struct{} // the window has room again; has room for one
	answered chan struct{} // closed when the NCP has answered the reset

	mu    sync.Mutex // guards all that follows
	dec   decoder
	found func(event) // made once: handle, or greet before the NCP has answered
	greet func(event)
	up    bool // the NCP has answered
	frame []byte
	count Stats

	// Sending. Frames ackRx up to, not including, frmTx are sent and not
	// acknowledged; pending holds their data, the oldest first.
	frmTx, ackRx uint8
	pending      [][]byte
	sentAt       time.Time     // when the oldest pending frame was last sent
	first        bool          // it was sent once only, so its answer can be timed
	ackWait      time.Duration // current waiting time
	timeouts     int           // in a row
	timer        *time.Timer   // runs while something is pending
	needResend   bool          // what is pending is to be sent again

	// Receiving.
	frmRx   uint8 // number of the next frame expected
	reject  bool  // a NAK was sent and not yet honoured
	needAck bool  // something is to be acknowledged
	needNak bool
	hold    *time.Timer // repeats nRdy while holding

	peerReady bool // a DATA or an acknowledgement came since the reset
	resets    int  // RSTACKs seen before that
}

func newLink(c *Conn) *link {
	l := &link{Conn: c, ackWait: c.o.AckInit, room: make(chan struct{}, 1), answered: make(chan struct{})}
	l.greet = l.greeted
	l.found = func(e event) {
		if l.up {
			l.handle(e)
		} else {
			l.greet(e)
		}
	}
	l.timer = newStoppedTimer()
	l.hold = newStoppedTimer()
	return l
}

func newStoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// handshake resets the NCP and reports whether it has answered.
func (l *link) handshake() bool {
	for try := 0; try < l.o.ResetTries; try++ {
		if !l.locked(func() { l.put(appendFrame([]byte{cancel}, frame{kind: kindRst})) }) {
			return false
		}
		deadline := time.NewTimer(l.o.ResetWait)
		select {
		case <-l.answered:
			deadline.Stop()
			return true
		case <-deadline.C:
		case <-l.done:
			deadline.Stop()
			return false
		}
	}
	l.end(ErrNoAnswer{Tries: l.o.ResetTries, Bytes: l.Stats().ReceivedBytes})
	return false
}

// greeted takes what comes before the NCP has answered: noise, the rest of what an
// NCP was saying, or a boot message, until it is that answer.
func (l *link) greeted(e event) {
	switch {
	case e.err != nil || e.frame.kind != kindRstAck || l.Err() != nil:
	case e.frame.version != 2:
		l.end(ErrVersion{e.frame.version})
	default:
		l.reset = e.frame.code
		l.answer()
	}
}

func (l *link) answer() {
	l.up = true
	close(l.answered)
}

// locked does something to the link's state, sends what is to be said then, and
// reports whether the link goes on.
func (l *link) locked(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	l.flush()
	return l.Err() == nil
}

// take takes bytes from the line.
func (l *link) take(p []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count.ReceivedBytes += uint64(len(p))
	l.dec.feed(p, l.found, &l.count)
	l.flush()
}

func (l *link) run() {
	defer l.timer.Stop()
	defer l.hold.Stop()
	for {
		send := l.send
		if l.full() {
			send = nil
		}
		select {
		case data := <-send:
			l.locked(func() { l.sendNew(data) })
		case <-l.room:
		case <-l.timer.C:
			l.locked(l.ackTimeout)
		case <-l.kick:
			l.locked(l.release)
		case <-l.hold.C:
			l.locked(func() {
				if l.holding.Load() {
					l.needAck = true
					l.hold.Reset(holdRefresh)
				}
			})
		case <-l.done:
			return
		}
	}
}

// full reports whether the window has no room.
func (l *link) full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending) >= l.o.Window
}

// handle takes what the decoder has found.
func (l *link) handle(e event) {
	if l.Err() != nil {
		return
	}
	if e.err != nil {
		l.o.Log.Debug("ash: not a frame", "err", e.err)
		switch e.err {
		case errSubstitute: // counted by the decoder
		case errCRC:
			l.count.CRCErrors++
		default:
			l.count.BadFrames++
		}
		l.refuse()
		return
	}
	f := e.frame
	l.heard.Store(time.Now().UnixNano())
	switch f.kind {
	case kindRstAck:
		l.restarted(f)
	case kindError:
		l.end(ErrFailed{f.code})
	case kindRst:
		l.count.Unexpected++ // our own bytes echoed, perhaps
	case kindData:
		if l.acknowledged(f.ack) {
			l.data(f)
		}
	case kindAck:
		l.acknowledged(f.ack)
	case kindNak:
		l.count.ReceivedNaks++
		if l.acknowledged(f.ack) {
			l.needResend = true
		}
	}
}

// maxEarlyResets bounds how many restarts are taken for part of the first one.
const maxEarlyResets = 3

// restarted takes an RSTACK on an open link. An NCP that was just plugged in
// may announce its power-on and only then obey our reset; as long as it has
// neither sent nor acknowledged anything that is one restart and nothing is
// lost. Any later restart ends the link.
func (l *link) restarted(f frame) {
	if l.peerReady || l.resets >= maxEarlyResets {
		l.end(ErrReset{f.code})
		return
	}
	l.resets++
	l.frmRx, l.ackRx = 0, 0
	l.frmTx = uint8(len(l.pending))
	l.reject, l.needAck, l.needNak = false, false, false
	l.needResend = true
}

// refuse asks for everything from frmRx again, once, until it comes.
func (l *link) refuse() {
	if !l.reject {
		l.reject, l.needNak = true, true
	}
}

// data takes a DATA frame: delivers it, or finds that it is a duplicate or
// that one before it is missing (UG101 5.3).
func (l *link) data(f frame) {
	switch {
	case f.frm == l.frmRx:
		select {
		case l.recv <- f.data:
		default:
			l.count.Refused++
			l.refuse()
			return
		}
		l.count.ReceivedFrames++
		l.peerReady = true
		l.frmRx = (l.frmRx + 1) & 7
		l.reject, l.needNak, l.needAck = false, false, true
		if len(l.recv) >= rxHigh && !l.holding.Load() {
			l.count.Holds++
			l.holding.Store(true)
			l.hold.Reset(holdRefresh)
			if len(l.recv) <= rxLow { // emptied meanwhile
				l.release()
			}
		}
	case f.reTx:
		// Sent again because our acknowledgement got lost: acknowledge again.
		l.count.Duplicates++
		l.needAck = true
	default:
		l.count.OutOfSequence++
		l.refuse()
	}
}

func (l *link) release() {
	if l.holding.Load() && len(l.recv) <= rxLow {
		l.holding.Store(false)
		l.hold.Stop()
		l.needAck = true
	}
}

// acknowledged takes the number of the next frame the NCP expects and reports
// whether it makes sense: ackRx up to and including frmTx.
func (l *link) acknowledged(ack uint8) bool {
	n := int((ack - l.ackRx) & 7)
	if n > len(l.pending) {
		l.count.BadAcks++
		l.refuse()
		return false
	}
	if n == 0 {
		return true
	}
	l.peerReady = true
	if l.first {
		// UG101 5.6: 7/8 of the old time and half of the measured one.
		l.ackWait = l.clamp(l.ackWait*7/8 + time.Since(l.sentAt)/2)
	}
	l.pending = append(l.pending[:0], l.pending[n:]...)
	l.ackRx = ack
	select {
	case l.room <- struct{}{}:
	default:
	}
	l.timeouts = 0
	l.timer.Stop()
	if len(l.pending) > 0 {
		l.first = false
		l.sentAt = time.Now()
		l.timer.Reset(l.ackWait)
	}
	return true
}

func (l *link) clamp(d time.Duration) time.Duration {
	return min(max(d, l.o.AckMin), l.o.AckMax)
}

func (l *link) ackTimeout() {
	if len(l.pending) == 0 || time.Since(l.sentAt) < l.ackWait { // acknowledged just now
		return
	}
	l.count.AckTimeouts++
	if l.timeouts++; l.timeouts >= l.o.MaxTimeouts {
		l.end(ErrTooManyTimeouts)
		return
	}
	l.ackWait = l.clamp(l.ackWait * 2)
	l.needResend = true
}

func (l *link) sendNew(data []byte) {
	l.pending = append(l.pending, data)
	if len(l.pending) == 1 {
		l.first = true
		l.sentAt = time.Now()
		l.timer.Reset(l.ackWait)
	}
	l.count.SentFrames++
	l.transmit(frame{kind: kindData, frm: l.frmTx, data: data})
	l.frmTx = (l.frmTx + 1) & 7
}

func (l *link) resend() {
	if len(l.pending) == 0 {
		return
	}
	for i, data := range l.pending {
		l.count.Retransmissions++
		l.transmit(frame{kind: kindData, frm: (l.ackRx + uint8(i)) & 7, reTx: true, data: data})
	}
	l.first = false
	l.sentAt = time.Now()
	l.timer.Reset(l.ackWait)
}

// transmit sends a DATA frame, which acknowledges what was received as an ACK
// would.
func (l *link) transmit(f frame) {
	f.ack = l.frmRx
	if !l.holding.Load() { // only ACK and NAK can say nRdy
		l.needAck = false
	}
	l.putFrame(f)
}

// flush says what is to be said after a batch of work: once, however often the
// batch asked for it.
func (l *link) flush() {
	l.say()
	if err := l.out.send(); err != nil && l.Err() == nil {
		l.end(lineError("writing to the dongle", err))
	}
}

func (l *link) say() {
	if l.needResend {
		l.resend()
	}
	switch {
	case l.needNak:
		l.count.SentNaks++
		l.putFrame(frame{kind: kindNak, ack: l.frmRx, nRdy: l.holding.Load()})
	case l.needAck:
		l.putFrame(frame{kind: kindAck, ack: l.frmRx, nRdy: l.holding.Load()})
	}
	l.needAck, l.needNak, l.needResend = false, false, false
}

func (l *link) putFrame(f frame) {
	l.frame = appendFrame(l.frame[:0], f)
	l.put(l.frame)
}

// put hands bytes to the writer. A writer that is that far behind is stuck: the
// line takes nothing any more.
func (l *link) put(b []byte) bool {
	if l.Err() != nil {
		return false
	}
	l.count.SentBytes += uint64(len(b))
	if !l.out.add(b) {
		l.end(ErrLineStuck)
		return false
	}
	return true
}
