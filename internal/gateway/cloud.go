package gateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/remote"
)

// CloudSettings are those of the way in through a Cloudflare Tunnel.
type CloudSettings struct {
	Enabled                     bool
	Team                        string
	Hosts                       []CloudHost
	TokenFile                   string // where a token is put that the page is given; empty: it takes none
	HomeSocket, DashboardSocket string // where the tunnel's names lead, as Cloudflare is told
}

// CloudHost is one of the tunnel's names; its words are those of hems.yaml.
type CloudHost struct {
	Host         string   `json:"host"`
	To           string   `json:"to"`
	Rule         string   `json:"rule"`
	Audience     string   `json:"audience,omitempty"`
	Certificates []string `json:"certificates,omitempty"`
	SecondFactor bool     `json:"second_factor,omitempty"`
}

// tunnelToken is the token in what a person pastes: Cloudflare shows it at the end of
// a command. Empty: there is none.
func tunnelToken(pasted string) string {
	words := strings.Fields(pasted)
	for _, w := range slices.Backward(words) {
		b, err := base64.StdEncoding.DecodeString(w)
		if err != nil {
			continue
		}
		var t struct{ A, T, S string }
		if json.Unmarshal(b, &t) == nil && t.A != "" && t.T != "" && t.S != "" {
			return w
		}
	}
	return ""
}

// giveToken keeps the tunnel's token, or forgets it.
func (g *Gateway) giveToken(pasted string, forget bool) error {
	path := g.o.Cloud.TokenFile
	if path == "" {
		return &client.Error{Status: http.StatusServiceUnavailable, Code: "no_place", Message: "there is no place for a token here"}
	}
	if forget {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return err
		}
		return nil
	}
	token := tunnelToken(pasted)
	if token == "" {
		return &client.Error{Status: http.StatusUnprocessableEntity, Code: "bad_token", Message: "that is no token of a tunnel",
			Hint: "copy the whole command that Cloudflare shows for the connector, or the long word that begins with eyJ"}
	}
	return atomicfile.Write(path, []byte(token+"\n"), 0o600)
}

// hasToken says whether the page was given one.
func (g *Gateway) hasToken() bool {
	if g.o.Cloud.TokenFile == "" {
		return false
	}
	_, err := os.Stat(g.o.Cloud.TokenFile)
	return err == nil
}

// setHosts changes the tunnel's names, all of them.
func (g *Gateway) setHosts(ctx context.Context, hosts []CloudHost) error {
	var list []any
	for _, h := range hosts {
		one := map[string]any{"host": h.Host, "to": h.To, "rule": h.Rule}
		if h.Audience != "" {
			one["audience"] = h.Audience
		}
		if len(h.Certificates) > 0 {
			one["certificates"] = h.Certificates
		}
		if h.SecondFactor {
			one["second_factor"] = true
		}
		list = append(list, one)
	}
	if list == nil {
		list = []any{}
	}
	return g.manager.SetConfig(ctx, "cloudflare.hosts", list)
}

// cloudBody is the page about the tunnel.
type cloudBody struct {
	Problem *problem
	CloudSettings
	Status     remote.Status
	Word       string
	SinceWords string
	HasToken   bool
	Saved      bool
	Given      CloudHost // what was typed
	Prints     string
}

func (g *Gateway) cloudBody(r *http.Request) cloudBody {
	b := cloudBody{CloudSettings: g.o.Cloud, HasToken: g.hasToken(), Saved: r.URL.Query().Get("saved") != ""}
	for _, s := range g.ways(r) {
		if s.Way == remote.Cloudflare {
			b.Status, b.Word = s, wayWords[s.State]
		}
	}
	if !b.Status.Since.IsZero() {
		b.SinceWords = g.when(b.Status.Since)
	}
	return b
}

func (g *Gateway) showCloud(w http.ResponseWriter, r *http.Request, status int, b cloudBody) {
	g.show(w, r, status, "cloudflare.html", g.page(r, "cloudflare", "Cloudflare Tunnel", b))
}

