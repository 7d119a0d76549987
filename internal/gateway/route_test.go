package gateway

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// example is a request for a route, and what a signed-in visitor gets.
var examples = map[string]struct {
	form url.Values
	path string // where the pattern's has a wildcard; %s is the name of a file
	want int
}{
	"GET /login":             {want: http.StatusSeeOther},
	"POST /login":            {form: url.Values{"user": {owner}, "password": {password}}, want: http.StatusSeeOther},
	"GET /static/{name}":     {path: "/static/%s", want: http.StatusOK},
	"GET /healthz":           {want: http.StatusOK},
	"GET /{$}":               {path: "/", want: http.StatusOK},
	"GET /devices":           {want: http.StatusOK},
	"GET /pair":              {want: http.StatusOK},
	"POST /pair":             {form: url.Values{"do": {"start"}}, want: http.StatusSeeOther},
	"GET /more":              {want: http.StatusOK},
	"POST /theme":            {form: url.Values{"theme": {"dark"}}, want: http.StatusSeeOther},
	"POST /logout":           {form: url.Values{}, want: http.StatusSeeOther},
	"GET /script/{name}":     {path: "/script/none.js", want: http.StatusNotFound},
	"GET /events":            {want: http.StatusOK},
	"GET /api/v1/now":        {want: http.StatusOK},
	"GET /api/v1/power":      {want: http.StatusOK},
	"GET /api/v1/devices":    {want: http.StatusOK},
	"GET /no/such/page":      {want: http.StatusNotFound},
	"GET /api/v1/no":         {want: http.StatusNotFound},
	"DELETE /devices":        {want: http.StatusMethodNotAllowed},
	"PUT /api/v1/now":        {want: http.StatusMethodNotAllowed},
	"GET /static/../devices": {path: "/static/%2e%2e/devices", want: http.StatusNotFound},
}

// walk makes a row of the table into a request.
func (h *house) walk(pattern string) *http.Request {
	h.t.Helper()
	e, ok := examples[pattern]
	if !ok {
		h.t.Fatalf("route %q has no example: add one, with what a signed-in visitor gets", pattern)
	}
	method, path, _ := strings.Cut(pattern, " ")
	if e.path != "" {
		path = strings.Replace(e.path, "%s", h.files.names["style.css"], 1)
	}
	var body io.Reader
	if e.form != nil {
		body = strings.NewReader(e.form.Encode())
	}
	r, err := http.NewRequest(method, h.url+path, body)
	if err != nil {
		h.t.Fatal(err)
	}
	if e.form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

func (h *house) do(c *http.Client, r *http.Request) *http.Response {
	h.t.Helper()
	res, err := c.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	res.Body.Close() // a stream would never end
	return res
}

// everyRoute is the table and what is not in it, with who may have it.
func (h *house) everyRoute() map[string]access {
	all := map[string]access{}
	for _, r := range h.routes() {
		all[r.pattern] = r.access
	}
	all["GET /no/such/page"] = forSignedIn
	all["DELETE /devices"] = forSignedIn
	all["GET /static/../devices"] = forSignedIn
	all["GET /api/v1/no"] = forPrograms
	all["PUT /api/v1/now"] = forPrograms
	return all
}

func TestEveryRouteSignedOut(t *testing.T) {
	h := newHouse(t)
	h.well()
	h.await(h.visitor(), "/healthz", "ok\n")
	for pattern, who := range h.everyRoute() {
		t.Run(pattern, func(t *testing.T) {
			res := h.do(h.visitor(), h.walk(pattern))
			to := res.Header.Get("Location")
			switch who {
			case forSignedIn:
				if res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, "/login") {
					t.Errorf("got %s to %q, want 303 to the sign-in page", res.Status, to)
				}
			case forPrograms:
				if res.StatusCode != http.StatusUnauthorized {
					t.Errorf("got %s, want 401", res.Status)
				}
			case forEveryone:
				want := examples[pattern].want
				if pattern == "GET /login" {
					want = http.StatusOK
				}
				if res.StatusCode != want || strings.HasPrefix(to, "/login") {
					t.Errorf("got %s to %q, want %d", res.Status, to, want)
				}
			}
			checkHeaders(t, res, strings.HasPrefix(pattern, "GET /static/{"))
		})
	}
}

