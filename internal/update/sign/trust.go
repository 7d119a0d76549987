package sign

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Trust is the set of root keys whose word counts. The zero Trust trusts nobody.
type Trust struct{ roots []Public }

// NewTrust trusts these roots.
func NewTrust(roots ...Public) Trust { return Trust{slices.Clone(roots)} }

// Bounds of a directory of root keys.
const (
	maxRoots   = 32
	maxKeyFile = 4096 // bytes
)

// ReadTrust reads the root public keys in the files *.pem of a directory, which
// may be embedded. Other files are passed over; a *.pem that is anything but one
// root public key is an error, ErrPrivate where it is a private key. A directory
// that is not there has no keys.
func ReadTrust(dir fs.FS) (Trust, error) {
	entries, err := fs.ReadDir(dir, ".")
	if errors.Is(err, fs.ErrNotExist) {
		return Trust{}, nil
	} else if err != nil {
		return Trust{}, fmt.Errorf("reading the root keys: %w", err)
	}
	var t Trust
	for _, e := range entries {
		if path.Ext(e.Name()) != ".pem" {
			continue
		}
		b, err := readSmall(dir, e.Name())
		if err != nil {
			return Trust{}, fmt.Errorf("reading the root keys: %w", err)
		}
		root, err := ParseRootPublic(b)
		if err != nil {
			return Trust{}, fmt.Errorf("reading the root keys: %s: %w", e.Name(), err)
		}
		if len(t.roots) == maxRoots {
			return Trust{}, fmt.Errorf("reading the root keys: there are more than %d", maxRoots)
		}
		if !slices.Contains(t.roots, root) {
			t.roots = append(t.roots, root)
		}
	}
	return t, nil
}

func readSmall(dir fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(dir, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxKeyFile {
		return nil, fmt.Errorf("%s is not a file of at most %d bytes", name, maxKeyFile)
	}
	return fs.ReadFile(dir, name)
}

// Roots are the trusted root keys.
func (t Trust) Roots() []Public { return slices.Clone(t.roots) }

// String lists the trusted roots for people.
func (t Trust) String() string {
	if len(t.roots) == 0 {
		return "no root key"
	}
	var s []string
	for _, r := range t.roots {
		s = append(s, r.String())
	}
	return "the root keys " + strings.Join(s, ", ")
}

// Verify returns who signed the text, or why the signature, as Encode writes
// it, does not count: ErrUnsigned, ErrBadSignature, ErrUnknownKey or
// ErrWrongLevel.
func (t Trust) Verify(text, signature []byte) (Certificate, error) {
	if len(bytes.TrimSpace(signature)) == 0 {
		return Certificate{}, ErrUnsigned
	}
	s, err := parseSignature(signature)
	if err != nil {
		return Certificate{}, ErrBadSignature.With("reading it: %w", err)
	}
	if len(s.Certificates) == 0 {
		return Certificate{}, t.withoutCertificate(text, s)
	}
	c := s.Certificates[0]
	if err := t.certified(s.Certificates); err != nil {
		return Certificate{}, err
	}
	if !verifies(c.Key, textContext, text, s.Signature) {
		if verifies(c.Key, certificateContext, text, s.Signature) {
			return Certificate{}, ErrWrongLevel.With("%q signed as a root key would", c.Name)
		}
		return Certificate{}, ErrBadSignature
	}
	return c, nil
}

// certified says whether the first certificate is a root's word. The others are
// looked at only to say what is wrong.
func (t Trust) certified(chain []Certificate) error {
	c := chain[0]
	if slices.Contains(t.roots, c.Key) {
		return ErrWrongLevel.With("%s is a root key", c.Key)
	}
	if !slices.Contains(t.roots, c.Root) {
		for _, above := range chain[1:] {
			if above.Key == c.Root && t.certified([]Certificate{above}) == nil {
				return ErrWrongLevel.With("%q is certified by %q, which is a signing key", c.Name, above.Name)
			}
		}
		return ErrUnknownKey.With("%q is certified by the root key %s; trusted: %s", c.Name, c.Root, t)
	}
	if len(chain) > 1 {
		return ErrBadSignature.With("%d certificates where there is one", len(chain))
	}
	if !verifies(c.Root, certificateContext, c.statement(), c.Signature) {
		if verifies(c.Root, textContext, c.statement(), c.Signature) {
			return ErrWrongLevel.With("the root key %s signed as a signing key would", c.Root)
		}
		return ErrBadSignature.With("the certificate of %q", c.Name)
	}
	return nil
}

// withoutCertificate finds out whose a signature without a certificate is.
func (t Trust) withoutCertificate(text []byte, s Signature) error {
	for _, root := range t.roots {
		if verifies(root, textContext, text, s.Signature) || verifies(root, certificateContext, text, s.Signature) {
			return ErrWrongLevel.With("%s is a root key", root)
		}
	}
	return ErrUnknownKey.With("there is no certificate with the signature")
}
