package gateway

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/gateway/signin"
	"github.com/smartcore-ireland/hems/internal/remote"
)

// as signs somebody in.
func (h *house) as(user string) *http.Client {
	h.t.Helper()
	c := h.visitor()
	if got := h.post(c, "/login", url.Values{"user": {user}, "password": {password}}); got.Header.Get("Location") != "/" {
		h.t.Fatalf("signing in as %s: got %s", user, got.Status)
	}
	return c
}

// tell asks as a program that is signed in.
func tell[T any](h *house, c *http.Client, path string, q any) (status int, v T, refused client.Error) {
	h.t.Helper()
	b, err := json.Marshal(q)
	if err != nil {
		h.t.Fatal(err)
	}
	res, err := c.Post(h.url+path, "application/json", bytes.NewReader(b))
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	if res.StatusCode == http.StatusOK {
		err = json.Unmarshal(body, &v)
	} else {
		err = json.Unmarshal(body, &refused)
	}
	if err != nil {
		h.t.Fatalf("%s: %v in %q", path, err, body)
	}
	return res.StatusCode, v, refused
}

func TestSomebodyIsInvitedAndComesIn(t *testing.T) {
	h := newHouse(t)
	boss := h.signedIn()
	status, made, _ := tell[client.Invited](h, boss, "/api/v1/people", map[string]string{"name": "Niamh", "role": "member"})
	if status != http.StatusOK || made.Name != "niamh" || !strings.HasPrefix(made.Link, h.url+"/invitation/") {
		t.Fatalf("got %d %+v", status, made)
	}
	path := strings.TrimPrefix(made.Link, h.url)
	c := h.visitor()
	for range 2 { // looking uses nothing up
		if status, body := h.get(c, path); status != http.StatusOK || !strings.Contains(body, "Welcome, niamh") {
			t.Fatalf("the link: got %d", status)
		}
	}
	for name, form := range map[string]url.Values{"Short": {"password": {"tea"}}, "Differing": {"password": {password}, "again": {"another cup"}}} {
		if res := h.post(c, path, form); res.StatusCode/100 != 4 || h.door.RoleOf("niamh") != signin.Nobody {
			t.Errorf("%s: got %s", name, res.Status)
		}
	}
	if res := h.post(c, path, url.Values{"password": {password}, "again": {password}}); res.Header.Get("Location") != "/" {
		t.Fatalf("choosing a password: got %s", res.Status)
	}
	if status, body := h.get(c, "/more"); status != http.StatusOK || !strings.Contains(body, "niamh") {
		t.Errorf("afterwards: got %d, want to be signed in", status)
	}
	// Another tab, and whoever finds the link later.
	if res := h.post(h.visitor(), path, url.Values{"password": {"a cup of poison"}}); res.StatusCode != http.StatusNotFound {
		t.Errorf("replayed: got %s, want 404", res.Status)
	}
	for _, bad := range []string{"/people", "/system", "/system/logs"} {
		if status, body := h.get(c, bad); status != http.StatusForbidden || !strings.Contains(body, "This is for owners") {
			t.Errorf("%s for a member: got %d", bad, status)
		}
	}
	if status, _, e := tell[client.People](h, c, "/api/v1/people/role", map[string]string{"name": "niamh", "role": "owner"}); status != http.StatusForbidden || e.Message != "this needs the role owner; niamh is member" {
		t.Errorf("making oneself an owner: got %d, %q", status, e.Message)
	}
}

func TestPagesHideWhatAVisitorMayNot(t *testing.T) {
	h := newHouse(t)
	h.person("guest", signin.Viewer)
	h.person("aoife", signin.Member)
	for user, want := range map[string][2][]string{
		owner:   {{"/people\"", "/system/logs", "/ledger", "/people/me"}, nil},
		"aoife": {{"/ledger", "/people/me"}, {"/people\"", "/system/logs"}},
		"guest": {{"/people/me"}, {"/people\"", "/system/logs", "/ledger"}},
	} {
		_, body := h.get(h.as(user), "/more")
		for _, s := range want[0] {
			if !strings.Contains(body, `href="`+s) {
				t.Errorf("%s is not shown %s", user, s)
			}
		}
		for _, s := range want[1] {
			if strings.Contains(body, `href="`+s) {
				t.Errorf("%s is shown %s", user, s)
			}
		}
	}
}

