package sign

import (
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFilesReadBack(t *testing.T) {
	h := newHouse(t)
	root := made(ParseRoot(h.root.Encode()))
	key := made(ParseKey(h.key.Encode()))
	cert := made(ParseCertificate(h.cert.Encode()))
	if _, err := NewTrust(root.Public()).Verify(text, made(key.Sign(text, cert)).Encode()); err != nil {
		t.Errorf("with keys from files: %v", err)
	}
	if got := made(ParseRootPublic(EncodeRootPublic(h.root.Public()))); got != h.root.Public() {
		t.Errorf("root public key %s, want %s", got, h.root.Public())
	}
	if got := made(ParseKeyPublic(EncodeKeyPublic(h.key.Public()))); got != h.key.Public() {
		t.Errorf("signing public key %s, want %s", got, h.key.Public())
	}
	for want, file := range map[string][]byte{
		"HEMS ROOT PRIVATE KEY":        h.root.Encode(),
		"HEMS ROOT PUBLIC KEY":         EncodeRootPublic(h.root.Public()),
		"HEMS SIGNING PRIVATE KEY":     h.key.Encode(),
		"HEMS SIGNING PUBLIC KEY":      EncodeKeyPublic(h.key.Public()),
		"HEMS SIGNING KEY CERTIFICATE": h.cert.Encode(),
	} {
		if b, _ := pem.Decode(file); b.Type != want {
			t.Errorf("type %q, want %q", b.Type, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	h := newHouse(t)
	parse := map[string]func([]byte) error{
		"root":        func(b []byte) error { _, err := ParseRoot(b); return err },
		"key":         func(b []byte) error { _, err := ParseKey(b); return err },
		"public root": func(b []byte) error { _, err := ParseRootPublic(b); return err },
		"public key":  func(b []byte) error { _, err := ParseKeyPublic(b); return err },
		"certificate": func(b []byte) error { _, err := ParseCertificate(b); return err },
	}
	two := append(EncodeRootPublic(h.root.Public()), EncodeRootPublic(h.root.Public())...)
	for _, tt := range []struct {
		name string
		as   string
		file []byte
		is   error  // if set
		want string // otherwise, part of the error
	}{
		{"Empty", "root", nil, nil, "it is no PEM file: want one with a HEMS ROOT PRIVATE KEY"},
		{"SigningKeyAsRoot", "root", h.key.Encode(), ErrWrongLevel, ""},
		{"RootAsSigningKey", "key", h.root.Encode(), ErrWrongLevel, ""},
		{"PublicAsPrivate", "root", EncodeRootPublic(h.root.Public()), ErrWrongLevel, ""},
		{"SigningKeyAsPublicRoot", "public root", EncodeKeyPublic(h.key.Public()), ErrWrongLevel, ""},
		{"PublicRootAsSigningKey", "public key", EncodeRootPublic(h.root.Public()), ErrWrongLevel, ""},
		{"CertificateAsPublicRoot", "public root", h.cert.Encode(), ErrWrongLevel, ""},
		{"PrivateAsPublicRoot", "public root", h.root.Encode(), ErrPrivate, ""},
		{"PrivateAsPublicKey", "public key", h.key.Encode(), ErrPrivate, ""},
		{"PrivateAsCertificate", "certificate", h.key.Encode(), ErrPrivate, ""},
		{"TLSKeyAsPublicRoot", "public root", block("EC PRIVATE KEY", []byte{1}), ErrPrivate, ""},
		{"TLSCertificate", "certificate", block("CERTIFICATE", []byte{1}), nil, `it is a "CERTIFICATE", want a HEMS SIGNING KEY CERTIFICATE`},
		{"ShortKey", "key", block(keyPrivate, make([]byte, 31)), nil, "has 31 bytes, want 32"},
		{"LongPublicKey", "public root", block(rootPublic, make([]byte, 33)), nil, "has 33 bytes, want 32"},
		{"TwoRoots", "public root", two, nil, "there is more than one"},
		{"ShortCertificate", "certificate", block(certificate, make([]byte, 20)), nil, "cut short, or has no proper name"},
		{"CertificateWithoutName", "certificate", block(certificate, make([]byte, 128)), nil, "cut short, or has no proper name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := parse[tt.as](tt.file)
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %v%s", err, tt.is, tt.want)
			}
		})
	}
}

func TestReadTrust(t *testing.T) {
	h := newHouse(t)
	write := func(files map[string][]byte) string {
		dir := t.TempDir()
		for name, b := range files {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	one, two := EncodeRootPublic(h.root.Public()), EncodeRootPublic(h.strangersRoot.Public())
	got := made(ReadTrust(os.DirFS(write(map[string][]byte{"a.pem": one, "b.pem": two, "c.pem": one, "README": []byte("no key")}))))
	if diff := cmp.Diff([]Public{h.root.Public(), h.strangersRoot.Public()}, got.Roots()); diff != "" {
		t.Errorf("roots (-want +got):\n%s", diff)
	}
	if got := made(ReadTrust(os.DirFS(filepath.Join(t.TempDir(), "nowhere")))); len(got.Roots()) != 0 {
		t.Errorf("a directory that is not there has %s", got)
	}
	for _, tt := range []struct {
		name string
		file []byte
		is   error
	}{
		{"PrivateRoot", h.root.Encode(), ErrPrivate},
		{"PrivateKey", h.key.Encode(), ErrPrivate},
		{"SigningKey", EncodeKeyPublic(h.key.Public()), ErrWrongLevel},
		{"Certificate", h.cert.Encode(), ErrWrongLevel},
		{"Text", []byte("a key"), nil},
		{"TooLong", append(one, make([]byte, maxKeyFile)...), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ReadTrust(os.DirFS(write(map[string][]byte{"a.pem": one, "b.pem": tt.file})))
			if err == nil || !strings.Contains(err.Error(), "b.pem") || tt.is != nil && !errors.Is(err, tt.is) || len(got.Roots()) != 0 {
				t.Errorf("got %s, %v, want %v about b.pem", got, err, tt.is)
			}
		})
	}
}
