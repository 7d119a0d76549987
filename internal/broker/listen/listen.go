// Package listen takes the broker's connections: over TCP, TLS, WebSocket, both
// together, and a unix socket. What it hands on is a stream of bytes with the name
// that a client certificate proves; handshakes are done by then, and who was slow
// or came too often is gone. It knows sockets, certificates and HTTP upgrades, and
// must never know MQTT.
package listen

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// Defaults of Options.
const (
	DefaultHandshake      = 10 * time.Second
	DefaultMaxConnections = 2000
	DefaultMaxPerAddress  = 100
	maxHandshakes         = 64 // at a time
)

// Options say where to listen, and how.
type Options struct {
	Network string // "tcp" or "unix"
	Address string // host and port, or a path
	// Mode is that of the unix socket; 0: 0660. Group owns it; 0: as it comes.
	Mode  os.FileMode
	Group int
	// TLS and WebSocket are layers on the stream; nil: none.
	TLS       *TLS
	WebSocket *WebSocket
	// MaxConnections are open at a time, MaxPerAddress of them from one address
	// of the network (of IPv6 from one /64); 0: the defaults. What comes from the
	// machine itself is not counted by its address.
	MaxConnections, MaxPerAddress int
	// Handshake is how long each of TLS and WebSocket may take; 0: the default.
	Handshake time.Duration
	// Refused is told of every connection that was ended here. It must not block.
	Refused func(remote net.Addr, why string)
}

// Listener is a net.Listener whose connections are *Conn.
type Listener struct {
	o      Options
	net    net.Listener
	ready  chan *Conn
	closed chan struct{}
	close  sync.Once
	fault  error // why closed, when it was not Close
	tls    *tlsLayer
	web    *webLayer

	mu       sync.Mutex
	open     int
	from     map[netip.Prefix]int
	shaking  map[net.Conn]struct{}
	loopback bool // is counted by its address, too: for tests
}

// Listen begins to listen. The error says what to do.
func Listen(o Options) (*Listener, error) {
	if o.MaxConnections == 0 {
		o.MaxConnections = DefaultMaxConnections
	}
	if o.MaxPerAddress == 0 {
		o.MaxPerAddress = DefaultMaxPerAddress
	}
	if o.Handshake == 0 {
		o.Handshake = DefaultHandshake
	}
	if o.Refused == nil {
		o.Refused = func(net.Addr, string) {}
	}
	ln, err := bind(o)
	if err != nil {
		return nil, err
	}
	l := &Listener{
		o: o, net: ln, ready: make(chan *Conn), closed: make(chan struct{}),
		from: map[netip.Prefix]int{}, shaking: map[net.Conn]struct{}{},
	}
	if o.TLS != nil {
		l.tls = &tlsLayer{o: *o.TLS}
	}
	if o.WebSocket != nil {
		l.web = newWebLayer(l, *o.WebSocket)
	}
	go l.accept()
	return l, nil
}

func bind(o Options) (net.Listener, error) {
	if o.Network == "unix" {
		return bindUnix(o)
	}
	ln, err := net.Listen(o.Network, o.Address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listening on %s: address already in use: stop the other broker on this machine, or set HEMS_PORT_BASE to move this one", o.Address)
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", o.Address, err)
	}
	return ln, nil
}

// Addr is where it listens.
func (l *Listener) Addr() net.Addr { return l.net.Addr() }

// Close stops listening and ends the handshakes under way. Connections that were
// handed on stay.
func (l *Listener) Close() error {
	l.end(nil)
	return nil
}

func (l *Listener) end(err error) {
	l.close.Do(func() {
		l.fault = err
		close(l.closed)
		l.net.Close()
		if l.web != nil {
			l.web.server.Close()
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		for c := range l.shaking {
			c.Close()
		}
	})
}

// Accept returns the next connection, a *Conn, or net.ErrClosed after Close.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case <-l.closed: // before one that is ready
	default:
		select {
		case c := <-l.ready:
			return c, nil
		case <-l.closed:
		}
	}
	if l.fault != nil {
		return nil, fmt.Errorf("taking connections on %s: %w", l.o.Address, l.fault)
	}
	return nil, net.ErrClosed
}

