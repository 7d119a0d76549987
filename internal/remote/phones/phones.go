// Package phones asks visitors for the certificate of their phone: at each way in
// not at all, if they have one, or without fail. It knows TLS, which phones there
// are (pki.Shown) and when each was seen; it must never know what is behind a door,
// nor what a visitor may do there.
package phones

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/pki"
	"github.com/smartcore-ireland/hems/internal/remote"
)

// Mode is what a way in asks of its visitors.
type Mode string

// The modes.
const (
	Off      Mode = "off"      // no certificate is asked for
	Optional Mode = "optional" // who has one shows it
	Required Mode = "required" // nobody comes in without
)

// Modes are all of them.
var Modes = []Mode{Off, Optional, Required}

// Options are what a Guard needs.
type Options struct {
	Dir   string              // where the authority leaves what a visitor is judged by: a holder's directory of package pki
	Modes map[remote.Way]Mode // what is not in it is Off
	Seen  string              // the file that keeps when a phone was seen last; empty: that is not kept
	Clock func() time.Time    // nil: time.Now
	Log   *slog.Logger        // required
}

// A Guard stands at all ways in. Its methods may be called from any goroutine.
type Guard struct {
	o     Options
	shown *pki.Shown
	seen  seen
}

// New makes a guard. What it judges by is read when somebody comes.
func New(o Options) *Guard {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	g := &Guard{o: o, shown: pki.NewShown(o.Dir)}
	if err := g.seen.open(o.Seen); err != nil {
		o.Log.Warn("when phones were seen last is not known any more", "err", err)
	}
	return g
}

// Asked is what the settings say of a way in.
func (g *Guard) Asked(w remote.Way) Mode {
	if m, ok := g.o.Modes[w]; ok && m != "" {
		return m
	}
	return Off
}

// Mode is what counts at a way in. The home's own network is never shut for want of
// any phone that could open it: its owner could not come in any more, and who is
// in the house has to sign in all the same.
func (g *Guard) Mode(w remote.Way) Mode {
	m := g.Asked(w)
	if m == Required && w == remote.LAN && !g.shown.Any(g.o.Clock()) {
		return Optional
	}
	return m
}

// Phones are those that were given a certificate.
func (g *Guard) Phones() ([]pki.Phone, error) { return g.shown.Phones() }

// Door is d with its visitors asked as its way in is to ask. Where d has no TLS of
// its own, its listener's *tls.Conn must come from a configuration of TLS; a
// request in the clear is refused where a certificate is required.
func (g *Guard) Door(d remote.Door) remote.Door {
	if g.Asked(d.Way) == Off {
		return d
	}
	if d.TLS != nil {
		d.TLS = d.TLS.Clone()
		if d.TLS.NextProtos == nil {
			d.TLS.NextProtos = d.Target.Protocols()
		}
		d.TLS = g.TLS(d.Way, d.TLS)
	}
	inner, way := d.Admit, d.Way
	d.Admit = func(r *http.Request, a remote.Arrival) (remote.Arrival, error) {
		if inner != nil {
			var err error
			if a, err = inner(r, a); err != nil {
				return a, err
			}
		}
		return g.admit(way, r, a)
	}
	return d
}

// admit judges the certificate of a request's connection, each time: a phone may
// have been revoked since.
func (g *Guard) admit(way remote.Way, r *http.Request, a remote.Arrival) (remote.Arrival, error) {
	required := g.Mode(way) == Required
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		if required {
			return a, &remote.Refusal{Status: http.StatusForbidden, Text: "this address wants the certificate of a phone that its owner has added"}
		}
		return a, nil
	}
	p, err := g.shown.Verify(r.TLS.PeerCertificates[0], g.o.Clock())
	if err != nil {
		if required || errors.Is(err, pki.ErrPhoneRevoked) {
			return a, &remote.Refusal{Status: http.StatusForbidden, Text: err.Error()}
		}
		return a, nil
	}
	a.Certificate = p.Name
	g.seen.note(p.Serial, way, g.o.Clock())
	return a, nil
}

// made is a configuration, and what it was made for.
type made struct {
	pool   *x509.CertPool
	mode   Mode
	config *tls.Config
}

// TLS is base, whole with its NextProtos, with visitors of that way in asked for
// their certificate. The phones' authority may come and change while it is used.
func (g *Guard) TLS(way remote.Way, base *tls.Config) *tls.Config {
	if g.Asked(way) == Off {
		return base
	}
	outer := base.Clone()
	var mu sync.Mutex
	var last made
	outer.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		pool, mode := g.shown.Pool(), g.Mode(way)
		mu.Lock()
		defer mu.Unlock()
		if last.config == nil || last.pool != pool || last.mode != mode {
			c := base.Clone()
			c.ClientCAs = pool
			if pool == nil {
				c.ClientCAs = x509.NewCertPool() // nil would be those of the system
			}
			// What is shown is judged below in both cases, and again with each request.
			c.ClientAuth = tls.RequestClientCert
			if mode == Required {
				c.ClientAuth = tls.RequireAndVerifyClientCert
				c.VerifyConnection = g.verify
			}
			c.Time = g.o.Clock
			last = made{pool, mode, c}
		}
		return last.config, nil
	}
	return outer
}

// verify ends the handshake of who may not come in; of a session that is resumed,
// too.
func (g *Guard) verify(s tls.ConnectionState) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("no certificate was shown")
	}
	_, err := g.shown.Verify(s.PeerCertificates[0], g.o.Clock())
	return err
}

// Run keeps what was seen until ctx ends.
func (g *Guard) Run(ctx context.Context) {
	t := time.NewTicker(keepEvery)
	defer t.Stop()
	for {
		done := false
		select {
		case <-ctx.Done():
			done = true
		case <-t.C:
		}
		if err := g.seen.keep(); err != nil {
			g.o.Log.Warn("when phones were seen last is not kept", "err", err)
		}
		if done {
			return
		}
	}
}
