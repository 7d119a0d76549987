package front

import (
	"net"
	"os"
	"sync/atomic"
	"time"
)

// line is a connection whose reads and writes have an end. Setting a deadline is
// not free, so one that has most of its time left stays as it is.
type line struct {
	net.Conn
	readBy, writeBy time.Time     // as set; zero: none
	patience        time.Duration // for a write
	still           time.Duration // for a piece of a body; 0: the deadline stays as it was set
	piece           int           // bytes that may yet come before the next deadline
	halt            atomic.Bool   // whoever reads a body is to give up
}

// pieceOfBody is what must move in each stretch of patience, in bytes: a body
// that comes byte by byte does not hold a connection for ever.
const pieceOfBody = 4 << 10

func (l *line) Read(p []byte) (int, error) {
	if l.still > 0 && l.piece <= 0 {
		l.piece = pieceOfBody
		l.expect(l.still)
		if l.halt.Load() {
			return 0, os.ErrDeadlineExceeded
		}
	}
	n, err := l.Conn.Read(p)
	l.piece -= n
	return n, err
}

func (l *line) Write(p []byte) (int, error) {
	if now := time.Now(); l.writeBy.Sub(now) < l.patience*3/4 {
		l.writeBy = now.Add(l.patience)
		if err := l.SetWriteDeadline(l.writeBy); err != nil {
			return 0, err
		}
	}
	return l.Conn.Write(p)
}

// expect lets reads fail after that time, or a fifth earlier.
func (l *line) expect(in time.Duration) {
	now := time.Now()
	if left := l.readBy.Sub(now); left <= in && left > in*4/5 {
		return
	}
	l.readBy = now.Add(in)
	_ = l.SetReadDeadline(l.readBy) // a connection that is closed fails at the next read
}

// exactly is expect to the moment.
func (l *line) exactly(in time.Duration) {
	l.readBy = time.Now().Add(in)
	_ = l.SetReadDeadline(l.readBy)
}

// forEver lets reads wait.
func (l *line) forEver() {
	if !l.readBy.IsZero() {
		l.readBy = time.Time{}
		_ = l.SetReadDeadline(l.readBy)
	}
}

// hurry ends a write that is under way in that time.
func (l *line) hurry(in time.Duration) {
	_ = l.Conn.SetWriteDeadline(time.Now().Add(in))
}

// endWrites tells the other end that nothing more comes.
func (l *line) endWrites() {
	if c, ok := l.Conn.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
}
