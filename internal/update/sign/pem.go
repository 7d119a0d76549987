package sign

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// The types of the PEM files. Each file of a key or certificate has one block.
const (
	rootPublic  = "HEMS ROOT PUBLIC KEY"
	rootPrivate = "HEMS ROOT PRIVATE KEY"
	keyPrivate  = "HEMS SIGNING PRIVATE KEY"
	keyPublic   = "HEMS SIGNING PUBLIC KEY"
	certificate = "HEMS SIGNING KEY CERTIFICATE"
	signature   = "HEMS SIGNATURE"
)

// ErrPrivate says that a private key is where a public one belongs.
var ErrPrivate = errors.New("it is a private key, which must stay where it was made: put the public one here")

// maxCertificates bounds a signature's file; more than one is there only to be
// refused for what it is.
const maxCertificates = 4

func block(kind string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}) }

// Encode is the key's PEM file, which is to have mode 0600.
func (r Root) Encode() []byte { return block(rootPrivate, r.key.Seed()) }

// Encode is the key's PEM file, which is to have mode 0600.
func (k Key) Encode() []byte { return block(keyPrivate, k.key.Seed()) }

// EncodeRootPublic is the PEM file of a root's public key.
func EncodeRootPublic(p Public) []byte { return block(rootPublic, p[:]) }

// EncodeKeyPublic is the PEM file of a signing key's public key: what its owner
// sends to the root's to have it certified.
func EncodeKeyPublic(p Public) []byte { return block(keyPublic, p[:]) }

// Encode is the certificate's PEM file: key, root, signature, name.
func (c Certificate) Encode() []byte {
	b := append(c.Key[:], c.Root[:]...)
	b = append(b, c.Signature[:]...)
	return block(certificate, append(b, c.Name...))
}

// Encode is the signature's PEM file: the certificates, then the signature.
func (s Signature) Encode() []byte {
	var b []byte
	for _, c := range s.Certificates {
		b = append(b, c.Encode()...)
	}
	return append(b, block(signature, s.Signature[:])...)
}

// ParseRoot reads a root's private key.
func ParseRoot(file []byte) (Root, error) {
	b, err := only(file, rootPrivate, ed25519.SeedSize)
	if err != nil {
		return Root{}, err
	}
	return Root{ed25519.NewKeyFromSeed(b)}, nil
}

// ParseKey reads a signing private key.
func ParseKey(file []byte) (Key, error) {
	b, err := only(file, keyPrivate, ed25519.SeedSize)
	if err != nil {
		return Key{}, err
	}
	return Key{ed25519.NewKeyFromSeed(b)}, nil
}

// ParseRootPublic reads a root's public key.
func ParseRootPublic(file []byte) (Public, error) {
	return public(file, rootPublic)
}

// ParseKeyPublic reads a signing key's public key.
func ParseKeyPublic(file []byte) (Public, error) {
	return public(file, keyPublic)
}

func public(file []byte, kind string) (Public, error) {
	b, err := only(file, kind, ed25519.PublicKeySize)
	if err != nil {
		return Public{}, err
	}
	return Public(b), nil
}

// ParseCertificate reads a certificate, without judging it.
func ParseCertificate(file []byte) (Certificate, error) {
	b, err := only(file, certificate, -1)
	if err != nil {
		return Certificate{}, err
	}
	return parseCertificate(b)
}

func parseCertificate(b []byte) (c Certificate, err error) {
	n := copy(c.Key[:], b)
	n += copy(c.Root[:], b[n:])
	n += copy(c.Signature[:], b[n:])
	if c.Name = string(b[n:]); !names.MatchString(c.Name) {
		return Certificate{}, errors.New("the certificate is cut short, or has no proper name")
	}
	return c, nil
}

// parseSignature reads a signature, without judging it. Nothing but what Encode
// writes is taken, so that a signature has one form.
func parseSignature(file []byte) (s Signature, err error) {
	rest := file
	for {
		b, after := pem.Decode(rest)
		switch {
		case b == nil:
			return Signature{}, errors.New("there is no block of the type " + signature)
		case b.Type == certificate && len(s.Certificates) < maxCertificates:
			c, err := parseCertificate(b.Bytes)
			if err != nil {
				return Signature{}, err
			}
			s.Certificates = append(s.Certificates, c)
			rest = after
			continue
		case b.Type != signature || len(b.Bytes) != ed25519.SignatureSize:
			return Signature{}, fmt.Errorf("unexpected block of type %q and %d bytes", b.Type, len(b.Bytes))
		}
		copy(s.Signature[:], b.Bytes)
		if !bytes.Equal(s.Encode(), file) {
			return Signature{}, errors.New("there is more than a signature")
		}
		return s, nil
	}
}

// only is the content of a file's one block. size is its length in bytes, or -1.
func only(file []byte, kind string, size int) ([]byte, error) {
	b, rest := pem.Decode(file)
	switch {
	case b == nil:
		return nil, fmt.Errorf("it is no PEM file: want one with a %s", kind)
	case b.Type != kind && strings.HasSuffix(b.Type, "PRIVATE KEY") && !strings.HasSuffix(kind, "PRIVATE KEY"):
		return nil, ErrPrivate
	case b.Type != kind && strings.HasPrefix(b.Type, "HEMS "):
		return nil, ErrWrongLevel.With("it is a %s, want a %s", b.Type, kind)
	case b.Type != kind:
		return nil, fmt.Errorf("it is a %q, want a %s", b.Type, kind)
	case size >= 0 && len(b.Bytes) != size:
		return nil, fmt.Errorf("the %s has %d bytes, want %d", kind, len(b.Bytes), size)
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, fmt.Errorf("there is more than one %s", kind)
	}
	return b.Bytes, nil
}
