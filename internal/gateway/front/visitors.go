package front

import (
	"container/list"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/smartcore-ireland/hems/internal/remote"
)

// visitors are the open connections. Their number is bounded, in all and of one
// address: where there is no room, the one that has been without a request for
// longest makes way, of the same address where that has too many. Who is in the
// middle of a request or on a WebSocket stays.
type visitors struct {
	limits *limits

	mu   sync.Mutex
	open map[*visitor]struct{}
	from map[netip.Addr]int
	idle list.List // of *visitor; the one that is so for longest first
}

// visitor is one connection.
type visitor struct {
	of   *visitors
	conn net.Conn
	addr netip.Addr

	mu     sync.Mutex // for closed
	closed bool

	// of.mu guards these.
	arrival remote.Arrival // of its latest request
	gone    bool
	waiting *list.Element // in of.idle; nil: it has a request
}

func newVisitors(l *limits) *visitors {
	return &visitors{limits: l, open: map[*visitor]struct{}{}, from: map[netip.Addr]int{}}
}

// enter takes a connection in, as one without a request; false: there is no room
// for it. Those without an address are not counted by it.
func (s *visitors) enter(c net.Conn, from netip.Addr) (*visitor, bool) {
	v := &visitor{of: s, conn: c, addr: from}
	s.mu.Lock()
	var out *visitor
	switch {
	case from.IsValid() && s.from[from] >= s.limits.each:
		out = s.longest(func(o *visitor) bool { return o.addr == v.addr })
	case len(s.open) >= s.limits.conns:
		out = s.longest(func(*visitor) bool { return true })
	default:
		s.take(v)
		s.mu.Unlock()
		return v, true
	}
	if out != nil {
		s.drop(out)
		s.take(v)
	}
	s.mu.Unlock()
	if out == nil {
		return nil, false
	}
	out.close()
	return v, true
}

func (s *visitors) longest(of func(*visitor) bool) *visitor {
	for e := s.idle.Front(); e != nil; e = e.Next() {
		if v := e.Value.(*visitor); of(v) {
			return v
		}
	}
	return nil
}

func (s *visitors) take(v *visitor) {
	s.open[v] = struct{}{}
	s.from[v.addr]++
	v.waiting = s.idle.PushBack(v)
}

func (s *visitors) drop(v *visitor) {
	if v.gone {
		return
	}
	v.gone = true
	delete(s.open, v)
	if s.from[v.addr]--; s.from[v.addr] == 0 {
		delete(s.from, v.addr)
	}
	if v.waiting != nil {
		s.idle.Remove(v.waiting)
		v.waiting = nil
	}
}

// note keeps how the latest request came in.
func (v *visitor) note(a remote.Arrival) {
	v.of.mu.Lock()
	defer v.of.mu.Unlock()
	v.arrival = a
}

// those are the visitors whose latest request came in so.
func (s *visitors) those(so func(remote.Arrival) bool) (all []*visitor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for v := range s.open {
		if so(v.arrival) {
			all = append(all, v)
		}
	}
	return all
}

// busy says that a request has come as far as the end of its head; false: the
// connection had to make way before that.
func (v *visitor) busy() bool {
	v.of.mu.Lock()
	defer v.of.mu.Unlock()
	if v.gone {
		return false
	}
	if v.waiting != nil {
		v.of.idle.Remove(v.waiting)
		v.waiting = nil
	}
	return true
}

// rest says that a request is answered.
func (v *visitor) rest() {
	v.of.mu.Lock()
	defer v.of.mu.Unlock()
	if !v.gone && v.waiting == nil {
		v.waiting = v.of.idle.PushBack(v)
	}
}

// close ends whatever waits on the connection.
func (v *visitor) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.closed {
		v.closed = true
		v.conn.Close()
	}
}

// closing ends the connection: at once when nothing is asked on it, and otherwise
// when there was time for the answer.
func (v *visitor) closing() {
	v.of.mu.Lock()
	waits := v.waiting != nil
	v.of.mu.Unlock()
	if waits {
		v.close()
	} else {
		time.AfterFunc(closingTime, v.close)
	}
}

const closingTime = 500 * time.Millisecond

// leave is for who serves the connection, when that is over.
func (v *visitor) leave() {
	v.close()
	v.of.mu.Lock()
	defer v.of.mu.Unlock()
	v.of.drop(v)
}

// isTemporary says whether accepting may go better a little later.
func isTemporary(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EPERM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
