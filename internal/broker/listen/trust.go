package listen

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"
)

// Trust is whose client certificates are good: a file of authorities, and a file
// of certificates that they have revoked. Both are read again when they change. A
// file that is damaged later leaves what it said before.
type Trust struct {
	cas, crl string
	mayLack  bool

	mu       sync.Mutex
	caState  fileState
	crlState fileState
	roots    *x509.CertPool
	revoked  map[string]bool // by issuer and number
	looked   bool
	err      error
}

// Files are those that are read.
func (t *Trust) Files() []string {
	if t.crl == "" {
		return []string{t.cas}
	}
	return []string{t.cas, t.crl}
}

// maxTrustFile bounds both files.
const maxTrustFile = 4 << 20

// ErrRevoked: the certificate is on the list of those revoked.
var ErrRevoked = errors.New("the certificate has been revoked")

// NewTrust trusts the authorities in the PEM file cas. The revocation list crl is
// PEM or DER; empty: none. With optional, a list that is not there revokes nothing.
func NewTrust(cas, crl string, optional bool) *Trust {
	return &Trust{cas: cas, crl: crl, mayLack: optional}
}

// Check says whether a certificate, whose chain was verified, may still be used.
func (t *Trust) Check(c *x509.Certificate) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.look(); err != nil {
		return err
	}
	if t.revoked[numberOf(c.RawIssuer, c.SerialNumber.String())] {
		return ErrRevoked
	}
	return nil
}

// Verify is Check for a certificate whose chain has to be verified anew, long
// after its connection began.
func (t *Trust) Verify(c *x509.Certificate) error {
	pool, err := t.pool()
	if err != nil {
		return err
	}
	if _, err := c.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		return err
	}
	return t.Check(c)
}

func (t *Trust) pool() (*x509.CertPool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.look(); err != nil {
		return nil, err
	}
	return t.roots, nil
}

func numberOf(issuer []byte, serial string) string { return string(issuer) + "|" + serial }

type fileState struct {
	size  int64
	mtime time.Time
	info  fs.FileInfo
}

func (s fileState) same(o fileState) bool {
	if s.info == nil || o.info == nil {
		return s.info == nil && o.info == nil
	}
	return os.SameFile(s.info, o.info) && s.size == o.size && s.mtime.Equal(o.mtime)
}

func stateOf(path string) (s fileState) {
	if info, err := os.Stat(path); err == nil {
		s = fileState{info.Size(), info.ModTime(), info}
	}
	return s
}

// look reads again what has changed. The error is for what has never been read.
func (t *Trust) look() error {
	ca, crl := stateOf(t.cas), fileState{}
	if t.crl != "" {
		crl = stateOf(t.crl)
	}
	if t.looked && ca.same(t.caState) && crl.same(t.crlState) {
		return t.err
	}
	t.looked, t.caState, t.crlState = true, ca, crl
	roots, issuers, err := readCAs(t.cas)
	var revoked map[string]bool
	if err == nil && t.crl != "" {
		revoked, err = readCRL(t.crl, issuers)
		if t.mayLack && errors.Is(err, fs.ErrNotExist) {
			revoked, err = nil, nil
		}
	}
	switch {
	case err == nil:
		t.roots, t.revoked, t.err = roots, revoked, nil
	case t.roots == nil:
		t.err = err
	}
	return t.err
}

func readSome(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxTrustFile))
}

func readCAs(path string) (*x509.CertPool, []*x509.Certificate, error) {
	b, err := readSome(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the authorities of client certificates: %w", err)
	}
	pool := x509.NewCertPool()
	var all []*x509.Certificate
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, fmt.Errorf("reading the authorities of client certificates: %s: %w", path, err)
		}
		pool.AddCert(c)
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, nil, fmt.Errorf("reading the authorities of client certificates: there is no certificate in %s", path)
	}
	return pool, all, nil
}

// readCRL reads all the revocation lists in a file. Each must be signed by one of
// the issuers. One that is past its next update still counts: fewer would be worse.
func readCRL(path string, issuers []*x509.Certificate) (map[string]bool, error) {
	b, err := readSome(path)
	if err != nil {
		return nil, fmt.Errorf("reading the list of revoked certificates: %w", err)
	}
	var lists [][]byte
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "X509 CRL" {
			lists = append(lists, block.Bytes)
		}
	}
	if len(lists) == 0 {
		lists = [][]byte{b}
	}
	out := map[string]bool{}
	for _, der := range lists {
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, fmt.Errorf("reading the list of revoked certificates: %s: %w", path, err)
		}
		issuer := issuerOf(list, issuers)
		if issuer == nil {
			return nil, fmt.Errorf("reading the list of revoked certificates: %s is signed by nobody who is trusted", path)
		}
		for _, e := range list.RevokedCertificateEntries {
			out[numberOf(issuer.RawSubject, e.SerialNumber.String())] = true
		}
	}
	return out, nil
}

func issuerOf(list *x509.RevocationList, issuers []*x509.Certificate) *x509.Certificate {
	for _, c := range issuers {
		if list.CheckSignatureFrom(c) == nil {
			return c
		}
	}
	return nil
}
