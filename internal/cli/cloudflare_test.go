package cli

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/smartcore-ireland/hems/internal/gateway"
)

func TestCloudflare(t *testing.T) {
	s := newSite(t, func(o *gateway.Options) {
		o.Cloud = gateway.CloudSettings{Enabled: true, Team: "smartcore", TokenFile: filepath.Join(o.Dir, "cloudflare-token"), HomeSocket: "unix:/run/home.sock", DashboardSocket: "unix:/run/dashboard.sock",
			Hosts: []gateway.CloudHost{{Host: "ha.example.ie", To: "home_assistant", Rule: "access", Audience: "app"}}}
	})
	s.run("cloudflare", "show", "HOST").check(t, 0, "it is on; its token is missing; how it is: hems ways "+s.url+"\nha.example.ie: home_assistant, rule access\n    leads to unix:/run/home.sock\n", "")
	s.file("none", "no token")
	s.run("cloudflare", "token", "HOST", "DIR/none").check(t, 1, "", "error: that is no token of a tunnel\nhint: copy the whole command")
	s.file("token", "cloudflared service install eyJhIjoiYSIsInQiOiJ0IiwicyI6InMifQ==\n")
	s.run("cloudflare", "token", "HOST", "DIR/token").check(t, 0, "the token is kept\n", "")
	s.run("cloudflare", "show", "HOST").check(t, 0, "its token is given", "")
	s.run("cloudflare", "add", "HOST", "HEMS.example.ie", "-to", "dashboard", "-rule", "client_certificate", "-certificate", "aa", "-certificate", "bb").check(t, 0, "HEMS.example.ie has its rule\n", "")
	want := `{"path":"cloudflare.hosts","value":[{"audience":"app","host":"ha.example.ie","rule":"access","to":"home_assistant"},{"certificates":["aa","bb"],"host":"hems.example.ie","rule":"client_certificate","to":"dashboard"}]}`
	if got := string(s.manager.Body("POST /v1/config/set")); got != want {
		t.Errorf("the manager was told %s, want %s", got, want)
	}
	s.manager.Refuses("POST /v1/config/set", http.StatusUnprocessableEntity, "wrong", "hosts[1].rule is \"\"", "")
	s.run("cloudflare", "add", "HOST", "b.example.ie").check(t, 1, "", "error: hosts[1].rule is")
	s.manager.Refuses("POST /v1/config/set", http.StatusOK, "", "", "")
	s.run("cloudflare", "remove", "HOST", "ha.example.ie").check(t, 0, "ha.example.ie is refused from now on\n", "")
	if got, want := string(s.manager.Body("POST /v1/config/set")), `{"path":"cloudflare.hosts","value":[]}`; got != want {
		t.Errorf("the manager was told %s, want %s", got, want)
	}
	s.run("cloudflare", "remove", "HOST", "x.example.ie").check(t, 1, "", "error: the tunnel has no name \"x.example.ie\"\n")
	s.run("cloudflare", "forget", "HOST").check(t, 0, "the token is forgotten\n", "")
	s.run("cloudflare", "-h").check(t, 0, "", "usage: hems cloudflare show HOST")
}
