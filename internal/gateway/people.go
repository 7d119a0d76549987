package gateway

import (
	"errors"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/gateway/signin"
)

// peopleQuestion is what is to be done about people, of a form or in JSON.
type peopleQuestion struct {
	Name   string         `json:"name"` // of the person, or what a token is for
	Role   string         `json:"role"`
	ID     string         `json:"id"`
	Others bool           `json:"others"` // all but the one that asks
	Logins []client.Login `json:"logins"`
	Days   int            `json:"days"`
	Old    string         `json:"old"`
	New    string         `json:"new"`
}

// A deed does what was asked. Its answer is for a program, and on a page what is
// shown once; an error is as explainPeople knows it.
type deed func(w http.ResponseWriter, r *http.Request, q peopleQuestion) (any, error)

// everybody is who may come in, and who was invited.
func (g *Gateway) everybody(r *http.Request) client.People {
	v := client.People{People: []client.Person{}, Invitations: []client.Invitation{}}
	for _, p := range g.door.People() {
		v.People = append(v.People, g.personOf(r, p))
	}
	for _, i := range g.door.Invitations() {
		v.Invitations = append(v.Invitations, invitationOf(i))
	}
	return v
}

func invitationOf(i signin.Invitation) client.Invitation {
	return client.Invitation{Name: i.User, Role: i.Role.String(), Until: i.Until, Again: i.Again}
}

func (g *Gateway) personOf(r *http.Request, p signin.Person) client.Person {
	c := client.Person{Name: p.User, Role: p.Role.String(), Account: true,
		Logins: []client.Login{}, Sessions: []client.Session{}, Tokens: []client.Token{}, Passkeys: []client.Passkey{}}
	for _, l := range p.Logins {
		c.Logins = append(c.Logins, client.Login{Way: l.Way, Login: l.Name})
	}
	v := visitorOf(r)
	own, _ := g.door.Session(v.token, signin.Place{})
	for _, s := range g.door.Sessions(p.User) {
		at := ""
		if s.Address.IsValid() {
			at = s.Address.String()
		}
		c.Sessions = append(c.Sessions, client.Session{ID: s.ID, Browser: s.Browser, Way: s.Way, Address: at, Since: s.Began, Seen: s.Seen, Proof: string(s.Proof), Here: s.ID == own.ID})
	}
	for _, t := range g.door.Tokens(p.User) {
		c.Tokens = append(c.Tokens, g.tokenOf(v, t))
	}
	for _, k := range g.passkeys.Of(p.User) {
		key := client.Passkey{ID: k.ID, Name: k.Name, Host: k.Host, Since: k.Since}
		if !k.Used.IsZero() {
			key.Used = &k.Used
		}
		c.Passkeys = append(c.Passkeys, key)
	}
	return c
}

func (g *Gateway) tokenOf(v visitor, t signin.Token) client.Token {
	return client.Token{ID: t.ID, Name: t.Name, Role: t.Role.String(), Since: t.Began, Until: t.Until, Used: t.Seen, Here: v.by == byToken && signin.TokenID(v.secret) == t.ID}
}

// me is the visitor. Somebody whom only their way in vouches for has no account.
func (g *Gateway) me(r *http.Request) client.Me {
	v := visitorOf(r)
	if p, ok := g.door.Person(v.user); ok && v.account {
		return client.Me{Person: g.personOf(r, p), By: string(v.by)}
	}
	return client.Me{By: string(v.by), Person: client.Person{Name: v.user, Role: v.role.String(),
		Logins: []client.Login{}, Sessions: []client.Session{}, Tokens: []client.Token{}, Passkeys: []client.Passkey{}}}
}

// The deeds.

func (g *Gateway) invite(_ http.ResponseWriter, r *http.Request, q peopleQuestion) (any, error) {
	role, err := parseRole(q.Role)
	if err != nil {
		return nil, err
	}
	code, made, err := g.door.Invite(q.Name, role)
	return g.invited(r, code, made), err
}

func (g *Gateway) inviteAgain(_ http.ResponseWriter, r *http.Request, q peopleQuestion) (any, error) {
	code, made, err := g.door.InviteAgain(q.Name)
	return g.invited(r, code, made), err
}

// invited has the link of an invitation, under the name by which the visitor calls
// this server: who is invited is to reach it there too.
func (g *Gateway) invited(r *http.Request, code string, made signin.Invitation) client.Invited {
	scheme := "http://"
	if encrypted(r) {
		scheme = "https://"
	}
	return client.Invited{Invitation: invitationOf(made), Link: scheme + r.Host + "/invitation/" + code}
}

func parseRole(s string) (signin.Role, error) {
	role, err := signin.ParseRole(s)
	if err != nil {
		return role, &client.Error{Status: http.StatusUnprocessableEntity, Code: "wrong", Message: err.Error()}
	}
	return role, nil
}

func (g *Gateway) takeBack(_ http.ResponseWriter, _ *http.Request, q peopleQuestion) (any, error) {
	return nil, g.door.TakeBack(q.Name)
}

func (g *Gateway) setRole(_ http.ResponseWriter, _ *http.Request, q peopleQuestion) (any, error) {
	role, err := parseRole(q.Role)
	if err != nil {
		return nil, err
	}
	return nil, g.door.SetRole(q.Name, role)
}

func (g *Gateway) setLogins(_ http.ResponseWriter, _ *http.Request, q peopleQuestion) (any, error) {
	var all []signin.Login
	for _, l := range q.Logins {
		all = append(all, signin.Login{Way: l.Way, Name: l.Login})
	}
	return nil, g.door.SetLogins(q.Name, all)
}

