package gateway

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/gateway/live"
	"github.com/smartcore-ireland/hems/internal/gateway/signin"
)

//go:embed ui/templates
var templates embed.FS

func parsePages() (*template.Template, error) {
	t, err := template.New("").Funcs(template.FuncMap{
		"power": formatPower, "kwh": formatKWh, "whole": formatWhole,
		"sentence": sentence, "link": linkWord, "bars": linkBars, "fill": batteryFill, "low": batteryLow,
	}).ParseFS(templates, "ui/templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("the dashboard's pages: %w", err)
	}
	return t, nil
}

// A page is what every template gets.
type page struct {
	Title     string
	Here      string // which page: "now", "devices", …; empty: one before sign-in, without navigation
	Home      string
	User      string
	Role      signin.Role // of the visitor
	Theme     string      // "light", "dark", or empty: as the system
	Zone      string      // IANA name for the script; empty: the browser's own
	Style     string      // URLs
	BundleCSS string
	Script    string
	Icon      string
	Door      string // the script of the page before there is an owner
	Better    string // the origin over TLS, for a page that came in the clear
	Mover     string // the script that goes there once it is trusted
	Health    live.Health
	Verdict   *verdictNotice // what became of the last update, until it was read
	Passkey   string         // the script for passkeys
	Body      any
}

// Owner reports whether the visitor answers for the house.
func (p page) Owner() bool { return p.Role >= signin.Owner }

// Member reports whether the visitor lives in the house.
func (p page) Member() bool { return p.Role >= signin.Member }

// UnderMore reports whether the page is one behind More.
func (p page) UnderMore() bool {
	return slices.Contains([]string{"system", "update", "destinations", "backup", "logs", "config", "wait", "https", "home-assistant", "ledger", "ways", "phones", "cloudflare", "tailnet", "people", "me"}, p.Here)
}

func (g *Gateway) page(r *http.Request, here, title string, body any) page {
	p := page{
		Title: title, Here: here, Home: g.o.Home.Name, User: visitorOf(r).user, Role: visitorOf(r).role, Theme: theme(r),
		Style: g.files.staticURL("style.css"), Icon: g.files.staticURL("icon.svg"), Door: g.files.staticURL("door.js"), Passkey: g.files.staticURL("passkey.js"), Body: body,
	}
	if p.Better = g.betterOrigin(r); p.Better != "" {
		p.Mover = g.files.staticURL("secure.js")
	}
	if here != "" {
		p.BundleCSS, p.Script = g.files.scriptURL("main.css"), g.files.scriptURL("main.js")
		p.Health = g.model.Health()
		if p.Owner() {
			p.Verdict = g.verdictNotice(r)
		}
	}
	if z := g.o.Home.TimeZone.String(); z != "Local" {
		p.Zone = z
	}
	return p
}

