package tailnet

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

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
		lc, err := e.client()
		if err != nil {
			return nil, err
		}
		return lc.GetCertificate(hi)
	}
}
