// Package tailnettest runs a tailnet for tests on this machine's loopback:
// Tailscale's own test control server with a DERP relay and a STUN server, and
// nodes like a phone's. It must never be linked into a program of the appliance.
package tailnettest

import (
	"context"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"tailscale.com/ipn/store/mem"
	"tailscale.com/net/netns"
	"tailscale.com/tailcfg"
	"tailscale.com/tsnet"
	"tailscale.com/tstest/integration"
	"tailscale.com/tstest/integration/testcontrol"
	"tailscale.com/types/logger"
)

// Domain is the tailnet's in DNS.
const Domain = "tail-scale.ts.net"

// Tailnet is a control server.
type Tailnet struct {
	*testcontrol.Server
	URL string
}

// Start runs one until the test ends. With a setting the server is changed before
// it answers.
func Start(t testing.TB, set ...func(*testcontrol.Server)) *Tailnet {
	t.Helper()
	netns.SetEnabled(false) // everything is on the loopback interface
	n := &Tailnet{Server: &testcontrol.Server{
		DERPMap:        integration.RunDERPAndSTUN(t, logger.Discard, "127.0.0.1"),
		DNSConfig:      &tailcfg.DNSConfig{Proxied: true},
		MagicDNSDomain: Domain,
		Logf:           logger.Discard,
	}}
	for _, s := range set {
		s(n.Server)
	}
	n.HTTPTestServer = httptest.NewUnstartedServer(n.Server)
	n.HTTPTestServer.Start()
	t.Cleanup(n.HTTPTestServer.Close)
	n.URL = n.HTTPTestServer.URL
	return n
}

// Phone adds a node that belongs to a person, and waits until it can be reached.
func (n *Tailnet) Phone(t testing.TB, name string) *tsnet.Server {
	t.Helper()
	s := &tsnet.Server{Dir: t.TempDir(), ControlURL: n.URL, Hostname: name, Store: new(mem.Store), Ephemeral: true, UserLogf: logger.Discard}
	t.Cleanup(func() { s.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if _, err := s.Up(ctx); err != nil {
		t.Fatalf("the phone %s joins: %v", name, err)
	}
	Reachable(t, ctx, s)
	return s
}

// Reachable waits until a node has its relay: what is sent to it before is lost.
func Reachable(t testing.TB, ctx context.Context, s *tsnet.Server) {
	t.Helper()
	health, sock := s.Sys().HealthTracker.Get(), s.Sys().MagicSock.Get()
	for {
		if r := sock.GetLastNetcheckReport(ctx); r != nil && r.PreferredDERP != 0 && !health.GetDERPRegionReceivedTime(r.PreferredDERP).IsZero() {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("a node has no relay: %v", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Address is a node's own in the tailnet, IPv4.
func Address(s *tsnet.Server) netip.Addr {
	ip4, _ := s.TailscaleIPs()
	return ip4
}
