package front

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"syscall"
	"time"
)

// pool has connections to Home Assistant. The one that was used last is used
// next, so that those that are too many grow old.
type pool struct {
	limits *limits
	addr   string      // host:port
	host   []byte      // for a request that names none
	secure *tls.Config // nil: plain
	dial   func(ctx context.Context, network, addr string) (net.Conn, error)

	mu     sync.Mutex
	idle   []*upstream // the one used last is the last
	closed bool
	own    netip.Addr // as Home Assistant sees this machine; zero: not known
}

// upstream is one connection to Home Assistant.
type upstream struct {
	line
	in     reader
	raw    syscall.RawConn // nil: none
	reused bool
	since  time.Time // without a request
	peek   [1]byte
}

func newPool(l *limits, to *url.URL, unverified bool) *pool {
	p := &pool{limits: l, addr: net.JoinHostPort(to.Hostname(), defaultPort(to)), host: []byte(to.Host), dial: (&net.Dialer{}).DialContext}
	if to.Scheme == "https" {
		p.secure = &tls.Config{ServerName: to.Hostname(), InsecureSkipVerify: unverified, NextProtos: []string{"http/1.1"}}
	}
	return p
}

// newMark is a word that no other Front has.
func newMark() string {
	b := make([]byte, 8)
	rand.Read(b)
	return "hems-" + hex.EncodeToString(b)
}

// get takes a connection that waits, or makes one.
func (p *pool) get(ctx context.Context) (*upstream, error) {
	for {
		p.mu.Lock()
		n := len(p.idle)
		if n == 0 {
			p.mu.Unlock()
			return p.open(ctx)
		}
		u := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		if u.usable(p.limits.spare) {
			u.reused = true
			return u, nil
		}
		u.Close()
	}
}

// open makes a connection.
func (p *pool) open(ctx context.Context) (*upstream, error) {
	ctx, cancel := context.WithTimeout(ctx, p.limits.dial)
	defer cancel()
	c, err := p.dial(ctx, "tcp", p.addr)
	if err != nil {
		return nil, err
	}
	u := &upstream{}
	if t, ok := c.(*net.TCPConn); ok {
		u.raw, _ = t.SyscallConn()
		own := t.LocalAddr().(*net.TCPAddr).AddrPort().Addr().Unmap().WithZone("")
		p.mu.Lock()
		p.own = own
		p.mu.Unlock()
	}
	if p.secure != nil {
		t := tls.Client(c, p.secure)
		if err := t.HandshakeContext(ctx); err != nil {
			c.Close()
			return nil, err
		}
		c = t
	}
	u.line = line{Conn: c, patience: p.limits.still}
	u.in.reset(&u.line)
	return u, nil
}

// put gives a connection back whose last answer was read to its end.
func (p *pool) put(u *upstream) {
	now := time.Now()
	u.since = now
	p.mu.Lock()
	var old *upstream
	switch {
	case p.closed || u.in.buffered() > 0: // it said something that nobody asked
		old = u
	default:
		p.idle = append(p.idle, u)
		if oldest := p.idle[0]; len(p.idle) > p.limits.spares || now.Sub(oldest.since) > p.limits.spare {
			old = oldest
			p.idle = append(p.idle[:0], p.idle[1:]...)
		}
	}
	p.mu.Unlock()
	if old != nil {
		old.Close()
	}
}

// forget closes those that wait: Home Assistant has ended.
func (p *pool) forget() {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, u := range idle {
		u.Close()
	}
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.forget()
}

func (p *pool) ownAddress() netip.Addr {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.own
}

// usable says whether the other end has not closed the connection. One that was
// used a moment ago is believed.
func (u *upstream) usable(spare time.Duration) bool {
	idle := time.Since(u.since)
	if idle > spare {
		return false
	}
	if idle < 100*time.Millisecond || u.raw == nil {
		return true
	}
	quiet := false
	err := u.raw.Control(func(fd uintptr) {
		n, _, err := syscall.Recvfrom(int(fd), u.peek[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = n <= 0 && (err == syscall.EAGAIN || err == syscall.EINTR)
	})
	return err == nil && quiet
}
