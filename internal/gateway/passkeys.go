package gateway

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/gateway/passkey"
	"github.com/smartcore-ireland/hems/internal/gateway/signin"
)

// secondTime is how long after the password the passkey may come.
const secondTime = 5 * time.Minute

const maxSeconds = 64

// seconds are visitors whose password was right where that alone does not do.
type seconds struct {
	mu sync.Mutex
	by map[string]second // by what their browser alone has
}

type second struct {
	user, next string
	until      time.Time
}

func (s *seconds) put(browser string, v second, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[string]second{}
	}
	for k, o := range s.by {
		if now.After(o.until) || len(s.by) >= maxSeconds {
			delete(s.by, k)
		}
	}
	v.until = now.Add(secondTime)
	s.by[browser] = v
}

func (s *seconds) get(browser string, now time.Time) (second, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.by[browser]
	return v, ok && now.Before(v.until)
}

func (s *seconds) drop(browser string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.by, browser)
}

// passkeyOrigin is where this page is for a passkey, or why there can be none here.
func passkeyOrigin(r *http.Request) (o passkey.Origin, why string) {
	host := strings.ToLower(hostOf(r))
	switch {
	case host == "" || net.ParseIP(strings.Trim(host, "[]")) != nil:
		return o, "A passkey belongs to a name, and this page was opened by a number. Open it by the appliance’s name."
	case host != "localhost" && !encrypted(r):
		return o, "A passkey needs an encrypted connection. Open this page by its https address: More, Secure connection tells how."
	case encrypted(r):
		return passkey.Origin{Host: host, URL: "https://" + strings.TrimSuffix(strings.ToLower(r.Host), ":443")}, ""
	}
	return passkey.Origin{Host: host, URL: "http://" + strings.TrimSuffix(strings.ToLower(r.Host), ":80")}, ""
}

func (g *Gateway) browserCookie(secure bool) string {
	name := "hems_passkey_" + g.door.Instance()
	if secure {
		return secureCookie + name
	}
	return name
}

// browser is what this browser alone has, given to it where it has nothing yet.
func (g *Gateway) browser(w http.ResponseWriter, r *http.Request) string {
	secure := encrypted(r)
	if c, err := r.Cookie(g.browserCookie(secure)); err == nil && len(c.Value) == len(passkey.NewBrowser()) {
		return c.Value
	}
	secret := passkey.NewBrowser()
	http.SetCookie(w, &http.Cookie{Name: g.browserCookie(secure), Value: secret, Path: "/", MaxAge: int((2 * secondTime).Seconds()),
		HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode})
	return secret
}

func (g *Gateway) refusePasskey(w http.ResponseWriter, status int, text string) {
	writeRefusal(w, status, client.Error{Code: "passkey", Message: text})
}

// beginPasskey gives the browser of somebody who is not signed in a challenge.
func (g *Gateway) beginPasskey(w http.ResponseWriter, r *http.Request) {
	private(w)
	o, why := passkeyOrigin(r)
	if why != "" {
		g.refusePasskey(w, http.StatusConflict, why)
		return
	}
	browser := g.browser(w, r)
	waiting, known := g.seconds.get(browser, g.o.Clock())
	if strict(r) && !known {
		g.refusePasskey(w, http.StatusForbidden, "The password comes first here.")
		return
	}
	user := ""
	if strict(r) {
		user = waiting.user
	}
	options, err := g.passkeys.BeginUse(o, browser, user)
	if errors.Is(err, passkey.ErrNotThere) {
		g.refusePasskey(w, http.StatusForbidden, "You have no passkey for this address yet. Make one where you come in otherwise, under the same name, or come in with a phone’s certificate.")
		return
	}
	if err != nil {
		g.log.Error("a passkey cannot be asked for", "err", err)
		g.refusePasskey(w, http.StatusInternalServerError, "That did not work. The log has the details.")
		return
	}
	writeJSON(w, r, options)
}

