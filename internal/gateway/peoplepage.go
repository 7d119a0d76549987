package gateway

import (
	"cmp"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/gateway/signin"
	"github.com/smartcore-ireland/hems/internal/remote"
)

// peopleBody is the page of all people, of one of them, or of the visitor.
type peopleBody struct {
	Problem *problem
	Said    string // what was done
	Own     bool   // it is the visitor's own page
	Act     string // where its forms go: "/people" or "/people/me"

	People      []client.Person
	Invitations []invitationRow
	Person      *client.Person
	Sessions    []sessionRow
	Tokens      []tokenRow
	Passkeys    []passkeyRow
	LoginLines  string
	Roles       []string
	MinLen      int
	NoPasskey   string // why none can be made here; empty: it can
	Host        string // for which one is made

	Invited *invitedBody
	Secret  string // of a new token

	Name, Role string // that were typed
}

type invitationRow struct {
	client.Invitation
	Ends string
}

type sessionRow struct {
	client.Session
	Where, Began, Last string
}

type tokenRow struct {
	client.Token
	Began, Ends, Last string
}

type passkeyRow struct {
	client.Passkey
	Began, Last string
}

// invitedBody is shown once.
type invitedBody struct {
	Name, Link, Until string
	Again             bool
	Code              template.HTML
}

// cameBy are the ways in as a person calls them.
var cameBy = map[string]string{
	string(remote.LAN): "at home", string(remote.Tailnet): "on the tailnet",
	string(remote.Funnel): "from the internet", string(remote.Cloudflare): "through Cloudflare",
}

func (g *Gateway) peopleBody(r *http.Request) peopleBody {
	all := g.everybody(r)
	b := peopleBody{Act: "/people", People: all.People, Roles: []string{"viewer", "member", "owner"}, Role: "member"}
	for _, i := range all.Invitations {
		b.Invitations = append(b.Invitations, invitationRow{i, g.clockWords(i.Until)})
	}
	return b
}

// clockWords is a moment to come.
func (g *Gateway) clockWords(at time.Time) string {
	at = at.In(g.o.Home.TimeZone)
	if at.Sub(g.o.Clock()) < 48*time.Hour {
		return at.Format("Monday 15:04")
	}
	return at.Format("2 January 2006")
}

// personBody is the page of one person, who is there.
func (g *Gateway) personBody(p client.Person, act string) peopleBody {
	b := peopleBody{Act: act, Own: act == "/people/me", Person: &p, Roles: []string{"viewer", "member", "owner"}, Role: p.Role, MinLen: signin.MinPassword}
	for _, s := range p.Sessions {
		where := cmp.Or(cameBy[s.Way], "somewhere")
		if s.Address != "" {
			where += ", " + s.Address
		}
		b.Sessions = append(b.Sessions, sessionRow{s, where, g.when(s.Since), g.ageOf(s.Seen).Text})
	}
	for _, t := range p.Tokens {
		last := "never used"
		if t.Used != nil {
			last = "used " + g.ageOf(*t.Used).Text
		}
		b.Tokens = append(b.Tokens, tokenRow{t, g.when(t.Since), g.clockWords(t.Until), last})
	}
	for _, k := range p.Passkeys {
		last := "never used"
		if k.Used != nil {
			last = "used " + g.ageOf(*k.Used).Text
		}
		b.Passkeys = append(b.Passkeys, passkeyRow{k, g.when(k.Since), last})
	}
	var lines []string
	for _, l := range p.Logins {
		lines = append(lines, l.Way+" "+l.Login)
	}
	b.LoginLines = strings.Join(lines, "\n")
	return b
}

func (g *Gateway) showPeople(w http.ResponseWriter, r *http.Request, status int, b peopleBody) {
	o, why := passkeyOrigin(r)
	b.NoPasskey, b.Host = why, o.Host
	name, here, title := "people.html", "people", "People"
	switch {
	case b.Own:
		name, here, title = "person.html", "me", "You"
	case b.Person != nil:
		name, title = "person.html", b.Person.Name
	}
	g.show(w, r, status, name, g.page(r, here, title, b))
}

func (g *Gateway) peoplePage(w http.ResponseWriter, r *http.Request) {
	g.showPeople(w, r, http.StatusOK, g.peopleBody(r))
}

func (g *Gateway) mePage(w http.ResponseWriter, r *http.Request) {
	g.showPeople(w, r, http.StatusOK, g.personBody(g.me(r).Person, "/people/me"))
}

func (g *Gateway) personPage(w http.ResponseWriter, r *http.Request) {
	p, ok := g.door.Person(r.URL.Query().Get("name"))
	if !ok {
		b := g.peopleBody(r)
		_, e := g.explainPeople(signin.ErrNotThere)
		b.Problem = &problem{sentence(e.Message), sentence(e.Hint)}
		g.showPeople(w, r, http.StatusNotFound, b)
		return
	}
	g.showPeople(w, r, http.StatusOK, g.personBody(g.personOf(r, p), "/people"))
}

// pageDeed is a deed for a form. What it answers is shown on the page that the form
// was on; otherwise the visitor is brought back there.
func (g *Gateway) pageDeed(do deed) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			http.Error(w, "the form is too large or damaged", http.StatusBadRequest)
			return
		}
		f := r.PostForm
		q := peopleQuestion{Name: f.Get("name"), Role: f.Get("role"), ID: f.Get("id"), Others: f.Has("others"), Old: f.Get("old"), New: f.Get("new"), Logins: loginsOf(f.Get("logins"))}
		q.Days, _ = strconv.Atoi(f.Get("days")) // what is no number is refused as no days
		var v any
		var err error = &client.Error{Status: http.StatusUnprocessableEntity, Message: "the two passwords differ", Hint: "type the same one twice"}
		if !f.Has("again") || f.Get("again") == f.Get("new") {
			v, err = do(w, r, q)
		}
		if err == nil && v == nil {
			http.Redirect(w, r, back(r, q), http.StatusSeeOther)
			return
		}
		var b peopleBody
		switch p, ok := g.door.Person(q.Name); {
		case strings.HasPrefix(r.URL.Path, "/people/me"):
			b = g.personBody(g.me(r).Person, "/people/me")
		case ok && err != nil && f.Get("on") == "person":
			b = g.personBody(g.personOf(r, p), "/people")
		default:
			b = g.peopleBody(r)
		}
		status := http.StatusOK
		if err != nil {
			var e client.Error
			status, e = g.explainPeople(err)
			b.Problem = &problem{sentence(e.Message), sentence(e.Hint)}
			b.Name = q.Name
			if q.Role != "" {
				b.Role = q.Role
			}
		}
		switch v := v.(type) {
		case client.Invited:
			if err == nil {
				b.Invited = &invitedBody{Name: v.Name, Link: v.Link, Until: g.clockWords(v.Until), Again: v.Again}
				if b.Invited.Code, err = qrSVG(v.Link); err != nil {
					g.log.Error("drawing a code", "err", err)
				}
			}
		case client.NewToken:
			b.Secret = v.Secret
		}
		g.showPeople(w, r, status, b)
	}
}

// back is the page a form was on.
func back(r *http.Request, q peopleQuestion) string {
	switch {
	case strings.HasPrefix(r.URL.Path, "/people/me"):
		return "/people/me"
	case r.PostForm.Get("on") == "person" && r.URL.Path != "/people/remove":
		return "/people/person?name=" + url.QueryEscape(signin.CleanUser(q.Name))
	}
	return "/people"
}
