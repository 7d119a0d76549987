package cli

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rsc.io/qr"

	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/gateway"
	"github.com/smartcore-ireland/hems/internal/pki"
	"github.com/smartcore-ireland/hems/internal/remote/phones"
)

// newPhoneSite is a site whose manager has an authority for phones.
func newPhoneSite(t *testing.T) *site {
	t.Helper()
	dir := t.TempDir()
	a, err := pki.Open(pki.Options{
		Dir: dir, Holders: []pki.Holder{{Name: "gateway"}}, Phones: "gateway", Host: func() string { return "hems" }, Synchronised: func() bool { return true },
		Addresses: func() ([]netip.Prefix, error) { return nil, nil }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, func(o *gateway.Options) {
		o.Phones = phones.New(phones.Options{Dir: filepath.Join(dir, "gateway"), Log: o.Log})
	})
	s.manager.Lock()
	defer s.manager.Unlock()
	s.manager.Answers = map[string]func([]byte) (int, any){
		"POST /v1/phones": func(body []byte) (int, any) {
			var q struct{ Name, Request string }
			if err := json.Unmarshal(body, &q); err != nil {
				return http.StatusBadRequest, nil
			}
			cert, p, err := a.IssuePhone(q.Name, []byte(q.Request))
			if err != nil {
				return http.StatusConflict, client.Error{Code: "used", Message: err.Error()}
			}
			return http.StatusOK, map[string]any{"certificate": string(cert), "phone": p}
		},
		"POST /v1/phones/revoke": func(body []byte) (int, any) {
			var q struct{ Name string }
			if json.Unmarshal(body, &q) != nil || a.RevokePhone(q.Name) != nil {
				return http.StatusNotFound, client.Error{Code: "unknown", Message: "there is no phone of that name"}
			}
			return http.StatusOK, struct{}{}
		},
	}
	return s
}

func TestPhones(t *testing.T) {
	s := newPhoneSite(t)
	s.run("phone", "list", "HOST").check(t, 0, "no phone has a certificate: hems phone add "+s.url+" NAME\nasked for on lan: off\n", "")
	added := s.run("phone", "add", "HOST", "Alice’s phone")
	added.check(t, 0, "open this on Alice’s phone before ", "")
	added.check(t, 0, "    "+s.url+"/phone/", "")
	if strings.Contains(added.out, "\x1b") {
		t.Errorf("a code is drawn on what is no terminal:\n%s", added.out)
	}
	s.run("phone", "add", "HOST", "alice’s PHONE").check(t, 1, "", "error: another phone has that name\n")
	s.runWith(map[string]string{"HEMS_URL": s.url, "HEMS_USER": "owner", "HEMS_PASSWORD": "a cup of tea"}, "phone", "list").
		check(t, 0, "✓ Alice’s phone: until "+time.Now().AddDate(0, 0, 730).Format("2 January 2006"), "")
	var v client.NewPhone
	if got := s.run("phone", "add", "HOST", "Bob", "-json"); json.Unmarshal([]byte(got.out), &v) != nil || len(v.Password) != 19 || v.Phone.Name != "Bob" || !strings.HasPrefix(v.Link, s.url+"/phone/") {
		t.Errorf("as JSON: got %+v", got)
	}
	s.run("phone", "revoke", "HOST", "Alice’s phone").check(t, 0, "the certificate of Alice’s phone is revoked\n", "")
	s.run("phone", "revoke", "HOST", "Alice’s phone").check(t, 1, "", "error: there is no phone of that name\n")
	s.run("phone", "list", "HOST").check(t, 0, "– Alice’s phone: revoked ", "")
	s.run("phone", "ask", "HOST", "lan", "required").check(t, 1, "", "error: this connection shows no certificate of a phone")
	s.run("phone", "ask", "HOST", "lan", "optional").check(t, 0, "what is asked of phones on lan is optional now\n", "")
	if got, want := string(s.manager.Body("POST /v1/config/set")), `{"path":"gateway.client_certificates.lan","value":"optional"}`; got != want {
		t.Errorf("the manager was told %s, want %s", got, want)
	}
	s.run("phone", "add", "HOST").check(t, 2, "", "error: hems phone cannot do ")
	s.run("phone", "-h").check(t, 0, "", "usage: hems phone list HOST")
}

// TestACodeIsDrawnDarkOnLight: a corner of it is its square of seven modules.
func TestACodeIsDrawnDarkOnLight(t *testing.T) {
	code, err := qr.Encode("http://hems.local/phone/x", qr.M)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(halfBlocks(code), "\n"), "\n")
	if got, want := len(lines), (code.Size+4+1)/2; got != want {
		t.Errorf("got %d lines, want %d", got, want)
	}
	for i, want := range []string{"           ", "  █▀▀▀▀▀█  ", "  █ ███ █  ", "  █ ▀▀▀ █  ", "  ▀▀▀▀▀▀▀  "} {
		if line, ok := strings.CutPrefix(lines[i], "\x1b[30;107m"); !ok || !strings.HasPrefix(line, want[:len(want)-2]) {
			t.Errorf("line %d: got %q, want it to begin with %q", i, line, want)
		}
	}
}