func (g *Gateway) show(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	var buf bytes.Buffer
	if err := g.pages.ExecuteTemplate(&buf, name, p); err != nil {
		g.log.Error("making a page", "page", name, "err", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	private(w)
	writeCompressed(w, r, status, "text/html; charset=utf-8", buf.Bytes())
}

// showPart answers with a piece of a page.
func (g *Gateway) showPart(w http.ResponseWriter, r *http.Request, name string, body any) {
	var buf bytes.Buffer
	if err := g.pages.ExecuteTemplate(&buf, name, body); err != nil {
		g.log.Error("making a part of a page", "part", name, "err", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	writeCompressed(w, r, http.StatusOK, "text/html; charset=utf-8", buf.Bytes())
}

// nowBody is what the first page shows.
type nowBody struct {
	Now   live.Now
	Age   age
	Curve curve
}

func (g *Gateway) nowPage(w http.ResponseWriter, r *http.Request) {
	now := g.model.Now()
	c, err := g.curve(r.Context(), now.Entity, dayHours)
	if err != nil {
		g.log.Debug("the day's curve is not to be had", "err", err)
	}
	g.show(w, r, http.StatusOK, "now.html", g.page(r, "now", "Now", nowBody{Now: now, Age: g.age(now), Curve: c}))
}

// devicesBody is the list of devices; its template also makes the list that the
// event stream sends.
type devicesBody struct {
	Devices []deviceRow
}

type deviceRow struct {
	live.Device
	Title string
	About string // what it is, unless the title says so
	Seen  age
}

// title is what people call a device: its name, or what it is while nobody has
// given it one.
func title(d live.Device) string {
	if d.Name != "" && d.Name != d.Address {
		return d.Name
	}
	return cmp.Or(what(d), "New device")
}

func what(d live.Device) string {
	return cmp.Or(d.Description, strings.TrimSpace(d.Vendor+" "+d.Model))
}

func (g *Gateway) devicesBody() devicesBody {
	var b devicesBody
	for _, d := range g.model.Devices() {
		row := deviceRow{Device: d, Title: title(d)}
		if about := what(d); about != row.Title {
			row.About = about
		}
		if d.LastSeen != nil {
			row.Seen = g.ageOf(*d.LastSeen)
		}
		b.Devices = append(b.Devices, row)
	}
	return b
}

func (g *Gateway) devicesPage(w http.ResponseWriter, r *http.Request) {
	g.show(w, r, http.StatusOK, "devices.html", g.page(r, "devices", "Devices", g.devicesBody()))
}

// moreBody is the system, the account, the looks and the small print.
type moreBody struct {
	Version string
	State   string // "well", or what is not, in two words
	Secure  bool   // over TLS
	Home    string // Home Assistant's state, in two words; empty: there is none
	Ways    string // how many of the ways in are up
}

func (g *Gateway) morePage(w http.ResponseWriter, r *http.Request) {
	g.show(w, r, http.StatusOK, "more.html", g.page(r, "more", "More", moreBody{Version: g.o.Version, State: g.stateWord(), Secure: encrypted(r), Home: homeWord(g.homeAssistant()), Ways: g.waysWord(r)}))
}

// stateWord is how everything is, as it stands beside the way to the details.
func (g *Gateway) stateWord() string {
	if g.model.Health().OK {
		return "well"
	}
	return "not well"
}

func (g *Gateway) unknown(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "there is nothing here that takes this method", http.StatusMethodNotAllowed)
		return
	}
	if len(r.URL.Path) >= 5 && r.URL.Path[:5] == "/api/" {
		writeError(w, http.StatusNotFound, "there is no such question")
		return
	}
	g.show(w, r, http.StatusNotFound, "notfound.html", g.page(r, "none", "Not found", nil))
}

// age is how old a value is, for a template: the sentence now, and what the
// script needs to keep it true.
type age struct {
	Known   bool
	Seconds float64
	At      time.Time // in the home's time zone
	Text    string    // "4 s ago"
	Since   string    // "18:02", with the day when it was another day
}

func (g *Gateway) ageOf(at time.Time) age {
	d := max(0, g.o.Clock().Sub(at))
	at = at.In(g.o.Home.TimeZone)
	return age{Known: true, Seconds: d.Seconds(), At: at, Text: formatAgo(d), Since: formatSince(at, g.o.Clock().In(at.Location()))}
}

func (g *Gateway) age(n live.Now) age {
	if n.At == nil {
		return age{}
	}
	return g.ageOf(*n.At)
}

const themeCookie = "hems_theme"

func theme(r *http.Request) string {
	if c, err := r.Cookie(themeCookie); err == nil && (c.Value == "light" || c.Value == "dark") {
		return c.Value
	}
	return ""
}

// setTheme remembers the choice in the browser; "system" forgets it. The cookie is
// no secret, and is not bound to TLS: a plain page could not replace it then.
func (g *Gateway) setTheme(w http.ResponseWriter, r *http.Request) {
	c := &http.Cookie{Name: themeCookie, Path: "/", MaxAge: -1, SameSite: http.SameSiteLaxMode, HttpOnly: true}
	if v := r.PostFormValue("theme"); v == "light" || v == "dark" {
		c.Value, c.MaxAge = v, 365*24*60*60
	}
	http.SetCookie(w, c)
	http.Redirect(w, r, "/more", http.StatusSeeOther)
}
