package tailnettest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"tailscale.com/ipn/ipnstate"
	"tailscale.com/tsnet"
)

type statusFunc func(context.Context) (*ipnstate.Status, error)

// Relay makes a node one of Funnel's own machines in the eyes of the others.
func (n *Tailnet) Relay(t testing.TB, s *tsnet.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	lc, err := s.LocalClient()
	if err != nil {
		t.Fatal(err)
	}
	st, err := lc.StatusWithoutPeers(ctx)
	if err != nil {
		t.Fatal(err)
	}
	n.SetUnsignedPeerAPIOnly(st.Self.PublicKey, true)
}

// Visit brings a connection from the internet to the node of that name, as Funnel's
// machines do: src is the visitor's own address, target what was asked for.
func Visit(ctx context.Context, relay *tsnet.Server, name, src, target string) (net.Conn, error) {
	lc, err := relay.LocalClient()
	if err != nil {
		return nil, err
	}
	for {
		c, err := visit(ctx, relay, lc.Status, name, src, target)
		if err == nil {
			return c, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(err, ctx.Err())
		case <-time.After(20 * time.Millisecond): // it may not be known to its peer yet
		}
	}
}

func visit(ctx context.Context, relay *tsnet.Server, status statusFunc, name, src, target string) (net.Conn, error) {
	st, err := status(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range st.Peer {
		if !strings.HasPrefix(p.DNSName, name+".") {
			continue
		}
		for _, u := range p.PeerAPIURL {
			return knock(ctx, relay, strings.TrimPrefix(u, "http://"), src, target)
		}
	}
	return nil, fmt.Errorf("there is no %s with a peer API", name)
}

// knock speaks the peer API's /v0/ingress, which turns into the visitor's connection.
func knock(ctx context.Context, relay *tsnet.Server, at, src, target string) (net.Conn, error) {
	dial, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := relay.Dial(dial, "tcp", at)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequest("POST", "http://"+at+"/v0/ingress", nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Tailscale-Ingress-Src", src)
	r.Header.Set("Tailscale-Ingress-Target", target)
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if err := r.Write(c); err != nil {
		c.Close()
		return nil, err
	}
	in := bufio.NewReader(c)
	res, err := http.ReadResponse(in, r)
	if err != nil {
		c.Close()
		return nil, err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		c.Close()
		return nil, fmt.Errorf("the node answers an ingress with %s", res.Status)
	}
	_ = c.SetDeadline(time.Time{})
	return visitor{c, in}, nil
}

// visitor reads what came behind the answer first.
type visitor struct {
	net.Conn
	in *bufio.Reader
}

func (v visitor) Read(b []byte) (int, error) { return v.in.Read(b) }
