package gateway

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/gateway/signin"
	"github.com/smartcore-ireland/hems/internal/remote"
)

func TestSignInLeadsBack(t *testing.T) {
	h := newHouse(t)
	c := h.visitor()
	res := h.do(c, h.walk("GET /devices"))
	if got, want := res.Header.Get("Location"), "/login?next=%2Fdevices"; got != want {
		t.Fatalf("the way to the sign-in page: got %q, want %q", got, want)
	}
	_, body := h.get(c, "/login?next=%2Fdevices")
	if !strings.Contains(body, `name="next" value="/devices"`) {
		t.Error("the form does not keep where to go")
	}
	res = h.post(c, "/login", url.Values{"user": {owner}, "password": {password}, "next": {"/devices"}})
	if got := res.Header.Get("Location"); got != "/devices" {
		t.Errorf("after signing in: got %q, want /devices", got)
	}
}

func TestLocalPath(t *testing.T) {
	for next, want := range map[string]string{
		"":                        "/",
		"/devices":                "/devices",
		"/devices?a=b&c=d":        "/devices?a=b&c=d",
		"//elsewhere.example":     "/",
		"/\\elsewhere.example":    "/",
		"https://elsewhere.test/": "/",
		"javascript:alert(1)":     "/",
		"devices":                 "/",
		"/login":                  "/",
		"/login?next=/login":      "/",
		"/a\r\nSet-Cookie: x=y":   "/",
		"/%2Felsewhere.test":      "/", // a browser that decodes it first would leave
		"/%zz":                    "/",
	} {
		if got := localPath(next); got != want {
			t.Errorf("localPath(%q): got %q, want %q", next, got, want)
		}
	}
}

func TestWrongPasswordIsSaidAndKeepsTheName(t *testing.T) {
	h := newHouse(t)
	var bodies []string
	for _, user := range []string{owner, "nobody"} {
		res, err := h.visitor().PostForm(h.url+"/login", url.Values{"user": {user}, "password": {"wrong"}})
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusUnauthorized || len(res.Cookies()) > 0 {
			t.Errorf("%s: got %s with %d cookies, want 401 and none", user, res.Status, len(res.Cookies()))
		}
		var b strings.Builder
		b.WriteString(readAll(t, res))
		if !strings.Contains(b.String(), `value="`+user+`"`) || !strings.Contains(b.String(), "do not match") {
			t.Errorf("%s: the page has neither the name nor the reason", user)
		}
		bodies = append(bodies, strings.ReplaceAll(b.String(), user, "*"))
	}
	if bodies[0] != bodies[1] {
		t.Error("an unknown user and a wrong password are answered differently")
	}
	if strings.Contains(h.log.String(), "wrong") {
		t.Error("a password was logged")
	}
}

func readAll(t *testing.T, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	var b strings.Builder
	if _, err := io.Copy(&b, res.Body); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCookieIsGuarded(t *testing.T) {
	h := newHouse(t)
	for _, encrypted := range []bool{false, true} {
		r := httptest.NewRequest("POST", "/login", strings.NewReader(url.Values{"user": {owner}, "password": {password}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if encrypted {
			r.TLS = &tls.ConnectionState{}
		}
		w := httptest.NewRecorder()
		remote.FromLAN(h).ServeHTTP(w, r)
		cookies := w.Result().Cookies()
		if len(cookies) != 1 {
			t.Fatalf("cookies: got %d, want 1", len(cookies))
		}
		c := cookies[0]
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Secure != encrypted || c.Path != "/" || c.Domain != "" || len(c.Value) != 43 {
			t.Errorf("encrypted %v: got %v", encrypted, c)
		}
		if data, err := os.ReadFile(h.o.Dir + "/sessions.json"); err != nil || strings.Contains(string(data), c.Value) {
			t.Errorf("sessions.json: %v, or it holds the token", err)
		}
	}
}

func TestSigningInEndsTheOldSession(t *testing.T) {
	h := newHouse(t)
	c := h.signedIn()
	u, _ := url.Parse(h.url)
	old := c.Jar.Cookies(u)[0]
	if res := h.post(c, "/login", url.Values{"user": {owner}, "password": {password}}); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("signing in again: got %s", res.Status)
	}
	if got := c.Jar.Cookies(u)[0]; got.Value == old.Value {
		t.Error("the new session has the old token")
	}
	if _, ok := h.door.Session(old.Value, signin.Place{}); ok {
		t.Error("the old session lives")
	}
}

func TestSigningOutEndsTheSession(t *testing.T) {
	h := newHouse(t)
	c := h.signedIn()
	u, _ := url.Parse(h.url)
	old := c.Jar.Cookies(u)[0]
	h.post(c, "/logout", nil)
	if status, _ := h.get(c, "/"); status != http.StatusSeeOther {
		t.Errorf("after signing out: got %d, want 303", status)
	}
	if _, ok := h.door.Session(old.Value, signin.Place{}); ok {
		t.Error("the session lives on the server")
	}
}

func TestSessionSurvivesARestart(t *testing.T) {
	h := newHouse(t)
	c := h.signedIn()
	again, err := New(h.o)
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(h.url)
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(c.Jar.Cookies(u)[0])
	w := httptest.NewRecorder()
	remote.FromLAN(again).ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Errorf("the page from a restarted gateway: got %d, want 200", w.Code)
	}
}

// TestUnknownUserTakesAsLong compares the medians of both refusals with real
// hashing costs: without the stand-in hash one of them would be near zero.
func TestUnknownUserTakesAsLong(t *testing.T) {
	h := newHouse(t, func(o *Options) { o.Password.Memory, o.Password.Time = 19*1024, 1 })
	// Of the processor's time: a machine with other work to do takes as long as it
	// likes. The least of several is the least disturbed.
	spent := func() time.Duration {
		var r syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
			t.Fatal(err)
		}
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	least := map[string]time.Duration{owner: time.Hour, "nobody": time.Hour}
	for range 3 {
		for user := range least {
			before := spent()
			if err := h.door.Enter(t.Context(), netip.MustParseAddr("192.0.2.1"), user, "wrong"); err == nil {
				t.Fatal("entered with a wrong password")
			}
			least[user] = min(least[user], spent()-before)
		}
	}
	if known, unknown := least[owner], least["nobody"]; unknown < known/3 || known < unknown/3 {
		t.Errorf("a wrong password took %v, an unknown user %v; want much the same", known, unknown)
	}
}
