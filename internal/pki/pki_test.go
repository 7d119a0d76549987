package pki

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// pi is the machine that an authority is on; tests change it.
type pi struct {
	dir    string
	host   string
	own    []netip.Prefix
	now    time.Time
	synced bool
	built  time.Time
	gid    int
}

func newPi(t *testing.T) *pi {
	t.Helper()
	return &pi{
		dir: t.TempDir(), host: "hems", own: prefixes("192.168.1.20/24", "fd12:3456:789a:1::20/64", "fe80::1/64", "81.2.69.142/24", "100.64.0.7/32"),
		now: day(100), synced: true, built: built,
	}
}

var built = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

// day is so many days after the program was built.
func day(n int) time.Time { return built.AddDate(0, 0, n) }

func prefixes(s ...string) (out []netip.Prefix) {
	for _, p := range s {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

func (p *pi) options() Options {
	return Options{
		Dir: p.dir, Holders: []Holder{{Name: "gateway", GID: p.gid}},
		Host:         func() string { return p.host },
		Addresses:    func() ([]netip.Prefix, error) { return p.own, nil },
		Synchronised: func() bool { return p.synced },
		Built:        p.built,
		Now:          func() time.Time { return p.now },
		Log:          slog.New(slog.DiscardHandler),
	}
}

func (p *pi) open(t *testing.T) *Authority {
	t.Helper()
	a, err := Open(p.options())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// leaf is the certificate that is shown to who connects to name.
func (p *pi) leaf(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	sni := name
	if net.ParseIP(name) != nil {
		sni = ""
	}
	pair, err := NewCertificates(HolderDir(p.dir, "gateway")).GetCertificate(&tls.ClientHelloInfo{ServerName: sni})
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

// trusts is what a phone says that has the authority's certificate.
func trusts(t *testing.T, caPEM []byte, leaf *x509.Certificate, name string, at time.Time) error {
	t.Helper()
	ca, err := parseCertificate(caPEM)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	_, err = leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: at})
	return err
}

func renew(t *testing.T, a *Authority, want bool) {
	t.Helper()
	got, err := a.Renew()
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("a certificate was made: got %v, want %v", got, want)
	}
}

func TestAPhoneThatHasTheCertificateTrustsTheServer(t *testing.T) {
	p := newPi(t)
	a := p.open(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: NewCertificates(HolderDir(p.dir, "gateway")).GetCertificate})
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{
		Handler:  http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }),
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // those who do not trust it hang up
	}
	go srv.Serve(l)
	defer srv.Close()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(a.CA()) {
		t.Fatal("the authority's certificate is not PEM")
	}
	for name, want := range map[string]bool{
		"hems.local": true, "hems": true, "localhost": true, "127.0.0.1": true, "[::1]": true,
		"192.168.1.20": true, "[fd12:3456:789a:1::20]": true,
		"example.com": false, "other.local": false, "192.168.1.21": false, "81.2.69.142": false, "100.64.0.7": false,
	} {
		client := &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, Time: func() time.Time { return day(101) }},
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
			},
		}}
		resp, err := client.Get("https://" + name + "/")
		if err == nil {
			resp.Body.Close()
		}
		client.CloseIdleConnections()
		if (err == nil) != want {
			t.Errorf("%s: got error %v, want trust %v", name, err, want)
		}
	}
}

