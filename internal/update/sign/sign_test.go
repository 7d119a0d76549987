package sign

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/update/refusal"
)

// house is one root with one certified signing key, and a stranger's.
type house struct {
	root, strangersRoot Root
	key, strangersKey   Key
	cert, strangersCert Certificate
	trust               Trust
}

var text = []byte(`{"version":"1.2.3"}`)

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{root: made(NewRoot()), strangersRoot: made(NewRoot()), key: made(NewKey()), strangersKey: made(NewKey())}
	h.cert = made(h.root.Certify(h.key.Public(), "the release machine"))
	h.strangersCert = made(h.strangersRoot.Certify(h.strangersKey.Public(), "a stranger"))
	h.trust = NewTrust(h.root.Public())
	return h
}

func made[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// raw signs in any context, as only somebody who writes their own program can.
func raw(key ed25519.PrivateKey, context string, message []byte) [64]byte {
	return made(inContext(key, context, message))
}

func TestVerify(t *testing.T) {
	h := newHouse(t)
	got, err := h.trust.Verify(text, made(h.key.Sign(text, h.cert)).Encode())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(h.cert, got); diff != "" {
		t.Errorf("who signed (-want +got):\n%s", diff)
	}
	both := NewTrust(h.strangersRoot.Public(), h.root.Public())
	for _, s := range []Signature{made(h.key.Sign(text, h.cert)), made(h.strangersKey.Sign(text, h.strangersCert))} {
		if _, err := both.Verify(text, s.Encode()); err != nil {
			t.Errorf("with two roots trusted: %v", err)
		}
	}
}

// TestVerifyRefuses is the table of every way in which a signature fails.
func TestVerifyRefuses(t *testing.T) {
	h := newHouse(t)
	good := made(h.key.Sign(text, h.cert))
	change := func(f func(s *Signature)) []byte {
		s := Signature{slices.Clone(good.Certificates), good.Signature}
		f(&s)
		return s.Encode()
	}
	// bySigner is the certificate of the stranger's key by a signing key.
	bySigner := Certificate{Name: "a friend", Key: h.strangersKey.Public(), Root: h.key.Public()}
	bySigner.Signature = raw(h.key.key, certificateContext, bySigner.statement())
	// selfSigned has a root key as its signing key.
	selfSigned := Certificate{Name: "root", Key: h.root.Public(), Root: h.root.Public()}
	selfSigned.Signature = raw(h.root.key, certificateContext, selfSigned.statement())
	// asText is a certificate's statement signed as a text.
	asText := h.cert
	asText.Signature = raw(h.root.key, textContext, asText.statement())

	for _, tt := range []struct {
		name      string
		trust     Trust
		text      []byte
		signature []byte
		want      *refusal.Refusal
	}{
		{"NoSignature", h.trust, text, nil, ErrUnsigned},
		{"BlankSignature", h.trust, text, []byte("\n"), ErrUnsigned},
		{"OtherText", h.trust, []byte(`{"version":"1.2.4"}`), good.Encode(), ErrBadSignature},
		{"TextWithMore", h.trust, append(bytes.Clone(text), '\n'), good.Encode(), ErrBadSignature},
		{"NoText", h.trust, nil, good.Encode(), ErrBadSignature},
		{"NotPEM", h.trust, text, []byte("signed, the release machine"), ErrBadSignature},
		{"CutShort", h.trust, text, good.Encode()[:300], ErrBadSignature},
		{"TextAfterTheSignature", h.trust, text, append(good.Encode(), 'x'), ErrBadSignature},
		{"TextBeforeTheCertificate", h.trust, text, append([]byte("x\n"), good.Encode()...), ErrBadSignature},
		{"TwoSignatures", h.trust, text, append(good.Encode(), block(signature, good.Signature[:])...), ErrBadSignature},
		{"ShortSignature", h.trust, text, append(h.cert.Encode(), block(signature, good.Signature[:63])...), ErrBadSignature},
		{"OtherBlock", h.trust, text, append(EncodeRootPublic(h.root.Public()), good.Encode()...), ErrBadSignature},
		{"PEMHeaders", h.trust, text, append(pem.EncodeToMemory(&pem.Block{Type: certificate, Headers: map[string]string{"A": "b"},
			Bytes: made(only(h.cert.Encode(), certificate, -1))}), block(signature, good.Signature[:])...), ErrBadSignature},
		{"SignatureChanged", h.trust, text, change(func(s *Signature) { s.Signature[0] ^= 1 }), ErrBadSignature},
		{"CertificateChanged", h.trust, text, change(func(s *Signature) { s.Certificates[0].Signature[0] ^= 1 }), ErrBadSignature},
		{"NameChanged", h.trust, text, change(func(s *Signature) { s.Certificates[0].Name += "s" }), ErrBadSignature},
		{"KeyChanged", h.trust, text, change(func(s *Signature) { s.Certificates[0].Key = h.strangersKey.Public() }), ErrBadSignature},
		{"CertificateOfAnotherKey", h.trust, text, change(func(s *Signature) {
			s.Signature = raw(h.strangersKey.key, textContext, text)
		}), ErrBadSignature},
		{"CertificateTwice", h.trust, text, change(func(s *Signature) { s.Certificates = append(s.Certificates, h.cert) }), ErrBadSignature},
		{"FiveCertificates", h.trust, text, change(func(s *Signature) { s.Certificates = slices.Repeat(s.Certificates, 5) }), ErrBadSignature},

		{"RootNotTrusted", h.trust, text, made(h.strangersKey.Sign(text, h.strangersCert)).Encode(), ErrUnknownKey},
		{"NothingTrusted", Trust{}, text, good.Encode(), ErrUnknownKey},
		{"RootChanged", h.trust, text, change(func(s *Signature) { s.Certificates[0].Root[5] ^= 1 }), ErrUnknownKey},
		{"NoCertificate", h.trust, text, change(func(s *Signature) { s.Certificates = nil }), ErrUnknownKey},
		{"CertifiedByItself", h.trust, text, change(func(s *Signature) { s.Certificates[0].Root = h.key.Public() }), ErrUnknownKey},
		{"StrangersChain", h.trust, text, change(func(s *Signature) { s.Certificates = []Certificate{h.strangersCert, h.cert} }), ErrUnknownKey},

		{"RootSigns", h.trust, text, Signature{nil, raw(h.root.key, textContext, text)}.Encode(), ErrWrongLevel},
		{"RootSignsAsRoot", h.trust, text, Signature{nil, raw(h.root.key, certificateContext, text)}.Encode(), ErrWrongLevel},
		{"RootSignsWithItsOwnCertificate", h.trust, text,
			Signature{[]Certificate{selfSigned}, raw(h.root.key, textContext, text)}.Encode(), ErrWrongLevel},
		{"SigningKeySignsAsRoot", h.trust, text,
			Signature{[]Certificate{h.cert}, raw(h.key.key, certificateContext, text)}.Encode(), ErrWrongLevel},
		{"RootCertifiesAsSigningKey", h.trust, text,
			Signature{[]Certificate{asText}, good.Signature}.Encode(), ErrWrongLevel},
		{"SigningKeyCertifies", h.trust, text,
			Signature{[]Certificate{bySigner, h.cert}, raw(h.strangersKey.key, textContext, text)}.Encode(), ErrWrongLevel},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := tt.trust.Verify(tt.text, tt.signature)
			if !errors.Is(err, tt.want) || refusal.Of(err) != tt.want {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if c != (Certificate{}) {
				t.Errorf("a refused signature is by %q", c.Name)
			}
		})
	}
}

