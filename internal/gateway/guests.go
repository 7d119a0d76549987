package gateway

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"

	"github.com/smartcore-ireland/hems/internal/remote"
)

// guests are the connections through one door. Their number is bounded, in all and
// of one place that visitors come from: where there is no room, the one that has
// been without a request of somebody signed in for longest makes way, of the same
// place where that has too many. So neither one machine nor ten thousand that only
// hold connections keep the others out. Who serves one says so by noteState.
type guests struct {
	net.Listener
	door    remote.Door
	n, each int

	mu   sync.Mutex
	open map[net.Conn]*guest
	from map[netip.Addr]int
	idle list.List // of *guest; the one that is so for longest first
}

// guest is one connection.
type guest struct {
	conn    net.Conn
	place   netip.Addr     // that it is counted by; not valid: it is not
	came    remote.Arrival // the connection
	latest  remote.Arrival // its latest request
	busy    int            // requests of somebody signed in
	waiting *list.Element  // in guests.idle; nil: it is busy
}

func newGuests(l net.Listener, d remote.Door, n, each int) *guests {
	return &guests{Listener: l, door: d, n: n, each: each, open: map[net.Conn]*guest{}, from: map[netip.Addr]int{}}
}

// Accept waits for a connection that may come in.
func (g *guests) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		a := g.door.Arrive(c)
		if g.door.TLS != nil {
			c = tls.Server(c, g.door.TLS)
		}
		if g.take(&guest{conn: c, place: a.Place(), came: a, latest: a}) {
			return c, nil
		}
		abandon(c)
	}
}

// take finds room for a connection; false: there is none.
func (g *guests) take(one *guest) bool {
	g.mu.Lock()
	full := one.place.IsValid() && g.from[one.place] >= g.each
	var out *guest
	if full || len(g.open) >= g.n {
		if out = g.longest(full, one.place); out == nil {
			g.mu.Unlock()
			return false
		}
		g.remove(out)
	}
	g.open[one.conn] = one
	if one.place.IsValid() {
		g.from[one.place]++
	}
	one.waiting = g.idle.PushBack(one)
	g.mu.Unlock()
	if out != nil {
		abandon(out.conn)
	}
	return true
}

// abandon closes a connection without a word: one of TLS would be told, in its turn.
func abandon(c net.Conn) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	c.Close()
}

// longest is the idle one, of a place or of all, that is so for longest.
func (g *guests) longest(of bool, place netip.Addr) *guest {
	for e := g.idle.Front(); e != nil; e = e.Next() {
		if one := e.Value.(*guest); !of || one.place == place {
			return one
		}
	}
	return nil
}

func (g *guests) remove(one *guest) {
	delete(g.open, one.conn)
	if one.place.IsValid() {
		if g.from[one.place]--; g.from[one.place] == 0 {
			delete(g.from, one.place)
		}
	}
	if one.waiting != nil {
		g.idle.Remove(one.waiting)
		one.waiting = nil
	}
}

// arrival is how a connection came in.
func (g *guests) arrival(c net.Conn) remote.Arrival {
	g.mu.Lock()
	defer g.mu.Unlock()
	if one := g.open[c]; one != nil {
		return one.came
	}
	return remote.Arrival{} // it had to make way, and is refused
}

// noteState is for http.Server's ConnState.
func (g *guests) noteState(c net.Conn, s http.ConnState) {
	if s != http.StateClosed && s != http.StateHijacked {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if one := g.open[c]; one != nil {
		g.remove(one)
	}
}

// drop ends the connections of those whose latest request came in so.
func (g *guests) drop(gone func(remote.Arrival) bool) {
	g.mu.Lock()
	var all []net.Conn
	for c, one := range g.open {
		if gone(one.latest) {
			all = append(all, c)
		}
	}
	g.mu.Unlock()
	for _, c := range all {
		abandon(c) // the server notices, and says so by noteState
	}
}

// A seat is where a request's connection sits.
type seat struct {
	in   *guests
	conn net.Conn
}

type seatKey struct{}

// context is that of a connection's requests.
func (g *guests) context(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(remote.With(ctx, g.arrival(c)), seatKey{}, seat{g, c})
}

// note keeps how a connection's latest request came in.
func note(ctx context.Context, a remote.Arrival) {
	s, ok := ctx.Value(seatKey{}).(seat)
	if !ok {
		return
	}
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	if one := s.in.open[s.conn]; one != nil {
		one.latest = a
	}
}

// stay keeps a request's connection from having to make way until the function
// that it returns is called.
func stay(ctx context.Context) (done func()) {
	s, ok := ctx.Value(seatKey{}).(seat)
	if !ok {
		return func() {}
	}
	add := func(n int) {
		s.in.mu.Lock()
		defer s.in.mu.Unlock()
		one := s.in.open[s.conn]
		if one == nil {
			return
		}
		one.busy += n
		switch {
		case one.busy > 0 && one.waiting != nil:
			s.in.idle.Remove(one.waiting)
			one.waiting = nil
		case one.busy == 0 && one.waiting == nil:
			one.waiting = s.in.idle.PushBack(one)
		}
	}
	add(1)
	return func() { add(-1) }
}
