package gateway

import (
	"net/http"
	"strings"

	"github.com/smartcore-ireland/hems/internal/gateway/signin"
)

// Cookies are the beginnings of the names of this server's cookies: whatever else
// answers on this host has no business with them, because a browser sends a
// host's cookies to each of its ports.
var Cookies = []string{"hems_", secureCookie + "hems_"}

// secureCookie begins a name that browsers take from this host over TLS alone
// (RFC 6265bis, 4.1.3.2). A session in the clear needs a name of its own: a browser
// does not let a plain page replace a cookie that came over TLS.
const secureCookie = "__Host-"

// cookieName differs between appliances on one host.
func (g *Gateway) cookieName(secure bool) string {
	name := "hems_session_" + g.door.Instance()
	if secure {
		return secureCookie + name
	}
	return name
}

func (g *Gateway) sessionCookie(secure bool, token string, age int) *http.Cookie {
	return &http.Cookie{
		Name: g.cookieName(secure), Value: token, Path: "/", MaxAge: age,
		HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode,
	}
}

// giveCookie signs the visitor in; over TLS, a cookie from before that is no
// longer needed.
func (g *Gateway) giveCookie(w http.ResponseWriter, r *http.Request, token string) {
	secure := encrypted(r)
	http.SetCookie(w, g.sessionCookie(secure, token, int(signin.IdleTime.Seconds())))
	if _, err := r.Cookie(g.cookieName(false)); secure && err == nil {
		http.SetCookie(w, g.sessionCookie(false, "", -1))
	}
}

func (g *Gateway) clearCookies(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, g.sessionCookie(false, "", -1))
	if encrypted(r) {
		http.SetCookie(w, g.sessionCookie(true, "", -1))
	}
}

// tokens are those of all session cookies in a request, the better one first.
func (g *Gateway) tokens(r *http.Request) (all []string) {
	for _, secure := range []bool{true, false} {
		if secure && !encrypted(r) {
			continue // in the clear it was not a browser that sent it
		}
		if c, err := r.Cookie(g.cookieName(secure)); err == nil {
			all = append(all, c.Value)
		}
	}
	return all
}

// session is the visitor a session cookie stands for.
func (g *Gateway) session(r *http.Request) (visitor, bool) {
	for _, token := range g.tokens(r) {
		s, ok := g.door.Session(token, place(r))
		if ok && (s.Proof == signin.ByBoth || !strict(r)) {
			return visitor{user: s.User, role: g.door.RoleOf(s.User), account: true, by: bySession, token: token}, true
		}
	}
	return visitor{}, false
}

// moveSession gives a visitor who signed in in the clear, and opens a page over
// TLS now, a session that was never in the clear.
func (g *Gateway) moveSession(w http.ResponseWriter, r *http.Request, v visitor) visitor {
	if !encrypted(r) || r.Method != http.MethodGet || strings.HasPrefix(r.URL.Path, "/api/") || r.URL.Path == "/events" || strings.HasPrefix(r.URL.Path, "/script/") {
		return v
	}
	if c, err := r.Cookie(g.cookieName(true)); err == nil && c.Value == v.token {
		return v
	}
	old, ok := g.door.Session(v.token, signin.Place{})
	if !ok {
		return v // ended this moment: the next request knows
	}
	token, err := g.door.Begin(v.user, place(r), old.Proof)
	if err != nil {
		g.log.Error("a session could not be begun", "err", err)
		return v
	}
	g.giveCookie(w, r, token)
	if err := g.door.End(v.token); err != nil {
		g.log.Error("a session could not be ended", "err", err)
	}
	v.token = token
	return v
}
