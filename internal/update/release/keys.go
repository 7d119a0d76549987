package release

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
	"github.com/smartcore-ireland/hems/internal/update/bundle"
	"github.com/smartcore-ireland/hems/internal/update/sign"
)

// The files of a directory of keys. Private ones have mode 0600.
const (
	RootKeyFile     = "root.pem"         // root private key; better kept offline
	RootsDir        = "roots"            // root public keys, for images
	SigningKeyFile  = "signing.pem"      // signing private key
	SigningPubFile  = "signing.pub.pem"  // its public key, to be certified
	CertificateFile = "signing.cert.pem" // its certificate
)

// NewKeys makes the keys of a new release maker in dir: a root key and a signing
// key that it certifies under a name, "release" if empty. It replaces no file.
func NewKeys(dir, name string) (sign.Public, error) {
	root, err := sign.NewRoot()
	if err != nil {
		return sign.Public{}, err
	}
	if err := vacant(dir, RootKeyFile, SigningKeyFile, SigningPubFile, CertificateFile); err != nil {
		return sign.Public{}, err
	}
	if err := newSigning(dir); err != nil {
		return sign.Public{}, err
	}
	if err := create(filepath.Join(dir, RootKeyFile), root.Encode(), 0o600); err != nil {
		return sign.Public{}, err
	}
	public := root.Public()
	roots := filepath.Join(dir, RootsDir)
	if err := os.MkdirAll(roots, 0o755); err != nil {
		return sign.Public{}, fmt.Errorf("making keys: %w", err)
	}
	if err := create(filepath.Join(roots, rootFile(public)), sign.EncodeRootPublic(public), 0o644); err != nil {
		return sign.Public{}, err
	}
	_, _, err = Certify(filepath.Join(dir, RootKeyFile), filepath.Join(dir, SigningPubFile), name)
	return public, err
}

// NewSigningKey makes a signing key alone in dir, without a certificate, for a
// root that is kept elsewhere. It replaces no file.
func NewSigningKey(dir string) error {
	if err := vacant(dir, SigningKeyFile, SigningPubFile, CertificateFile); err != nil {
		return err
	}
	return newSigning(dir)
}

func newSigning(dir string) error {
	key, err := sign.NewKey()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making keys: %w", err)
	}
	if err := create(filepath.Join(dir, SigningKeyFile), key.Encode(), 0o600); err != nil {
		return err
	}
	return create(filepath.Join(dir, SigningPubFile), sign.EncodeKeyPublic(key.Public()), 0o644)
}

// Certify lets the root key in a file certify the signing key whose public key is
// in another, under a name, "release" if empty. The certificate is written beside
// the public key, as CertificateFile, which must not be there.
func Certify(rootFile, publicFile, name string) (sign.Certificate, string, error) {
	fail := func(file string, err error) (sign.Certificate, string, error) {
		return sign.Certificate{}, "", fmt.Errorf("certifying a signing key: %s: %w", file, err)
	}
	b, err := os.ReadFile(rootFile)
	if err != nil {
		return sign.Certificate{}, "", fmt.Errorf("certifying a signing key: %w", err)
	}
	root, err := sign.ParseRoot(b)
	if err != nil {
		return fail(rootFile, err)
	}
	if b, err = os.ReadFile(publicFile); err != nil {
		return sign.Certificate{}, "", fmt.Errorf("certifying a signing key: %w", err)
	}
	key, err := sign.ParseKeyPublic(b)
	if err != nil {
		return fail(publicFile, err)
	}
	c, err := root.Certify(key, cmp.Or(name, "release"))
	if err != nil {
		return sign.Certificate{}, "", err
	}
	file := filepath.Join(filepath.Dir(publicFile), CertificateFile)
	return c, file, create(file, c.Encode(), 0o644)
}

// readSigner reads the signing key of a directory, and its certificate.
func readSigner(dir string) (s bundle.Signer, err error) {
	file := filepath.Join(dir, SigningKeyFile)
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return s, fmt.Errorf("reading the signing key: %w: make one with \"hems keys new %s\"", err, dir)
	} else if err != nil {
		return s, fmt.Errorf("reading the signing key: %w", err)
	}
	if s.Key, err = sign.ParseKey(b); err != nil {
		return s, fmt.Errorf("reading the signing key: %s: %w", file, err)
	}
	file = filepath.Join(dir, CertificateFile)
	b, err = os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return s, fmt.Errorf("reading the signing key's certificate: %w: let a root key make it with \"hems keys certify\"", err)
	} else if err != nil {
		return s, fmt.Errorf("reading the signing key's certificate: %w", err)
	}
	if s.Certificate, err = sign.ParseCertificate(b); err != nil {
		return s, fmt.Errorf("reading the signing key's certificate: %s: %w", file, err)
	}
	return s, nil
}

// vacant says which file is there already.
func vacant(dir string, names ...string) error {
	for _, name := range names {
		file := filepath.Join(dir, name)
		if _, err := os.Lstat(file); err == nil {
			return fmt.Errorf("making keys: %s is there already and is not replaced: releases signed with another key are refused by every card that trusts this one; give another directory", file)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("making keys: %w", err)
		}
	}
	return nil
}

func create(file string, data []byte, mode os.FileMode) error {
	if err := atomicfile.Create(file, data, mode); err != nil {
		return fmt.Errorf("making keys: %w", err)
	}
	return nil
}