func (g *Gateway) cloudPage(w http.ResponseWriter, r *http.Request) {
	g.showCloud(w, r, http.StatusOK, g.cloudBody(r))
}

// afterCloud shows the page again, or what was wrong.
func (g *Gateway) afterCloud(w http.ResponseWriter, r *http.Request, err error, given CloudHost) {
	if err == nil {
		http.Redirect(w, r, "/ways/cloudflare?saved=1", http.StatusSeeOther)
		return
	}
	b := g.cloudBody(r)
	b.Given, b.Prints = given, strings.Join(given.Certificates, "\n")
	var status int
	status, b.Problem = g.problem(err)
	g.showCloud(w, r, status, b)
}

// setCloud takes the token, the team, and whether it is on.
func (g *Gateway) setCloud(w http.ResponseWriter, r *http.Request) {
	err := r.ParseForm()
	f := r.PostForm
	if err == nil && f.Has("token") {
		err = g.giveToken(f.Get("token"), false)
	}
	if err == nil && f.Has("forget") {
		err = g.giveToken("", true)
	}
	if err == nil && f.Has("team") {
		err = g.manager.SetConfig(r.Context(), "cloudflare.team", strings.TrimSpace(f.Get("team")))
	}
	if err == nil && f.Has("enabled") {
		err = g.manager.SetConfig(r.Context(), "cloudflare.enabled", f.Get("enabled") == "on")
	}
	g.afterCloud(w, r, err, CloudHost{})
}

func (g *Gateway) addCloudHost(w http.ResponseWriter, r *http.Request) {
	h := CloudHost{Host: strings.ToLower(strings.TrimSpace(r.PostFormValue("host"))), To: r.PostFormValue("to"), Rule: r.PostFormValue("rule"),
		Audience: strings.TrimSpace(r.PostFormValue("audience")), Certificates: strings.Fields(r.PostFormValue("certificates"))}
	switch h.Rule { // what another rule needs is nothing to this one
	case "access":
		h.Certificates = nil
	case "client_certificate":
		h.Audience = ""
	default:
		h.Audience, h.Certificates = "", nil
	}
	hosts := slices.DeleteFunc(slices.Clone(g.o.Cloud.Hosts), func(o CloudHost) bool { return strings.EqualFold(o.Host, h.Host) })
	g.afterCloud(w, r, g.setHosts(r.Context(), append(hosts, h)), h)
}

func (g *Gateway) dropCloudHost(w http.ResponseWriter, r *http.Request) {
	name := r.PostFormValue("host")
	hosts := slices.DeleteFunc(slices.Clone(g.o.Cloud.Hosts), func(o CloudHost) bool { return o.Host == name })
	g.afterCloud(w, r, g.setHosts(r.Context(), hosts), CloudHost{})
}

// apiCloud is what is set of the tunnel, and where its names lead.
func (g *Gateway) apiCloud(w http.ResponseWriter, r *http.Request) {
	c := g.o.Cloud
	hosts := c.Hosts
	if hosts == nil {
		hosts = []CloudHost{}
	}
	writeJSON(w, r, map[string]any{"enabled": c.Enabled, "team": c.Team, "token": g.hasToken(), "hosts": hosts,
		"home_socket": c.HomeSocket, "dashboard_socket": c.DashboardSocket})
}

// apiCloudHosts changes the tunnel's names, all of them.
func (g *Gateway) apiCloudHosts(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Hosts []CloudHost `json:"hosts"`
	}
	if !g.readQuestion(w, r, &q) {
		return
	}
	if err := g.setHosts(r.Context(), q.Hosts); err != nil {
		g.refuseQuestion(w, err)
		return
	}
	writeJSON(w, r, struct{}{})
}

// apiCloudToken takes the tunnel's token from a program; {"token": ""} forgets it.
func (g *Gateway) apiCloudToken(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Token string `json:"token"`
	}
	if !g.readQuestion(w, r, &q) {
		return
	}
	if err := g.giveToken(q.Token, q.Token == ""); err != nil {
		g.refuseQuestion(w, err)
		return
	}
	writeJSON(w, r, struct{}{})
}
