package gateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/smartcore-ireland/hems/internal/pki"
)

// newAuthority is the appliance's own, with certificates for the gateway.
func newAuthority(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	openAuthority(t, dir)
	return dir
}

func openAuthority(t *testing.T, dir string) *pki.Authority {
	t.Helper()
	a, err := pki.Open(pki.Options{
		Dir: dir, Holders: []pki.Holder{{Name: "gateway"}}, Phones: "gateway", Host: func() string { return "hems" }, Synchronised: func() bool { return true },
		Addresses: func() ([]netip.Prefix, error) { return nil, nil }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// authorityFileOf is a file with some authority's certificate.
func authorityFileOf(t *testing.T) string {
	t.Helper()
	return filepath.Join(newAuthority(t), pki.CAFile)
}

// secureHouse is a house that is also served over TLS, with the appliance's own
// certificate.
type secureHouse struct {
	*house
	plain, tls string // addresses
	roots      *x509.CertPool
	ca         []byte // PEM
}

func newSecureHouse(t *testing.T, settings ...setting) *secureHouse {
	t.Helper()
	dir := newAuthority(t)
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	plain, secure := listen(), listen()
	port := func(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }
	s := &secureHouse{plain: fmt.Sprintf("http://localhost:%d", port(plain)), tls: fmt.Sprintf("https://localhost:%d", port(secure)), roots: x509.NewCertPool()}
	s.house = newHouse(t, append([]setting{func(o *Options) {
		o.Certificates = pki.NewCertificates(pki.HolderDir(dir, "gateway")).GetCertificate
		o.Authority = filepath.Join(dir, pki.CAFile)
		o.Port, o.PortTLS = port(plain), port(secure)
	}}, settings...)...)
	a, err := s.readAuthority()
	if err != nil {
		t.Fatal(err)
	}
	s.ca = a.pem
	s.roots.AddCert(a.cert)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 2)
	go func() { served <- s.serve(ctx, plain, s.guarded(s.onLAN(false))) }()
	go func() { served <- s.serve(ctx, secure, s.guarded(s.onLAN(true))) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-served; err != nil {
				t.Errorf("serving: %v", err)
			}
		}
	})
	return s
}

// browserOf is a client that keeps cookies, follows nothing and trusts the
// appliance.
func (s *secureHouse) browserOf() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &http.Client{
		Jar: jar, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.roots}, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (s *secureHouse) get(c *http.Client, url string) (*http.Response, string) {
	s.t.Helper()
	res, err := c.Get(url)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res, string(b)
}

func TestHTTPSWithTheAppliancesCertificate(t *testing.T) {
	s := newSecureHouse(t)
	c := s.browserOf()
	res, _ := s.get(c, s.tls+"/login")
	if res.StatusCode != http.StatusOK || res.ProtoMajor != 2 {
		t.Errorf("got %s over HTTP/%d, want 200 over HTTP/2", res.Status, res.ProtoMajor)
	}
	if got := res.Header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("Strict-Transport-Security: got %q: the plain address must go on working", got)
	}
	if got := res.Header.Get("Content-Security-Policy"); strings.Contains(got, "https://") {
		t.Errorf("the policy over TLS names another origin: %q", got)
	}
	res, _ = s.get(c, s.plain+"/login")
	if got, want := res.Header.Get("Content-Security-Policy"), "connect-src 'self' "+s.tls+";"; !strings.Contains(got, want) {
		t.Errorf("the policy in the clear: got %q, want %q in it", got, want)
	}
	for _, host := range []string{"evil.example;script-src *", "a b", "x'y", "[::1", "-", ""} {
		if got := (&Gateway{o: Options{PortTLS: 8443, Authority: "x"}}).betterOrigin(&http.Request{Host: host}); got != "" {
			t.Errorf("with the host %q: the policy would name %q", host, got)
		}
	}
	if _, err := http.Get(s.tls + "/login"); err == nil {
		t.Error("a client that does not trust the appliance got an answer")
	}
}