// TestAStolenKeyIsGoodForThisApplianceAlone signs with the authority's key what
// its thief would like to have.
func TestAStolenKeyIsGoodForThisApplianceAlone(t *testing.T) {
	p := newPi(t)
	a := p.open(t)
	mail, err := url.Parse("https://example.com/")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		leaf x509.Certificate
		as   string
		want bool
	}{
		{"TheAppliance", x509.Certificate{DNSNames: []string{"hems.local"}}, "hems.local", true},
		{"BelowTheAppliance", x509.Certificate{DNSNames: []string{"x.hems.local"}}, "x.hems.local", true},
		{"TheInternet", x509.Certificate{DNSNames: []string{"example.com"}}, "example.com", false},
		{"BothAtOnce", x509.Certificate{DNSNames: []string{"hems.local", "example.com"}}, "hems.local", false},
		{"AnotherAppliance", x509.Certificate{DNSNames: []string{"nas.local"}}, "nas.local", false},
		{"AllOfLocal", x509.Certificate{DNSNames: []string{"*.local"}}, "nas.local", false},
		{"LooksAlike", x509.Certificate{DNSNames: []string{"xhems.local"}}, "xhems.local", false},
		{"ItsAddress", x509.Certificate{IPAddresses: []net.IP{net.ParseIP("192.168.1.20")}}, "192.168.1.20", true},
		{"AnotherNetwork", x509.Certificate{IPAddresses: []net.IP{net.ParseIP("192.168.2.1")}}, "192.168.2.1", false},
		{"AnAddressOfTheInternet", x509.Certificate{IPAddresses: []net.IP{net.ParseIP("81.2.69.142")}}, "81.2.69.142", false},
		{"ASixthAddressOfTheInternet", x509.Certificate{IPAddresses: []net.IP{net.ParseIP("2001:db8::1")}}, "2001:db8::1", false},
		{"Mail", x509.Certificate{EmailAddresses: []string{"me@example.com"}, DNSNames: []string{"hems.local"}}, "hems.local", false},
		{"URI", x509.Certificate{URIs: []*url.URL{mail}, DNSNames: []string{"hems.local"}}, "hems.local", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key, err := newKey()
			if err != nil {
				t.Fatal(err)
			}
			tt.leaf.SerialNumber, err = serial()
			if err != nil {
				t.Fatal(err)
			}
			tt.leaf.NotBefore, tt.leaf.NotAfter = day(99), day(200)
			tt.leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
			der, err := x509.CreateCertificate(rand.Reader, &tt.leaf, a.ca, &key.PublicKey, a.key)
			if err != nil {
				t.Fatal(err)
			}
			c, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			if err := trusts(t, a.CA(), c, tt.as, day(100)); (err == nil) != tt.want {
				t.Errorf("got error %v, want trust %v", err, tt.want)
			}
		})
	}
	ca := a.ca
	if !ca.PermittedDNSDomainsCritical || !ca.MaxPathLenZero || ca.MaxPathLen != 0 || !ca.IsCA {
		t.Error("the authority's certificate is not constrained")
	}
	code := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	if diff := cmp.Diff(code, ca.ExtKeyUsage); diff != "" {
		t.Errorf("uses (-want +got):\n%s", diff)
	}
}

func TestNothingIsMadeWithoutNeed(t *testing.T) {
	p := newPi(t)
	a := p.open(t)
	before := read(t, p.dir)
	renew(t, a, false)
	p.now = day(100 + leafDays - 32)
	renew(t, a, false)
	again := p.open(t)
	renew(t, again, false)
	if diff := cmp.Diff(before, read(t, p.dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestCertificatesAreRenewedBeforeTheirEnd(t *testing.T) {
	p := newPi(t)
	a := p.open(t)
	ca, first := a.CA(), p.leaf(t, "hems.local")
	if got, most := first.NotAfter.Sub(first.NotBefore), 397*24*time.Hour; got > most {
		t.Errorf("a certificate is good for %v, want at most %v", got, most)
	}
	p.now = first.NotAfter.Add(-leafRenew + time.Minute)
	renew(t, a, true)
	second := p.leaf(t, "hems.local")
	if second.NotAfter.Before(p.now.AddDate(1, 0, 0)) {
		t.Errorf("renewed until %v at %v", second.NotAfter, p.now)
	}
	if !bytes.Equal(ca, a.CA()) {
		t.Error("the authority's certificate was made anew too")
	}

	key := a.key
	p.now = a.ca.NotAfter.AddDate(0, -11, 0)
	renew(t, a, true)
	if bytes.Equal(ca, a.CA()) || !a.key.Equal(key) {
		t.Error("the authority's certificate was not made anew with its key")
	}
	// A phone that was given the first certificate is no worse off.
	if err := trusts(t, ca, p.leaf(t, "hems.local"), "hems.local", p.now); err != nil {
		t.Errorf("by the authority's first certificate: %v", err)
	}
	if err := trusts(t, a.CA(), p.leaf(t, "192.168.1.20"), "192.168.1.20", p.now); err != nil {
		t.Errorf("by the authority's new certificate: %v", err)
	}
}

func TestAnotherHostName(t *testing.T) {
	p := newPi(t)
	a := p.open(t)
	old := a.CA()
	p.host = "attic"
	renew(t, a, true)
	if err := trusts(t, a.CA(), p.leaf(t, "attic.local"), "attic.local", day(101)); err != nil {
		t.Error(err)
	}
	if err := trusts(t, old, p.leaf(t, "attic.local"), "attic.local", day(101)); err == nil {
		t.Error("the certificate of the old name vouches for the new one")
	}
	for _, host := range []string{"", "a.b", "-a", "a_b", "é"} {
		p.host = host
		if _, err := a.Renew(); err == nil {
			t.Errorf("%q was taken for a host name", host)
		}
	}
}

func TestAnotherAddress(t *testing.T) {
	p := newPi(t)
	a := p.open(t)
	ca := a.CA()
	p.own = prefixes("192.168.1.77/24")
	renew(t, a, true)
	if !bytes.Equal(ca, a.CA()) {
		t.Error("the authority's certificate was made anew within its network")
	}
	if err := trusts(t, ca, p.leaf(t, "192.168.1.77"), "192.168.1.77", day(101)); err != nil {
		t.Error(err)
	}

	p.own = prefixes("10.20.30.40/8") // another router
	renew(t, a, true)
	if err := trusts(t, a.CA(), p.leaf(t, "10.20.30.40"), "10.20.30.40", day(101)); err != nil {
		t.Error(err)
	}
	if permits(a.ca, netip.MustParseAddr("10.99.0.1")) {
		t.Error("all of 10.0.0.0/8 is permitted")
	}
	// A phone that has the first certificate goes on by name.
	if err := trusts(t, ca, p.leaf(t, "hems.local"), "hems.local", day(101)); err != nil {
		t.Errorf("by the authority's first certificate: %v", err)
	}
	second := a.CA()
	p.own = prefixes("192.168.1.20/24") // and back
	renew(t, a, true)
	if !bytes.Equal(second, a.CA()) {
		t.Error("coming back to a network that was known made a new certificate")
	}
	for i := range 60 { // a long life
		p.own = []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, byte(i), 1}), 24)}
		renew(t, a, true)
	}
	if got := len(permitted(a.ca)); got > maxNetworks {
		t.Errorf("%d networks, want at most %d", got, maxNetworks)
	}
	p.own = nil // the cable is out
	renew(t, a, true)
	if err := trusts(t, a.CA(), p.leaf(t, "127.0.0.1"), "127.0.0.1", day(101)); err != nil {
		t.Error(err)
	}
}

