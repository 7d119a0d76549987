//go:build e2e

package tailnet

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"tailscale.com/tailcfg"
	"tailscale.com/tstest/integration/testcontrol"

	"github.com/smartcore-ireland/hems/internal/remote"
	"github.com/smartcore-ireland/hems/internal/remote/tailnet/tailnettest"
)

const ownName = "hems." + tailnettest.Domain

// certified makes the node show a certificate, and returns who trusts it.
func certified(t *testing.T, n *Node) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{ownName}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	n.certify = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
	}
	pool := x509.NewCertPool()
	pool.AddCert(c)
	return pool
}

// TestAStrangerComesByFunnel: under their own address, over HTTPS, and as nobody,
// although the tailnet has a name for the machine that brings them, and a grant for
// everybody in it.
func TestAStrangerComesByFunnel(t *testing.T) {
	control := tailnettest.Start(t)
	grant(control, `{"role":"owner"}`)
	h := newHome(t, control.URL, func(o *Options) { o.Funnel = true })
	pool := certified(t, h.node)
	h.open(h.node.FunnelDoor(remote.Dashboard, h.node.FunnelTLS(remote.Dashboard)))
	relay := control.Phone(t, "relay")
	if got := arrival(t, relay, "http://"+ownName+"/"); got.Identity.Login == "" {
		t.Fatalf("the machine is nobody in the tailnet itself: %+v; the trap is not set", got)
	}
	control.Relay(t, relay)
	h.awaitFunnel(remote.Up)

	c := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, within)
			defer cancel()
			return tailnettest.Visit(ctx, relay, "hems", "203.0.113.9:4711", addr)
		},
		TLSClientConfig: &tls.Config{RootCAs: pool},
	}}
	r, err := http.NewRequest("GET", "https://"+ownName+":443/", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"X-Forwarded-For": "192.168.1.2", "Tailscale-User-Login": "owner@example.com", "Tailscale-Ingress-Src": "192.168.1.2:1"} {
		r.Header.Set(name, value)
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var got remote.Arrival
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	want := remote.Arrival{Way: remote.Funnel, Secure: true, Address: netip.MustParseAddr("203.0.113.9")}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("a stranger's arrival (-want +got):\n%s", diff)
	}

	// Nobody comes in by it from within the tailnet.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if c, err := control.Phone(t, "phone").Dial(ctx, "tcp", ownName+":443"); err == nil {
		c.SetDeadline(time.Now().Add(time.Minute))
		if err := tls.Client(c, &tls.Config{RootCAs: pool, ServerName: ownName}).HandshakeContext(ctx); err == nil {
			t.Error("Funnel's door is open to the tailnet")
		}
		c.Close()
	}
}

// TestFunnelIsNotAllowed: what is missing in the tailnet's policy is said in words.
func TestFunnelIsNotAllowed(t *testing.T) {
	control := tailnettest.Start(t, func(s *testcontrol.Server) { s.DefaultNodeCapabilities = &tailcfg.NodeCapMap{} })
	h := newHome(t, control.URL, func(o *Options) { o.Funnel = true })
	h.open(h.node.FunnelDoor(remote.Dashboard, h.node.FunnelTLS(remote.Dashboard)))
	if s := h.awaitFunnel(remote.NeedsYou); s.Detail == "" || s.Action == "" {
		t.Errorf("got %+v, want what is missing and where to set it", s)
	}
}

// TestFunnelIsShut: it is off unless it is wanted, and who was in is out when it is
// shut.
func TestFunnelIsShut(t *testing.T) {
	h := newHome(t, tailnettest.Start(t).URL)
	h.await(remote.Up)
	if s := h.node.FunnelReporter().Status(); s.State != remote.Off {
		t.Errorf("unasked: got %+v, want off", s)
	}
	certified(t, h.node)
	h.stop()
	h.o.Funnel = true
	h.run()
	shut := h.open(h.node.FunnelDoor(remote.Dashboard, h.node.FunnelTLS(remote.Dashboard)))
	h.awaitFunnel(remote.Up)
	h.stop()
	shut()
	h.o.Funnel = false
	h.run()
	h.awaitFunnel(remote.Off)
}

func (h *home) awaitFunnel(want remote.State) remote.Status {
	h.t.Helper()
	deadline := time.Now().Add(within)
	for {
		s := h.node.FunnelReporter().Status()
		if s.State == want {
			return s
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("Funnel is not %q within %v: %+v\n%s", want, within, s, h.log)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
