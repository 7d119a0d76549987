// Package pki is the appliance's own certificate authority: a key that never
// leaves the card (but in an encrypted backup), a certificate that a person puts
// on a phone once, and certificates for the appliance's servers that it renews by
// itself. It knows X.509, the names and the addresses that this appliance has,
// and must never know who asks for them.
//
// The authority's certificate is constrained by name (RFC 5280, 4.2.1.10,
// critical): whoever stole the key could stand in for this appliance and for
// nothing else. It is made anew, with the same key and the same name, when the
// host name changes or the appliance comes into another private network; a phone
// that has the old certificate then still trusts the server by its name, because
// a server shows addresses only to those who asked for an address.
//
//	ca.key              the authority's key
//	ca.crt              its certificate
//	<holder>/names.pem  key and certificate of a server, for the names
//	<holder>/all.pem    the same, for the names and the addresses
//
// Client certificates of MQTT devices come from the same authority (clients.go),
// those of people's phones from another (phones.go).
package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
)

// How long certificates are good.
const (
	caYears   = 10
	caRenew   = 365 * 24 * time.Hour // before its end
	leafDays  = 396                  // in all; phones take no more than 398
	leafRenew = 30 * 24 * time.Hour
	slack     = 24 * time.Hour // a certificate begins that much earlier: clocks differ
)

// Files in the authority's directory that other processes read.
const (
	CAFile      = "ca.crt"
	RevokedFile = "ca.crl" // the list of client certificates that are revoked; missing: none is
)

// epoch is before the first of these appliances; no clock that is right is.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// A Holder is a server that has certificates.
type Holder struct {
	Name string // of its directory
	GID  int    // the group that may read them beside their owner; 0: nobody
}

// Options are what an Authority needs.
type Options struct {
	Dir     string // made when missing, mode 0700
	Holders []Holder
	// Phones is the holder that people's phones come to; empty: none gets a
	// certificate.
	Phones string
	// Host is the appliance's name on the network: one label of RFC 1123.
	Host func() string
	// Addresses are the appliance's own, with their networks; nil: Addresses of
	// this package. Only private ones count.
	Addresses func() ([]netip.Prefix, error)
	// Synchronised says whether the clock can be believed. While it cannot, a
	// certificate that is there stays as it is, and a new one is made to be good
	// by any clock that is right.
	Synchronised func() bool
	// Built is when this program was built: no right clock is before it. Zero:
	// not known.
	Built time.Time
	Now   func() time.Time // nil: time.Now
	Log   *slog.Logger
}

// Authority is the appliance's certificate authority. Its methods may be called
// from any goroutine.
type Authority struct {
	o   Options
	mu  sync.Mutex
	key *ecdsa.PrivateKey
	ca  *x509.Certificate
	at  time.Time // the greatest beginning of a certificate of ours: time goes on from there

	phonesKey *ecdsa.PrivateKey
	phonesCA  *x509.Certificate // nil: there is none
}

var label = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// Open reads the authority, or makes one when there is none, and brings all
// certificates up to date. The error is for a key that is damaged, a host name
// that is none, and the disk.
func Open(o Options) (*Authority, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Addresses == nil {
		o.Addresses = Addresses
	}
	if o.Built.Before(epoch) {
		o.Built = epoch
	}
	a := &Authority{o: o}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory for certificates: %w", err)
	}
	if err := a.loadKey(); err != nil {
		return nil, err
	}
	a.ca = a.loadCA()
	if _, err := a.Renew(); err != nil {
		return nil, err
	}
	if o.Phones != "" {
		if err := a.openPhones(); err != nil { // the servers go on without
			o.Log.Error("phones get no certificates", "err", err)
		}
	}
	return a, nil
}

func (a *Authority) path(elem ...string) string {
	return filepath.Join(append([]string{a.o.Dir}, elem...)...)
}

