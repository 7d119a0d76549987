package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/smartcore-ireland/hems/internal/remote"
	"github.com/smartcore-ireland/hems/internal/remote/phones"
)

// wayTitles are the ways in as a householder calls them.
var wayTitles = map[remote.Way]string{
	remote.LAN: "Your home’s network", remote.Tailnet: "Tailnet", remote.Funnel: "Funnel", remote.Cloudflare: "Cloudflare Tunnel",
}

// wayWho is who can use each.
var wayWho = map[remote.Way]string{
	remote.LAN:        "Whoever is in your network. Everybody has to sign in.",
	remote.Tailnet:    "Your own phones and computers, wherever they are, with the Tailscale app. Nobody else can reach it at all.",
	remote.Funnel:     "Anybody who has the address, without an app. Everybody has to sign in, and a password alone does not do.",
	remote.Cloudflare: "Whoever Cloudflare lets through by your rules, at your own domain’s name.",
}

// waySetup is the page on which each is set up.
var waySetup = map[remote.Way]string{
	remote.LAN: "/system/https", remote.Tailnet: "/ways/tailnet", remote.Funnel: "/ways/tailnet", remote.Cloudflare: "/ways/cloudflare",
}

// waysBody is the page about the ways in.
type waysBody struct {
	Next   *nextStep
	Ways   []wayRow
	Secure bool   // this visitor's connection
	Phones string // what is asked of phones, in a word
	Home   string // Home Assistant's address; empty: there is none behind this appliance
}

// nextStep is the one thing to do next.
type nextStep struct {
	What, Why, To, Button string
}

type wayRow struct {
	remote.Status
	Title, Word, SinceWords, Who string
	Setup                        string // the page; empty: there is none
}

// wayWords are the states.
var wayWords = map[remote.State]string{
	remote.Up: "up", remote.Off: "off", remote.Starting: "starting", remote.Down: "down", remote.NeedsYou: "needs you",
}

func (g *Gateway) waysPage(w http.ResponseWriter, r *http.Request) {
	b := waysBody{Secure: encrypted(r), Phones: g.phonesWord(), Home: g.o.HomeAssistant.URL}
	for _, s := range g.ways(r) {
		row := wayRow{Status: s, Title: wayTitles[s.Way], Word: wayWords[s.State], Who: wayWho[s.Way]}
		if !s.Since.IsZero() {
			row.SinceWords = g.when(s.Since)
		}
		if to := waySetup[s.Way]; g.hasPage(to) {
			row.Setup = to
		}
		b.Ways = append(b.Ways, row)
	}
	b.Next = g.nextStep(r, b.Ways)
	g.show(w, r, http.StatusOK, "ways.html", g.page(r, "ways", "Ways in", b))
}

// hasPage says whether the route table has that page.
func (g *Gateway) hasPage(path string) bool {
	return slices.ContainsFunc(g.routes(), func(r route) bool { return r.pattern == "GET "+path })
}

// nextStep is what the owner gains most by, of what is not done yet; nil: nothing.
func (g *Gateway) nextStep(r *http.Request, all []wayRow) *nextStep {
	away := false
	for _, w := range all {
		if w.State == remote.NeedsYou || w.State == remote.Down {
			return &nextStep{What: w.Title, Why: strings.TrimSpace(w.Detail + " " + w.Action), To: w.Setup, Button: "Look at it"}
		}
		away = away || w.Way != remote.LAN && w.State != remote.Off
	}
	if g.o.Phones != nil && g.o.Phones.Asked(remote.LAN) == phones.Required && g.o.Phones.Mode(remote.LAN) != phones.Required {
		return &nextStep{What: "Add a phone", Why: "Your home’s network is to want a phone’s certificate, and no phone has a good one.", To: "/phones", Button: "Phones"}
	}
	if !encrypted(r) && g.o.Authority != "" {
		return &nextStep{What: "Encrypt this connection", Why: "Let this device trust the appliance’s own certificate, once.", To: "/system/https", Button: "Show me how"}
	}
	if to := waySetup[remote.Tailnet]; !away && g.hasPage(to) {
		return &nextStep{What: "See your house from anywhere", Why: "A tailnet takes two minutes, costs nothing for a home, and opens no port on your router.", To: to, Button: "Set up a tailnet"}
	}
	return nil
}

// phonesWord is what is asked of phones, in a word; empty: there are none.
func (g *Gateway) phonesWord() string {
	if g.o.Phones == nil {
		return ""
	}
	most := phones.Off
	for _, w := range certified {
		if m := g.o.Phones.Mode(w); slices.Index(phones.Modes, m) > slices.Index(phones.Modes, most) {
			most = m
		}
	}
	return string(most)
}
