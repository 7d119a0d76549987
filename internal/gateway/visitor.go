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
	user  string
	role  signin.Role
	token string // of the session; empty for a program that sent the password
}

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

// visitor finds out who asks. When it returns false it has answered.
func (g *Gateway) visitor(w http.ResponseWriter, r *http.Request, who access) (visitor, bool) {
	if v, ok := g.session(r); ok {
		return g.moveSession(w, r, v), true
	}
	user, password, basic := r.BasicAuth()
	if who != forPrograms || !basic {
		g.turnAway(w, r, who)
		return visitor{}, false
	}
	if err := g.door.EnterOften(r.Context(), address(r), user, password); err != nil {
		g.refuse(w, r, err)
		return visitor{}, false
	}
	return visitor{user: signin.CleanUser(user), role: g.door.RoleOf(user)}, true
}

// turnAway answers someone who is not signed in: a program is told so, a person
// is brought to the sign-in page and back.
func (g *Gateway) turnAway(w http.ResponseWriter, r *http.Request, who access) {
	private(w)
	if who == forPrograms {
		challenge(w, r)
		writeError(w, http.StatusUnauthorized, "sign in first, or send the account's name and password")
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