// TestAClockThatIsNotSet follows a card from its first start, on a Pi whose
// clock begins in 1970, to the first synchronisation. Phones have the right time.
func TestAClockThatIsNotSet(t *testing.T) {
	for _, tt := range []struct {
		name  string
		clock time.Time // of the Pi before it is set
		truth int       // days after the program was built
		keeps bool      // the first certificates are still good
	}{
		{"FreshImage", time.Unix(30, 0), 3, true},
		{"OldImage", time.Unix(30, 0), 300, true},
		{"ImageOfTheYearBeforeLast", time.Unix(30, 0), 700, false},
		{"ClockOfTheBuild", day(0), 3, true},
		{"ClockFarAhead", day(30000), 3, true},
		{"ClockAheadByMonths", day(200), 3, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPi(t)
			p.now, p.synced = tt.clock, false
			a := p.open(t)
			ca := a.CA()
			err := trusts(t, ca, p.leaf(t, "hems.local"), "hems.local", day(tt.truth))
			if (err == nil) != tt.keeps {
				t.Errorf("before the clock is set: got error %v, want trust %v", err, tt.keeps)
			}
			p.now = p.now.Add(time.Hour)
			renew(t, a, false)
			p.now, p.synced = day(tt.truth), true
			renew(t, a, !tt.keeps)
			if !bytes.Equal(ca, a.CA()) {
				t.Error("the authority's certificate was made anew")
			}
			if err := trusts(t, ca, p.leaf(t, "hems.local"), "hems.local", day(tt.truth)); err != nil {
				t.Errorf("after the clock is set: %v", err)
			}
		})
	}
}

