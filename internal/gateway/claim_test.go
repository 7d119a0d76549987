package gateway

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/gateway/signin"
	"github.com/smartcore-ireland/hems/internal/remote"
)

// newUnclaimed is a house without an owner, a minute after power-up. A test
// comes from this machine, which counts as the home's network.
func newUnclaimed(t *testing.T, settings ...func(*signin.Claims)) *house {
	h := newHouse(t)
	o := h.o
	o.Dir = t.TempDir()
	o.Claims = signin.Claims{CodeFile: filepath.Join(o.Dir, "claim-code"), SinceBoot: func() time.Duration { return time.Minute }, Loopback: true}
	for _, s := range settings {
		s(&o.Claims)
	}
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { g.watchSeed(ctx) })
	wg.Go(func() { g.watchManager(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	srv := httptest.NewServer(remote.FromLAN(g))
	t.Cleanup(srv.Close)
	return &house{Gateway: g, t: t, url: srv.URL, log: h.log, manager: h.manager}
}

func owned(form ...string) url.Values {
	v := url.Values{"user": {"Aoife"}, "password": {"a pot of coffee"}, "again": {"a pot of coffee"}, "home": {""}}
	for i := 0; i < len(form); i += 2 {
		v.Set(form[i], form[i+1])
	}
	return v
}

// asked waits until the manager was asked something.
func (h *house) asked(question string) {
	h.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if slices.Contains(h.manager.Questions(), question) {
			return
		}
	}
	h.t.Fatalf("the manager was never asked %q but %q", question, h.manager.Questions())
}

func TestFirstVisitorClaims(t *testing.T) {
	h := newUnclaimed(t)
	c := h.visitor()
	res := h.do(c, h.walkTo("/devices"))
	if got := res.Header.Get("Location"); got != "/login?next=%2Fdevices" {
		t.Errorf("a page before the claim: got %s to %q, want the sign-in page", res.Status, got)
	}
	if got := h.do(c, h.walkTo("/login")).Header.Get("Location"); got != "/claim" {
		t.Errorf("the sign-in page before the claim leads to %q, want /claim", got)
	}
	status, body := h.get(c, "/claim")
	if status != http.StatusOK || !strings.Contains(body, "Make it mine") || !strings.Contains(body, "for another 59 minutes") || strings.Contains(body, `name="code"`) {
		t.Errorf("the claim page: got %d %s", status, body)
	}
	if res := h.post(h.visitor(), "/login", url.Values{"user": {""}, "password": {""}}); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("signing in before the claim: got %s, want 401", res.Status)
	}
	for name, tt := range map[string]struct {
		form url.Values
		want string
	}{
		"ShortPassword":   {owned("password", "short", "again", "short"), "The password is shorter than 8 characters."},
		"NoName":          {owned("user", " "), "The name is empty."},
		"ColonInName":     {owned("user", "a:b"), "The name holds a colon"},
		"PasswordsDiffer": {owned("again", "a pot of tea"), "The two passwords differ."},
		"LongHome":        {owned("home", strings.Repeat("x", maxHome+1)), "That name is too long."},
	} {
		res, err := c.PostForm(h.url+"/claim", tt.form)
		if err != nil {
			t.Fatal(err)
		}
		if body := readAll(t, res); res.StatusCode != http.StatusBadRequest || !strings.Contains(body, tt.want) || h.door.Claimed() {
			t.Errorf("%s: got %s %s, want 400 with %q", name, res.Status, body, tt.want)
		}
	}
	if res := h.post(c, "/claim", owned("home", "Cois Farraige")); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/" {
		t.Fatalf("claiming: got %s to %q, want 303 to /", res.Status, res.Header.Get("Location"))
	}
	if status, _ := h.get(c, "/"); status != http.StatusOK {
		t.Errorf("the first page after the claim: got %d, want to be signed in", status)
	}
	h.asked("POST /v1/claimed")
	h.asked("POST /v1/config/set")
	if got, want := string(h.manager.Body("POST /v1/config/set")), `{"path":"home.name","value":"Cois Farraige"}`; got != want {
		t.Errorf("the home's name: got %s, want %s", got, want)
	}
	late := h.visitor()
	if got := h.do(late, h.walkTo("/claim")).Header.Get("Location"); got != "/login" {
		t.Errorf("the claim page afterwards leads to %q, want /login", got)
	}
	if res := h.post(late, "/claim", owned("user", "eve")); res.Header.Get("Location") != "/login" || len(res.Cookies()) > 0 {
		t.Errorf("a second claim: got %s to %q, want the sign-in page", res.Status, res.Header.Get("Location"))
	}
	if res := h.post(late, "/login", url.Values{"user": {"aoife"}, "password": {"a pot of coffee"}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("signing in afterwards: got %s, want 303", res.Status)
	}
	if strings.Contains(h.log.String(), "pot of coffee") {
		t.Error("a password was logged")
	}
}

