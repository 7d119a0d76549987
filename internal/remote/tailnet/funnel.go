package tailnet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"

	"tailscale.com/ipn"
	"tailscale.com/tsnet"

	"github.com/smartcore-ireland/hems/internal/remote"
)

// FunnelPort is where the internet comes in. Funnel has this one and 8443 and 10000.
const FunnelPort = 443

// funnel is what is known of the way in from the internet.
type funnel struct {
	wanted bool
	open   bool
	err    string // why it is not
	told   remote.Status
}

// FunnelDoor is where the internet comes in, when it is wanted. Its visitors come
// from Tailscale's own machines, for which the tailnet vouches with a name: they are
// nobody here, whatever it says. secure is FunnelTLS's, or made of it.
func (n *Node) FunnelDoor(to remote.Target, secure *tls.Config) remote.Door {
	return remote.Door{
		Way: remote.Funnel, Name: "Funnel", Target: to, Arrive: arriveByFunnel,
		Listen: func(ctx context.Context) (net.Listener, error) { return n.listenFunnel(ctx, secure) },
	}
}

// FunnelTLS is how that door speaks TLS, for whoever asks for certificates there.
func (n *Node) FunnelTLS(to remote.Target) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: to.Protocols(), GetCertificate: n.certificate(nil)}
}

// arriveByFunnel takes the address that Tailscale's machine has told, and nothing
// of the machine's own. A connection that did not come by Funnel has no arrival,
// and is refused.
func arriveByFunnel(c net.Conn) remote.Arrival {
	t, ok := c.(*tls.Conn)
	if !ok {
		return remote.Arrival{}
	}
	f, ok := t.NetConn().(*ipn.FunnelConn)
	if !ok {
		return remote.Arrival{}
	}
	return remote.Arrival{Way: remote.Funnel, Secure: true, Address: f.Src.Addr().Unmap().WithZone("")}
}

func (n *Node) listenFunnel(ctx context.Context, secure *tls.Config) (net.Listener, error) {
	e, err := n.await(ctx, func(_ *engine, v view) bool { return v.Phase == phaseRunning })
	if err != nil {
		return nil, err
	}
	srv, err := e.server()
	if err != nil {
		return nil, err
	}
	l, err := srv.ListenFunnel("tcp", fmt.Sprintf(":%d", FunnelPort), tsnet.FunnelOnly(), tsnet.FunnelTLSConfig(secure))
	if err != nil {
		n.knowFunnel(false, err)
		return nil, fmt.Errorf("opening the way in from the internet: %w", err)
	}
	n.knowFunnel(true, nil)
	return &funnelListener{l, n}, nil
}

type funnelListener struct {
	net.Listener
	node *Node
}

func (l *funnelListener) Close() error {
	l.node.knowFunnel(false, nil)
	return l.Listener.Close()
}

func (n *Node) knowFunnel(open bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.funnel.open, n.funnel.err = open, ""
	if err != nil && !errors.Is(err, net.ErrClosed) {
		n.funnel.err = err.Error()
	}
	n.tellFunnel()
}

// tellFunnel brings the status up to date; mu is held.
func (n *Node) tellFunnel() {
	s := n.funnel.status(n.view)
	s.Since = n.funnel.told.Since
	if s.State != n.funnel.told.State {
		s.Since = n.now()
	}
	n.funnel.told = s
}

func (f funnel) status(v view) remote.Status {
	s := remote.Status{Way: remote.Funnel, State: remote.Off}
	said := strings.ToLower(f.err)
	switch {
	case !f.wanted:
	case f.open && v.Phase == phaseRunning:
		s.State = remote.Up
		s.Detail = "Anybody on the internet can reach the sign-in page."
		s.Links = []string{"https://" + v.Name + "/"}
	case v.Phase != phaseRunning:
		s.State = remote.Starting
		s.Detail = "It opens as soon as the tailnet is up."
	case strings.Contains(said, "https"):
		s.State = remote.NeedsYou
		s.Detail = "The tailnet makes no certificates for its machines yet."
		s.Action = "Switch on HTTPS certificates in Tailscale’s admin console, under DNS (tailscale.com/s/https)."
	case strings.Contains(said, "funnel"):
		s.State = remote.NeedsYou
		s.Detail = "The tailnet does not let this machine use Funnel yet."
		s.Action = "Allow Funnel for it in Tailscale’s admin console, under Access controls: the node attribute “funnel” (tailscale.com/s/no-funnel)."
	case f.err != "":
		s.State = remote.Down
		s.Detail = "It could not be opened; it is tried again."
	default:
		s.State = remote.Starting
		s.Detail = "It is being opened."
	}
	return s
}

// FunnelReporter tells how the way in from the internet is.
func (n *Node) FunnelReporter() remote.Reporter { return funnelReporter{n} }

type funnelReporter struct{ n *Node }

func (r funnelReporter) Status() remote.Status {
	r.n.mu.Lock()
	defer r.n.mu.Unlock()
	if r.n.funnel.told.Way == "" {
		return r.n.funnel.status(r.n.view)
	}
	return r.n.funnel.told
}
