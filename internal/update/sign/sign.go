// Package sign says whether a text comes from who may release an update. It
// knows Ed25519 keys of two levels and their files, and must never know what is
// signed.
//
// Root keys stay offline and sign nothing but signing keys: the signature over
// a signing key and its name is a certificate. Signing keys sign texts. Each
// level signs in a context of its own (RFC 8032, Ed25519ctx), so that what one
// level signed is worth nothing at the other. Certificates have no dates: an
// appliance that was off for years has a clock it cannot trust, and must still
// take the update that helps it. A signing key that is no longer trusted goes
// with its root: the next release trusts other roots.
package sign

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"regexp"

	"github.com/smartcore-ireland/hems/internal/update/refusal"
)

// The reasons why a signature is refused.
var (
	ErrUnsigned = refusal.New("unsigned", "the update is not signed",
		"get the release from where it is published, or sign it with \"hems release\"")
	ErrBadSignature = refusal.New("bad_signature", "the update's signature is wrong: it was changed after it was signed",
		"get the file again from where it is published")
	ErrUnknownKey = refusal.New("unknown_key", "the update is signed with a key that this appliance does not trust",
		"get the release from who made this appliance's image")
	ErrWrongLevel = refusal.New("wrong_level", "a key is used at the wrong level: a root key signs signing keys only, and a signing key signs releases only",
		"sign releases with a signing key that a root key has certified (\"hems keys certify\")")
)

// The contexts of the two levels.
const (
	certificateContext = "smartcore-hems signing key v1"
	textContext        = "smartcore-hems release v1"
)

// Public is a public key of either level.
type Public [ed25519.PublicKeySize]byte

// String is how people tell keys apart: the first 8 bytes of its SHA-256 in
// hexadecimal.
func (p Public) String() string {
	sum := sha256.Sum256(p[:])
	return fmt.Sprintf("%x", sum[:8])
}

// Root is a root private key.
type Root struct{ key ed25519.PrivateKey }

// Key is a signing private key.
type Key struct{ key ed25519.PrivateKey }

// NewRoot makes a root key.
func NewRoot() (Root, error) {
	key, err := newKey()
	return Root{key}, err
}

// NewKey makes a signing key, which is worth nothing before a root certifies it.
func NewKey() (Key, error) {
	key, err := newKey()
	return Key{key}, err
}

func newKey() (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return key, nil
}

// Public is the key that verifies what r signs.
func (r Root) Public() Public { return Public(r.key.Public().(ed25519.PublicKey)) }

// Public is the key that verifies what k signs.
func (k Key) Public() Public { return Public(k.key.Public().(ed25519.PublicKey)) }

// Certificate is a root's word that a key is a signing key.
type Certificate struct {
	Name      string // whose key it is: at most 64 printable ASCII characters
	Key       Public // the signing key
	Root      Public // the root key that says so
	Signature [ed25519.SignatureSize]byte
}

// statement is what a root signs.
func (c Certificate) statement() []byte { return append(c.Key[:], c.Name...) }

var names = regexp.MustCompile(`^[!-~]([ -~]{0,62}[!-~])?$`)

// Certify makes a certificate for a signing key under a name.
func (r Root) Certify(key Public, name string) (Certificate, error) {
	if !names.MatchString(name) {
		return Certificate{}, fmt.Errorf("certifying a key: the name %q has not 1 to 64 printable ASCII characters", name)
	}
	if key == r.Public() {
		return Certificate{}, ErrWrongLevel.With("%s is the root key itself", key)
	}
	c := Certificate{Name: name, Key: key, Root: r.Public()}
	sig, err := inContext(r.key, certificateContext, c.statement())
	if err != nil {
		return Certificate{}, err
	}
	c.Signature = sig
	return c, nil
}

// Signature is a text's signature and the certificates that lead from its key
// to a root. One certificate is all that a valid one has.
type Signature struct {
	Certificates []Certificate
	Signature    [ed25519.SignatureSize]byte
}

// Sign signs a text. The certificate is the key's own.
func (k Key) Sign(text []byte, c Certificate) (Signature, error) {
	if c.Key != k.Public() {
		return Signature{}, fmt.Errorf("signing: the certificate %q is of the key %s, not of %s: use the certificate of this key", c.Name, c.Key, k.Public())
	}
	sig, err := inContext(k.key, textContext, text)
	return Signature{Certificates: []Certificate{c}, Signature: sig}, err
}

func inContext(key ed25519.PrivateKey, context string, message []byte) (sig [ed25519.SignatureSize]byte, err error) {
	b, err := key.Sign(nil, message, &ed25519.Options{Context: context})
	if err != nil {
		return sig, fmt.Errorf("signing: %w", err)
	}
	return [ed25519.SignatureSize]byte(b), nil
}

func verifies(key Public, context string, message []byte, sig [ed25519.SignatureSize]byte) bool {
	return ed25519.VerifyWithOptions(key[:], message, sig[:], &ed25519.Options{Context: context}) == nil
}
