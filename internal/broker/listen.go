package broker

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/broker/core"
	"github.com/smartcore-ireland/hems/internal/broker/listen"
)

// Listener is a place where clients connect, and what is true for those there.
type Listener struct {
	listen.Options
	AllowAnonymous        bool // a client without a user name may come in
	UseIdentityAsUsername bool // a client certificate names the user, and no password is asked for
	QueueQoS0Messages     bool // for clients that are away
}

// listener takes connections on one address, for ever: an address that cannot be
// had is tried again.
type listener struct {
	b       *Broker
	is      Listener
	closed  chan struct{}
	closing sync.Once
	serving sync.WaitGroup

	mu     sync.Mutex
	net    net.Listener // nil while there is none
	conns  map[net.Conn]struct{}
	logged time.Time
	missed int // refusals that were not logged
}

func newListener(b *Broker, is Listener) *listener {
	return &listener{b: b, is: is, closed: make(chan struct{}), conns: make(map[net.Conn]struct{})}
}

// bound is the address it listens on now, or empty.
func (l *listener) bound() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.net == nil {
		return ""
	}
	return l.net.Addr().String()
}

// run takes connections until stop.
func (l *listener) run(server *core.Server) {
	retry := retrier{log: l.b.log}
	for {
		ln, err := l.listen()
		if err == nil {
			l.b.log.Info("listening for MQTT", "network", l.is.Network, "address", ln.Addr().String(), "tls", l.is.TLS != nil, "websocket", l.is.WebSocket != nil)
			begin := time.Now()
			err = l.accept(ln, server)
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
	o := l.is.Options
	o.Refused = l.refused
	ln, err := listen.Listen(o)
	if err != nil {
		return nil, err
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

// refused counts what did not come as far as the server, and logs it, not more
// often than every ten seconds.
func (l *listener) refused(remote net.Addr, why string) {
	l.b.refused.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.logged) < 10*time.Second {
		l.missed++
		return
	}
	l.b.log.Warn("an MQTT connection was turned away", "why", why, "remote", remote.String(), "listener", l.is.Address, "not_logged", l.missed)
	l.logged, l.missed = time.Now(), 0
}

func (l *listener) accept(ln net.Listener, server *core.Server) error {
	defer func() {
		ln.Close()
		l.mu.Lock()
		l.net = nil
		l.mu.Unlock()
	}()
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		as := l.as(c)
		c = c.(*listen.Conn).Stream()
		l.mu.Lock()
		l.conns[c] = struct{}{}
		l.mu.Unlock()
		l.serving.Go(func() {
			server.Serve(c, as)
			l.mu.Lock()
			delete(l.conns, c)
			l.mu.Unlock()
		})
	}
}

// as is the listener as the server has it for one connection.
func (l *listener) as(c net.Conn) core.Listener {
	as := core.Listener{
		Name: l.is.Network + " " + l.is.Address, Local: l.is.Network == "unix",
		Anonymous: l.is.AllowAnonymous, QueueQoS0: l.is.QueueQoS0Messages,
	}
	if c := c.(*listen.Conn); l.is.UseIdentityAsUsername && c.Certificate != nil {
		as.Certificate = c.Name()
		as.Peer = &peer{cert: c.Certificate, trust: l.is.TLS.Trust}
	}
	return as
}

// stop ends listening.
func (l *listener) stop() {
	l.closing.Do(func() { close(l.closed) })
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.net != nil {
		l.net.Close()
	}
}

// closeAll waits for the connections to end and, when ctx does, ends them.
func (l *listener) closeAll(ctx context.Context) {
	ended := make(chan struct{})
	go func() { l.serving.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		for c := range l.conns {
			c.Close()
		}
	}
}
