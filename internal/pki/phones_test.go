package pki

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"software.sslmate.com/src/go-pkcs12"
)

func (p *pi) openWithPhones(t *testing.T) *Authority {
	t.Helper()
	o := p.options()
	o.Phones = "gateway"
	a, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// phone makes a certificate for a phone of that name.
func phone(t *testing.T, a *Authority, name string) *x509.Certificate {
	t.Helper()
	b, made, err := a.IssuePhone(name, clientRequest(t))
	if err != nil {
		t.Fatal(err)
	}
	c, err := parseCertificate(b)
	if err != nil {
		t.Fatal(err)
	}
	if c.Subject.CommonName != name || made.Serial != c.SerialNumber.String() || !made.Until.Equal(c.NotAfter) {
		t.Errorf("the certificate says %v until %v, the list %+v", c.Subject, c.NotAfter, made)
	}
	return c
}

func pool(t *testing.T, path string) *x509.CertPool {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(b) {
		t.Fatalf("%s: no certificate", path)
	}
	return p
}

// TestPhonesAndMQTTDevicesAreTwoThings: the broker trusts ca.crt, the ways in trust
// phones.pem, and a certificate that one of them takes is nothing to the other.
func TestPhonesAndMQTTDevicesAreTwoThings(t *testing.T) {
	p := newPi(t)
	a := p.openWithPhones(t)
	alice := phone(t, a, "Alice")
	b, err := a.IssueClient("Alice", clientRequest(t)) // an MQTT user of the same name
	if err != nil {
		t.Fatal(err)
	}
	plug, err := parseCertificate(b)
	if err != nil {
		t.Fatal(err)
	}
	broker, ways := pool(t, a.path(CAFile)), pool(t, a.path("gateway", phonesPEM))
	for _, c := range []struct {
		what  string
		cert  *x509.Certificate
		roots *x509.CertPool
		use   x509.ExtKeyUsage
		good  bool
	}{
		{"a phone at a way in", alice, ways, x509.ExtKeyUsageClientAuth, true},
		{"a phone at the broker", alice, broker, x509.ExtKeyUsageClientAuth, false},
		{"a phone as a server", alice, ways, x509.ExtKeyUsageServerAuth, false},
		{"an MQTT device at the broker", plug, broker, x509.ExtKeyUsageClientAuth, true},
		{"an MQTT device at a way in", plug, ways, x509.ExtKeyUsageClientAuth, false},
	} {
		// With every certificate there is as a possible link between.
		between := x509.NewCertPool()
		between.AddCert(a.ca)
		between.AddCert(a.phonesCA)
		_, err := c.cert.Verify(x509.VerifyOptions{Roots: c.roots, Intermediates: between, CurrentTime: p.now, KeyUsages: []x509.ExtKeyUsage{c.use}})
		if (err == nil) != c.good {
			t.Errorf("%s: got %v, want it good: %v", c.what, err, c.good)
		}
	}
	s := NewShown(a.path("gateway"))
	if got, err := s.Verify(alice, p.now); err != nil || got.Name != "Alice" {
		t.Errorf("the phone: got %v, %v", got, err)
	}
	for what, c := range map[string]*x509.Certificate{"an MQTT device": plug, "the authority": a.ca, "the phones' authority": a.phonesCA} {
		if _, err := s.Verify(c, p.now); !errors.Is(err, ErrNotAPhone) {
			t.Errorf("%s: got %v, want ErrNotAPhone", what, err)
		}
	}
}

func TestARevokedPhoneStaysRevoked(t *testing.T) {
	p := newPi(t)
	a := p.openWithPhones(t)
	alice, bob := phone(t, a, "Alice"), phone(t, a, "Bob’s tablet")
	s := NewShown(a.path("gateway"))
	check := func(what string, c *x509.Certificate, want error) {
		t.Helper()
		if _, err := s.Verify(c, p.now); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", what, err, want)
		}
	}
	check("at first", alice, nil)
	if _, _, err := a.IssuePhone("alice", clientRequest(t)); !errors.Is(err, ErrPhoneUsed) {
		t.Errorf("a second of that name: got %v, want ErrPhoneUsed", err)
	}
	if err := a.RevokePhone("Alice"); err != nil {
		t.Fatal(err)
	}
	if err := a.RevokePhone("Alice"); !errors.Is(err, ErrNoPhone) {
		t.Errorf("again: got %v, want ErrNoPhone", err)
	}
	check("revoked", alice, ErrPhoneRevoked)
	check("another", bob, nil)

	a = p.openWithPhones(t)         // after a restart
	s = NewShown(a.path("gateway")) // of both
	again := phone(t, a, "Alice")   // a new one of the same name
	check("its successor", again, nil)
	check("revoked, after a restart", alice, ErrPhoneRevoked)
	p.now = p.now.AddDate(0, 0, phoneDays)
	check("after its time", bob, ErrPhoneExpired)
	if got := phone(t, a, "Bob’s tablet"); got.SerialNumber.Cmp(bob.SerialNumber) == 0 {
		t.Error("the successor has the serial of the one before")
	}

	if err := os.Remove(a.path("gateway", phonesList)); err != nil {
		t.Fatal(err)
	}
	check("without the list", again, ErrNotAPhone)
	if err := os.WriteFile(a.path("gateway", phonesList), []byte("{"), 0o640); err != nil {
		t.Fatal(err)
	}
	check("with a damaged list", again, ErrNotAPhone)
	if _, _, err := a.IssuePhone("Carol", clientRequest(t)); err == nil {
		t.Error("a damaged list was written over")
	}
}

