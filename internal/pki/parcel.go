package pki

import (
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"

	"software.sslmate.com/src/go-pkcs12"
)

// phoneKeyBits: Android keeps RSA keys for apps and browsers in every version;
// elliptic curves it does not.
const phoneKeyBits = 2048

// A Form is one of the forms of PKCS #12.
type Form string

// The forms.
const (
	Android Form = "android" // 3DES: Android 11 takes the password of a newer one for wrong
	Modern  Form = "modern"  // AES-256, PBKDF2: everything else of these years
)

// Forms are all of them.
var Forms = []Form{Android, Modern}

// A PhoneKey is a key for a phone, and the request for its certificate. It is
// nowhere but in memory.
type PhoneKey struct {
	key     *rsa.PrivateKey
	Request []byte // PKCS #10 in PEM
}

// NewPhoneKey makes one, in a second or two of a small processor.
func NewPhoneKey() (*PhoneKey, error) {
	key, err := rsa.GenerateKey(random, phoneKeyBits)
	if err != nil {
		return nil, fmt.Errorf("making a phone’s key: %w", err)
	}
	der, err := x509.CreateCertificateRequest(random, &x509.CertificateRequest{Subject: pkix.Name{OrganizationalUnit: []string{phoneUnit}}}, key)
	if err != nil {
		return nil, fmt.Errorf("making a phone’s request: %w", err)
	}
	return &PhoneKey{key: key, Request: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})}, nil
}

// Parcel is the key with its certificate (in PEM), encrypted with the password, as
// PKCS #12 of that form. The authority is not in it: who imports the parcel is not
// asked to trust anybody.
func (k *PhoneKey) Parcel(f Form, certificate []byte, password string) ([]byte, error) {
	c, err := parseCertificate(certificate)
	if err != nil {
		return nil, err
	}
	if !k.key.PublicKey.Equal(c.PublicKey) {
		return nil, fmt.Errorf("the certificate is for another key")
	}
	e := pkcs12.Modern2023
	if f == Android {
		e = pkcs12.LegacyDES
	}
	return e.WithRand(random).Encode(k.key, c, nil, password)
}