// TestWhatIsOpenWhileARoleFalls: a page and a form that were opened before are
// judged by what is true now.
func TestWhatIsOpenWhileARoleFalls(t *testing.T) {
	h := newHouse(t)
	h.beat = 1 // nanosecond: streams are looked at all the time
	h.person("aoife", signin.Owner)
	c := h.as("aoife")
	stream, err := c.Get(h.url + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	if status, _, _ := tell[struct{}](h, h.signedIn(), "/api/v1/people/role", map[string]string{"name": "aoife", "role": "viewer"}); status != http.StatusOK {
		t.Fatalf("lowering the role: got %d", status)
	}
	if _, err := io.Copy(io.Discard, stream.Body); err != nil {
		t.Errorf("the stream: got %v, want that it ends", err)
	}
	if res := h.post(c, "/people/remove", url.Values{"name": {owner}}); !strings.HasPrefix(res.Header.Get("Location"), "/login") || h.door.RoleOf(owner) != signin.Owner {
		t.Errorf("the form: got %s to %q, want the sign-in page", res.Status, res.Header.Get("Location"))
	}
	if res := h.post(h.as("aoife"), "/people/remove", url.Values{"name": {owner}}); res.StatusCode != http.StatusForbidden {
		t.Errorf("signed in again: got %s, want 403", res.Status)
	}
}

func TestSessionsOnThePage(t *testing.T) {
	h := newHouse(t)
	one, two := h.signedIn(), h.signedIn()
	r, err := http.NewRequest("GET", h.url+"/people/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("User-Agent", "Mozilla/5.0 (Android 15; Mobile; rv:144.0) Gecko/144.0 Firefox/144.0")
	res, err := two.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if body := readAll(t, res); !strings.Contains(body, "Firefox on Android</strong> (this one)") || !strings.Contains(body, "at home, 127.0.0.1") || !strings.Contains(body, "a Go program</strong>") {
		t.Errorf("the page does not list the browsers: %s", body)
	}
	_, me := h.get(one, "/api/v1/people/me")
	var v client.Me
	if err := json.Unmarshal([]byte(me), &v); err != nil || len(v.Sessions) != 2 || v.By != "session" {
		t.Fatalf("got %+v, %v", v, err)
	}
	for _, s := range v.Sessions {
		if s.Here == (s.Browser == "Firefox on Android") {
			t.Errorf("which is here: got %+v", s)
		}
	}
	if res := h.post(one, "/people/me/sessions/end", url.Values{"others": {"1"}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("ending the others: got %s", res.Status)
	}
	if res := h.post(two, "/people/me/tokens", url.Values{"name": {"x"}, "days": {"1"}}); !strings.HasPrefix(res.Header.Get("Location"), "/login") || len(h.door.Tokens(owner)) != 0 {
		t.Errorf("a form of a session that was ended: got %s", res.Status)
	}
	if res := h.post(one, "/people/me/password", url.Values{"old": {password}, "new": {"another cup of tea"}, "again": {"another cup of tea"}}); res.Header.Get("Location") != "/people/me" {
		t.Errorf("changing the password: got %s", res.Status)
	}
	if status, _ := h.get(one, "/people/me"); status != http.StatusOK {
		t.Errorf("afterwards, here: got %d, want to be signed in", status)
	}
	if got := len(h.door.Sessions(owner)); got != 1 {
		t.Errorf("afterwards: %d sessions, want 1", got)
	}
}

func TestTokensOfPrograms(t *testing.T) {
	h := newHouse(t)
	boss := h.signedIn()
	_, made, _ := tell[client.NewToken](h, boss, "/api/v1/people/me/tokens", map[string]any{"name": "laptop", "role": "viewer", "days": 30})
	ask := func(method, path, authorization string) (int, string) {
		r, err := http.NewRequest(method, h.url+path, strings.NewReader(`{"name":"x","days":3}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", authorization)
		res, err := h.visitor().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, readAll(t, res)
	}
	for name, tt := range map[string]struct {
		method, path, authorization string
		want                        int
	}{
		"Good":        {"GET", "/api/v1/now", "Bearer " + made.Secret, 200},
		"LowerCase":   {"GET", "/api/v1/now", "bearer " + made.Secret, 200},
		"AboveItself": {"GET", "/api/v1/system/logs", "Bearer " + made.Secret, 403},
		"MakesNone":   {"POST", "/api/v1/people/me/tokens", "Bearer " + made.Secret, 403},
		"APage":       {"GET", "/devices", "Bearer " + made.Secret, 303},
		"Half":        {"GET", "/api/v1/now", "Bearer " + made.Secret[:20], 401},
		"Empty":       {"GET", "/api/v1/now", "Bearer", 401},
		"Twice":       {"GET", "/api/v1/now", "Bearer " + made.Secret + " " + made.Secret, 401},
		"AsBasic":     {"GET", "/api/v1/now", "Basic " + made.Secret, 401},
	} {
		if got, body := ask(tt.method, tt.path, tt.authorization); got != tt.want {
			t.Errorf("%s: got %d %s, want %d", name, got, body, tt.want)
		}
	}
	// Oversized ones end before they are looked at.
	if got, _ := ask("GET", "/api/v1/now", "Bearer "+strings.Repeat("x", 2<<20)); got != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("two megabytes: got %d, want 431", got)
	}
	if res := h.post(boss, "/people/me/tokens/end", url.Values{"id": {made.ID}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("ending it: got %s", res.Status)
	}
	if got, _ := ask("GET", "/api/v1/now", "Bearer "+made.Secret); got != 401 {
		t.Errorf("after it was ended: got %d, want 401", got)
	}
	last := 0
	for range 12 {
		last, _ = ask("GET", "/api/v1/now", "Bearer hems_guessed")
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("guessed over and over: got %d, want 429", last)
	}
}

// TestAnIdentityCountsOnItsWayAlone: nobody is somebody because of a way that does
// not vouch for them, or because of a header.
func TestAnIdentityCountsOnItsWayAlone(t *testing.T) {
	h := newHouse(t)
	h.person("aoife", signin.Member)
	if err := h.door.SetLogins("aoife", []signin.Login{{Way: "tailnet", Name: "aoife@example.com"}}); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		way      remote.Way
		identity remote.Identity
		want     string // who the API says it is
	}{
		"Linked":                  {remote.Tailnet, remote.Identity{Login: "Aoife@example.com"}, "aoife"},
		"LinkedBeatsTheGrant":     {remote.Tailnet, remote.Identity{Login: "aoife@example.com", Role: "owner"}, "aoife"},
		"OfAnotherWay":            {remote.Cloudflare, remote.Identity{Login: "aoife@example.com"}, ""},
		"Funnel":                  {remote.Funnel, remote.Identity{Login: "aoife@example.com", Role: "owner"}, ""},
		"LAN":                     {remote.LAN, remote.Identity{Login: "aoife@example.com", Role: "owner"}, ""},
		"Granted":                 {remote.Cloudflare, remote.Identity{Login: "bob@example.com", Role: "viewer"}, "bob@example.com"},
		"GrantOfNothing":          {remote.Tailnet, remote.Identity{Login: "bob@example.com", Role: "nobody"}, ""},
		"GrantOfWhatThereIsNot":   {remote.Tailnet, remote.Identity{Login: "bob@example.com", Role: "king"}, ""},
		"GrantToNobody":           {remote.Tailnet, remote.Identity{Role: "owner"}, ""},
		"TheNameOfAnAccountAlone": {remote.Tailnet, remote.Identity{Login: "owner"}, ""},
	} {
		r := httptest.NewRequest("GET", "/api/v1/people/me", nil)
		for _, header := range []string{"Tailscale-User-Login", "Cf-Access-Authenticated-User-Email", "X-Webauth-User", "Remote-User", "Cf-Access-Jwt-Assertion"} {
			r.Header.Set(header, "owner@example.com")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.WithContext(remote.With(r.Context(), remote.Arrival{Way: tt.way, Identity: tt.identity, Address: netip.MustParseAddr("192.0.2.7")})))
		var me client.Me
		if err := json.Unmarshal(w.Body.Bytes(), &me); err != nil || me.Name != tt.want || (w.Code == http.StatusOK) != (tt.want != "") {
			t.Errorf("%s: got %d %s, want %q", name, w.Code, w.Body, tt.want)
		}
		if tt.want == "bob@example.com" && (me.Account || me.Role != "viewer") {
			t.Errorf("%s: got %+v, want no account", name, me)
		}
	}
}

func TestBrowserInWords(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1": "Safari on iPhone",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36":                         "Chrome on Android",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0":           "Edge on Windows",
		"Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0":                                                                  "Firefox on Linux",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)":                                                                                         "a browser on a Mac",
		"curl/8.14.1": "curl",
		"":            "an unknown browser",
		"<script>":    "an unknown browser",
	} {
		if got := browserOf(agent); got != want {
			t.Errorf("%q: got %q, want %q", agent, got, want)
		}
	}
}

// TestAPasswordAloneDoesNotDoOnTheFunnel: nor where another way in says so.
func TestAPasswordAloneDoesNotDoOnTheFunnel(t *testing.T) {
	h := newHouse(t)
	for name, tt := range map[string]struct {
		arrival remote.Arrival
		in      bool
	}{
		"Funnel":                {remote.Arrival{Way: remote.Funnel}, false},
		"FunnelWithCertificate": {remote.Arrival{Way: remote.Funnel, Certificate: "Alice’s phone"}, true},
		"Cloudflare":            {remote.Arrival{Way: remote.Cloudflare}, true},
		"CloudflareStrict":      {remote.Arrival{Way: remote.Cloudflare, SecondFactor: true}, false},
	} {
		r := httptest.NewRequest("POST", "/login", strings.NewReader(url.Values{"user": {owner}, "password": {password}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		tt.arrival.Address = netip.MustParseAddr("192.0.2.7")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.WithContext(remote.With(r.Context(), tt.arrival)))
		next := httptest.NewRequest("GET", "/devices", nil)
		for _, c := range w.Result().Cookies() {
			next.AddCookie(c)
		}
		w = httptest.NewRecorder()
		h.ServeHTTP(w, next.WithContext(remote.With(next.Context(), tt.arrival)))
		if (w.Code == http.StatusOK) != tt.in {
			t.Errorf("%s: after the password: got %d, in is %v", name, w.Code, tt.in)
		}
	}
}