func TestTheAuthorityOfPhonesStays(t *testing.T) {
	p := newPi(t)
	first := p.openWithPhones(t).phonesCA
	p.host, p.now = "energy", day(3000)
	if again := p.openWithPhones(t).phonesCA; !again.Equal(first) {
		t.Error("another host name made another authority of phones")
	}
	if err := os.Remove(filepath.Join(p.dir, "gateway", phonesPEM)); err != nil {
		t.Fatal(err)
	}
	if again := p.openWithPhones(t).phonesCA; again.Equal(first) || !bytes.Equal(again.RawSubject, first.RawSubject) {
		t.Error("a lost certificate was not made again for the same key")
	}
	info, err := os.Stat(filepath.Join(p.dir, "phones.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", info, err)
	}
}

func TestNamesOfPhones(t *testing.T) {
	for name, good := range map[string]bool{
		"Alice": true, "Síle Ní Bhriain": true, "Bob’s iPad-2_b.c": true, "手机": true, strings.Repeat("x", maxName): true,
		"": false, " a": false, "a ": false, "a\n": false, "a/b": false, `a"b`: false, "..": false, "<b>": false, "a\x00": false, "\xff": false,
		strings.Repeat("x", maxName+1): false,
	} {
		if err := PhoneName(name); (err == nil) != good {
			t.Errorf("%q: got %v, want it good: %v", name, err, good)
		}
	}
}

func TestParcelsAreReadByOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Fatal("openssl is missing: apt install openssl")
	}
	a := newPi(t).openWithPhones(t)
	key, err := NewPhoneKey()
	if err != nil {
		t.Fatal(err)
	}
	cert, _, err := a.IssuePhone("Alice", key.Request)
	if err != nil {
		t.Fatal(err)
	}
	c, err := parseCertificate(cert)
	if err != nil {
		t.Fatal(err)
	}
	if pub, ok := c.PublicKey.(*rsa.PublicKey); !ok || pub.Size() != 256 {
		t.Errorf("the key is %T, want RSA of 2048 bits", c.PublicKey)
	}
	for form, algorithm := range map[Form]string{Android: "pbeWithSHA1And3-KeyTripleDES-CBC", Modern: "AES-256-CBC"} {
		parcel, err := key.Parcel(form, cert, "kx4m-pass")
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "phone.p12")
		if err := os.WriteFile(file, parcel, 0o600); err != nil {
			t.Fatal(err)
		}
		// Of OpenSSL 3, 3DES with SHA-1 is in the default provider; what is older needs no word for it.
		out, err := exec.Command(openssl, "pkcs12", "-in", file, "-info", "-nodes", "-passin", "pass:kx4m-pass").CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("BEGIN PRIVATE KEY")) || !bytes.Contains(out, []byte("BEGIN CERTIFICATE")) || !bytes.Contains(out, []byte(algorithm)) {
			t.Errorf("%s: %v\n%s", form, err, out)
		}
		if out, err := exec.Command(openssl, "pkcs12", "-in", file, "-nodes", "-passin", "pass:wrong").CombinedOutput(); err == nil {
			t.Errorf("%s: a wrong password opens it:\n%s", form, out)
		}
		_, got, chain, err := pkcs12.DecodeChain(parcel, "kx4m-pass")
		if err != nil || !got.Equal(c) || len(chain) != 0 {
			t.Errorf("%s: got %v with %d more, %v", form, got, len(chain), err)
		}
	}
	other, err := NewPhoneKey()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Parcel(Modern, cert, "x"); err == nil {
		t.Error("a parcel of another's certificate was made")
	}
}
