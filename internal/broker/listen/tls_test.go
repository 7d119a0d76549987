package listen

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTLS(t *testing.T) {
	a := newAuthority(t)
	h := &holder{pair: a.pair("hems.local", x509.ExtKeyUsageServerAuth)}
	l, r, taken := start(t, Options{TLS: &TLS{GetCertificate: h.get}})
	first, err := secure(t, l, a.client())
	if err != nil {
		t.Fatal(err)
	}
	if c := <-taken; c.Certificate != nil || c.Name() != "" {
		t.Errorf("a certificate nobody asked for: %v", c.Name())
	}

	// A new certificate is shown to who comes now; who is there stays.
	h.set(a.pair("hems.local", x509.ExtKeyUsageServerAuth))
	second, err := secure(t, l, a.client())
	if err != nil {
		t.Fatal(err)
	}
	if first.ConnectionState().PeerCertificates[0].Equal(second.ConnectionState().PeerCertificates[0]) {
		t.Error("the old certificate is still shown")
	}
	echo(t, first, "still there")

	old := a.client()
	old.MaxVersion, old.MinVersion = tls.VersionTLS11, tls.VersionTLS10
	if _, err := secure(t, l, old); err == nil {
		t.Error("TLS 1.1 was taken")
	}
	middle := a.client()
	middle.MaxVersion = tls.VersionTLS12
	if _, err := secure(t, l, middle); err != nil {
		t.Errorf("TLS 1.2: %v", err)
	}
	if _, err := secure(t, l, &tls.Config{ServerName: "hems.local"}); err == nil {
		t.Error("an unknown authority was trusted")
	}
	eventually(t, "both told", func() bool { return strings.Count(r.text(), "its TLS handshake") == 2 })
	plain := dial(t, l)
	plain.Write([]byte("\x10\x0c\x00\x04MQTT"))
	gone(t, plain)
}

func TestClientCertificates(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	h := &holder{pair: a.pair("hems.local", x509.ExtKeyUsageServerAuth)}
	good := a.pair("shelly", x509.ExtKeyUsageClientAuth)
	for _, require := range []bool{false, true} {
		l, _, taken := start(t, Options{TLS: &TLS{GetCertificate: h.get, Trust: a.trust(), RequireCertificate: require}})
		if _, err := secure(t, l, a.client(good)); err != nil {
			t.Fatal(err)
		}
		if c := <-taken; c.Name() != "shelly" {
			t.Errorf("name %q, want shelly", c.Name())
		}
		_, err := secure(t, l, a.client())
		if (err != nil) != require {
			t.Errorf("required %v, without a certificate: %v", require, err)
		}
		if err == nil {
			if c := <-taken; c.Name() != "" {
				t.Errorf("no certificate has the name %q", c.Name())
			}
		}
		foreign := a.client()
		foreign.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			p := other.pair("shelly", x509.ExtKeyUsageClientAuth)
			return &p, nil
		}
		if _, err := secure(t, l, foreign); err == nil {
			t.Error("a certificate of somebody else's authority was taken")
		}
		if _, err := secure(t, l, a.client(a.pair("shelly", x509.ExtKeyUsageServerAuth))); err == nil {
			t.Error("a server's certificate was taken for a client's")
		}
	}
}

