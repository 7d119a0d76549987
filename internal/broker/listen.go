package broker

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/mochi-mqtt/server/v2/listeners"

	"github.com/smartcore-ireland/hems/internal/broker/door"
)

// Connections of one listener. Each has its own numbers, so that strangers on
// the network cannot keep the appliance's processes out of the socket.
const (
	maxConnections = 1000
	maxUnknown     = 64 // of them, that have not signed in
)

// listener takes connections on one address, for ever: an address that cannot be
// had is tried again. It is the server's listeners.Listener.
type listener struct {
	b                *Broker
	network, address string
	slots, unknown   chan struct{} // semaphores
	closed           chan struct{}
	closing          sync.Once

	mu    sync.Mutex
	net   net.Listener // nil while there is none
	conns map[*conn]struct{}
}

func newListener(b *Broker, network, address string) *listener {
	return &listener{
		b: b, network: network, address: address,
		slots:   make(chan struct{}, maxConnections),
		unknown: make(chan struct{}, maxUnknown),
		closed:  make(chan struct{}),
		conns:   make(map[*conn]struct{}),
	}
}

func (l *listener) ID() string                { return l.network + " " + l.address }
func (l *listener) Protocol() string          { return l.network }
func (l *listener) Address() string           { return l.address }
func (l *listener) Init(_ *slog.Logger) error { return nil }

// bound is the address it listens on now, or empty.
func (l *listener) bound() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.net == nil {
		return ""
	}
	return l.net.Addr().String()
}

// Serve takes connections until Close.
func (l *listener) Serve(establish listeners.EstablishFn) {
	retry := retrier{log: l.b.log}
	for {
		ln, err := l.listen()
		if err == nil {
			l.b.log.Info("listening for MQTT", "network", l.network, "address", ln.Addr().String())
			begin := time.Now()
			err = l.accept(ln, establish)
			if time.Since(begin) > maxRetry {
				retry.reset()
			}
		}
		select {
		case <-l.closed:
			return
		default:
		}
		if !retry.wait(l.closed, err) {
			return
		}
	}
}

func (l *listener) listen() (net.Listener, error) {
	if l.network == "unix" {
		if err := removeStale(l.address); err != nil {
			return nil, err
		}
	}
	ln, err := net.Listen(l.network, l.address)
	if errors.Is(err, syscall.EADDRINUSE) && l.network == "tcp" {
		return nil, fmt.Errorf("listening on %s: address already in use: stop the other broker on this machine, or set HEMS_PORT_BASE to move this one", l.address)
	}
	if errors.Is(err, syscall.EINVAL) && l.network == "unix" {
		return nil, fmt.Errorf("listening on %s: the path of a unix socket has at most 107 bytes: use a shorter data directory", l.address)
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", l.address, err)
	}
	if l.network == "unix" {
		if err := os.Chmod(l.address, 0o660); err != nil {
			ln.Close()
			return nil, fmt.Errorf("listening on %s: %w", l.address, err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.closed:
		ln.Close()
		return nil, net.ErrClosed
	default:
	}
	l.net = ln
	return ln, nil
}

// removeStale removes a socket that a killed broker left, and nothing else.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listening on %s: %w", path, err)
	}
	if info.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("listening on %s: there is a file that is no socket: move it away", path)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
		return fmt.Errorf("listening on %s: another broker answers there: stop it, or set HEMS_DATA to another directory", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("listening on %s: %w", path, err)
	}
	return os.Remove(path)
}

func (l *listener) accept(ln net.Listener, establish listeners.EstablishFn) error {
	defer func() {
		ln.Close()
		l.mu.Lock()
		l.net = nil
		l.mu.Unlock()
	}()
	for {
		raw, err := ln.Accept()
		if err != nil {
			return fmt.Errorf("taking connections on %s: %w", l.address, err)
		}
		if !take(l.slots) {
			l.turnAway(raw, "too many connections")
			continue
		}
		if !take(l.unknown) {
			<-l.slots
			l.turnAway(raw, "too many connections that have not signed in")
			continue
		}
		c := &conn{
			Conn:        door.New(raw, l.b.opt.Limits),
			established: make(chan struct{}),
			signedIn:    sync.OnceFunc(func() { <-l.unknown }),
		}
		l.mu.Lock()
		l.conns[c] = struct{}{}
		l.mu.Unlock()
		go l.serve(c, establish)
	}
}

func take(slots chan struct{}) bool {
	select {
	case slots <- struct{}{}:
		return true
	default:
		return false
	}
}

func (l *listener) turnAway(raw net.Conn, why string) {
	remote := raw.RemoteAddr().String()
	raw.Close()
	l.b.counts.connections.Add(1)
	if missed, ok := l.b.refuseLog.allow(); ok {
		l.b.log.Warn("an MQTT connection was turned away", "why", why, "remote", remote, "listener", l.address, "not_logged", missed)
	}
}

// serve follows one connection from its first byte to its last. What panics
// inside ends that connection alone.
func (l *listener) serve(c *conn, establish listeners.EstablishFn) {
	defer func() {
		if p := recover(); p != nil {
			l.b.counts.panics.Add(1)
			l.b.log.Error("a connection was ended by a fault in the broker", "fault", p, "remote", c.RemoteAddr(), "stack", string(debug.Stack()))
		}
		c.release()
		l.b.published(c)
		c.Close()
		if c.client != nil {
			l.b.left(c)
		}
		c.Finish()
		l.b.sessions.release(c)
		c.signedIn()
		l.mu.Lock()
		delete(l.conns, c)
		l.mu.Unlock()
		<-l.slots
	}()
	err := c.Await()
	if err == nil {
		err = establish(l.ID(), c)
	}
	if refused := c.Refused(); refused != nil {
		l.b.counts.packets.Add(1)
		if missed, ok := l.b.refuseLog.allow(); ok {
			l.b.log.Warn("an MQTT connection was ended", "why", refused, "remote", c.RemoteAddr(), "not_logged", missed)
		}
	} else if err != nil && !errors.Is(err, io.EOF) {
		l.b.log.Debug("an MQTT connection has ended", "error", err, "remote", c.RemoteAddr())
	}
}

// Close stops listening and ends the connections. The server's own way of doing
// that, closeClients, can deadlock on its table of clients.
func (l *listener) Close(_ listeners.CloseFn) {
	l.closing.Do(func() { close(l.closed) })
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.net != nil {
		l.net.Close()
	}
	for c := range l.conns {
		c.Close()
	}
}
