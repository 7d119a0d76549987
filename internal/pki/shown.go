package pki

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Errors of a certificate that a visitor shows.
var (
	ErrNotAPhone    = errors.New("it is no certificate of a phone of this appliance")
	ErrPhoneRevoked = errors.New("the phone’s certificate was revoked")
	ErrPhoneExpired = errors.New("the phone’s certificate has run out")
)

// Shown judges the certificates that visitors show, in the process that lets them
// in. It reads what the authority has written there whenever that has changed: a
// phone that is revoked is refused at its next request.
type Shown struct {
	dir string

	mu       sync.Mutex
	ca, list fs.FileInfo
	pool     *x509.CertPool
	phones   map[string]Phone             // by serial; nil: the list could not be read
	chains   map[[sha256.Size]byte]string // serials of certificates that the authority made
}

// maxChains bounds the certificates whose signature is not checked again.
const maxChains = 256

// NewShown judges by a holder's directory (see HolderDir). Nothing is read yet.
func NewShown(dir string) *Shown { return &Shown{dir: dir} }

// Pool is the authority of phones; nil: there is none.
func (s *Shown) Pool() *x509.CertPool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh()
	return s.pool
}

// Phones are those that were given a certificate.
func (s *Shown) Phones() ([]Phone, error) { return readPhones(s.dir) }

// Verify says whose certificate was shown at that time. The errors are
// ErrNotAPhone, ErrPhoneRevoked and ErrPhoneExpired.
func (s *Shown) Verify(c *x509.Certificate, now time.Time) (Phone, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh()
	if s.pool == nil {
		return Phone{}, ErrNotAPhone
	}
	sum := sha256.Sum256(c.Raw)
	number, known := s.chains[sum]
	if !known {
		// Whether it has run out is asked below: a clock may have been wrong.
		_, err := c.Verify(x509.VerifyOptions{Roots: s.pool, CurrentTime: c.NotBefore, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		if err != nil || c.IsCA || len(c.Subject.OrganizationalUnit) != 1 || c.Subject.OrganizationalUnit[0] != phoneUnit {
			return Phone{}, ErrNotAPhone
		}
		if len(s.chains) >= maxChains {
			clear(s.chains)
		}
		number = c.SerialNumber.String()
		s.chains[sum] = number
	}
	p, ok := s.phones[number]
	switch {
	case !ok:
		return Phone{}, ErrNotAPhone
	case !p.Revoked.IsZero():
		return p, ErrPhoneRevoked
	case !now.Before(p.Until):
		return p, ErrPhoneExpired
	}
	return p, nil
}

// Any says whether there is a phone whose certificate is good at that time.
func (s *Shown) Any(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh()
	for _, p := range s.phones {
		if s.pool != nil && p.Good(now) {
			return true
		}
	}
	return false
}

// refresh reads what has changed. What cannot be read lets nobody in.
func (s *Shown) refresh() {
	if info, same := unchanged(filepath.Join(s.dir, phonesPEM), s.ca); !same {
		s.ca, s.pool, s.chains = info, nil, map[[sha256.Size]byte]string{}
		if b, err := os.ReadFile(filepath.Join(s.dir, phonesPEM)); err == nil {
			if c, err := parseCertificate(b); err == nil && c.IsCA {
				s.pool = x509.NewCertPool()
				s.pool.AddCert(c)
			}
		}
	}
	if info, same := unchanged(filepath.Join(s.dir, phonesList), s.list); !same || s.phones == nil {
		s.list, s.phones = info, nil
		if all, err := readPhones(s.dir); err == nil {
			s.phones = make(map[string]Phone, len(all))
			for _, p := range all {
				s.phones[p.Serial] = p
			}
		}
	}
}

// unchanged says whether the file at path is the one that was read.
func unchanged(path string, old fs.FileInfo) (now fs.FileInfo, same bool) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, old == nil
	}
	return info, old != nil && os.SameFile(info, old) && info.ModTime().Equal(old.ModTime()) && info.Size() == old.Size()
}

// String is what a log may say of it.
func (p Phone) String() string { return fmt.Sprintf("%s (%s)", p.Name, p.Serial) }