// enterByPasskey signs in whose passkey answers.
func (g *Gateway) enterByPasskey(w http.ResponseWriter, r *http.Request) {
	private(w)
	o, why := passkeyOrigin(r)
	answer, err := io.ReadAll(r.Body)
	if why != "" || err != nil {
		g.refusePasskey(w, http.StatusConflict, "That did not work. Load the page again.")
		return
	}
	browser := g.browser(w, r)
	waiting, known := g.seconds.get(browser, g.o.Clock())
	if strict(r) && !known {
		g.refusePasskey(w, http.StatusForbidden, "The password comes first here.")
		return
	}
	proof, want := signin.ByPasskey, ""
	if strict(r) {
		proof, want = signin.ByBoth, waiting.user
	}
	var user string
	err = g.door.Attempt(address(r), func() error {
		var err error
		if user, err = g.passkeys.FinishUse(o, browser, want, answer); err == nil && g.door.RoleOf(user) == signin.Nobody {
			err = passkey.ErrRefused
		}
		return err
	})
	switch {
	case errors.Is(err, passkey.ErrRefused):
		g.log.Warn("a passkey was refused", "address", address(r), "err", err)
		g.refusePasskey(w, http.StatusForbidden, "That passkey was not accepted. Try again, or use your password.")
		return
	case err != nil:
		status, text := g.explain(w, r, err)
		g.refusePasskey(w, status, text)
		return
	}
	g.seconds.drop(browser)
	token, err := g.beginSession(r, user, proof)
	if err != nil {
		g.refusePasskey(w, http.StatusInternalServerError, "The sign-in could not be stored. Is the appliance’s card full?")
		return
	}
	g.giveCookie(w, r, token)
	next := waiting.next
	if next == "" {
		next = localPath(r.URL.Query().Get("next"))
	}
	writeJSON(w, r, map[string]string{"next": next})
}

// beginMakingPasskey gives the browser of a visitor what it makes a passkey with.
func (g *Gateway) beginMakingPasskey(w http.ResponseWriter, r *http.Request) {
	o, why := passkeyOrigin(r)
	v := visitorOf(r)
	if why == "" && !v.account {
		why = "You have no account here."
	}
	if why != "" {
		g.refusePasskey(w, http.StatusConflict, why)
		return
	}
	var q struct {
		Name string `json:"name"`
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		g.refusePasskey(w, http.StatusBadRequest, "The question is not right JSON.")
		return
	}
	options, err := g.passkeys.BeginMake(o, g.browser(w, r), v.user, q.Name)
	switch {
	case errors.Is(err, passkey.ErrName), errors.Is(err, passkey.ErrMany):
		g.refusePasskey(w, http.StatusUnprocessableEntity, sentence(err.Error()))
	case err != nil:
		g.log.Error("a passkey cannot be made", "err", err)
		g.refusePasskey(w, http.StatusInternalServerError, "That did not work. The log has the details.")
	default:
		writeJSON(w, r, options)
	}
}

func (g *Gateway) keepPasskey(w http.ResponseWriter, r *http.Request) {
	o, why := passkeyOrigin(r)
	answer, err := io.ReadAll(r.Body)
	if v := visitorOf(r); why == "" && err == nil && v.account {
		err = g.passkeys.FinishMake(o, g.browser(w, r), v.user, answer)
	} else if err == nil {
		err = passkey.ErrRefused
	}
	switch {
	case errors.Is(err, passkey.ErrRefused):
		g.log.Warn("a new passkey was refused", "err", err)
		g.refusePasskey(w, http.StatusForbidden, "That passkey was not accepted. Load the page and try again.")
	case err != nil:
		g.log.Error("a passkey could not be stored", "err", err)
		g.refusePasskey(w, http.StatusInternalServerError, "It could not be stored. Is the appliance’s card full?")
	default:
		g.log.Info("a passkey was made", "user", visitorOf(r).user, "host", o.Host)
		writeJSON(w, r, map[string]string{"next": "/people/me"})
	}
}

func (g *Gateway) removePasskey(_ http.ResponseWriter, _ *http.Request, q peopleQuestion) (any, error) {
	err := g.passkeys.Remove(signin.CleanUser(q.Name), q.ID)
	if errors.Is(err, passkey.ErrNotThere) {
		return nil, signin.ErrNotThere
	}
	return nil, err
}
