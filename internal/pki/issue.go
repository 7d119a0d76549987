package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
)

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), random) }

// keyID is the first method of RFC 5280, 4.2.1.2: it names the key in every
// certificate of the authority.
func keyID(key *ecdsa.PublicKey) ([]byte, error) {
	b, err := key.Bytes()
	if err != nil {
		return nil, err
	}
	sum := sha1.Sum(b)
	return sum[:], nil
}

func serial() (*big.Int, error) {
	b := make([]byte, 16)
	if _, err := random.Read(b); err != nil {
		return nil, err
	}
	b[0] &= 0x7f
	b[0] |= 0x40 // positive, and never short
	return new(big.Int).SetBytes(b), nil
}

// caLacks is why the authority's certificate must be made; empty: it need not.
func (a *Authority) caLacks(n names) string {
	switch {
	case a.ca == nil:
		return "there was none"
	case !slices.Equal(a.ca.PermittedDNSDomains, n.dns) || !a.ca.PermittedDNSDomainsCritical:
		return "the host name is another"
	case a.outOfTime(a.ca, caRenew):
		return "its time"
	case a.synchronised() && a.ca.NotAfter.After(a.o.Now().AddDate(caYears+1, 0, 0)):
		return "it was made by a clock that was wrong"
	}
	for _, addr := range n.addresses {
		if !permits(a.ca, addr) {
			return "the network is another"
		}
	}
	return ""
}

// makeCA makes the authority's certificate for its key. Networks that the old
// one named stay, so that going back to one changes nothing; the oldest go.
func (a *Authority) makeCA(n names) error {
	id, err := keyID(&a.key.PublicKey)
	if err != nil {
		return err
	}
	number, err := serial()
	if err != nil {
		return err
	}
	networks := slices.Clone(n.networks)
	if a.ca != nil {
		for _, p := range permitted(a.ca) {
			if len(networks) < maxNetworks && !slices.Contains(networks, p) {
				networks = append(networks, p)
			}
		}
	}
	now := a.now()
	t := &x509.Certificate{
		SerialNumber: number,
		// The name must stay when the host name changes, or phones that have the
		// old certificate would not know the new servers.
		Subject:               pkix.Name{CommonName: "SmartCORE HEMS " + hex.EncodeToString(id[:4]), Organization: []string{"SmartCORE HEMS appliance"}},
		NotBefore:             a.o.Built.UTC().Truncate(time.Second).Add(-slack), // whatever the clock was: nothing of it is older
		NotAfter:              now.AddDate(caYears, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		SubjectKeyId:          id,
		AuthorityKeyId:        id,

		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         n.dns,
		// A kind of name that is not named would be free.
		PermittedEmailAddresses: n.dns[:1],
		PermittedURIDomains:     n.dns[:1],
	}
	for _, p := range networks {
		t.PermittedIPRanges = append(t.PermittedIPRanges, ipNet(p))
	}
	der, err := x509.CreateCertificate(random, t, t, &a.key.PublicKey, a.key)
	if err != nil {
		return err
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	if err := atomicfile.Replace(a.path("ca.crt"), certificatePEM(der), 0o644); err != nil {
		return err
	}
	a.ca = ca
	return nil
}

// The files of a holder.
const (
	namesFile = "names.pem"
	allFile   = "all.pem"
)

// renewHolder makes the certificates of a server that are missing or no longer
// right.
func (a *Authority) renewHolder(h Holder, n names) (made bool, err error) {
	dir := a.path(h.Name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, err
	}
	if h.GID > 0 {
		for _, d := range []struct {
			path string
			mode os.FileMode
		}{{a.o.Dir, 0o711}, {dir, 0o750}} {
			if err := os.Chmod(d.path, d.mode); err != nil {
				return false, err
			}
		}
		if err := os.Lchown(dir, -1, h.GID); err != nil {
			return false, err
		}
	}
	for _, c := range []struct {
		file      string
		addresses []netip.Addr
	}{{namesFile, nil}, {allFile, n.addresses}} {
		path := a.path(h.Name, c.file)
		if a.leafStands(path, n.dns, c.addresses) {
			continue
		}
		b, err := a.leaf(n.dns, c.addresses)
		if err != nil {
			return made, err
		}
		if err := atomicfile.Replace(path, b, 0o640); err != nil {
			return made, err
		}
		if h.GID > 0 {
			if err := os.Lchown(path, -1, h.GID); err != nil {
				return made, err
			}
		}
		a.o.Log.Info("a certificate was made", "for", h.Name, "file", c.file)
		made = true
	}
	return made, nil
}

// leafStands says whether a certificate is the one that would be made.
func (a *Authority) leafStands(path string, dns []string, addresses []netip.Addr) bool {
	b, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	pair, err := tls.X509KeyPair(b, b)
	if err != nil {
		return false
	}
	c := pair.Leaf
	if begun := c.NotBefore; begun.After(a.at) {
		a.at = begun
	}
	var has []netip.Addr
	for _, ip := range c.IPAddresses {
		if addr, ok := netip.AddrFromSlice(ip); ok {
			has = append(has, addr.Unmap())
		}
	}
	return c.CheckSignatureFrom(a.ca) == nil && slices.Equal(c.DNSNames, dns) && slices.Equal(has, addresses) && !a.outOfTime(c, leafRenew)
}

// leaf makes a key and a certificate, and returns both as PEM.
func (a *Authority) leaf(dns []string, addresses []netip.Addr) ([]byte, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	number, err := serial()
	if err != nil {
		return nil, err
	}
	now := a.now()
	t := &x509.Certificate{
		SerialNumber:          number,
		Subject:               pkix.Name{CommonName: dns[0]},
		NotBefore:             now.Add(-slack),
		NotAfter:              now.Add(-slack).AddDate(0, 0, leafDays),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              dns,
	}
	if t.NotBefore.Before(a.ca.NotBefore) {
		t.NotBefore = a.ca.NotBefore
	}
	for _, addr := range addresses {
		t.IPAddresses = append(t.IPAddresses, addr.AsSlice())
	}
	der, err := x509.CreateCertificate(random, t, a.ca, &key.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	b, err := keyPEM(key)
	if err != nil {
		return nil, err
	}
	if t.NotBefore.After(a.at) {
		a.at = t.NotBefore
	}
	return append(b, certificatePEM(der)...), nil
}