// loadKey reads the key or makes it.
func (a *Authority) loadKey() error {
	b, err := os.ReadFile(a.path("ca.key"))
	if errors.Is(err, fs.ErrNotExist) {
		key, err := newKey()
		if err != nil {
			return fmt.Errorf("making the key for certificates: %w", err)
		}
		b, err := keyPEM(key)
		if err != nil {
			return fmt.Errorf("making the key for certificates: %w", err)
		}
		if err := atomicfile.Create(a.path("ca.key"), b, 0o600); err != nil {
			return err
		}
		a.key = key
		a.o.Log.Info("the appliance made its own certificate authority", "directory", a.o.Dir)
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the key for certificates: %w", err)
	}
	if a.key, err = parseKey(b); err != nil {
		return fmt.Errorf("reading the key for certificates: %s: %w: restore it from a backup, or delete the directory %s to have a new one made, whose certificate every phone needs anew",
			a.path("ca.key"), err, a.o.Dir)
	}
	return nil
}

// loadCA reads the certificate; nil: it must be made. All of it that cannot be
// known again is in the key.
func (a *Authority) loadCA() *x509.Certificate {
	b, err := os.ReadFile(a.path("ca.crt"))
	if err != nil {
		return nil
	}
	c, err := parseCertificate(b)
	if err != nil || !a.key.PublicKey.Equal(c.PublicKey) || !c.IsCA {
		return nil
	}
	a.at = c.NotBefore
	return c
}

// Renew makes whatever certificate is missing, has other names than the
// appliance has now, or comes to its end. changed says whether any was made.
func (a *Authority) Renew() (changed bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	host := a.o.Host()
	if !label.MatchString(host) {
		return false, fmt.Errorf("renewing certificates: %q is not a host name", host)
	}
	own, err := a.o.Addresses()
	if err != nil { // the names are worth having without
		a.o.Log.Warn("certificates are renewed without the appliance's addresses", "err", err)
	}
	n := namesOf(host, own)
	if why := a.caLacks(n); why != "" {
		if err := a.makeCA(n); err != nil {
			return false, fmt.Errorf("renewing the authority's certificate: %w", err)
		}
		a.o.Log.Info("the authority's certificate was made", "why", why, "until", a.ca.NotAfter.Format(time.DateOnly))
		changed = true
	}
	for _, h := range a.o.Holders {
		made, err := a.renewHolder(h, n)
		if err != nil {
			return changed, fmt.Errorf("renewing the certificates of %s: %w", h.Name, err)
		}
		changed = changed || made
	}
	return changed, nil
}

// synchronised says whether the clock can be believed.
func (a *Authority) synchronised() bool {
	return a.o.Synchronised() && !a.o.Now().Before(a.o.Built.Add(-slack))
}

// now is the time for new certificates. While the clock is not set, it is the
// latest time that is known to have been: a certificate from then is good by
// every clock that is right.
func (a *Authority) now() time.Time {
	now := a.o.Now().UTC().Truncate(time.Second)
	if a.synchronised() {
		return now
	}
	known := a.o.Built.UTC().Truncate(time.Second)
	if begun := a.at.Add(slack); begun.After(known) {
		known = begun
	}
	// A clock that goes on from the last start may be ahead of all that; one that
	// is years ahead is not a clock.
	if now.After(known) && now.Before(known.AddDate(2, 0, 0)) {
		return now
	}
	return known
}

// outOfTime says whether a certificate is not good, or not for much longer. Only
// a clock that can be believed may say that it is not good yet.
func (a *Authority) outOfTime(c *x509.Certificate, renew time.Duration) bool {
	now := a.now()
	return a.synchronised() && now.Before(c.NotBefore) || now.Add(renew).After(c.NotAfter)
}

// CA is the authority's certificate as PEM, for phones.
func (a *Authority) CA() []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return certificatePEM(a.ca.Raw)
}

// ServeHTTP answers GET /v1/ca with the authority's certificate.
func (a *Authority) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	b := a.CA()
	h := w.Header()
	h.Set("Content-Type", "application/x-x509-ca-cert")
	h.Set("Content-Disposition", `attachment; filename="hems-ca.crt"`)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(b)
}

func parseCertificate(b []byte) (*x509.Certificate, error) {
	for {
		block, rest := pem.Decode(b)
		if block == nil {
			return nil, errors.New("there is no certificate in it")
		}
		if block.Type == "CERTIFICATE" {
			return x509.ParseCertificate(block.Bytes)
		}
		b = rest
	}
}

func parseKey(b []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("there is no key in it")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("the key in it is of another kind")
	}
	return ec, nil
}

func keyPEM(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

func certificatePEM(der []byte) []byte {
	var b bytes.Buffer
	_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}) // a buffer takes everything
	return b.Bytes()
}

var random = rand.Reader
