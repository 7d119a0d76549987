package phones

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/smartcore-ireland/hems/internal/pki"
	"github.com/smartcore-ireland/hems/internal/remote"
)

// home is an authority and the directory where it leaves what guards judge by.
type home struct {
	*pki.Authority
	t   *testing.T
	dir string
	now time.Time
}

func newHome(t *testing.T) *home {
	t.Helper()
	h := &home{t: t, dir: t.TempDir(), now: time.Now()}
	a, err := pki.Open(pki.Options{
		Dir: h.dir, Holders: []pki.Holder{{Name: "gateway"}}, Phones: "gateway", Host: func() string { return "hems" },
		Synchronised: func() bool { return true }, Addresses: func() ([]netip.Prefix, error) { return nil, nil },
		Now: func() time.Time { return h.now }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	h.Authority = a
	return h
}

func (h *home) guard(modes map[remote.Way]Mode) *Guard {
	return New(Options{Dir: pki.HolderDir(h.dir, "gateway"), Modes: modes, Seen: filepath.Join(h.dir, "seen.json"),
		Clock: func() time.Time { return h.now }, Log: slog.New(slog.DiscardHandler)})
}

// phone is what one of that name shows.
func (h *home) phone(name string) tls.Certificate {
	h.t.Helper()
	key, err := pki.NewPhoneKey()
	if err != nil {
		h.t.Fatal(err)
	}
	cert, _, err := h.IssuePhone(name, key.Request)
	if err != nil {
		h.t.Fatal(err)
	}
	parcel, err := key.Parcel(pki.Android, cert, "x")
	if err != nil {
		h.t.Fatal(err)
	}
	k, c, err := pkcs12.Decode(parcel, "x")
	if err != nil {
		h.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: k, Leaf: c}
}

// ask is how a request over TLS with that certificate is judged at a way in.
func ask(g *Guard, w remote.Way, c *tls.Certificate) (name string, status int) {
	r := httptest.NewRequest("GET", "https://hems.example/", nil)
	r.TLS = &tls.ConnectionState{}
	if c != nil {
		r.TLS.PeerCertificates = []*x509.Certificate{c.Leaf}
	}
	d := g.Door(remote.Door{Way: w, Arrive: func(net.Conn) remote.Arrival { return remote.Arrival{Way: w} }})
	if d.Admit == nil {
		return "", http.StatusOK
	}
	a, err := d.Admit(r, d.Arrive(nil))
	if no, ok := errors.AsType[*remote.Refusal](err); ok {
		return a.Certificate, no.Status
	}
	return a.Certificate, http.StatusOK
}

func TestEachWayAsksAsItIsSet(t *testing.T) {
	h := newHome(t)
	alice, bob := h.phone("Alice"), h.phone("Bob")
	if err := h.RevokePhone("Bob"); err != nil {
		t.Fatal(err)
	}
	g := h.guard(map[remote.Way]Mode{remote.LAN: Optional, remote.Funnel: Required})
	for _, tt := range []struct {
		what  string
		way   remote.Way
		shown *tls.Certificate
		name  string
		want  int
	}{
		{"none at home", remote.LAN, nil, "", 200},
		{"one at home", remote.LAN, &alice, "Alice", 200},
		{"a revoked one at home", remote.LAN, &bob, "", 403},
		{"none on Funnel", remote.Funnel, nil, "", 403},
		{"one on Funnel", remote.Funnel, &alice, "Alice", 200},
		{"a revoked one on Funnel", remote.Funnel, &bob, "", 403},
		{"one on the tailnet, where nobody asks", remote.Tailnet, &alice, "", 200},
	} {
		if name, status := ask(g, tt.way, tt.shown); name != tt.name || status != tt.want {
			t.Errorf("%s: got %q, %d; want %q, %d", tt.what, name, status, tt.name, tt.want)
		}
	}
	h.now = h.now.AddDate(3, 0, 0)
	if name, status := ask(g, remote.LAN, &alice); name != "" || status != 200 {
		t.Errorf("one that has run out, at home: got %q, %d", name, status)
	}
	if name, status := ask(g, remote.Funnel, &alice); name != "" || status != 403 {
		t.Errorf("one that has run out, on Funnel: got %q, %d", name, status)
	}
}

// TestOnlyTheHomeIsNotShut: without any phone that could come in, the home's own
// network asks as if it were optional; what is open to the world stays shut.
func TestOnlyTheHomeIsNotShut(t *testing.T) {
	h := newHome(t)
	g := h.guard(map[remote.Way]Mode{remote.LAN: Required, remote.Funnel: Required})
	check := func(what string, lan Mode) {
		t.Helper()
		if got := g.Mode(remote.LAN); got != lan {
			t.Errorf("%s: at home got %s, want %s", what, got, lan)
		}
		if got := g.Mode(remote.Funnel); got != Required {
			t.Errorf("%s: on Funnel got %s, want required", what, got)
		}
	}
	check("without phones", Optional)
	h.phone("Alice")
	check("with one", Required)
	if err := h.RevokePhone("Alice"); err != nil {
		t.Fatal(err)
	}
	check("with a revoked one", Optional)
	h.phone("Bob")
	check("with another", Required)
	h.now = h.now.AddDate(3, 0, 0)
	check("when it has run out", Optional)
}

// TestInnerDoorsHaveTheirSay: what a way in refuses by itself stays refused, and
// what it says of a visitor stays said.
func TestInnerDoorsHaveTheirSay(t *testing.T) {
	h := newHome(t)
	alice := h.phone("Alice")
	g := h.guard(map[remote.Way]Mode{remote.Funnel: Optional})
	d := g.Door(remote.Door{Way: remote.Funnel, Admit: func(r *http.Request, a remote.Arrival) (remote.Arrival, error) {
		if r.Host == "other.example" {
			return a, &remote.Refusal{Status: http.StatusMisdirectedRequest}
		}
		a.Address = netip.MustParseAddr("203.0.113.7")
		return a, nil
	}})
	r := httptest.NewRequest("GET", "https://hems.example/", nil)
	r.TLS.PeerCertificates = []*x509.Certificate{alice.Leaf}
	a, err := d.Admit(r, remote.Arrival{Way: remote.Funnel})
	if want := (remote.Arrival{Way: remote.Funnel, Address: netip.MustParseAddr("203.0.113.7"), Certificate: "Alice"}); err != nil || a != want {
		t.Errorf("got %+v, %v; want %+v", a, err, want)
	}
	r.Host = "other.example"
	if _, err := d.Admit(r, remote.Arrival{}); err == nil {
		t.Error("a certificate opens what the way in refuses")
	}
}

// TestWhenAPhoneWasSeenIsKept over restarts, and a damaged file is no trouble.
func TestWhenAPhoneWasSeenIsKept(t *testing.T) {
	h := newHome(t)
	alice := h.phone("Alice")
	modes := map[remote.Way]Mode{remote.LAN: Optional, remote.Funnel: Optional}
	g := h.guard(modes)
	ask(g, remote.LAN, &alice)
	serial := alice.Leaf.SerialNumber.String()
	first := Sight{h.now.UTC().Truncate(time.Second), remote.LAN}
	if err := g.seen.keep(); err != nil {
		t.Fatal(err)
	}
	g = h.guard(modes)
	if diff := cmp.Diff(first, g.Seen(serial)); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
	h.now = h.now.Add(10 * time.Second)
	ask(g, remote.LAN, &alice)
	if diff := cmp.Diff(first, g.Seen(serial)); diff != "" {
		t.Errorf("seconds later (-want +got):\n%s", diff)
	}
	ask(g, remote.Funnel, &alice)
	if got := g.Seen(serial).Way; got != remote.Funnel {
		t.Errorf("elsewhere: got %q, want funnel", got)
	}
	if err := os.WriteFile(filepath.Join(h.dir, "seen.json"), []byte("null"), 0o600); err != nil {
		t.Fatal(err)
	}
	g = h.guard(modes)
	ask(g, remote.LAN, &alice)
	if got := g.Seen(serial).Way; got != remote.LAN {
		t.Errorf("after damage: got %q, want lan", got)
	}
}
