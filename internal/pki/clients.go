package pki

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
)

// clientYears is how long a client certificate is good: a device in a wall is not
// visited to renew it. A lost one is revoked.
const clientYears = 10

// maxClients bounds the certificates that are remembered.
const maxClients = 10000

// clientRecord is a client certificate that was made.
type clientRecord struct {
	Serial  string    `json:"serial"` // decimal
	Name    string    `json:"name"`
	Until   time.Time `json:"until"`
	Revoked time.Time `json:"revoked,omitzero"`
}

// ErrRequest: what was sent is no request for a certificate, or not a good one.
var ErrRequest = errors.New("it is no request for a certificate")

// IssueClient makes a certificate for a client that is called name, with the key
// of a request in PEM (PKCS #10). What else the request asks for does not count.
func (a *Authority) IssueClient(name string, request []byte) ([]byte, error) {
	csr, err := parseRequest(request)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	all, err := a.readClients()
	if err != nil {
		return nil, err
	}
	if len(all) >= maxClients {
		return nil, fmt.Errorf("making a client certificate: there are %d already", len(all))
	}
	number, err := serial()
	if err != nil {
		return nil, err
	}
	until := a.now().AddDate(clientYears, 0, 0)
	if until.After(a.ca.NotAfter) {
		until = a.ca.NotAfter
	}
	t := &x509.Certificate{
		SerialNumber: number,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    a.ca.NotBefore, // good by the clock of any device
		NotAfter:     until,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},

		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(random, t, a.ca, csr.PublicKey, a.key)
	if err != nil {
		return nil, fmt.Errorf("making a client certificate: %w", err)
	}
	// Remembered before it is given away: one that nobody knows cannot be revoked.
	if err := a.writeClients(append(all, clientRecord{Serial: number.String(), Name: name, Until: until})); err != nil {
		return nil, err
	}
	return certificatePEM(der), nil
}

// RevokeClients revokes every certificate that was made for name, and says how
// many those were.
func (a *Authority) RevokeClients(name string) (n int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	all, err := a.readClients()
	if err != nil {
		return 0, err
	}
	now := a.now()
	for i := range all {
		if all[i].Name == name && all[i].Revoked.IsZero() {
			all[i].Revoked = now
			n++
		}
	}
	if n == 0 {
		return 0, nil
	}
	if a.synchronised() { // those that have run out need no list
		all = slices.DeleteFunc(all, func(c clientRecord) bool { return c.Until.Before(now.Add(-slack)) })
	}
	if err := a.writeClients(all); err != nil {
		return 0, err
	}
	return n, a.writeRevoked(all, now)
}

func (a *Authority) writeRevoked(all []clientRecord, now time.Time) error {
	list := &x509.RevocationList{
		Number:     big.NewInt(now.UnixNano()),
		ThisUpdate: a.ca.NotBefore, NextUpdate: a.ca.NotAfter, // whenever it is read
	}
	for _, c := range all {
		number, ok := new(big.Int).SetString(c.Serial, 10)
		if ok && !c.Revoked.IsZero() {
			list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: number, RevocationTime: c.Revoked})
		}
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, a.ca, a.key)
	if err != nil {
		return fmt.Errorf("making the list of revoked certificates: %w", err)
	}
	return atomicfile.Replace(a.path(RevokedFile), pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}), 0o644)
}

func (a *Authority) readClients() (all []clientRecord, err error) {
	b, err := os.ReadFile(a.path("clients.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	if err != nil {
		return nil, fmt.Errorf("reading which client certificates were made: %w", err)
	}
	return all, nil
}

func (a *Authority) writeClients(all []clientRecord) error {
	b, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return err
	}
	return atomicfile.Write(a.path("clients.json"), append(b, '\n'), 0o600)
}
