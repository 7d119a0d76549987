package gateway

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/remote"
)

// aToken is in the form of a tunnel's.
const aToken = "eyJhIjoiYSIsInQiOiJ0IiwicyI6InMifQ=="

func TestTokenOfATunnel(t *testing.T) {
	for pasted, want := range map[string]string{
		aToken:               aToken,
		"  " + aToken + "\n": aToken,
		"docker run cloudflare/cloudflared:latest tunnel --no-autoupdate run --token " + aToken: aToken,
		"sudo cloudflared service install " + aToken:                                            aToken,
		"":                 "",
		"eyJ":              "",
		"my password":      "",
		"eyJhIjoiYSJ9":     "", // without a tunnel and its secret
		"bm90IGpzb24gYXQ=": "",
	} {
		if got := tunnelToken(pasted); got != want {
			t.Errorf("%q: got %q, want %q", pasted, got, want)
		}
	}
}

func TestTheTunnelIsSetUpOnItsPage(t *testing.T) {
	h := newHouse(t, func(o *Options) {
		o.Cloud.HomeSocket = "unix:/run/hems/cloudflare/home.sock"
		o.Cloud.Hosts = []CloudHost{{Host: "old.example.ie", To: "dashboard", Rule: "access", Audience: "app"}}
		o.Reporters = []remote.Reporter{told{Way: remote.Cloudflare, State: remote.NeedsYou, Detail: "The tunnel has no token yet."}}
	})
	c := h.signedIn()
	if _, page := h.get(c, "/ways/cloudflare"); !strings.Contains(page, "The tunnel has no token yet.") || !strings.Contains(page, "unix:/run/hems/cloudflare/home.sock") || !strings.Contains(page, "old.example.ie") {
		t.Errorf("the page:\n%s", page)
	}
	if _, page := h.get(c, "/ways"); !strings.Contains(page, `href="/ways/cloudflare"`) {
		t.Errorf("the ways in do not lead to it:\n%s", page)
	}
	if res := h.post(c, "/ways/cloudflare", url.Values{"token": {"my password"}}); res.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("what is no token: got %s, want 422", res.Status)
	}
	if res := h.post(c, "/ways/cloudflare", url.Values{"token": {"cloudflared service install " + aToken}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("a token: got %s, want 303", res.Status)
	}
	b, err := os.ReadFile(h.o.Cloud.TokenFile)
	info, _ := os.Stat(h.o.Cloud.TokenFile)
	if err != nil || string(b) != aToken+"\n" || info.Mode().Perm() != 0o600 {
		t.Errorf("the token is kept as %q, %v, %v", b, info, err)
	}
	if strings.Contains(h.log.String(), aToken) {
		t.Error("the log has the token")
	}
	if _, page := h.get(c, "/ways/cloudflare"); strings.Contains(page, aToken) {
		t.Error("the page shows the token")
	}
	add := url.Values{"host": {" HA.example.ie "}, "to": {"home_assistant"}, "rule": {"client_certificate"}, "audience": {"x"}, "certificates": {"aa:bb\r\ncc"}}
	if res := h.post(c, "/ways/cloudflare/add", add); res.StatusCode != http.StatusSeeOther {
		t.Errorf("a name: got %s, want 303", res.Status)
	}
	want := `{"path":"cloudflare.hosts","value":[{"audience":"app","host":"old.example.ie","rule":"access","to":"dashboard"},{"certificates":["aa:bb","cc"],"host":"ha.example.ie","rule":"client_certificate","to":"home_assistant"}]}`
	if diff := cmp.Diff(want, string(h.manager.Body("POST /v1/config/set"))); diff != "" {
		t.Errorf("the manager was told (-want +got):\n%s", diff)
	}
	h.manager.Refuses("POST /v1/config/set", http.StatusUnprocessableEntity, "wrong", "hosts[1]: the rule access needs team, and audience of the application", "")
	if res := h.post(c, "/ways/cloudflare/add", url.Values{"host": {"b.example.ie"}, "to": {"dashboard"}, "rule": {"access"}}); res.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a rule that is not right: got %s, want 422", res.Status)
	}
	h.manager.Refuses("POST /v1/config/set", http.StatusOK, "", "", "")
	if res := h.post(c, "/ways/cloudflare/remove", url.Values{"host": {"old.example.ie"}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("removing it: got %s", res.Status)
	}
	if got := string(h.manager.Body("POST /v1/config/set")); got != `{"path":"cloudflare.hosts","value":[]}` {
		t.Errorf("removing it: the manager was told %s", got)
	}
	if res := h.post(c, "/ways/cloudflare", url.Values{"forget": {"1"}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("forgetting the token: got %s", res.Status)
	}
	if h.hasToken() {
		t.Error("the token is still there")
	}
}
