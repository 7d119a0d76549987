package delivery

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func secret(s string) Secret { return func() (string, error) { return s + "\n", nil } }

func TestEveryKindIsAskedInItsOwnWay(t *testing.T) {
	for _, tc := range []struct {
		name string
		d    Destination
		want string
	}{
		{"InfluxDB2", Destination{Org: "hems", Bucket: "home", Token: secret("t")}, "/api/v2/write?bucket=home&org=hems&precision=ns Token t"},
		{"InfluxDB18ByTheSameDoor", Destination{Bucket: "home/year", Token: secret("user:password")}, "/api/v2/write?bucket=home%2Fyear&org=&precision=ns Token user:password"},
		{"InfluxDB1", Destination{Kind: InfluxDB1, Database: "home", RetentionPolicy: "year", User: "u", Password: secret("p")}, "/write?db=home&precision=ns&rp=year Basic dTpw"},
		{"InfluxDB1WithAToken", Destination{Kind: InfluxDB1, Database: "home", Token: secret("u:p")}, "/write?db=home&precision=ns Token u:p"},
		{"InfluxDB3", Destination{Kind: InfluxDB3, Database: "home", Token: secret("t")}, "/api/v3/write_lp?accept_partial=true&db=home&precision=nanosecond Bearer t"},
		{"VictoriaMetrics", Destination{Kind: VictoriaMetrics}, "/api/v2/write?precision=ns "},
		{"VictoriaMetricsWithAPassword", Destination{Kind: VictoriaMetrics, User: "u", Password: secret("p")}, "/api/v2/write?precision=ns Basic dTpw"},
		{"VictoriaMetricsWithAToken", Destination{Kind: VictoriaMetrics, Token: secret("t")}, "/api/v2/write?precision=ns Bearer t"},
		{"AClusterOfThem", Destination{Kind: VictoriaMetrics, Tenant: "12:3", Token: secret("t")}, "/insert/12:3/influx/api/v2/write?precision=ns Bearer t"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			srv := newServer(t)
			r := newRig(t, srv.URL, func(d *Destination) { *d = tc.d; d.Name, d.URL = "x", srv.URL })
			r.readings(t, 1, "a")
			r.sendAll(t)
			if diff := cmp.Diff([]string{"POST " + tc.want}, srv.queries); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

// authority makes certificates for the tests.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	var der []byte
	a.key, der = a.make(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, Subject: pkix.Name{CommonName: "the home's authority"}})
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pem = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return a
}

func (a *authority) make(c *x509.Certificate) (*ecdsa.PrivateKey, []byte) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(1), time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	by, with := a.cert, a.key
	if by == nil {
		by, with = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by, &key.PublicKey, with)
	if err != nil {
		a.t.Fatal(err)
	}
	return key, der
}

// pair is a certificate for a server, or without a name for a client, in PEM.
func (a *authority) pair(name string) (cert, key string) {
	a.t.Helper()
	c := &x509.Certificate{Subject: pkix.Name{CommonName: "us"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if name != "" {
		c.DNSNames, c.ExtKeyUsage = []string{name}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	k, der := a.make(c)
	b, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: b}))
}

// What a client is told of a certificate that a server does not take depends on
// which of the two is quicker.
func TestCertificatesAreAlwaysChecked(t *testing.T) {
	ours, another := newAuthority(t), newAuthority(t)
	cert, key := ours.pair("localhost")
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	clientCert, clientKey := ours.pair("")
	strangerCert, strangerKey := another.pair("")
	for _, tc := range []struct {
		name       string
		set        func(*Destination)
		host       string
		clients    bool // the server asks for a certificate
		want, hint string
	}{
		{name: "TheirAuthorityIsGiven", set: func(d *Destination) { d.Authority = secret(ours.pem) }},
		{name: "WithACertificateOfOurs", clients: true, set: func(d *Destination) {
			d.Authority, d.Certificate, d.Key = secret(ours.pem), secret(clientCert), secret(clientKey)
		}},
		{name: "NoAuthority", set: func(d *Destination) {}, want: "its certificate is not trusted", hint: "name it as its ca"},
		{name: "AnotherAuthority", set: func(d *Destination) { d.Authority = secret(another.pem) }, want: "its certificate is not trusted", hint: "name it as its ca"},
		{name: "AnotherName", host: "127.0.0.1", set: func(d *Destination) { d.Authority = secret(ours.pem) }, want: "its certificate is not right", hint: "check the address of x"},
		{name: "NoCertificateInTheFile", set: func(d *Destination) { d.Authority = secret("nonsense") }, want: "no certificate in PEM", hint: "secrets/"},
		{name: "NoFile", set: func(d *Destination) { d.Authority = func() (string, error) { return "", errors.New("no such file") } }, want: "no such file", hint: "secrets/"},
		{name: "TheServerWantsOne", clients: true, set: func(d *Destination) { d.Authority = secret(ours.pem) }, want: "it ", hint: "check"},
		{name: "ACertificateOfAnother", clients: true, set: func(d *Destination) {
			d.Authority, d.Certificate, d.Key = secret(ours.pem), secret(strangerCert), secret(strangerKey)
		}, want: "it ", hint: "check"},
		{name: "KeyAndCertificateDoNotFit", set: func(d *Destination) {
			d.Authority, d.Certificate, d.Key = secret(ours.pem), secret(clientCert), secret(strangerKey)
		}, want: "the client certificate cannot be used", hint: "secrets/"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &server{}
			s.Server = httptest.NewUnstartedServer(s)
			s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
			s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
			if tc.clients {
				pool := x509.NewCertPool()
				pool.AddCert(ours.cert)
				s.TLS.ClientAuth, s.TLS.ClientCAs = tls.RequireAndVerifyClientCert, pool
			}
			s.StartTLS()
			t.Cleanup(s.Close)
			host := tc.host
			if host == "" {
				host = "localhost"
			}
			r := newRig(t, strings.Replace(s.URL, "127.0.0.1", host, 1), func(d *Destination) { d.Name, d.Token = "x", nil; tc.set(d) })
			r.pause = func(context.Context, time.Duration) bool { return false }
			r.readings(t, 1, "a")
			r.sendAll(t)
			what, hint := r.Trouble()
			if (what == "") != (tc.want == "") || !strings.Contains(what, tc.want) || !strings.Contains(hint, tc.hint) {
				t.Errorf("got %q, %q; want %q, %q", what, hint, tc.want, tc.hint)
			}
			if got := len(s.lines()); (got == 1) != (tc.want == "") {
				t.Errorf("the server has %d lines", got)
			}
		})
	}
}

// A redirect would take the token elsewhere.
func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := newServer(t)
	srv := httptest.NewServer(http.RedirectHandler(elsewhere.URL+"/api/v2/write", http.StatusTemporaryRedirect))
	t.Cleanup(srv.Close)
	r := newRig(t, srv.URL)
	r.pause = func(context.Context, time.Duration) bool { return false }
	r.readings(t, 1, "a")
	r.sendAll(t)
	if what, hint := r.Trouble(); !strings.Contains(what, "307") || hint == "" || elsewhere.requests != 0 {
		t.Errorf("got %q, %q and %d requests elsewhere", what, hint, elsewhere.requests)
	}
}