func (g *Gateway) removePerson(_ http.ResponseWriter, _ *http.Request, q peopleQuestion) (any, error) {
	return nil, g.door.Remove(q.Name)
}

func (g *Gateway) endSession(_ http.ResponseWriter, r *http.Request, q peopleQuestion) (any, error) {
	if !q.Others {
		return nil, g.door.EndSession(q.Name, q.ID)
	}
	keep := ""
	if v := visitorOf(r); v.account && v.user == signin.CleanUser(q.Name) {
		keep = v.token
	}
	return nil, g.door.EndOthers(q.Name, keep)
}

func (g *Gateway) endToken(_ http.ResponseWriter, _ *http.Request, q peopleQuestion) (any, error) {
	return nil, g.door.EndToken(q.Name, q.ID)
}

// own makes a deed about somebody one about the visitor.
func own(do deed) deed {
	return func(w http.ResponseWriter, r *http.Request, q peopleQuestion) (any, error) {
		v := visitorOf(r)
		if !v.account {
			return nil, &client.Error{Status: http.StatusConflict, Code: "no_account", Message: "you come in without an account here, so there is nothing of it to change",
				Hint: "an owner can give you one on the page People"}
		}
		q.Name = v.user
		return do(w, r, q)
	}
}

// changePassword signs the visitor in anew: all sessions ended with the old one.
func (g *Gateway) changePassword(w http.ResponseWriter, r *http.Request, q peopleQuestion) (any, error) {
	v := visitorOf(r)
	before, _ := g.door.Session(v.token, signin.Place{})
	if err := g.door.ChangePassword(r.Context(), address(r), q.Name, q.Old, q.New); err != nil {
		if errors.Is(err, signin.ErrRefused) {
			return nil, &client.Error{Status: http.StatusForbidden, Code: "password", Message: "that is not your password as it was"}
		}
		return nil, err
	}
	if v.by != bySession {
		return nil, nil
	}
	token, err := g.door.Begin(v.user, place(r), before.Proof)
	if err != nil {
		return nil, err
	}
	g.giveCookie(w, r, token)
	return nil, nil
}

// makeToken makes one of the visitor's. What a token makes would live on after it
// was ended, so it makes none.
func (g *Gateway) makeToken(_ http.ResponseWriter, r *http.Request, q peopleQuestion) (any, error) {
	v := visitorOf(r)
	switch {
	case v.by == byToken:
		return nil, &client.Error{Status: http.StatusForbidden, Code: "token", Message: "a token cannot make another one", Hint: "sign in with your password for this"}
	case !v.account:
		_, err := own(nil)(nil, r, q)
		return nil, err
	}
	role := v.role
	if q.Role != "" {
		var err error
		if role, err = parseRole(q.Role); err != nil {
			return nil, err
		}
	}
	if q.Days < 0 || q.Days > 3660 {
		q.Days = -1 // and not so many that they overflow
	}
	secret, made, err := g.door.MakeToken(v.user, q.Name, role, time.Duration(q.Days)*24*time.Hour)
	if err != nil {
		return nil, err
	}
	return client.NewToken{Token: g.tokenOf(v, made), Secret: secret}, nil
}

// explainPeople turns an error of a deed into what a visitor is told.
func (g *Gateway) explainPeople(err error) (int, client.Error) {
	if e := client.Refusal(err); e != nil {
		return e.Status, *e
	}
	refusal := func(status int, code, text, hint string) (int, client.Error) {
		return status, client.Error{Code: code, Message: text, Hint: hint}
	}
	if many, ok := errors.AsType[*signin.TooManyError](err); ok {
		return refusal(http.StatusTooManyRequests, "too_many", "too many attempts; try again in "+inWords(int(math.Ceil(many.Wait.Seconds()))), "")
	}
	_, wrong := errors.AsType[*signin.Wrong](err)
	switch {
	case wrong:
		return refusal(http.StatusUnprocessableEntity, "wrong", err.Error(), "")
	case errors.Is(err, signin.ErrNotThere):
		return refusal(http.StatusNotFound, "not_there", "there is none like that any more", "look at the list again")
	case errors.Is(err, signin.ErrLastOwner):
		return refusal(http.StatusConflict, "last_owner", "this is the last owner", "make somebody else an owner first")
	case errors.Is(err, signin.ErrInvitation):
		return refusal(http.StatusNotFound, "invitation", "this link is not good any more", "it works once, and for a day; ask for another one")
	case errors.Is(err, signin.ErrBusy):
		return refusal(http.StatusServiceUnavailable, "busy", "the appliance is busy", "try again in a few seconds")
	}
	g.log.Error("what was asked about people failed", "err", err)
	return refusal(http.StatusInternalServerError, "failed", "that could not be stored", "is the appliance’s card full? the log has the details")
}

// apiDeed is a deed for programs.
func (g *Gateway) apiDeed(do deed) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var q peopleQuestion
		if !g.readQuestion(w, r, &q) {
			return
		}
		v, err := do(w, r, q)
		if err != nil {
			status, e := g.explainPeople(err)
			writeRefusal(w, status, e)
			return
		}
		if v == nil {
			v = struct{}{}
		}
		writeJSON(w, r, v)
	}
}

func (g *Gateway) apiPeople(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, r, g.everybody(r))
}

func (g *Gateway) apiMe(w http.ResponseWriter, r *http.Request) { writeJSON(w, r, g.me(r)) }

// loginsOf reads linked logins as they are typed: one a line, "tailnet
// alice@example.com".
func loginsOf(text string) (all []client.Login) {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 0 {
			all = append(all, client.Login{Way: strings.ToLower(strings.TrimSuffix(f[0], ":")), Login: strings.Join(f[1:], " ")})
		}
	}
	return all
}
