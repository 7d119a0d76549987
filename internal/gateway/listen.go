package gateway

import (
	"errors"
	"net"
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

// limitConns accepts at most n connections at a time; the next ones wait in the
// kernel's queue.
func limitConns(l net.Listener, n int) net.Listener {
	return &limitedListener{Listener: l, slots: make(chan struct{}, n), done: make(chan struct{})}
}

type limitedListener struct {
	net.Listener
	slots chan struct{}
	once  sync.Once
	done  chan struct{}
}

func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.done:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitedConn{Conn: c, free: sync.OnceFunc(func() { <-l.slots })}, nil
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
