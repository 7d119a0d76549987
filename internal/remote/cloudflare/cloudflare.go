// Package cloudflare is the way in through a Cloudflare Tunnel: cloudflared, another
// people's program, kept running, and two unix sockets that it passes requests to,
// one for what is behind each. It knows which of the tunnel's host names may be used
// by whom, and what Cloudflare's headers say, which count on these sockets alone. It
// must never know pages or accounts.
//
//	cloudflare/home.sock, dashboard.sock   in the runtime directory: where cloudflared leads
//	gateway/cloudflare-token               the tunnel's token, as a person gave it
//	gateway/cloudflare-keys.json           the team's keys of Cloudflare Access
package cloudflare

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/remote"
	"github.com/smartcore-ireland/hems/internal/remote/cloudflare/access"
)

// Rule says who may use a host name of the tunnel.
type Rule string

// The rules.
const (
	Access            Rule = "access"             // whom Cloudflare Access has let in, by its token
	ClientCertificate Rule = "client_certificate" // a phone with one of the zone's client certificates
	SignIn            Rule = "sign-in"            // anybody, who then has to sign in
)

// Host is one of the tunnel's host names.
type Host struct {
	Name     string
	To       remote.Target
	Rule     Rule
	Audience string   // of the Access application; for Access
	Prints   []string // SHA-256 of the certificates, 64 hexadecimal digits; for ClientCertificate

	// SecondFactor says that a password alone does not do there; for SignIn.
	SecondFactor bool
}

// Options are what a Tunnel needs.
type Options struct {
	Enabled bool
	Team    string // of Cloudflare Access; empty: no host needs it
	Hosts   []Host
	Dir     string   // of the sockets; made when missing, mode 0700
	Tokens  []string // files with the tunnel's token; the first that is there counts
	Keys    string   // file of the team's keys
	Program string   // cloudflared; empty: it is not on this machine
	Log     *slog.Logger
	Clock   func() time.Time  // nil: time.Now
	Client  http.RoundTripper // for the team's keys; nil: http.DefaultTransport
}

// A Tunnel is the way in.
type Tunnel struct {
	o     Options
	judge *access.Judge // nil: there is no team
	hosts map[string]Host
	told  told
}

// New makes the way in. Nothing runs before Run.
func New(o Options) *Tunnel {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	t := &Tunnel{o: o, hosts: map[string]Host{}}
	if o.Team != "" {
		t.judge = access.New(access.Options{Team: o.Team, File: o.Keys, Client: o.Client, Clock: o.Clock, Log: o.Log})
	}
	for _, h := range o.Hosts {
		t.hosts[strings.ToLower(h.Name)] = h
	}
	t.told.set(o.Clock(), remote.Off, "", "")
	if o.Enabled {
		t.told.set(o.Clock(), remote.Starting, "The tunnel is being opened.", "")
	}
	return t
}

// Socket is where cloudflared leads for what is behind a door.
func Socket(dir string, to remote.Target) string {
	if to == remote.HomeAssistant {
		return filepath.Join(dir, "home.sock")
	}
	return filepath.Join(dir, "dashboard.sock")
}

// Doors are where the tunnel's requests come in.
func (t *Tunnel) Doors() []remote.Door {
	if !t.o.Enabled {
		return nil
	}
	var all []remote.Door
	for _, to := range []remote.Target{remote.Dashboard, remote.HomeAssistant} {
		name := map[remote.Target]string{remote.Dashboard: "the dashboard", remote.HomeAssistant: "Home Assistant"}[to]
		all = append(all, remote.Door{
			Way: remote.Cloudflare, Name: name + " for the Cloudflare Tunnel", Target: to,
			Listen: func(context.Context) (net.Listener, error) { return listen(Socket(t.o.Dir, to)) },
			// Its requests are of many visitors: who each is of is said by Admit.
			Arrive: func(net.Conn) remote.Arrival { return remote.Arrival{Way: remote.Cloudflare} },
			Admit:  func(r *http.Request, a remote.Arrival) (remote.Arrival, error) { return t.admit(r, a, to) },
		})
	}
	return all
}

// listen takes the place of a socket that was left.
func listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func refuse(status int, text string, args ...any) error {
	return &remote.Refusal{Status: status, Text: fmt.Sprintf(text, args...)}
}

// only is a header that must be there once: one that a visitor had added would
// stand beside Cloudflare's own.
func only(h http.Header, name string) string {
	if v := h.Values(name); len(v) == 1 {
		return v[0]
	}
	return ""
}

// admit judges one request by the rule of its host name.
func (t *Tunnel) admit(r *http.Request, a remote.Arrival, to remote.Target) (remote.Arrival, error) {
	name := strings.ToLower(strings.TrimSuffix(r.Host, ":443"))
	h, ok := t.hosts[name]
	if !ok {
		return a, refuse(http.StatusMisdirectedRequest, "this name has no rule on the appliance: its owner adds one under Ways in, Cloudflare Tunnel")
	}
	if h.To != to {
		return a, refuse(http.StatusMisdirectedRequest, "this name leads to the wrong socket: its service in the tunnel's settings must be the one that is shown under Ways in, Cloudflare Tunnel")
	}
	address, err := netip.ParseAddr(only(r.Header, "Cf-Connecting-Ip"))
	if err != nil {
		return a, refuse(http.StatusForbidden, "this request did not come through Cloudflare")
	}
	a.Address = address.Unmap().WithZone("")
	var visitor struct {
		Scheme string `json:"scheme"`
	}
	_ = json.Unmarshal([]byte(only(r.Header, "Cf-Visitor")), &visitor) // what cannot be read is not https
	if visitor.Scheme != "https" {
		return a, &remote.Refusal{Status: http.StatusForbidden, Text: "this address wants HTTPS", Location: "https://" + name + r.URL.RequestURI()}
	}
	a.Secure = true
	switch h.Rule {
	case Access:
		if t.judge == nil {
			return a, refuse(http.StatusForbidden, "the appliance does not know the team of Cloudflare Access")
		}
		p, err := t.judge.Judge(r.Context(), only(r.Header, "Cf-Access-Jwt-Assertion"), h.Audience)
		if errors.Is(err, access.ErrNoKeys) {
			return a, refuse(http.StatusServiceUnavailable, "%v; try again in a minute", err)
		}
		if err != nil {
			return a, refuse(http.StatusForbidden, "%v", err)
		}
		a.Identity.Login = p.Email
	case ClientCertificate:
		print := plainPrint(only(r.Header, "Cf-Cert-Fingerprint-Sha256"))
		if only(r.Header, "Cf-Cert-Presented") != "true" || only(r.Header, "Cf-Cert-Verified") != "true" || only(r.Header, "Cf-Cert-Revoked") != "false" || !h.knows(print) {
			return a, refuse(http.StatusForbidden, "this name wants a client certificate that its owner has named")
		}
		a.Certificate = "certificate " + print[:8]
	case SignIn:
		a.SecondFactor = h.SecondFactor
	default:
		return a, refuse(http.StatusForbidden, "this name's rule is not known")
	}
	return a, nil
}

// knows says whether a certificate is one of those that the rule names.
func (h Host) knows(print string) bool {
	found := 0
	for _, p := range h.Prints {
		found |= subtle.ConstantTimeCompare([]byte(plainPrint(p)), []byte(print))
	}
	return found == 1 && len(print) == 64
}

// plainPrint is a fingerprint without what people and programs put between its
// digits.
func plainPrint(s string) string {
	return strings.ToLower(strings.NewReplacer(":", "", " ", "").Replace(s))
}
