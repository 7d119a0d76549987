package cli

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
)

// certificate makes a key and has the appliance certify it. The key never leaves
// this machine.
func (m *mqttCommand) certificate(ctx context.Context, name string) error {
	dir := cmp.Or(m.output, ".")
	m.output = ""
	if m.host == "" {
		return hinted{errors.New("a certificate is made by an appliance that runs"), fmt.Sprintf("hems mqtt user certificate %s -host http://localhost:8080", name)}
	}
	if strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("%q cannot be the name of a file", name)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("%s is no directory: make it, or name another with -o", dir)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, key)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	made, err := m.CertifyMQTTUser(ctx, name, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request})))
	if err != nil {
		return err
	}
	files := map[string]string{}
	for _, f := range []struct {
		what, name string
		text       []byte
		mode       os.FileMode
	}{
		{"key", name + ".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600},
		{"certificate", name + ".crt", []byte(made.Certificate), 0o644},
		{"authority", "hems-ca.crt", []byte(made.Authority), 0o644},
	} {
		files[f.what] = filepath.Join(dir, f.name)
		if err := atomicfile.Write(files[f.what], f.text, f.mode); err != nil {
			return err
		}
	}
	return m.done(files, fmt.Sprintf("%s and %s let %s in at the port with TLS; %s is the authority to trust", files["key"], files["certificate"], name, files["authority"]))
}
