package pki

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"testing"
)

func clientRequest(t *testing.T) []byte {
	t.Helper()
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(random, &x509.CertificateRequest{DNSNames: []string{"hems.local"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

func TestClientCertificatesAreMadeAndRevoked(t *testing.T) {
	p := newPi(t)
	a := p.open(t)
	issue := func(name string) *x509.Certificate {
		t.Helper()
		b, err := a.IssueClient(name, clientRequest(t))
		if err != nil {
			t.Fatal(err)
		}
		c, err := parseCertificate(b)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	plug, lamp := issue("plug"), issue("lamp")
	ca, err := parseCertificate(a.CA())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	verify := func(use x509.ExtKeyUsage) error {
		_, err := plug.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: day(101), KeyUsages: []x509.ExtKeyUsage{use}})
		return err
	}
	if err := verify(x509.ExtKeyUsageClientAuth); err != nil {
		t.Errorf("as a client's: %v", err)
	}
	if verify(x509.ExtKeyUsageServerAuth) == nil {
		t.Error("it is good for a server")
	}
	if plug.Subject.CommonName != "plug" || len(plug.DNSNames) != 0 || plug.IsCA {
		t.Errorf("it says what the request asked for: %v %v", plug.Subject, plug.DNSNames)
	}

	p.now = day(200)
	a = p.open(t) // after a restart
	if n, err := a.RevokeClients("plug"); n != 1 || err != nil {
		t.Fatalf("revoked %d, %v", n, err)
	}
	if n, err := a.RevokeClients("plug"); n != 0 || err != nil {
		t.Errorf("revoked again: %d, %v", n, err)
	}
	again := issue("plug")
	if n, err := a.RevokeClients("nobody"); n != 0 || err != nil {
		t.Errorf("revoked of nobody: %d, %v", n, err)
	}
	b, err := os.ReadFile(a.path(RevokedFile))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	list, err := x509.ParseRevocationList(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if err := list.CheckSignatureFrom(ca); err != nil {
		t.Error(err)
	}
	on := map[string]bool{}
	for _, e := range list.RevokedCertificateEntries {
		on[e.SerialNumber.String()] = true
	}
	if !on[plug.SerialNumber.String()] || on[lamp.SerialNumber.String()] || on[again.SerialNumber.String()] || len(on) != 1 {
		t.Errorf("the list has %v", on)
	}
}

func TestWhatIsNoRequestGetsNoCertificate(t *testing.T) {
	a := newPi(t).open(t)
	good := clientRequest(t)
	block, _ := pem.Decode(good)
	block.Bytes[len(block.Bytes)-5] ^= 1 // its signature
	for _, request := range [][]byte{nil, []byte("x"), a.CA(), pem.EncodeToMemory(block)} {
		if _, err := a.IssueClient("x", request); !errors.Is(err, ErrRequest) {
			t.Errorf("%.30q: got %v, want ErrRequest", request, err)
		}
	}
}
