package gateway

import (
	"errors"
	"net/http"

	"github.com/smartcore-ireland/hems/internal/gateway/signin"
)

// invitationBody is the page that an invitation's link leads to.
type invitationBody struct {
	Name   string
	Role   string
	Again  bool
	Link   string
	Error  string
	Gone   string // what is wrong with the link; empty: it is good
	MinLen int
}

// invitationPage is what somebody who was invited sees. Looking uses nothing up:
// some programs look at every link that goes through them.
func (g *Gateway) invitationPage(w http.ResponseWriter, r *http.Request) {
	private(w)
	i, err := g.door.Invited(address(r), r.PathValue("code"))
	if err != nil {
		g.noInvitation(w, r, err)
		return
	}
	g.showInvitation(w, r, http.StatusOK, i, "")
}

func (g *Gateway) showInvitation(w http.ResponseWriter, r *http.Request, status int, i signin.Invitation, wrong string) {
	b := invitationBody{Name: i.User, Role: i.Role.String(), Again: i.Again, Link: "/invitation/" + r.PathValue("code"), Error: wrong, MinLen: signin.MinPassword}
	g.show(w, r, status, "invitation.html", g.page(r, "", "Welcome", b))
}

func (g *Gateway) noInvitation(w http.ResponseWriter, r *http.Request, err error) {
	status, e := g.explainPeople(err)
	if status == http.StatusNotFound {
		g.log.Warn("a link that is no invitation was opened", "address", address(r))
	}
	g.show(w, r, status, "invitation.html", g.page(r, "", "Welcome", invitationBody{Gone: sentence(e.Message + "; " + e.Hint)}))
}

// acceptInvitation sets the password that somebody has chosen. They sign in with it
// where a password alone does not do, and are signed in elsewhere.
func (g *Gateway) acceptInvitation(w http.ResponseWriter, r *http.Request) {
	private(w)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "the form is too large or damaged", http.StatusBadRequest)
		return
	}
	code, password := r.PathValue("code"), r.PostForm.Get("password")
	i, err := g.door.Invited(address(r), code)
	if err != nil {
		g.noInvitation(w, r, err)
		return
	}
	if r.PostForm.Has("again") && r.PostForm.Get("again") != password {
		g.showInvitation(w, r, http.StatusBadRequest, i, "The two passwords differ. Type the same one twice.")
		return
	}
	user, err := g.door.Accept(r.Context(), address(r), code, password)
	if _, wrong := errors.AsType[*signin.Wrong](err); wrong || errors.Is(err, signin.ErrBusy) {
		status, e := g.explainPeople(err)
		g.showInvitation(w, r, status, i, sentence(e.Message))
		return
	}
	if err != nil {
		g.noInvitation(w, r, err)
		return
	}
	if strict(r) {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	g.begin(w, r, user, signin.ByPassword, "/")
}

// begin signs a visitor in and brings them to a page; a session that the browser
// had ends: a new sign-in never continues an old one.
func (g *Gateway) begin(w http.ResponseWriter, r *http.Request, user string, proof signin.Proof, next string) {
	token, err := g.beginSession(r, user, proof)
	if err != nil { // the account is there: the sign-in page does the rest
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	g.giveCookie(w, r, token)
	http.Redirect(w, r, next, http.StatusSeeOther)
}

func (g *Gateway) beginSession(r *http.Request, user string, proof signin.Proof) (string, error) {
	for _, old := range g.tokens(r) {
		_ = g.door.End(old) // it ends by itself otherwise
	}
	token, err := g.door.Begin(user, place(r), proof)
	if err != nil {
		g.log.Error("a session could not be begun", "err", err)
	}
	return token, err
}