// TestEveryFlippedBitIsSeen flips each bit of a signature's file.
func TestEveryFlippedBitIsSeen(t *testing.T) {
	h := newHouse(t)
	file := made(h.key.Sign(text, h.cert)).Encode()
	for i := range file {
		for bit := range 8 {
			file[i] ^= 1 << bit
			if _, err := h.trust.Verify(text, file); refusal.Of(err) == nil {
				t.Errorf("byte %d, bit %d: got %v", i, bit, err)
			}
			file[i] ^= 1 << bit
		}
	}
}

func TestCertifyRefuses(t *testing.T) {
	h := newHouse(t)
	for _, name := range []string{"", " ", " a", "a ", "a\nb", "é", strings.Repeat("a", 65)} {
		if _, err := h.root.Certify(h.key.Public(), name); err == nil {
			t.Errorf("the name %q is taken", name)
		}
	}
	if _, err := h.root.Certify(h.key.Public(), strings.Repeat("a", 64)); err != nil {
		t.Error(err)
	}
	if _, err := h.root.Certify(h.root.Public(), "root"); !errors.Is(err, ErrWrongLevel) {
		t.Errorf("a root certifying itself: got %v, want %v", err, ErrWrongLevel)
	}
	if _, err := h.strangersKey.Sign(text, h.cert); err == nil || !strings.Contains(err.Error(), "use the certificate of this key") {
		t.Errorf("signing with another key's certificate: got %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	h := newHouse(f)
	f.Add(text, made(h.key.Sign(text, h.cert)).Encode())
	f.Add(text, []byte("-----BEGIN HEMS SIGNATURE-----\n-----END HEMS SIGNATURE-----\n"))
	stranger := NewTrust(h.strangersRoot.Public())
	f.Fuzz(func(t *testing.T, text, signature []byte) {
		if _, err := stranger.Verify(text, signature); refusal.Of(err) == nil {
			t.Errorf("got %v, want a refusal", err)
		}
		s, err := parseSignature(signature)
		if err == nil && !bytes.Equal(s.Encode(), signature) {
			t.Error("a signature has two forms")
		}
	})
}