func TestTheProbeIsForThisHostAlone(t *testing.T) {
	s := newSecureHouse(t)
	for origin, want := range map[string]string{
		s.plain: s.plain, "http://localhost": "http://localhost", "https://localhost": "", "http://evil.example": "", "null": "", "": "",
	} {
		r, err := http.NewRequest("GET", s.tls+"/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", origin)
		res := s.do(s.browserOf(), r)
		if got := res.Header.Get("Access-Control-Allow-Origin"); got != want {
			t.Errorf("from %q: got %q, want %q", origin, got, want)
		}
		if got := res.Header.Get("Access-Control-Allow-Credentials"); got != "" {
			t.Errorf("from %q: credentials are allowed: %q", origin, got)
		}
	}
}

// TestSessionMovesToTLS: who signed in in the clear stays signed in when the page
// moves over, by a cookie that was never in the clear; the old one is worth
// nothing then.
func TestSessionMovesToTLS(t *testing.T) {
	s := newSecureHouse(t)
	c := s.browserOf()
	form := url.Values{"user": {owner}, "password": {password}}
	res, err := c.PostForm(s.plain+"/login", form)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	cookies := res.Cookies()
	if len(cookies) != 1 || cookies[0].Secure || !strings.HasPrefix(cookies[0].Name, "hems_session_") {
		t.Fatalf("signed in in the clear: got %v", cookies)
	}
	old := cookies[0]
	res, _ = s.get(c, s.tls+"/devices")
	if res.StatusCode != http.StatusOK {
		t.Fatalf("over TLS: got %s to %s, want to be signed in", res.Status, res.Header.Get("Location"))
	}
	var better *http.Cookie
	for _, k := range res.Cookies() {
		if strings.HasPrefix(k.Name, "__Host-hems_session_") {
			better = k
		}
	}
	if better == nil || !better.Secure || !better.HttpOnly || better.Path != "/" || better.Value == old.Value {
		t.Fatalf("over TLS: got %v, want a cookie of its own that is Secure", res.Cookies())
	}
	r, err := http.NewRequest("GET", s.plain+"/devices", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(old)
	if res := s.do(s.visitor(), r); res.StatusCode != http.StatusSeeOther {
		t.Errorf("the cookie that was in the clear: got %s, want the sign-in page", res.Status)
	}
	r.Header.Del("Cookie")
	r.AddCookie(&http.Cookie{Name: better.Name, Value: better.Value})
	if res := s.do(s.visitor(), r); res.StatusCode != http.StatusSeeOther {
		t.Errorf("the better cookie in the clear: got %s, want the sign-in page: no browser sends it there", res.Status)
	}
	if res, _ = s.get(c, s.tls+"/"); res.StatusCode != http.StatusOK || len(res.Cookies()) != 0 {
		t.Errorf("the next page: got %s and %v, want it with the same session", res.Status, res.Cookies())
	}
	if res, err = c.PostForm(s.tls+"/logout", nil); err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res, _ = s.get(c, s.tls+"/"); res.StatusCode != http.StatusSeeOther {
		t.Errorf("signed out: got %s, want the sign-in page", res.Status)
	}
}

func TestCertificateIsHandedOutByALink(t *testing.T) {
	s := newSecureHouse(t)
	c := s.browserOf()
	res, err := c.PostForm(s.tls+"/login", url.Values{"user": {owner}, "password": {password}})
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	res, page := s.get(c, s.tls+"/system/https")
	link := regexp.MustCompile(`http://localhost:\d+/trust/[A-Za-z0-9_-]{22}`).FindString(page)
	if res.StatusCode != http.StatusOK || link == "" || !strings.HasPrefix(link, s.plain) || !strings.Contains(page, `<svg class="qr"`) {
		t.Fatalf("the page with the code: %s, link %q", res.Status, link)
	}
	phone := s.browserOf()
	res, page = s.get(phone, link)
	if res.StatusCode != http.StatusOK || !strings.Contains(page, link[len(s.plain):]+"/hems-ca.crt") || res.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("the phone's page: %s\n%s", res.Status, page)
	}
	res, body := s.get(phone, link+"/hems-ca.crt")
	if body != string(s.ca) || res.Header.Get("Content-Type") != "application/x-x509-ca-cert" {
		t.Errorf("the certificate: got %s %q", res.Header.Get("Content-Type"), body)
	}
	res, body = s.get(phone, link+"/hems-ca.mobileconfig")
	block, _ := pem.Decode(s.ca)
	if !strings.Contains(body, base64.StdEncoding.EncodeToString(block.Bytes)) || res.Header.Get("Content-Type") != "application/x-apple-aspen-config" {
		t.Errorf("the profile: got %s %q", res.Header.Get("Content-Type"), body)
	}
	for _, path := range []string{"", "/hems-ca.crt", "/hems-ca.mobileconfig"} {
		if res, _ := s.get(phone, s.plain+"/trust/AAAAAAAAAAAAAAAAAAAAAA"+path); res.StatusCode != http.StatusSeeOther {
			t.Errorf("a guessed link%s: got %s, want the sign-in page", path, res.Status)
		}
	}
	if res, _ := s.get(phone, link+"/other"); res.StatusCode != http.StatusNotFound {
		t.Errorf("another file: got %s, want 404", res.Status)
	}
}

