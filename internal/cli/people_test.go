package cli

import (
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smartcore-ireland/hems/internal/client"
)

// stranger is a shell in which nothing is set but where things are stored.
func (s *site) stranger(args ...string) result {
	for i := range args {
		args[i] = strings.NewReplacer("HOST", s.url, "DIR", s.dir).Replace(args[i])
	}
	return s.runWith(map[string]string{"HOME": s.dir}, args...)
}

func TestLogin(t *testing.T) {
	s := newSite(t)
	s.file("password", "a cup of tea\n")
	s.stranger("status", "HOST").check(t, 1, "", "there is no terminal to ask on")
	s.stranger("logout", "HOST").check(t, 1, "", "error: no sign-in at HOST is stored\nhint: hems login HOST\n")
	s.stranger("login", "HOST", "-password-file", "DIR/password", "-role", "king").check(t, 1, "", `"king" is no role`)
	s.stranger("login", "HOST", "-password-file", "DIR/password").check(t, 0, "signed in to "+s.url+" as owner (owner) until ", "")

	path := filepath.Join(s.dir, ".config", "hems", "logins.json")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("what is stored: %v, %v; want mode 0600", info, err)
	}
	if dir, err := os.Stat(filepath.Dir(path)); err != nil || dir.Mode().Perm() != 0o700 {
		t.Errorf("where it is stored: %v, %v; want mode 0700", dir, err)
	}
	if b, err := os.ReadFile(path); err != nil || strings.Contains(string(b), "cup of tea") || !strings.Contains(string(b), `"token": "hems_`) {
		t.Errorf("what is stored: %s, %v", b, err)
	}

	host := strings.TrimPrefix(s.url, "http://")
	for _, typed := range []string{"HOST", host, strings.Split(host, ":")[0]} {
		s.stranger("status", typed).check(t, 0, "1.1.0 on Raspberry Pi 4", "")
	}
	s.stranger("people", "me", "HOST").check(t, 0, "owner, owner, by token", "")
	s.stranger("tokens", "add", "HOST", "script").check(t, 1, "", "hint: hems tokens add HOST script -user NAME\n")

	// A second sign-in takes the place of the first one's token.
	s.stranger("login", "HOST", "-password-file", "DIR/password", "-role", "viewer", "-name", "my laptop").check(t, 0, "(viewer)", "")
	var tokens []client.Token
	if got := s.stranger("tokens", "list", "HOST", "-json"); json.Unmarshal([]byte(got.out), &tokens) != nil || len(tokens) != 1 || tokens[0].Name != "my laptop" || !tokens[0].Here {
		t.Errorf("tokens: got %+v", got)
	}
	s.stranger("logs", "HOST").check(t, 1, "", "error: this needs the role owner; owner is viewer\n")
	s.stranger("logout", "HOST").check(t, 0, "signed out of "+s.url, "")
	s.stranger("status", "HOST").check(t, 1, "", "there is no terminal to ask on")
	if got := s.run("tokens", "list", "HOST"); got.status != 0 || got.out != "" {
		t.Errorf("after signing out: got %+v, want no token", got)
	}

	// One that was ended at the appliance says so, and can be signed out of.
	s.stranger("login", "HOST", "-password-file", "DIR/password").check(t, 0, "", "")
	if err := json.Unmarshal([]byte(s.run("tokens", "list", "HOST", "-json").out), &tokens); err != nil || len(tokens) != 1 {
		t.Fatalf("tokens: %v, %v", tokens, err)
	}
	s.run("tokens", "end", "HOST", tokens[0].ID).check(t, 0, "it is ended", "")
	s.stranger("status", "HOST").check(t, 1, "", "hint: hems login HOST\n")
	s.stranger("logout", "HOST").check(t, 0, "signed out", "")

	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.stranger("login", "HOST", "-password-file", "DIR/password").check(t, 1, "", "hint: delete DIR/.config/hems/logins.json and sign in again")
}

