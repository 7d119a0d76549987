package gateway

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
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

// limitConns accepts at most n connections at a time; the next ones wait in the
// kernel's queue. Only so many of them may come from one address: a browser needs
// six, and no single machine can keep the others out.
func limitConns(l net.Listener, n, each int) net.Listener {
	return &limitedListener{Listener: l, slots: make(chan struct{}, n), each: each, done: make(chan struct{}), from: map[netip.Addr]int{}}
}

type limitedListener struct {
	net.Listener
	slots chan struct{}
	each  int
	once  sync.Once
	done  chan struct{}

	mu   sync.Mutex
	from map[netip.Addr]int // open connections
}

func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.done:
		return nil, net.ErrClosed
	}
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			<-l.slots
			return nil, err
		}
		addr := remote(c)
		if l.take(addr) {
			return &limitedConn{Conn: c, free: sync.OnceFunc(func() { l.give(addr); <-l.slots })}, nil
		}
		c.Close()
	}
}

// remote is the address a connection comes from; the zero one when it has none.
func remote(c net.Conn) netip.Addr {
	ap, _ := netip.ParseAddrPort(c.RemoteAddr().String())
	return ap.Addr().Unmap()
}

func (l *limitedListener) take(a netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.from[a] >= l.each {
		return false
	}
	l.from[a]++
	return true
}

func (l *limitedListener) give(a netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.from[a]--; l.from[a] == 0 {
		delete(l.from, a)
	}
}

func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	free func()
}

func (c *limitedConn) Close() error {
	defer c.free()
	return c.Conn.Close()
}
