package gateway

import (
	"context"
	"errors"
	"math"
	"net/http"
	"time"

	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/gateway/signin"
)

// claimBody is the page of an appliance without an owner: the form, or from
// where and when it can be claimed.
type claimBody struct {
	Way    string // "code", "open", "late", "elsewhere", "wait"
	Left   string // while it is open: "42 minutes"
	Name   string
	Home   string
	Code   string
	Error  string
	MinLen int
}

var ways = map[signin.Way]string{
	signin.WayCode: "code", signin.WayOpen: "open", signin.WayLate: "late",
	signin.WayElsewhere: "elsewhere", signin.WayWait: "wait",
}

func (g *Gateway) claimPage(w http.ResponseWriter, r *http.Request) {
	private(w)
	if g.door.Claimed() {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	g.showClaim(w, r, http.StatusOK, claimBody{Name: "owner"})
}

func (g *Gateway) showClaim(w http.ResponseWriter, r *http.Request, status int, b claimBody) {
	way, left := g.door.WayFor(address(r))
	b.Way, b.MinLen = ways[way], signin.MinPassword
	if way == signin.WayOpen {
		b.Left = inWords(int(math.Ceil(left.Seconds())))
	}
	g.show(w, r, status, "claim.html", g.page(r, "", "Welcome", b))
}

// claim makes the owner's account and signs the owner in.
func (g *Gateway) claim(w http.ResponseWriter, r *http.Request) {
	private(w)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "the form is too large or damaged", http.StatusBadRequest)
		return
	}
	f := r.PostForm
	b := claimBody{Name: f.Get("user"), Home: f.Get("home"), Code: f.Get("code")}
	if len(b.Name) > signin.MaxUser || len(b.Home) > maxHome {
		b.Error = "That name is too long."
		b.Name, b.Home = "", ""
		g.showClaim(w, r, http.StatusBadRequest, b)
		return
	}
	if f.Has("again") && f.Get("again") != f.Get("password") {
		b.Error = "The two passwords differ. Type the same one twice."
		g.showClaim(w, r, http.StatusBadRequest, b)
		return
	}
	if err := g.door.Claim(r.Context(), address(r), b.Code, b.Name, f.Get("password")); err != nil {
		if errors.Is(err, signin.ErrClaimed) {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
			return
		}
		var status int
		status, b.Error = g.explainClaim(w, r, err)
		g.showClaim(w, r, status, b)
		return
	}
	g.afterClaim(b.Name, b.Home)
	token, err := g.door.Begin(b.Name, place(r), signin.ByPassword)
	if err != nil { // the account is there: the sign-in page does the rest
		g.log.Error("a session could not be begun", "err", err)
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	g.giveCookie(w, r, token)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// maxHome bounds the home's name, in bytes.
const maxHome = 64

func (g *Gateway) explainClaim(w http.ResponseWriter, r *http.Request, err error) (int, string) {
	var many *signin.TooManyError
	switch {
	case errors.Is(err, signin.ErrCode):
		g.log.Warn("a wrong claim code was tried", "address", address(r))
		return http.StatusForbidden, "That is not the code of this appliance. Look at it again: capitals and dashes do not matter."
	case errors.Is(err, signin.ErrNotFromHere):
		return http.StatusForbidden, ""
	case errors.As(err, &many), errors.Is(err, signin.ErrBusy):
		return g.explain(w, r, err)
	}
	if why := signin.CheckCredentials(signin.CleanUser(r.PostForm.Get("user")), r.PostForm.Get("password")); why != nil {
		return http.StatusBadRequest, sentence(why.Error())
	}
	g.log.Error("the appliance could not be claimed", "err", err)
	return http.StatusInternalServerError, "The account could not be stored. Is the appliance's card full? The log has the details."
}

// afterClaim tells the manager in the background: the owner is in either way, and
// watchManager goes on telling it.
func (g *Gateway) afterClaim(user, home string) {
	if g.o.Manager == "" {
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(client.WithBy(context.Background(), signin.CleanUser(user)), time.Minute)
		defer cancel()
		for {
			err := g.manager.Claimed(ctx)
			if err == nil && home != "" {
				err = g.manager.SetConfig(ctx, "home.name", home)
			}
			if err == nil {
				return
			}
			if e := client.Refusal(err); e != nil && e.Status < 500 {
				g.log.Warn("the manager refuses what was given at the claim", "err", err)
				return
			}
			g.log.Warn("the manager could not be told about the claim", "err", err)
			if !wait(ctx, 5*time.Second) {
				return
			}
		}
	}()
}