// TestAStartWithoutClockYearsLater must not go back to what the program knows of
// the time.
func TestAStartWithoutClockYearsLater(t *testing.T) {
	p := newPi(t)
	p.now = day(1500)
	p.open(t)
	before := read(t, p.dir)
	p.now, p.synced = time.Unix(30, 0), false
	a := p.open(t)
	if diff := cmp.Diff(before, read(t, p.dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	p.own = prefixes("192.168.1.99/24") // and even now a new certificate is a good one
	renew(t, a, true)
	if err := trusts(t, a.CA(), p.leaf(t, "192.168.1.99"), "192.168.1.99", day(1501)); err != nil {
		t.Error(err)
	}
}

func TestAClockThatIsNeverSet(t *testing.T) {
	p := newPi(t)
	p.now, p.synced = day(5), false
	a := p.open(t)
	for d := 5; d < 1000; d += 7 { // it goes on from start to start, without a network
		p.now = day(d)
		if _, err := a.Renew(); err != nil {
			t.Fatal(err)
		}
		if err := trusts(t, a.CA(), p.leaf(t, "hems.local"), "hems.local", day(d)); err != nil {
			t.Fatalf("on day %d: %v", d, err)
		}
	}
}

func TestDamage(t *testing.T) {
	p := newPi(t)
	a := p.open(t)
	first := a.CA()
	for _, file := range []string{"ca.crt", "gateway/names.pem", "gateway/all.pem"} {
		for name, content := range map[string]string{"empty": "", "nonsense": "-----BEGIN CERTIFICATE-----\n"} {
			if err := os.WriteFile(filepath.Join(p.dir, file), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			a := p.open(t)
			if err := trusts(t, first, p.leaf(t, "hems.local"), "hems.local", day(101)); err != nil {
				t.Errorf("%s %s: by the first certificate: %v", file, name, err)
			}
			if err := trusts(t, a.CA(), p.leaf(t, "192.168.1.20"), "192.168.1.20", day(101)); err != nil {
				t.Errorf("%s %s: %v", file, name, err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(p.dir, "ca.key"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(p.options()); err == nil {
		t.Error("a damaged key was replaced without a word")
	}
	if b, err := os.ReadFile(filepath.Join(p.dir, "ca.key")); err != nil || string(b) != "nonsense" {
		t.Errorf("the damaged key is gone: %q, %v", b, err)
	}
}

func TestFilesAreTheirHoldersAlone(t *testing.T) {
	p := newPi(t)
	if os.Geteuid() == 0 {
		p.gid = 904
	}
	a := p.open(t)
	for file, want := range map[string]os.FileMode{"ca.key": 0o600, "ca.crt": 0o644, "gateway/names.pem": 0o640, "gateway/all.pem": 0o640} {
		fi, err := os.Stat(filepath.Join(p.dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if got := fi.Mode().Perm(); got != want {
			t.Errorf("mode of %s: got %v, want %v", file, got, want)
		}
		if st := fi.Sys().(*syscall.Stat_t); p.gid > 0 && want == 0o640 && int(st.Gid) != p.gid {
			t.Errorf("group of %s: got %d, want %d", file, st.Gid, p.gid)
		}
	}
	p.now = day(1000)
	renew(t, a, true)
	fi, err := os.Stat(filepath.Join(p.dir, "gateway/names.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if st := fi.Sys().(*syscall.Stat_t); p.gid > 0 && int(st.Gid) != p.gid {
		t.Errorf("group after a renewal: got %d, want %d", st.Gid, p.gid)
	}
}

func TestAServerShowsRenewedCertificates(t *testing.T) {
	p := newPi(t)
	a := p.open(t)
	certificates := NewCertificates(HolderDir(p.dir, "gateway"))
	hello := &tls.ClientHelloInfo{ServerName: "hems.local"}
	first, err := certificates.GetCertificate(hello)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := certificates.GetCertificate(hello); err != nil || again != first {
		t.Errorf("it was read again without need (%v)", err)
	}
	p.now = day(1000)
	renew(t, a, true)
	second, err := certificates.GetCertificate(hello)
	if err != nil || bytes.Equal(second.Certificate[0], first.Certificate[0]) {
		t.Errorf("the old certificate is still shown (%v)", err)
	}
	if err := os.Remove(filepath.Join(p.dir, "gateway/names.pem")); err != nil {
		t.Fatal(err)
	}
	if last, err := certificates.GetCertificate(hello); err != nil || last != second {
		t.Errorf("without the file: %v, want what was read before", err)
	}
	if _, err := NewCertificates(t.TempDir()).GetCertificate(hello); err == nil {
		t.Error("no error where there is none")
	}
}

func TestCertificateOverHTTP(t *testing.T) {
	a := newPi(t).open(t)
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest("GET", "/v1/ca", nil))
	if !bytes.Equal(w.Body.Bytes(), a.CA()) || w.Header().Get("Content-Type") != "application/x-x509-ca-cert" {
		t.Errorf("got %s of type %s", w.Body, w.Header().Get("Content-Type"))
	}
}

func TestNamesOf(t *testing.T) {
	n := namesOf("HEMS", prefixes("192.168.1.20/24", "::ffff:192.168.1.20/120", "169.254.3.4/16", "10.1.2.3/8", "fd00::1/32", "192.168.1.30/24", "8.8.8.8/32"))
	want := []string{"hems.local", "hems", "localhost"}
	if diff := cmp.Diff(want, n.dns); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	var networks []string
	for _, p := range n.networks {
		networks = append(networks, p.String())
	}
	want = []string{"127.0.0.1/32", "::1/128", "192.168.1.0/24", "169.254.0.0/16", "10.1.0.0/16", "fd00::/48"}
	if diff := cmp.Diff(want, networks); diff != "" {
		t.Errorf("networks (-want +got):\n%s", diff)
	}
	if !slices.IsSortedFunc(n.addresses, netip.Addr.Compare) || len(n.addresses) != 7 {
		t.Errorf("addresses %v", n.addresses)
	}
	if got := namesOf("localhost", nil).dns; len(got) != 2 {
		t.Errorf("names of localhost: %v", got)
	}
}

// read is all files below dir.
func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, f := range []string{"ca.key", "ca.crt", "gateway/names.pem", "gateway/all.pem"} {
		b, err := os.ReadFile(filepath.Join(dir, f))
		if err != nil {
			t.Fatal(err)
		}
		out[f] = string(b)
	}
	return out
}
