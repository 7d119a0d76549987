package ash

import (
	"context"
	"io"
	"time"
)

// Send queues the data field of a DATA frame. Callbacks go after responses and
// wait while the host says that it is not ready for them (nRdy).
//
// Errors: ErrNotConnected, ErrQueueFull, ErrSize; the frame is then dropped
// and counted.
func (l *Link) Send(data []byte, callback bool) error {
	l.mu.Lock()
	err := l.enqueue(data, callback)
	if err != nil {
		l.counters.Dropped++
	}
	l.mu.Unlock()
	if err == nil {
		l.poke()
	}
	return err
}

func (l *Link) enqueue(data []byte, callback bool) error {
	if len(data) < MinData || len(data) > MaxData {
		return ErrSize
	}
	if !l.connected {
		return ErrNotConnected
	}
	queue := &l.responses
	if callback {
		queue = &l.callbacks
	}
	if len(*queue) >= maxQueue {
		return ErrQueueFull
	}
	*queue = append(*queue, append([]byte(nil), data...))
	return nil
}

// write sends whatever there is to send until ctx ends or the line fails.
func (l *Link) write(ctx context.Context, line io.Writer) error {
	for {
		l.mu.Lock()
		b := l.outgoing()
		l.mu.Unlock()
		if len(b) == 0 {
			select {
			case <-ctx.Done():
				return nil
			case <-l.wake:
			}
			continue
		}
		if b = l.noise.Pass(b); len(b) == 0 {
			continue
		}
		if _, err := line.Write(b); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
}

// outgoing returns the next frame for the line, nil when there is none. The
// order is: what ends or begins a session, NAK, retransmissions, new DATA
// (which carries an acknowledgement), ACK.
func (l *Link) outgoing() []byte {
	switch {
	case l.hung:
		return nil
	case l.sendRstAck:
		l.sendRstAck = false
		return Frame{Kind: RstAck, Version: Version, Code: l.code}.Append([]byte{byteCancel})
	case l.sendError:
		l.sendError = false
		return Frame{Kind: Error, Version: Version, Code: l.code}.Append(nil)
	case !l.connected:
		return nil
	case l.sendNak:
		l.sendNak, l.sendAck = false, false
		l.counters.NaksSent++
		return Frame{Kind: Nak, Ack: l.expected}.Append(nil)
	}
	if l.resend > len(l.inFlight) {
		l.resend = len(l.inFlight)
	}
	if l.resend > 0 {
		s := l.inFlight[len(l.inFlight)-l.resend]
		l.resend--
		s.again = true
		l.counters.Retransmitted++
		l.startTimer()
		l.sendAck = false
		return Frame{Kind: Data, Number: s.number, Retransmit: true, Ack: l.expected, Data: s.data}.Append(nil)
	}
	if data := l.take(); data != nil {
		s := &sent{number: l.next, data: data, at: time.Now()}
		l.next = (l.next + 1) & 7
		l.inFlight = append(l.inFlight, s)
		l.counters.DataSent++
		if len(l.inFlight) == 1 {
			l.startTimer()
		}
		l.sendAck = false
		return Frame{Kind: Data, Number: s.number, Ack: l.expected, Data: data}.Append(nil)
	}
	if l.sendAck {
		l.sendAck = false
		return Frame{Kind: Ack, Ack: l.expected}.Append(nil)
	}
	return nil
}

// take removes the next waiting frame that may be sent now.
func (l *Link) take() []byte {
	if len(l.inFlight) >= l.window {
		return nil
	}
	queue := &l.responses
	if len(*queue) == 0 {
		if time.Now().Before(l.notReady) {
			return nil
		}
		queue = &l.callbacks
	}
	if len(*queue) == 0 {
		return nil
	}
	data := (*queue)[0]
	*queue = (*queue)[1:]
	return data
}

// acknowledged takes an ackNum: everything before it has arrived. It reports
// false when ackNum is outside the window.
func (l *Link) acknowledged(ack uint8) bool {
	oldest := (l.next - uint8(len(l.inFlight))) & 7
	n := int((ack - oldest) & 7)
	if n > len(l.inFlight) {
		return false
	}
	if n == 0 {
		return true
	}
	for _, s := range l.inFlight[:n] {
		if !s.again { // UG101 section 5.3
			l.ackTime = min(max(l.ackTime*7/8+time.Since(s.at)/2, ackTimeMin), ackTimeMax)
		}
	}
	l.inFlight = l.inFlight[n:]
	l.timeouts = 0
	if len(l.inFlight) > 0 {
		l.startTimer()
	} else {
		l.stopTimer()
	}
	return true
}

func (l *Link) startTimer() {
	l.stopTimer()
	var t *time.Timer
	t = time.AfterFunc(l.ackTime, func() { l.expire(&t) })
	l.timer = t
}

func (l *Link) stopTimer() {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
}

// expire is the acknowledgement timer running out: send again, or give up.
// which tells a timer that was stopped while it fired.
func (l *Link) expire(which **time.Timer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer == nil || l.timer != *which || len(l.inFlight) == 0 {
		return
	}
	l.counters.Timeouts++
	if l.timeouts++; l.timeouts > maxAckTimeouts {
		l.log.Warn("the host acknowledges nothing: link given up")
		l.counters.Failures++
		l.clear()
		l.connected = false
		l.code = errorAckTimeout
		l.sendError = true
	} else {
		l.ackTime = min(l.ackTime*2, ackTimeMax)
		l.resend = len(l.inFlight)
		l.startTimer()
	}
	l.poke()
}
