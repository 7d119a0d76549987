package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
)

// People's phones show a certificate to be let in. Their authority is another one
// than that of the servers, with a key of its own: no certificate of a phone is
// good for MQTT, none of an MQTT device for the ways in, and nobody is asked to
// trust the phones' authority for anything.
//
//	phones.key             its key
//	<holder>/phones.pem    its certificate
//	<holder>/phones.json   which phones there are; what is not in it is not let in

const (
	phoneDays  = 730 // a phone is replaced in about that time
	phonesFor  = 30  // years of their authority
	maxPhones  = 100 // that are remembered
	maxName    = 40  // bytes of a phone's name
	phoneUnit  = "phone"
	phonesPEM  = "phones.pem"
	phonesList = "phones.json"
)

// A Phone is a person's phone, tablet or computer that was given a certificate.
type Phone struct {
	Name    string    `json:"name"`   // nobody else's that is good
	Serial  string    `json:"serial"` // decimal, of the certificate
	Made    time.Time `json:"made"`
	Until   time.Time `json:"until"`
	Revoked time.Time `json:"revoked,omitzero"`
}

// Good says whether the certificate lets its phone in at that time.
func (p Phone) Good(now time.Time) bool { return p.Revoked.IsZero() && now.Before(p.Until) }

// Errors of phones.
var (
	ErrPhoneName = errors.New("a phone’s name has 1 to 40 letters, digits, spaces and - _ . ' of any language")
	ErrPhoneUsed = errors.New("another phone has that name")
	ErrNoPhone   = errors.New("there is no phone of that name")
	ErrPhones    = fmt.Errorf("there are %d phones already: revoke one that is not used any more", maxPhones)
)

// PhoneName says whether a phone may be called so.
func PhoneName(name string) error {
	if name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.TrimSpace(name) != name || strings.HasPrefix(name, ".") {
		return ErrPhoneName
	}
	for _, c := range name {
		if !unicode.IsLetter(c) && !unicode.IsDigit(c) && !unicode.IsMark(c) && !strings.ContainsRune(" -_.'’", c) {
			return ErrPhoneName
		}
	}
	return nil
}

