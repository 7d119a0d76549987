package manager

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/broker/roster"
	"github.com/smartcore-ireland/hems/internal/pki"
)

// request asks for a certificate.
func request(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

func TestTheUsersOfMQTT(t *testing.T) {
	env := house(t, nil)
	if os.Geteuid() == 0 { // the files are for the broker's user to read
		env.Card = true
	}
	k := newKept(env, newSettings(env), nil)
	c := serve(t, env, k)
	say := func(status int, method, path, body string) string {
		t.Helper()
		resp, b := ask(t, c, method, path, "application/json", strings.NewReader(body))
		if resp.StatusCode != status {
			t.Errorf("%s %s: status %d, want %d: %s", method, path, resp.StatusCode, status, b)
		}
		return string(b)
	}
	hash, err := roster.Hash("plug", "x")
	if err != nil {
		t.Fatal(err)
	}
	plug := `{"name":"plug","hash":"` + hash + `","access":[{"access":"readwrite","topic":"plug/#"}]}`
	say(422, "POST", "/v1/mqtt/users", `{"name":"home","hash":"`+hash+`","access":[]}`)
	say(422, "POST", "/v1/mqtt/users", `{"name":"plug"}`)
	say(400, "POST", "/v1/mqtt/users", `{`)
	say(404, "POST", "/v1/mqtt/users/remove", `{"name":"plug"}`)
	say(200, "POST", "/v1/mqtt/users", plug)
	for _, path := range []string{env.MQTTPasswords(), env.MQTTAccess()} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		st := info.Sys().(*syscall.Stat_t)
		if env.Card && (info.Mode().Perm() != 0o640 || int(st.Gid) != appliance.UserOf("hems-broker").ID || st.Uid != 0) {
			t.Errorf("%s: mode %v, owner %d:%d", path, info.Mode(), st.Uid, st.Gid)
		}
	}
	request := strings.ReplaceAll(string(request(t)), "\n", "\\n")
	say(404, "POST", "/v1/mqtt/users/certificate", `{"name":"nobody","request":"`+request+`"}`)
	say(422, "POST", "/v1/mqtt/users/certificate", `{"name":"plug","request":"x"}`)
	if got := say(200, "POST", "/v1/mqtt/users/certificate", `{"name":"plug","request":"`+request+`"}`); strings.Count(got, "BEGIN CERTIFICATE") != 2 {
		t.Errorf("a certificate: %s", got)
	}
	var users roster.Users
	if err := json.Unmarshal([]byte(say(200, "GET", "/v1/mqtt/users", "")), &users); err != nil || len(users.Users) != 1 || users.Users[0].Name != "plug" {
		t.Errorf("%+v, %v", users, err)
	}
	say(422, "POST", "/v1/mqtt/import", `{"passwords":"plug:`+hash+`\n","list":""}`)
	say(200, "POST", "/v1/mqtt/import", `{"passwords":"lamp:`+hash+`\n","list":"user lamp\ntopic lamp/#\n"}`)
	say(200, "POST", "/v1/mqtt/users/remove", `{"name":"plug"}`)
	if info, err := os.Stat(env.Path("pki", pki.RevokedFile)); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the list of revoked certificates: %v, %v", info, err)
	}
	if got := say(200, "GET", "/v1/mqtt/users", ""); strings.Contains(got, "plug") || !strings.Contains(got, "lamp") || strings.Contains(got, "$7$") {
		t.Errorf("at the end: %s", got)
	}
}