// accept takes connections and gives each its handshakes, apart from the others.
func (l *Listener) accept() {
	for {
		raw, err := l.net.Accept()
		if err != nil {
			if isPassing(err) {
				select {
				case <-time.After(50 * time.Millisecond):
					continue
				case <-l.closed:
				}
			}
			l.end(err)
			return
		}
		c := &Conn{Conn: raw, Raw: raw}
		if why := l.admit(c); why != "" {
			remote := raw.RemoteAddr()
			raw.Close()
			l.o.Refused(remote, why)
			continue
		}
		go l.handshake(c)
	}
}

// isPassing tells an error that goes by from one of the socket itself.
func isPassing(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOBUFS) ||
		errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.ECONNABORTED)
}

// admit counts a connection; why is empty when there is room for it.
func (l *Listener) admit(c *Conn) (why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	from := l.placeOf(c.RemoteAddr())
	switch {
	case l.open >= l.o.MaxConnections:
		return "too many connections"
	case from.IsValid() && l.from[from] >= l.o.MaxPerAddress:
		return "too many connections from one address"
	case l.layers() && len(l.shaking) >= maxHandshakes:
		return "too many connections that have not finished their handshake"
	}
	l.open++
	if from.IsValid() {
		l.from[from]++
	}
	if l.layers() {
		l.shaking[c.Raw] = struct{}{}
	}
	c.release = sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.open--
		delete(l.shaking, c.Raw)
		if !from.IsValid() {
			return
		}
		if l.from[from]--; l.from[from] == 0 {
			delete(l.from, from)
		}
	})
	return ""
}

func (l *Listener) layers() bool { return l.tls != nil || l.web != nil }

// placeOf is what connections are counted by; not valid: they are not.
func (l *Listener) placeOf(a net.Addr) netip.Prefix {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := t.AddrPort().Addr().Unmap().WithZone("")
	if ip.IsLoopback() && !l.loopback {
		return netip.Prefix{}
	}
	return Place(ip)
}

// Place is the address as far as it tells one household's machine from another:
// an IPv6 machine has all of a /64 to come from.
func Place(ip netip.Addr) netip.Prefix {
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// handshake goes through the layers and hands the connection on.
func (l *Listener) handshake(c *Conn) {
	if !l.layers() {
		l.hand(c)
		return
	}
	deadline := time.Now().Add(l.o.Handshake)
	_ = c.Raw.SetDeadline(deadline)
	if l.tls != nil {
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		err := l.tls.shake(ctx, c)
		cancel()
		if err != nil {
			l.drop(c, "its TLS handshake: "+err.Error())
			return
		}
	}
	if l.web != nil {
		l.web.shake(c) // which hands it on, or drops it
		return
	}
	l.shaken(c)
}

// shaken hands on a connection whose handshakes are done.
func (l *Listener) shaken(c *Conn) {
	_ = c.Raw.SetDeadline(time.Time{})
	l.mu.Lock()
	delete(l.shaking, c.Raw)
	l.mu.Unlock()
	l.hand(c)
}

func (l *Listener) hand(c *Conn) {
	select {
	case l.ready <- c:
	case <-l.closed:
		c.Close()
	}
}

func (l *Listener) drop(c *Conn, why string) {
	remote := c.RemoteAddr()
	c.Close()
	select {
	case <-l.closed:
	default:
		l.o.Refused(remote, why)
	}
}

// Conn is one connection: what is above its handshakes.
type Conn struct {
	net.Conn
	Raw net.Conn // the socket below
	// Certificate is the client's, whose chain was verified and which was not
	// revoked; nil: it has shown none.
	Certificate *x509.Certificate
	release     func()
}

// Name is the name in the certificate: its subject's common name. Empty: there
// is none.
func (c *Conn) Name() string {
	if c.Certificate == nil {
		return ""
	}
	return c.Certificate.Subject.CommonName
}

// Stream is the connection with no more than it needs: a socket without layers is
// also a syscall.Conn, so that who writes to it need not wait.
func (c *Conn) Stream() net.Conn {
	if s, ok := c.Raw.(syscall.Conn); ok && c.Conn == c.Raw {
		return socket{c, s}
	}
	return c
}

type socket struct {
	*Conn
	raw syscall.Conn
}

func (s socket) SyscallConn() (syscall.RawConn, error) { return s.raw.SyscallConn() }

// CloseWrite ends the connection in one direction, where it can.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Close ends the connection, and makes room for another.
func (c *Conn) Close() error {
	err := c.Conn.Close()
	c.release()
	return err
}
