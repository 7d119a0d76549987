package tailnet

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/smartcore-ireland/hems/internal/remote"
)

// Ports are which of the node's are what; 0: none is.
type Ports struct {
	Dashboard, DashboardTLS uint16
	Home, HomeTLS           uint16 // Home Assistant
	HomeAgain               uint16 // another name for Home
}

// Doors are those of the node. Until the tailnet makes certificates, TLS is spoken
// with fallback's, which is the appliance's own.
func (n *Node) Doors(p Ports, fallback func(*tls.ClientHelloInfo) (*tls.Certificate, error)) []remote.Door {
	var all []remote.Door
	add := func(name string, to remote.Target, port uint16, secure *tls.Config) {
		if port == 0 {
			return
		}
		all = append(all, remote.Door{
			Way: remote.Tailnet, Name: name + " on the tailnet", Target: to, TLS: secure, Arrive: n.arrive(secure != nil),
			Listen: func(ctx context.Context) (net.Listener, error) { return n.Listen(ctx, port) },
			Admit:  n.underOwnName,
		})
	}
	secure := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: n.certificate(fallback)}
	add("the dashboard", remote.Dashboard, p.Dashboard, nil)
	add("the dashboard with HTTPS", remote.Dashboard, p.DashboardTLS, secure)
	add("Home Assistant", remote.HomeAssistant, p.Home, nil)
	add("Home Assistant with HTTPS", remote.HomeAssistant, p.HomeTLS, secure)
	add("Home Assistant", remote.HomeAssistant, p.HomeAgain, nil)
	return all
}

// underOwnName gives an identity only to a request for one of the node's own names
// or addresses: a page of another site, whose name was made to lead here, would act
// as its visitor otherwise.
func (n *Node) underOwnName(r *http.Request, a remote.Arrival) (remote.Arrival, error) {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	n.mu.Lock()
	name := strings.ToLower(n.view.Name)
	n.mu.Unlock()
	short, _, _ := strings.Cut(name, ".")
	_, err := netip.ParseAddr(host)
	if err != nil && (name == "" || host != name && host != short) {
		a.Identity = remote.Identity{}
	}
	return a, nil
}

var errNoName = errors.New("the visitor names no host")

// certificate is the tailnet's for the node, which it has made by Let's Encrypt
// when one is first asked for, or the fallback.
func (n *Node) certificate(fallback func(*tls.ClientHelloInfo) (*tls.Certificate, error)) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(hi *tls.ClientHelloInfo) (*tls.Certificate, error) {
		n.mu.Lock()
		e, v := n.engine, n.view
		n.mu.Unlock()
		if e == nil || !v.Secure || hi.ServerName != v.Name {
			if fallback == nil {
				return nil, errNoName
			}
			return fallback(hi)
		}
		if n.certify != nil {
			return n.certify(hi)
		}
		lc, err := e.client()
		if err != nil {
			return nil, err
		}
		return lc.GetCertificate(hi)
	}
}
