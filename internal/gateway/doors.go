package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/remote"
)

// maxStreams is how many requests one HTTP/2 connection may have under way.
const maxStreams = 64

// doors are all addresses at which visitors come: those on the home's network,
// and the other ways in.
func (g *Gateway) doors() []remote.Door {
	var all []remote.Door
	add := func(name string, to remote.Target, addrs []string, secure *tls.Config) {
		for _, a := range addrs {
			all = append(all, g.guarded(remote.OnLAN(name, to, secure, func(ctx context.Context) (net.Listener, error) {
				return g.o.Sockets.listen(ctx, a)
			})))
		}
	}
	add("the dashboard", remote.Dashboard, g.o.Listen, nil)
	add("the dashboard with HTTPS", remote.Dashboard, g.o.ListenTLS, g.tls())
	if h := g.o.HomeAssistant; h.Front != nil {
		add("Home Assistant", remote.HomeAssistant, h.Listen, nil)
		add("Home Assistant with HTTPS", remote.HomeAssistant, h.ListenTLS, g.tls())
	}
	for _, d := range g.o.Doors {
		if d.Target == remote.Dashboard || g.o.HomeAssistant.Front != nil {
			all = append(all, g.guarded(d))
		}
	}
	return all
}

// addresses are those on the home's network.
func (g *Gateway) addresses() (all []string) {
	for _, list := range [][]string{g.o.Listen, g.o.ListenTLS, g.o.HomeAssistant.Listen, g.o.HomeAssistant.ListenTLS} {
		all = append(all, list...)
	}
	return all
}

// tls is how the appliance's own certificate is shown.
func (g *Gateway) tls() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: g.o.Certificates}
}

// open gets a door open, however long that takes, and serves at it.
func (g *Gateway) open(ctx context.Context, d remote.Door) {
	opening := g.openings.add(d)
	said := ""
	for ctx.Err() == nil {
		l, err := d.Listen(ctx)
		if err == nil {
			g.log.Info(d.Name+" is at", "address", l.Addr())
			opening.note(g.o.Clock(), nil)
			err = g.serve(ctx, l, d)
			said = ""
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			opening.note(g.o.Clock(), err)
		}
		if err != nil && err.Error() != said {
			said = err.Error()
			g.log.Error(d.Name+" cannot be reached", "err", err, "hint", listenHint(err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(g.retry):
		}
	}
}

// serve answers on l, which is a door's, until ctx ends; it closes l.
func (g *Gateway) serve(ctx context.Context, l net.Listener, d remote.Door) error {
	if d.Target == remote.HomeAssistant {
		return g.o.HomeAssistant.Front.Serve(ctx, l, d)
	}
	if d.TLS != nil {
		d.TLS = d.TLS.Clone()
		d.TLS.NextProtos = d.Target.Protocols()
	}
	in := newGuests(l, d, g.limits.conns, g.limits.each)
	defer g.enter(in)()
	srv := &http.Server{
		Handler:           g.admit(d),
		ReadHeaderTimeout: g.limits.header,
		ReadTimeout:       g.limits.read,
		WriteTimeout:      g.limits.write,
		IdleTimeout:       g.limits.idle,
		MaxHeaderBytes:    16 << 10,
		TLSConfig:         d.TLS,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelDebug), // strangers' broken handshakes
		BaseContext:       func(net.Listener) context.Context { return ctx },   // ends the event streams
		ConnContext:       in.context,
		ConnState:         in.noteState,
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
		defer cancel()
		if srv.Shutdown(closing) != nil {
			srv.Close()
		}
	})
	err := srv.Serve(in)
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// enter remembers a door's guests until the function that it returns is called.
func (g *Gateway) enter(in *guests) (leave func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.guests == nil {
		g.guests = map[*guests]struct{}{}
	}
	g.guests[in] = struct{}{}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.guests, in)
	}
}

// drop ends all connections, at whatever door, whose latest request came in so.
func (g *Gateway) drop(gone func(remote.Arrival) bool) {
	g.mu.Lock()
	var doors []*guests
	for in := range g.guests {
		doors = append(doors, in)
	}
	g.mu.Unlock()
	for _, in := range doors {
		in.drop(gone)
	}
	if f := g.o.HomeAssistant.Front; f != nil {
		f.Drop(gone)
	}
}

// admit is the house behind a door that may have something to say about each
// request.
func (g *Gateway) admit(d remote.Door) http.Handler {
	if d.Admit == nil {
		return g
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, err := d.Admit(r, remote.Of(r.Context()))
		if err != nil {
			g.notAdmitted(w, r, err)
			return
		}
		note(r.Context(), a)
		g.ServeHTTP(w, r.WithContext(remote.With(r.Context(), a)))
	})
}

// notAdmitted answers a request that its way in does not let through.
func (g *Gateway) notAdmitted(w http.ResponseWriter, r *http.Request, err error) {
	g.secure(w.Header(), r)
	private(w)
	no, ok := errors.AsType[*remote.Refusal](err)
	if !ok {
		g.log.Error("a way in could not judge a request", "err", err)
		no = &remote.Refusal{Status: http.StatusInternalServerError, Text: "something went wrong; the log has the details"}
	}
	switch {
	case no.Location != "" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		http.Redirect(w, r, no.Location, http.StatusFound)
	case strings.HasPrefix(r.URL.Path, "/api/"):
		writeError(w, no.Status, no.Text)
	default:
		http.Error(w, no.Text, no.Status)
	}
}