func TestEveryRouteSignedIn(t *testing.T) {
	h := newHouse(t)
	h.well()
	h.await(h.visitor(), "/healthz", "ok\n")
	for pattern := range h.everyRoute() {
		t.Run(pattern, func(t *testing.T) {
			res := h.do(h.signedIn(), h.walk(pattern))
			if got, want := res.StatusCode, examples[pattern].want; got != want {
				t.Errorf("got %s, want %d", res.Status, want)
			}
			checkHeaders(t, res, strings.HasPrefix(pattern, "GET /static/{"))
		})
	}
}

func TestEveryRouteWithThePassword(t *testing.T) {
	h := newHouse(t)
	for pattern, who := range h.everyRoute() {
		if who == forEveryone {
			continue
		}
		t.Run(pattern, func(t *testing.T) {
			r := h.walk(pattern)
			r.SetBasicAuth(owner, password)
			res := h.do(h.visitor(), r)
			if got, want := res.StatusCode, examples[pattern].want; who == forPrograms && got != want {
				t.Errorf("got %s, want %d", res.Status, want)
			}
			if who == forSignedIn && !strings.HasPrefix(res.Header.Get("Location"), "/login") {
				t.Errorf("got %s, want the sign-in page: a page is for people", res.Status)
			}
			r = h.walk(pattern)
			r.SetBasicAuth(owner, "wrong")
			if res := h.do(h.visitor(), r); who == forPrograms && res.StatusCode != http.StatusUnauthorized && res.StatusCode != http.StatusTooManyRequests {
				t.Errorf("with a wrong password: got %s, want 401 or 429", res.Status)
			}
		})
	}
}

func checkHeaders(t *testing.T, res *http.Response, cached bool) {
	t.Helper()
	csp := res.Header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("Content-Security-Policy: got %q", csp)
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	switch cache := res.Header.Get("Cache-Control"); {
	case cached && !strings.Contains(cache, "immutable"):
		t.Errorf("Cache-Control: got %q, want immutable", cache)
	case !cached && cache != "no-store":
		t.Errorf("Cache-Control: got %q, want no-store", cache)
	}
}

func TestOtherSitesCannotPost(t *testing.T) {
	h := newHouse(t)
	for _, header := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://elsewhere.example"}} {
		for _, pattern := range []string{"POST /login", "POST /logout", "POST /theme"} {
			r := h.walk(pattern)
			r.Header.Set(header[0], header[1])
			if res := h.do(h.signedIn(), r); res.StatusCode != http.StatusForbidden {
				t.Errorf("%s with %s: got %s, want 403", pattern, header, res.Status)
			}
		}
	}
}

func TestForwardingHeadersAreNotBelieved(t *testing.T) {
	h := newHouse(t)
	var last *http.Response
	for i := range 10 {
		r := h.walk("GET /api/v1/now")
		r.Header.Set("X-Forwarded-For", "10.0.0."+string(rune('1'+i)))
		r.Header.Set("X-Forwarded-Proto", "https")
		r.SetBasicAuth(owner, "wrong")
		last = h.do(h.visitor(), r)
	}
	if last.StatusCode != http.StatusTooManyRequests || last.Header.Get("Retry-After") == "" {
		t.Errorf("the tenth wrong password: got %s, want 429 with Retry-After", last.Status)
	}
}

func TestBigRequestsAreRefused(t *testing.T) {
	h := newHouse(t)
	form := url.Values{"user": {owner}, "password": {strings.Repeat("x", 2*maxBody)}}
	if res := h.post(h.visitor(), "/login", form); res.StatusCode != http.StatusBadRequest {
		t.Errorf("a large form: got %s, want 400", res.Status)
	}
	r := h.walk("GET /api/v1/now")
	r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(owner+":"+strings.Repeat("x", 5000))))
	if res := h.do(h.visitor(), r); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a large password: got %s, want 401", res.Status)
	}
}
