package gateway

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/gateway/signin"
	"github.com/smartcore-ireland/hems/internal/remote"
)

// visitor is who is behind a request.
type visitor struct {
	user    string // the account's name; of somebody without one, the login that their way in vouches for
	role    signin.Role
	account bool
	by      means
	token   string // of the session
	secret  string // of a program
}

// means is by what a visitor is known.
type means string

const (
	bySession  means = "session"
	byPassword means = "password" // with the request
	byToken    means = "token"
	byIdentity means = "identity" // the way in vouches for them
)

type visitorKey struct{}

func withVisitor(ctx context.Context, v visitor) context.Context {
	return client.WithBy(context.WithValue(ctx, visitorKey{}, v), v.user)
}

func visitorOf(r *http.Request) visitor {
	v, _ := r.Context().Value(visitorKey{}).(visitor)
	return v
}

// address is the visitor's, as the way in knows it. No header is believed.
func address(r *http.Request) netip.Addr { return remote.Of(r.Context()).Address }

// encrypted says whether the visitor's browser spoke HTTPS.
func encrypted(r *http.Request) bool { return remote.Of(r.Context()).Secure }

// place is where the visitor sits.
func place(r *http.Request) signin.Place {
	a := remote.Of(r.Context())
	return signin.Place{Way: string(a.Way), Address: a.Address, Browser: browserOf(r.UserAgent())}
}

// strict says whether a password alone does not do here.
func strict(r *http.Request) bool {
	a := remote.Of(r.Context())
	return (a.Way == remote.Funnel || a.SecondFactor) && a.Certificate == ""
}

// visitor finds out who asks: by what they send with the request, by their
// session, or because the way in vouches for them. When it returns false it has
// answered.
func (g *Gateway) visitor(w http.ResponseWriter, r *http.Request, who access) (visitor, bool) {
	if secret, ok := bearer(r); ok && who == forPrograms {
		t, err := g.door.ByToken(address(r), secret)
		if err != nil {
			g.refuse(w, r, err)
			return visitor{}, false
		}
		return visitor{user: t.User, role: t.Role, account: true, by: byToken, secret: secret}, true
	}
	if v, ok := g.session(r); ok {
		return g.moveSession(w, r, v), true
	}
	if user, password, basic := r.BasicAuth(); basic && who == forPrograms {
		if strict(r) {
			private(w)
			challenge(w, r)
			writeError(w, http.StatusUnauthorized, "a password alone does not do on this way in: make a token at home and send that")
			return visitor{}, false
		}
		if err := g.door.EnterOften(r.Context(), address(r), user, password); err != nil {
			g.refuse(w, r, err)
			return visitor{}, false
		}
		return visitor{user: signin.CleanUser(user), role: g.door.RoleOf(user), account: true, by: byPassword}, true
	}
	if v, ok := g.vouched(r); ok {
		return v, true
	}
	g.turnAway(w, r, who)
	return visitor{}, false
}

// bearer is the token in a request (RFC 6750, 2.1); ok is false where there is no
// sign of one.
func bearer(r *http.Request) (secret string, ok bool) {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(secret), strings.EqualFold(scheme, "Bearer")
}

// vouched is the visitor whom the way in knows: somebody with an account that the
// login is linked to, or somebody with no more than what the way grants.
func (g *Gateway) vouched(r *http.Request) (visitor, bool) { return g.known(remote.Of(r.Context())) }

func (g *Gateway) known(a remote.Arrival) (visitor, bool) {
	if !a.Way.Vouches() || a.Identity.Login == "" {
		return visitor{}, false
	}
	if user, role, ok := g.door.Known(string(a.Way), a.Identity.Login); ok {
		return visitor{user: user, role: role, account: true, by: byIdentity}, true
	}
	role, err := signin.ParseRole(a.Identity.Role)
	if err != nil {
		return visitor{}, false
	}
	return visitor{user: a.Identity.Login, role: role, by: byIdentity}, true
}

// still says whether what let a visitor in does so yet, for answers that go on for
// hours.
func (g *Gateway) still(v visitor) bool {
	switch v.by {
	case bySession:
		if _, ok := g.door.Session(v.token, signin.Place{}); !ok {
			return false
		}
	case byToken:
		if _, err := g.door.ByToken(netip.Addr{}, v.secret); err != nil {
			return false
		}
	}
	return !v.account || g.door.RoleOf(v.user) >= v.role
}

// turnAway answers someone who is not signed in: a program is told so, a person
// is brought to the sign-in page and back.
func (g *Gateway) turnAway(w http.ResponseWriter, r *http.Request, who access) {
	private(w)
	if who == forPrograms {
		challenge(w, r)
		writeError(w, http.StatusUnauthorized, "sign in first, or send a token or the account's name and password")
		return
	}
	to := "/login"
	if r.Method == http.MethodGet && r.URL.Path != "/" {
		to += "?next=" + url.QueryEscape(r.URL.RequestURI())
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// forbid answers someone who is signed in and may not do this.
func (g *Gateway) forbid(w http.ResponseWriter, r *http.Request, who access, least signin.Role) {
	if who == forPrograms {
		writeError(w, http.StatusForbidden, "this needs the role "+least.String()+"; "+visitorOf(r).user+" is "+visitorOf(r).role.String())
		return
	}
	g.show(w, r, http.StatusForbidden, "forbidden.html", g.page(r, "none", "Not allowed", least))
}

// refuse answers a program whose name and password did not do.
func (g *Gateway) refuse(w http.ResponseWriter, r *http.Request, err error) {
	private(w)
	status, text := g.explain(w, r, err)
	if status == http.StatusUnauthorized {
		challenge(w, r)
	}
	writeError(w, status, text)
}

// explain turns an error of the door into a status and a sentence.
func (g *Gateway) explain(w http.ResponseWriter, r *http.Request, err error) (int, string) {
	var many *signin.TooManyError
	switch {
	case errors.Is(err, signin.ErrRefused):
		g.log.Warn("a sign-in was refused", "address", address(r))
		return http.StatusUnauthorized, "That name and password do not match."
	case errors.As(err, &many):
		wait := int(math.Ceil(many.Wait.Seconds()))
		w.Header().Set("Retry-After", strconv.Itoa(wait))
		return http.StatusTooManyRequests, "Too many attempts. Try again in " + inWords(wait) + "."
	case errors.Is(err, signin.ErrBusy):
		w.Header().Set("Retry-After", "5")
		return http.StatusServiceUnavailable, "The appliance is busy. Try again in a few seconds."
	case r.Context().Err() != nil:
		return http.StatusServiceUnavailable, "The request was given up."
	}
	g.log.Error("a sign-in failed", "err", err)
	return http.StatusInternalServerError, "Something went wrong. The log has the details."
}

func inWords(seconds int) string {
	if seconds < 90 {
		return strconv.Itoa(seconds) + " seconds"
	}
	return strconv.Itoa((seconds+59)/60) + " minutes"
}

// challenge asks for Basic credentials, but not of a browser: it would cover
// the page with a window of its own.
func challenge(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.UserAgent(), "Mozilla/") {
		w.Header().Set("WWW-Authenticate", `Basic realm="SmartCORE HEMS", charset="UTF-8"`)
	}
}

// localPath returns next when it is a path on this server, else "/". It goes
// into a redirect, so nothing in it may lead elsewhere.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(next, "/") ||
		strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") || strings.HasPrefix(u.Path, "//") || u.Path == "/login" {
		return "/"
	}
	return u.RequestURI()
}