// openPhones reads the phones' authority, or makes it.
func (a *Authority) openPhones() error {
	b, err := os.ReadFile(a.path("phones.key"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if a.phonesKey, err = newKey(); err == nil {
			b, err = keyPEM(a.phonesKey)
		}
		if err == nil {
			err = atomicfile.Create(a.path("phones.key"), b, 0o600)
		}
	case err == nil:
		a.phonesKey, err = parseKey(b)
	}
	if err != nil {
		return fmt.Errorf("the key for phones’ certificates, %s: %w", a.path("phones.key"), err)
	}
	if b, err = os.ReadFile(a.path(a.o.Phones, phonesPEM)); err == nil {
		if c, err := parseCertificate(b); err == nil && c.IsCA && a.phonesKey.PublicKey.Equal(c.PublicKey) {
			a.phonesCA = c
			return nil
		}
	}
	return a.makePhonesCA()
}

func (a *Authority) makePhonesCA() error {
	id, err := keyID(&a.phonesKey.PublicKey)
	if err != nil {
		return err
	}
	number, err := serial()
	if err != nil {
		return err
	}
	begin := a.o.Built.UTC().Truncate(time.Second).Add(-slack)
	t := &x509.Certificate{
		SerialNumber:          number,
		Subject:               pkix.Name{CommonName: "SmartCORE HEMS phones " + hex.EncodeToString(id[:4]), Organization: []string{"SmartCORE HEMS appliance"}},
		NotBefore:             begin,
		NotAfter:              begin.AddDate(phonesFor, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		SubjectKeyId:          id,
		AuthorityKeyId:        id,

		// Whoever trusts it by mistake trusts it for no server.
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         []string{"phones.invalid"},
	}
	der, err := x509.CreateCertificate(random, t, t, &a.phonesKey.PublicKey, a.phonesKey)
	if err != nil {
		return fmt.Errorf("making the certificate of the phones’ authority: %w", err)
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	if err := a.giveHolder(phonesPEM, certificatePEM(der)); err != nil {
		return err
	}
	a.phonesCA = ca
	a.o.Log.Info("the authority for phones’ certificates was made", "until", ca.NotAfter.Format(time.DateOnly))
	return nil
}

// giveHolder writes a file for the process that phones come to.
func (a *Authority) giveHolder(name string, b []byte) error {
	path := a.path(a.o.Phones, name)
	if err := os.MkdirAll(a.path(a.o.Phones), 0o700); err != nil {
		return err
	}
	if err := atomicfile.Replace(path, b, 0o640); err != nil {
		return err
	}
	for _, h := range a.o.Holders {
		if h.Name == a.o.Phones && h.GID > 0 {
			return os.Lchown(path, -1, h.GID)
		}
	}
	return nil
}

// Phones are those that were given a certificate, in that order.
func (a *Authority) Phones() ([]Phone, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return readPhones(a.path(a.o.Phones))
}

// IssuePhone makes a certificate for a phone, with the key of a request in PEM
// (PKCS #10). Nothing else that the request asks for counts. The errors are
// ErrPhoneName, ErrPhoneUsed, ErrPhones, ErrRequest, and the disk's.
func (a *Authority) IssuePhone(name string, request []byte) ([]byte, Phone, error) {
	if err := PhoneName(name); err != nil {
		return nil, Phone{}, err
	}
	csr, err := parseRequest(request)
	if err != nil {
		return nil, Phone{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.phonesCA == nil {
		return nil, Phone{}, errors.New("there is no authority for phones’ certificates")
	}
	all, err := readPhones(a.path(a.o.Phones))
	if err != nil {
		return nil, Phone{}, err
	}
	now := a.now()
	kept := all[:0:0]
	for _, p := range all {
		if strings.EqualFold(p.Name, name) && p.Good(now) {
			return nil, Phone{}, ErrPhoneUsed
		}
		gone := a.synchronised() && !now.Before(p.Until.Add(slack))
		if !gone || p.Revoked.IsZero() && !strings.EqualFold(p.Name, name) {
			kept = append(kept, p) // one that has run out is forgotten for its successor
		}
	}
	if len(kept) >= maxPhones {
		if kept = forgetRevoked(kept); len(kept) >= maxPhones {
			return nil, Phone{}, ErrPhones
		}
	}
	number, err := serial()
	if err != nil {
		return nil, Phone{}, err
	}
	p := Phone{Name: name, Serial: number.String(), Made: now, Until: now.AddDate(0, 0, phoneDays)}
	if p.Until.After(a.phonesCA.NotAfter) {
		p.Until = a.phonesCA.NotAfter
	}
	t := &x509.Certificate{
		SerialNumber: number,
		Subject:      pkix.Name{CommonName: name, OrganizationalUnit: []string{phoneUnit}, Organization: []string{"SmartCORE HEMS appliance"}},
		NotBefore:    a.phonesCA.NotBefore, // good by the clock of any device
		NotAfter:     p.Until,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},

		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(random, t, a.phonesCA, csr.PublicKey, a.phonesKey)
	if err != nil {
		return nil, Phone{}, fmt.Errorf("making a phone’s certificate: %w", err)
	}
	if err := a.writePhones(append(kept, p)); err != nil {
		return nil, Phone{}, err
	}
	return certificatePEM(der), p, nil
}

// forgetRevoked drops those that were revoked: what is not in the list is not let
// in either.
func forgetRevoked(all []Phone) (kept []Phone) {
	for _, p := range all {
		if p.Revoked.IsZero() {
			kept = append(kept, p)
		}
	}
	return kept
}

// RevokePhone revokes the certificate of the phone of that name, or ErrNoPhone.
func (a *Authority) RevokePhone(name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	all, err := readPhones(a.path(a.o.Phones))
	if err != nil {
		return err
	}
	found := false
	for i := range all {
		if all[i].Name == name && all[i].Revoked.IsZero() {
			all[i].Revoked, found = a.now(), true
		}
	}
	if !found {
		return ErrNoPhone
	}
	return a.writePhones(all)
}

func (a *Authority) writePhones(all []Phone) error {
	b, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return err
	}
	return a.giveHolder(phonesList, append(b, '\n'))
}

func readPhones(dir string) (all []Phone, err error) {
	b, err := os.ReadFile(dir + "/" + phonesList)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	if err != nil {
		return nil, fmt.Errorf("reading which phones were given a certificate: %w", err)
	}
	return all, nil
}

// parseRequest reads a request for a certificate in PEM whose key signed it.
func parseRequest(request []byte) (*x509.CertificateRequest, error) {
	block, _ := pem.Decode(request)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, ErrRequest
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err == nil {
		err = csr.CheckSignature()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return csr, nil
}