func TestRevokedCertificates(t *testing.T) {
	a := newAuthority(t)
	h := &holder{pair: a.pair("hems.local", x509.ExtKeyUsageServerAuth)}
	trust := a.trust()
	l, r, _ := start(t, Options{TLS: &TLS{GetCertificate: h.get, Trust: trust, RequireCertificate: true}})
	good, lost := a.pair("kept", x509.ExtKeyUsageClientAuth), a.pair("lost", x509.ExtKeyUsageClientAuth)
	resumes := a.client(lost)
	resumes.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	if _, err := secure(t, l, resumes); err != nil {
		t.Fatal(err)
	}
	a.revoke(lost.Leaf)
	if _, err := secure(t, l, resumes); err == nil {
		t.Error("a revoked certificate is good for a session that is resumed")
	}
	if _, err := secure(t, l, a.client(lost)); err == nil {
		t.Error("a revoked certificate is good")
	}
	if _, err := secure(t, l, a.client(good)); err != nil {
		t.Errorf("another certificate: %v", err)
	}
	eventually(t, "the reason told", func() bool { return strings.Contains(r.text(), "has been revoked") })
	if err := trust.Verify(lost.Leaf); err == nil {
		t.Error("Verify takes a revoked certificate")
	}
	if err := trust.Verify(good.Leaf); err != nil {
		t.Errorf("Verify: %v", err)
	}

	// A list that is damaged, or of somebody else, leaves what was known.
	for _, text := range [][]byte{[]byte("damaged"), crlOf(t, newAuthority(t))} {
		if err := os.WriteFile(filepath.Join(a.dir, "ca.crl"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := secure(t, l, a.client(lost)); err == nil {
			t.Errorf("%.10q: the revoked certificate is good again", text)
		}
		if _, err := secure(t, l, a.client(good)); err != nil {
			t.Errorf("%.10q: %v", text, err)
		}
	}
	a.revoke()
	if _, err := secure(t, l, a.client(lost)); err != nil {
		t.Errorf("taken off the list: %v", err)
	}
}

func crlOf(t *testing.T, a *authority) []byte {
	t.Helper()
	a.revoke()
	b, err := os.ReadFile(filepath.Join(a.dir, "ca.crl"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAListThatMustBeThere(t *testing.T) {
	a := newAuthority(t)
	trust := NewTrust(filepath.Join(a.dir, "ca.crt"), filepath.Join(a.dir, "missing.crl"), false)
	if err := trust.Verify(a.pair("x", x509.ExtKeyUsageClientAuth).Leaf); err == nil {
		t.Error("without its list, a certificate is good")
	}
	trust = NewTrust(filepath.Join(a.dir, "missing.crt"), "", false)
	if err := trust.Verify(a.pair("x", x509.ExtKeyUsageClientAuth).Leaf); err == nil {
		t.Error("without authorities, a certificate is good")
	}
}

func TestSlowHandshakesAreCut(t *testing.T) {
	a := newAuthority(t)
	h := &holder{pair: a.pair("hems.local", x509.ExtKeyUsageServerAuth)}
	for name, o := range map[string]Options{
		"TLS":       {TLS: &TLS{GetCertificate: h.get}},
		"WebSocket": {WebSocket: &WebSocket{}},
	} {
		t.Run(name, func(t *testing.T) {
			o.Handshake = 200 * time.Millisecond
			l, _, _ := start(t, o)
			silent, half := dial(t, l), dial(t, l)
			if name == "TLS" {
				half.Write([]byte{22, 3, 1, 2, 0, 1})
			} else {
				half.Write([]byte("GET /mqtt HTTP/1.1\r\nHost: x\r\n"))
			}
			begin := time.Now()
			gone(t, silent)
			gone(t, half)
			if d := time.Since(begin); d > 2*time.Second {
				t.Errorf("it took %v", d)
			}
			eventually(t, "room again", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.open == 0 && len(l.shaking) == 0 })
			l.Close()
		})
	}
}

// TestHandshakesOfStrangersAreBounded opens more than may be under way.
func TestHandshakesOfStrangersAreBounded(t *testing.T) {
	a := newAuthority(t)
	h := &holder{pair: a.pair("hems.local", x509.ExtKeyUsageServerAuth)}
	l, r, _ := start(t, Options{TLS: &TLS{GetCertificate: h.get}})
	for range maxHandshakes {
		dial(t, l)
	}
	eventually(t, "all under way", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.shaking) == maxHandshakes })
	gone(t, dial(t, l))
	eventually(t, "the reason told", func() bool { return strings.Contains(r.text(), "not finished their handshake") })
	l.Close() // ends them
	eventually(t, "all gone", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.open == 0 })
}