func (h *house) walkTo(path string) *http.Request {
	r, err := http.NewRequest("GET", h.url+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

func TestClaimingByCode(t *testing.T) {
	h := newUnclaimed(t, func(c *signin.Claims) { c.Loopback = false; c.SinceBoot = nil })
	if err := os.WriteFile(filepath.Join(h.o.Dir, "claim-code"), []byte("K7QM-2XWP"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := h.visitor()
	if _, body := h.get(c, "/claim"); !strings.Contains(body, `name="code"`) {
		t.Error("the page does not ask for the code")
	}
	for i := range 10 {
		res, err := c.PostForm(h.url+"/claim", owned("code", "wrong"))
		if err != nil {
			t.Fatal(err)
		}
		if body := readAll(t, res); res.StatusCode != http.StatusForbidden || !strings.Contains(body, "not the code") {
			t.Errorf("wrong code %d: got %s", i+1, res.Status)
		}
	}
	res, err := c.PostForm(h.url+"/claim", owned("code", "k7qm2xwp"))
	if err != nil {
		t.Fatal(err)
	}
	if body := readAll(t, res); res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") == "" || !strings.Contains(body, "Too many attempts") {
		t.Errorf("after ten wrong ones: got %s, want 429 and how long to wait", res.Status)
	}
	if h.door.Claimed() {
		t.Error("it was claimed")
	}
}

func TestClaimSaysFromWhereAndWhen(t *testing.T) {
	for name, tt := range map[string]struct {
		claims func(*signin.Claims)
		want   string
	}{
		"Elsewhere": {func(c *signin.Claims) { c.Loopback = false }, "Connect your phone or computer to the same network"},
		"Late":      {func(c *signin.Claims) { c.SinceBoot = func() time.Duration { return time.Hour } }, "Pull its plug"},
		"Wait":      {func(c *signin.Claims) { c.Pending = "/" }, "still setting itself up"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newUnclaimed(t, tt.claims)
			_, body := h.get(h.visitor(), "/claim")
			if !strings.Contains(body, tt.want) || strings.Contains(body, "<form") {
				t.Errorf("the page: got %s, want %q and no form", body, tt.want)
			}
			res, err := h.visitor().PostForm(h.url+"/claim", owned())
			if err != nil {
				t.Fatal(err)
			}
			if body := readAll(t, res); res.StatusCode != http.StatusForbidden || !strings.Contains(body, tt.want) || h.door.Claimed() {
				t.Errorf("claiming all the same: got %s, want 403 and %q", res.Status, tt.want)
			}
		})
	}
}

func TestSeedClaimsToo(t *testing.T) {
	h := newUnclaimed(t)
	if err := Seed(h.o.Dir, "aoife", "a pot of coffee"); err != nil {
		t.Fatal(err)
	}
	h.await(h.visitor(), "/login", `name="password"`)
	h.asked("POST /v1/claimed")
}

func TestOneOfTwoClaimsWins(t *testing.T) {
	h := newUnclaimed(t)
	to := make([]string, 8)
	var wg sync.WaitGroup
	for i := range to {
		wg.Go(func() {
			to[i] = h.post(h.visitor(), "/claim", owned("user", "person"+string(rune('a'+i)))).Header.Get("Location")
		})
	}
	wg.Wait()
	won := 0
	for i, where := range to {
		switch where {
		case "/":
			won++
		case "/login":
		default:
			t.Errorf("person %d was led to %q", i, where)
		}
	}
	if won != 1 {
		t.Errorf("winners: got %d, want 1", won)
	}
}
