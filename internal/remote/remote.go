// Package remote says in which ways a visitor can reach the appliance, and what a
// way vouches for about who came. It is what the ways in (LAN, tailnet, Funnel,
// Cloudflare Tunnel) and the gateway agree on. It must never know how a way works,
// nor what a visitor may do.
package remote

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
)

// Way is one of the ways in.
type Way string

// The ways in.
const (
	LAN        Way = "lan"
	Tailnet    Way = "tailnet"
	Funnel     Way = "funnel"
	Cloudflare Way = "cloudflare"
)

// Ways are all of them.
var Ways = []Way{LAN, Tailnet, Funnel, Cloudflare}

// Arrival is how a request came in. Nothing in it is the visitor's own word.
type Arrival struct {
	Way         Way
	Address     netip.Addr // the visitor's, as the way in knows it; never IPv4-mapped
	Secure      bool       // between the visitor's browser and the way's end it was HTTPS
	Identity    Identity   // whom the way vouches for
	Certificate string     // name of the phone whose client certificate was shown and is neither expired nor revoked; empty: none

	// SecondFactor says that a password alone does not do here: it takes a passkey
	// as well, or a client certificate. On Funnel that is so in any case.
	SecondFactor bool
}

// Vouches says whether the way can know who a visitor is. An identity that comes
// by another is nobody's.
func (w Way) Vouches() bool { return w == Tailnet || w == Cloudflare }

// Place is what a visitor's connections are counted by: the address, and of an IPv6
// one that came over the internet the network of a household, which has as many
// addresses as it likes. It is not valid where the address is not.
func (a Arrival) Place() netip.Addr {
	if a.Way != Funnel || !a.Address.Is6() {
		return a.Address
	}
	p, err := a.Address.Prefix(64)
	if err != nil {
		return a.Address
	}
	return p.Addr()
}

// Identity is whom a way in vouches for; the zero one is nobody, who has to sign in.
type Identity struct {
	Login string // "alice@example.com": of the tailnet's user, or of the Access token
	Name  string // "Alice Murphy"; may be empty
	Role  string // "owner", "member" or "viewer", where a rule of the way's grants one; may be empty
}

// Target is what is behind a door.
type Target int

// What is behind a door.
const (
	Dashboard Target = iota
	HomeAssistant
)

// Protocols are what is spoken there over TLS, for NextProtos of a tls.Config. The
// dashboard speaks HTTP/2: a page's event stream does not take one of a browser's
// six connections then.
func (t Target) Protocols() []string {
	if t == Dashboard {
		return []string{"h2", "http/1.1"}
	}
	return []string{"http/1.1"}
}

// A Door is where visitors of one way come in.
type Door struct {
	Way    Way
	Name   string // for the log: "the dashboard on the tailnet"
	Target Target

	// Listen opens the door; it is called again, with pauses, after it or the
	// listener failed. The listener gives connections as they come, for TLS to be
	// spoken on them, or *tls.Conn where it has done so itself.
	Listen func(context.Context) (net.Listener, error)

	// TLS is what is spoken on the listener's connections; nil: nothing more.
	TLS *tls.Config

	// Arrive says who came, once for each connection that the listener gave, before
	// anything is read from it. A visitor whose address it leaves out (they all
	// come from one) is not counted by address.
	Arrive func(net.Conn) Arrival

	// Admit, where it is not nil, says more about a single request, or refuses it
	// with a *Refusal. It may look at the request's host, path, header and TLS, and
	// must not read its body.
	Admit func(*http.Request, Arrival) (Arrival, error)
}

// Refusal is the answer to a request that a way in does not let through.
type Refusal struct {
	Status int    // of HTTP
	Text   string // for the visitor: what is wrong and what to do

	// Location is where a visitor who only looks is sent instead; empty: nowhere.
	Location string
}

func (r *Refusal) Error() string { return r.Text }

type arrivalKey struct{}

// With returns a context of a request that came in so.
func With(ctx context.Context, a Arrival) context.Context {
	return context.WithValue(ctx, arrivalKey{}, a)
}

// Of is how a request came in; the zero Arrival when nobody has said.
func Of(ctx context.Context) Arrival {
	a, _ := ctx.Value(arrivalKey{}).(Arrival)
	return a
}
