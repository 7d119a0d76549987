package gateway

import (
	"net/http"

	"github.com/smartcore-ireland/hems/internal/gateway/signin"
)

// loginBody is the sign-in form, with what went wrong and what was typed.
type loginBody struct {
	Next  string
	Name  string
	Error string

	Passkey   bool   // whether a passkey can be used here
	Second    bool   // the password was right, and the passkey is to come
	NoPasskey string // why it cannot
}

func (g *Gateway) loginPage(w http.ResponseWriter, r *http.Request) {
	next := localPath(r.URL.Query().Get("next"))
	private(w)
	if _, ok := g.session(r); ok {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	if !g.door.Claimed() {
		http.Redirect(w, r, "/claim", http.StatusSeeOther)
		return
	}
	g.showLogin(w, r, http.StatusOK, loginBody{Next: next})
}

func (g *Gateway) showLogin(w http.ResponseWriter, r *http.Request, status int, b loginBody) {
	_, b.NoPasskey = passkeyOrigin(r)
	b.Passkey = b.NoPasskey == "" && (b.Second || !strict(r))
	g.show(w, r, status, "login.html", g.page(r, "", "Sign in", b))
}

func (g *Gateway) login(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		private(w)
		http.Error(w, "the form is too large or damaged", http.StatusBadRequest)
		return
	}
	b := loginBody{Next: localPath(r.PostForm.Get("next")), Name: r.PostForm.Get("user")}
	if len(b.Name) > signin.MaxUser {
		b.Name = ""
	}
	if err := g.door.Enter(r.Context(), address(r), r.PostForm.Get("user"), r.PostForm.Get("password")); err != nil {
		var status int
		status, b.Error = g.explain(w, r, err)
		g.showLogin(w, r, status, b)
		return
	}
	if strict(r) {
		private(w)
		g.seconds.put(g.browser(w, r), second{user: signin.CleanUser(b.Name), next: b.Next}, g.o.Clock())
		b.Second = true
		g.showLogin(w, r, http.StatusOK, b)
		return
	}
	token, err := g.beginSession(r, b.Name, signin.ByPassword)
	if err != nil {
		b.Error = "The sign-in could not be stored. Is the appliance's card full?"
		g.showLogin(w, r, http.StatusInternalServerError, b)
		return
	}
	g.giveCookie(w, r, token)
	private(w)
	http.Redirect(w, r, b.Next, http.StatusSeeOther)
}

func (g *Gateway) logout(w http.ResponseWriter, r *http.Request) {
	for _, token := range append(g.tokens(r), visitorOf(r).token) {
		if err := g.door.End(token); err != nil {
			g.log.Error("a session could not be ended", "err", err)
			http.Error(w, "signing out failed; try again", http.StatusInternalServerError)
			return
		}
	}
	g.clearCookies(w, r)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// healthz tells a monitor whether all is well, and a stranger nothing more than
// the name of the first part that is not.
func (g *Gateway) healthz(w http.ResponseWriter, r *http.Request) {
	private(w)
	g.allowPlain(w, r)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	text, status := "ok", http.StatusOK
	if part := g.model.Failing(); part != "" {
		text, status = part, http.StatusServiceUnavailable
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}
