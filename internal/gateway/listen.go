package gateway

import (
	"context"
	"errors"
	"net"
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
