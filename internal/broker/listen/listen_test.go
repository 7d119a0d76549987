package listen

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// refusals gathers what Refused was told.
type refusals struct {
	mu  sync.Mutex
	all []string
}

func (r *refusals) add(_ net.Addr, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, why)
}

func (r *refusals) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.all, "\n")
}

// start listens and echoes on every connection until the test ends. What is
// accepted is put into the channel, too.
func start(t *testing.T, o Options) (*Listener, *refusals, chan *Conn) {
	t.Helper()
	r := &refusals{}
	o.Refused = r.add
	if o.Network == "" {
		o.Network, o.Address = "tcp", "127.0.0.1:0"
	}
	l, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	taken := make(chan *Conn, 1000)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			taken <- c.(*Conn)
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	return l, r, taken
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

func dial(t *testing.T, l *Listener) net.Conn {
	t.Helper()
	c, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

func echo(t *testing.T, c io.ReadWriter, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len(text))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != text {
		t.Fatalf("got %q, %v, want %q", b, err, text)
	}
}

// gone waits until the other side has ended the connection.
func gone(t *testing.T, c net.Conn) {
	t.Helper()
	if b, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection is still there (%q)", b)
	}
}

func TestPlainStreams(t *testing.T) {
	l, _, _ := start(t, Options{})
	echo(t, dial(t, l), "over TCP")

	dir, err := os.MkdirTemp("", "l") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close() // as a killed broker leaves it
	l, _, _ = start(t, Options{Network: "unix", Address: path, Mode: 0o600})
	echo(t, dial(t, l), "over a socket")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode %v, want 0600", got)
	}
	if _, err := Listen(Options{Network: "unix", Address: path}); err == nil || !strings.Contains(err.Error(), "another broker answers there") {
		t.Errorf("listening in another's place: %v", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(Options{Network: "unix", Address: file}); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("listening in a file's place: %v", err)
	}
}

func TestATakenPortSaysWhatToDo(t *testing.T) {
	l, _, _ := start(t, Options{})
	_, err := Listen(Options{Network: "tcp", Address: l.Addr().String()})
	if err == nil || !strings.Contains(err.Error(), "address already in use: stop the other broker") {
		t.Errorf("got %v", err)
	}
}

func TestConnectionsAreCounted(t *testing.T) {
	l, r, taken := start(t, Options{MaxConnections: 3, MaxPerAddress: 2})
	l.mu.Lock()
	l.loopback = true
	l.mu.Unlock()
	a, b := dial(t, l), dial(t, l)
	echo(t, a, "a")
	echo(t, b, "b")
	gone(t, dial(t, l))
	eventually(t, "the reason told", func() bool { return r.text() == "too many connections from one address" })
	a.Close()
	eventually(t, "room for another", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.open == 1 })
	echo(t, dial(t, l), "c")
	l.mu.Lock()
	l.loopback = false
	l.mu.Unlock()
	echo(t, dial(t, l), "d")
	gone(t, dial(t, l))
	eventually(t, "the reason told", func() bool { return strings.HasSuffix(r.text(), "\ntoo many connections") })
	for len(taken) > 0 {
		c := <-taken
		c.Close()
		c.Close() // twice is once
	}
	eventually(t, "all released", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.open == 0 && len(l.from) == 0
	})
}

func TestClose(t *testing.T) {
	l, _, _ := start(t, Options{})
	c := dial(t, l)
	echo(t, c, "x")
	l.Close()
	echo(t, c, "what was handed on stays")
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: %v", err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("it still listens")
	}
}

// authority is a certificate authority of the tests.
type authority struct {
	t    *testing.T
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	n    int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir(), n: 1}
	a.key = newKey(t)
	a.cert = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, &a.key.PublicKey)
	a.write("ca.crt", "CERTIFICATE", a.cert.Raw)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) sign(c *x509.Certificate, key *ecdsa.PublicKey) *x509.Certificate {
	a.t.Helper()
	a.n++
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(a.n), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent := a.cert
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return signed
}

func (a *authority) write(name, kind string, der []byte) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path+".new", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		a.t.Fatal(err)
	}
	return path
}

func (a *authority) revoke(certs ...*x509.Certificate) {
	a.t.Helper()
	a.n++
	list := &x509.RevocationList{Number: big.NewInt(a.n), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour)}
	for _, c := range certs {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: time.Now()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, a.cert, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write("ca.crl", "X509 CRL", der)
}

func (a *authority) pair(name string, use x509.ExtKeyUsage) tls.Certificate {
	a.t.Helper()
	key := newKey(a.t)
	leaf := a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{use},
	}, &key.PublicKey)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

func (a *authority) trust() *Trust {
	return NewTrust(filepath.Join(a.dir, "ca.crt"), filepath.Join(a.dir, "ca.crl"), true)
}

// holder has a server's certificate, which can change.
type holder struct {
	mu   sync.Mutex
	pair tls.Certificate
}

func (h *holder) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.pair
	return &p, nil
}

func (h *holder) set(p tls.Certificate) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pair = p
}

func (a *authority) client(pairs ...tls.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{RootCAs: pool, ServerName: "hems.local", Certificates: pairs}
}

// secure connects with TLS; what the server thinks of the client's certificate,
// TLS 1.3 tells with the first read alone.
func secure(t *testing.T, l *Listener, c *tls.Config) (*tls.Conn, error) {
	t.Helper()
	s := tls.Client(dial(t, l), c)
	if err := s.Handshake(); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(s, "x"); err != nil {
		return nil, err
	}
	_, err := io.ReadFull(s, make([]byte, 1))
	return s, err
}
