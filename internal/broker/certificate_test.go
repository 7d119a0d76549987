package broker_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/broker"
	"github.com/smartcore-ireland/hems/internal/broker/listen"
	"github.com/smartcore-ireland/hems/internal/broker/passwd"
	"github.com/smartcore-ireland/hems/internal/pki"
)

// secured is a house whose first listener speaks TLS with an authority's
// certificates, and whose clients may show theirs.
type secured struct {
	*house
	authority *pki.Authority
	roots     *x509.CertPool
}

func startSecured(t *testing.T) *secured {
	t.Helper()
	h := withPeople(t)
	dir := filepath.Join(filepath.Dir(h.opt.Dir), "pki")
	a, err := pki.Open(pki.Options{
		Dir: dir, Holders: []pki.Holder{{Name: "broker"}}, Host: func() string { return "hems" },
		Synchronised: func() bool { return true }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	h.opt.TCP = nil
	h.opt.Listeners = []broker.Listener{{
		Options: listen.Options{Network: "tcp", Address: "127.0.0.1:0", TLS: &listen.TLS{
			GetCertificate: pki.NewCertificates(pki.HolderDir(dir, "broker")).GetCertificate,
			Trust:          listen.NewTrust(filepath.Join(dir, pki.CAFile), filepath.Join(dir, pki.RevokedFile), true),
		}},
		UseIdentityAsUsername: true,
	}}
	s := &secured{house: h, authority: a, roots: x509.NewCertPool()}
	s.roots.AppendCertsFromPEM(a.CA())
	s.start(t)
	return s
}

// certified is a client's certificate.
func (s *secured) certified(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := s.authority.IssueClient(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(cert)
	return tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}
}

func (s *secured) dial(t *testing.T, certs ...tls.Certificate) (*wire, error) {
	t.Helper()
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", s.tcp(), &tls.Config{RootCAs: s.roots, ServerName: "hems.local", Certificates: certs})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	return &wire{t, c, bufio.NewReader(c)}, nil
}

func (s *secured) mustDial(t *testing.T, certs ...tls.Certificate) *wire {
	t.Helper()
	w, err := s.dial(t, certs...)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestACertificateNamesTheUser(t *testing.T) {
	s := startSecured(t)
	alice := s.mustDial(t, s.certified(t, "alice"))
	alice.connect(hello{version: 5, id: "a", user: "bob", password: "whatever", keepAlive: 60}, 0) // what it calls itself does not count
	alice.send(frame(0x32, text("alice/x"), []byte{0, 1, 0}, []byte("x")))
	if p := alice.packet(); len(p) < 4 || p[0] != 0x40 || len(p) > 4 && p[4] >= 0x80 {
		t.Errorf("alice may not write alice/x: %x", p)
	}
	alice.send(frame(0x32, text("bob/x"), []byte{0, 2, 0}, []byte("x")))
	if p := alice.packet(); len(p) < 5 || p[4] != 0x87 {
		t.Errorf("alice may write bob/x: %x", p)
	}
	for _, name := range []string{"home", "zigbee"} { // nobody becomes one of the appliance's own so
		w := s.mustDial(t, s.certified(t, name))
		w.connect(hello{version: 4, id: name, keepAlive: 60}, 5)
	}
	w := s.mustDial(t) // without one, it is name and password
	w.connect(hello{version: 4, id: "b", user: "bob", password: "x", keepAlive: 60}, 0)
	w = s.mustDial(t)
	w.connect(hello{version: 4, id: "c", keepAlive: 60}, 5)
}

func TestARevokedCertificateEndsItsConnections(t *testing.T) {
	s := startSecured(t)
	cert := s.certified(t, "alice")
	alice, bob := s.mustDial(t, cert), s.mustDial(t)
	alice.connect(hello{version: 5, id: "a", keepAlive: 60}, 0)
	bob.connect(hello{version: 5, id: "b", user: "bob", password: "x", keepAlive: 60}, 0)
	if n, err := s.authority.RevokeClients("alice"); n != 1 || err != nil {
		t.Fatalf("revoked %d, %v", n, err)
	}
	alice.closed(0x87)
	bob.send([]byte{0xc0, 0})
	if p := bob.packet(); len(p) == 0 || p[0] != 0xd0 {
		t.Errorf("bob, of whom nothing changed, got % x", p)
	}
	if w, err := s.dial(t, cert); err == nil { // TLS 1.3 tells it with the first read
		w.send(hello{version: 5, id: "a", keepAlive: 60}.bytes())
		if p := w.packet(); p != nil {
			t.Errorf("the revoked certificate is answered %x", p)
		}
	}
	eventually(t, "the reason in the log", func() bool { return strings.Contains(s.log.String(), "has been revoked") })
}

func TestRenewedCertificatesDropNobody(t *testing.T) {
	s := startSecured(t)
	bob := s.mustDial(t)
	bob.connect(hello{version: 5, id: "b", user: "bob", password: "x", keepAlive: 60}, 0)
	if _, err := s.authority.Renew(); err != nil {
		t.Fatal(err)
	}
	s.passwords(t, func(f *passwd.File) { f.Remove("alice") }) // and so are the files of users
	eventually(t, "the files read", func() bool { return strings.Contains(s.log.String(), "users=1") })
	bob.send([]byte{0xc0, 0})
	if p := bob.packet(); len(p) == 0 || p[0] != 0xd0 {
		t.Errorf("bob got % x", p)
	}
}
