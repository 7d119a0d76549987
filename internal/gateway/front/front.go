// Package front stands before Home Assistant, which runs on another machine: it
// passes HTTP/1.1 on, requests and answers as they come, WebSockets for as long
// as they last, and says plainly when Home Assistant is away. It knows the bytes
// of HTTP, what may be believed of a request, and how Home Assistant wants to be
// told where one came from. It must never know a page, an account or a session
// of the dashboard, nor how a visitor got here beyond what a way in says of it
// (remote.Arrival).
//
// A request is refused unless it has one meaning alone: framing that two servers
// could read in two ways never gets through (see head.go). What a client says
// about its own address or name is taken off, as are the dashboard's cookies.
//
// It speaks HTTP/1.1 only. Nothing is won by HTTP/2 here, where almost all is said
// over one WebSocket, which over HTTP/2 would need another handshake that
// companion apps do not all have.
package front

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/remote"
)

// Options are what a Front needs.
type Options struct {
	// To is Home Assistant: http or https, a host, and nothing below it.
	To *url.URL
	// Unverified takes any certificate of Home Assistant's.
	Unverified bool
	// DashboardPort and DashboardTLSPort are where the dashboard is on this host,
	// for who asks for /hems; 0: there is none.
	DashboardPort, DashboardTLSPort int
	// Cookies are the beginnings of the names of cookies that Home Assistant must
	// neither see nor set.
	Cookies []string
	Log     *slog.Logger
}

// limits are what one visitor may take of the appliance.
type limits struct {
	head    time.Duration // from a request's first byte to the end of its head
	idle    time.Duration // a connection without a request
	still   time.Duration // a line under a body on which less than a piece of it moves
	answer  time.Duration // until Home Assistant begins to answer
	dial    time.Duration // until it takes a connection
	linger  time.Duration // for a visitor who goes on sending what is not wanted any more
	spare   time.Duration // a connection to Home Assistant without a request
	conns   int           // open at a time, of all visitors
	each    int           // of them, from one address
	spares  int           // connections to Home Assistant without a request
	headers int           // bytes of a head
	fields  int           // lines of a head
}

// Home Assistant itself lets go of a connection after 75 s.
var defaultLimits = limits{
	head: 10 * time.Second, idle: 75 * time.Second, still: time.Minute, answer: 10 * time.Minute,
	dial: 5 * time.Second, linger: 2 * time.Second, spare: 50 * time.Second,
	conns: 1024, each: 128, spares: 32, headers: 32 << 10, fields: 128,
}

// A Front passes requests on to one Home Assistant.
type Front struct {
	o        Options
	limits   limits
	mark     string // in Via: a request that has it was here already
	upstream *pool
	visitors *visitors
	watch    watch
}

// New makes a Front. It opens no port and no connection.
func New(o Options) (*Front, error) {
	if o.To == nil || o.To.Host == "" || o.To.Scheme != "http" && o.To.Scheme != "https" {
		return nil, fmt.Errorf("%v is not Home Assistant's address: write it as http://192.0.2.1:8123", o.To)
	}
	f := &Front{o: o, limits: defaultLimits, mark: newMark()}
	f.upstream = newPool(&f.limits, o.To, o.Unverified)
	f.visitors = newVisitors(&f.limits)
	f.watch.init()
	return f, nil
}

// Serve answers on l, which is a door's, until ctx ends; it closes l. The error is
// the listener's.
func (f *Front) Serve(ctx context.Context, l net.Listener, d remote.Door) error {
	if d.TLS != nil {
		d.TLS = d.TLS.Clone()
		d.TLS.NextProtos = d.Target.Protocols()
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	defer l.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx) // a listener that breaks lets its visitors go too
	defer cancel()
	pause := 5 * time.Millisecond
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			if ne, ok := errors.AsType[net.Error](err); !ok || !ne.Timeout() && !isTemporary(err) {
				return err
			}
			select { // as many files are open as may be
			case <-ctx.Done():
				return nil
			case <-time.After(pause):
			}
			pause = min(2*pause, time.Second)
			continue
		}
		pause = 5 * time.Millisecond
		a := d.Arrive(c)
		if d.TLS != nil {
			c = tls.Server(c, d.TLS)
		}
		v, ok := f.visitors.enter(c, a.Place())
		if !ok {
			c.Close()
			continue
		}
		wg.Go(func() {
			stop := context.AfterFunc(ctx, v.closing)
			defer stop()
			defer v.leave()
			f.serveConn(ctx, v, d, a)
		})
	}
}

// Run keeps an eye on Home Assistant until ctx ends, and then lets go of the
// connections to it.
func (f *Front) Run(ctx context.Context) {
	f.watchHome(ctx)
	f.upstream.close()
}

// serveConn serves one connection, request after request.
func (f *Front) serveConn(ctx context.Context, v *visitor, d remote.Door, a remote.Arrival) {
	if t, ok := v.conn.(*tls.Conn); ok {
		_ = t.SetDeadline(time.Now().Add(f.limits.head))
		if t.HandshakeContext(ctx) != nil {
			return
		}
		_ = t.SetDeadline(time.Time{})
	}
	s := sessions.Get().(*session)
	defer s.release()
	s.begin(ctx, f, v, d.Admit, a)
	for s.serveOne() && ctx.Err() == nil {
	}
	s.end()
}

func defaultPort(u *url.URL) string {
	if u.Scheme == "https" {
		return cmp.Or(u.Port(), "443")
	}
	return cmp.Or(u.Port(), "80")
}