func TestPeople(t *testing.T) {
	s := newSite(t)
	s.run("people", "add", "HOST", "Niamh", "member").check(t, 0, "niamh chooses a password here, once, before ", "")
	s.run("people", "add", "HOST", "cian").check(t, 1, "", "hint: hems people add HOST cian member\n")
	s.run("people", "add", "HOST", "cian", "king").check(t, 1, "", `"king" is no role`)
	var made client.Invited
	if got := s.run("people", "link", "HOST", "niamh", "-json"); json.Unmarshal([]byte(got.out), &made) != nil || made.Role != "member" {
		t.Fatalf("link: got %+v", got)
	}
	s.run("people", "list", "HOST").check(t, 0, "niamh            member  invited, until ", "")
	res, err := http.PostForm(made.Link, map[string][]string{"password": {"four words of hers"}})
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	s.run("people", "list", "HOST").check(t, 0, "niamh            member  1 signed in", "")
	s.run("people", "unlink", "HOST", "niamh").check(t, 1, "", "error: there is none like that any more")
	s.run("people", "logins", "HOST", "niamh", "tailnet", "niamh@example.com", "cloudflare", "n@example.ie").check(t, 0, "known by 2 linked logins", "")
	s.run("people", "list", "HOST").check(t, 0, "known on cloudflare as n@example.ie", "")
	s.run("people", "logins", "HOST", "niamh", "tailnet").check(t, 1, "", "tailnet is of which login?")
	s.run("people", "logins", "HOST", "niamh", "funnel", "x").check(t, 1, "", "vouches for nobody")
	s.run("sessions", "list", "HOST", "niamh").check(t, 0, "a Go program, lan 127.0.0.1, by password", "")
	s.run("sessions", "end", "HOST", "others", "niamh").check(t, 0, "it is ended", "")
	s.run("sessions", "end", "HOST", "none", "niamh").check(t, 1, "", "there is none like that any more")
	s.run("sessions", "list", "HOST", "eve").check(t, 1, "", "error: there is nobody of the name eve\nhint: hems people list HOST\n")
	s.run("people", "role", "HOST", "niamh", "viewer").check(t, 0, "niamh is viewer now", "")
	s.run("people", "remove", "HOST", "niamh").check(t, 0, "niamh may not come in any more", "")
	s.run("people", "remove", "HOST", "owner").check(t, 1, "", "error: this is the last owner\nhint: make somebody else an owner first\n")
	s.run("tokens", "add", "HOST", "script", "-role", "viewer", "-days", "7").check(t, 0, "hems_", "")
	s.run("tokens", "add", "HOST", "script", "-days", "99999999").check(t, 1, "", "a token is good for a day to ten years")
	s.run("people", "dance", "HOST").check(t, 2, "", "")
	s.run("people", "role", "HOST", "niamh").check(t, 2, "", "hems people cannot do")
	s.file("new", "another cup of tea\n")
	s.run("people", "password", "HOST", "-new-password-file", "DIR/new").check(t, 0, "the password is changed", "")
	s.run("status", "HOST").check(t, 1, "", "that name and password do not match")
	s.run("login", "-h").check(t, 0, "", "usage: hems login")
}

// TestLoginLooksAtTheCertificate: a password goes only to who shows one that is
// trusted.
func TestLoginLooksAtTheCertificate(t *testing.T) {
	s := newSite(t)
	asked := false
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = true
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"token":"hems_x","id":"1","role":"owner","until":"2027-01-01T00:00:00Z"}`))
	}))
	srv.TLS = &tls.Config{}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // it is turned away
	srv.StartTLS()
	defer srv.Close()
	s.file("password", "a cup of tea\n")
	s.stranger("login", srv.URL, "-password-file", "DIR/password").check(t, 1, "", "error: the appliance's certificate is of an authority that this computer does not know\nhint: get hems-ca.crt from the dashboard")
	if asked {
		t.Error("it was asked all the same")
	}
	s.file("ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})))
	s.stranger("login", strings.TrimPrefix(srv.URL, "https://"), "-ca", "DIR/ca.crt", "-password-file", "DIR/password").check(t, 0, "signed in to https://", "")
	s.stranger("people", "me", srv.URL).check(t, 0, "", "")
	s.stranger("login", srv.URL, "-ca", "DIR/password", "-password-file", "DIR/password").check(t, 1, "", "there is no certificate in DIR/password")
}