func TestLinksEnd(t *testing.T) {
	var l links
	now := time.Unix(1e9, 0)
	first := l.give(now)
	if again := l.give(now.Add(linkTime - linkRest - time.Second)); again != first {
		t.Error("a link that is good for long is given again: got another")
	}
	second := l.give(now.Add(linkTime - linkRest))
	if second == first || !l.good(first, now.Add(linkTime-1)) || l.good(first, now.Add(linkTime)) || !l.good(second, now.Add(linkTime)) || l.good("", now) {
		t.Error("a link is good for an hour, and the next one as well")
	}
	for i := range 100 {
		l.give(now.Add(time.Duration(i) * (linkTime - linkRest)))
	}
	if len(l.until) > maxLinks {
		t.Errorf("%d links are kept, want at most %d", len(l.until), maxLinks)
	}
}

// TestCertificateIsReadAgain: a new certificate is shown without a restart.
func TestCertificateIsReadAgain(t *testing.T) {
	s := newSecureHouse(t)
	first, err := s.o.Certificates(&tls.ClientHelloInfo{ServerName: "hems.local"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := tls.Dial("tcp", strings.TrimPrefix(s.tls, "https://"), &tls.Config{RootCAs: s.roots, ServerName: "hems.local"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !bytes.Equal(c.ConnectionState().PeerCertificates[0].Raw, first.Certificate[0]) {
		t.Error("another certificate is shown than the one in the directory")
	}
}

// TestRapidReset: a client that begins requests and takes each back at once has no
// more of them worked on at a time than it may have open, and others are served
// meanwhile.
func TestRapidReset(t *testing.T) {
	s := newSecureHouse(t)
	conn, err := tls.Dial("tcp", strings.TrimPrefix(s.tls, "https://"), &tls.Config{RootCAs: s.roots, ServerName: "localhost", NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go io.Copy(io.Discard, conn)
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	other := s.browserOf()
	s.get(other, s.tls+"/login") // the connection is there
	before := runtime.NumGoroutine()
	out := bufio.NewWriter(conn)
	f := http2.NewFramer(out, nil)
	if err := f.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	// :method GET, :scheme https, :path /, :authority x, by the static table.
	block := []byte{0x82, 0x87, 0x84, 0x41, 0x01, 'x'}
	most := 0
	for n := range 20_000 {
		id := uint32(2*n + 1)
		err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndStream: true, EndHeaders: true})
		if err == nil {
			err = f.WriteRSTStream(id, http2.ErrCodeCancel)
		}
		if n%1000 == 999 && err == nil {
			err = out.Flush()
			most = max(most, runtime.NumGoroutine())
			if res, _ := s.get(other, s.tls+"/login"); res.StatusCode != http.StatusOK {
				t.Errorf("another visitor after %d: got %s, want 200", n+1, res.Status)
			}
		}
		if err != nil {
			break // it was let go, which is well too
		}
	}
	if most > before+2*maxStreams {
		t.Errorf("%d goroutines, %d before, want at most %d more", most, before, 2*maxStreams)
	}
}
