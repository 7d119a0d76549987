package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"

	"github.com/smartcore-ireland/hems/internal/remote"
)

// listenHint says what to do about an address that cannot be had.
func listenHint(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "another program has this port: stop it, or set HEMS_PORT_BASE to a free range; this is tried again every few seconds"
	case errors.Is(err, syscall.EACCES):
		return "ports below 1024 need the right to bind them: use a higher one"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "this machine has no such address: correct the dashboard's address"
	}
	return "correct the dashboard's address"
}

// Sockets are the listening sockets of a process that serves one run after the
// other: between two of them a visitor waits instead of being turned away.
type Sockets struct {
	mu   sync.Mutex
	held map[string]*os.File
}

// listen takes the socket for addr, which is held for the next run too.
func (s *Sockets) listen(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	if s == nil {
		return lc.Listen(ctx, "tcp", addr)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.held[addr]; f != nil {
		return net.FileListener(f)
	}
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		l.Close()
		return nil, err
	}
	if s.held == nil {
		s.held = map[string]*os.File{}
	}
	s.held[addr] = f
	return l, nil
}

// keep closes the sockets for all other addresses.
func (s *Sockets) keep(addrs []string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for addr, f := range s.held {
		if !slices.Contains(addrs, addr) {
			f.Close()
			delete(s.held, addr)
		}
	}
}

// guests are the connections through one door. At most so many are open at a
// time; the next ones wait in the kernel's queue. Only so many of them may come
// from one address: a browser needs six, and no single machine can keep the others
// out. Who served one says so by noteState.
type guests struct {
	net.Listener
	door  remote.Door
	slots chan struct{}
	each  int
	once  sync.Once
	done  chan struct{}

	mu   sync.Mutex
	from map[netip.Addr]int // open connections
	open map[net.Conn]*guest
}

// guest is one connection.
type guest struct {
	from   netip.Addr     // that it is counted by
	came   remote.Arrival // the connection
	latest remote.Arrival // its latest request
}

func newGuests(l net.Listener, d remote.Door, n, each int) *guests {
	return &guests{Listener: l, door: d, slots: make(chan struct{}, n), each: each, done: make(chan struct{}),
		from: map[netip.Addr]int{}, open: map[net.Conn]*guest{}}
}

// Accept waits for a connection that may come in.
func (g *guests) Accept() (net.Conn, error) {
	select {
	case g.slots <- struct{}{}:
	case <-g.done:
		return nil, net.ErrClosed
	}
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			<-g.slots
			return nil, err
		}
		a := g.door.Arrive(c)
		if g.door.TLS != nil {
			c = tls.Server(c, g.door.TLS)
		}
		if g.take(c, a) {
			return c, nil
		}
		c.Close()
	}
}

func (g *guests) take(c net.Conn, a remote.Arrival) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if a.Address.IsValid() {
		if g.from[a.Address] >= g.each {
			return false
		}
		g.from[a.Address]++
	}
	g.open[c] = &guest{from: a.Address, came: a, latest: a}
	return true
}

// arrival is how a connection came in.
func (g *guests) arrival(c net.Conn) remote.Arrival {
	g.mu.Lock()
	defer g.mu.Unlock()
	if one := g.open[c]; one != nil {
		return one.came
	}
	return remote.Arrival{}
}

// note keeps how a connection's latest request came in.
func (g *guests) note(c net.Conn, a remote.Arrival) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if one := g.open[c]; one != nil {
		one.latest = a
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
		c.Close() // the server notices, and says so by noteState
	}
}

// noteState is for http.Server's ConnState.
func (g *guests) noteState(c net.Conn, s http.ConnState) {
	if s != http.StateClosed && s != http.StateHijacked {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	one := g.open[c]
	if one == nil {
		return
	}
	delete(g.open, c)
	if one.from.IsValid() {
		if g.from[one.from]--; g.from[one.from] == 0 {
			delete(g.from, one.from)
		}
	}
	<-g.slots
}

// Close ends Accept and the listener.
func (g *guests) Close() error {
	g.once.Do(func() { close(g.done) })
	return g.Listener.Close()
}
