package gateway

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// example is a request for a route, and what a signed-in visitor gets.
var examples = map[string]struct {
	form url.Values
	file string // of a form with a file: the name of its field
	body string // otherwise: the body
	path string // where the pattern's has a wildcard; %s is the name of a file
	want int
}{
	"GET /claim":                                 {want: http.StatusSeeOther}, // it is claimed
	"POST /claim":                                {form: url.Values{"user": {"eve"}, "password": {"a cup of poison"}}, want: http.StatusSeeOther},
	"GET /system":                                {want: http.StatusOK},
	"GET /ways/tailnet":                          {want: http.StatusOK},
	"POST /ways/tailnet":                         {form: url.Values{"do": {"on"}}, want: http.StatusSeeOther},
	"GET /api/v1/ways/tailnet":                   {want: http.StatusOK},
	"POST /api/v1/ways/tailnet":                  {body: `{"do":"on"}`, want: http.StatusOK},
	"GET /system/https":                          {want: http.StatusOK},
	"GET /system/https/{file}":                   {path: "/system/https/hems-ca.crt", want: http.StatusOK},
	"GET /trust/{link}":                          {path: "/trust/guessed", want: http.StatusSeeOther},
	"GET /trust/{link}/{file}":                   {path: "/trust/guessed/hems-ca.crt", want: http.StatusSeeOther},
	"GET /system/home-assistant":                 {want: http.StatusOK},
	"POST /system/home-assistant":                {form: url.Values{"url": {"http://192.0.2.1:8123"}}, want: http.StatusSeeOther},
	"GET /api/v1/home-assistant":                 {want: http.StatusOK},
	"GET /api/v1/ways":                           {want: http.StatusOK},
	"GET /ways":                                  {want: http.StatusOK},
	"GET /ways/cloudflare":                       {want: http.StatusOK},
	"POST /ways/cloudflare":                      {form: url.Values{"team": {"smartcore"}, "enabled": {"on"}}, want: http.StatusSeeOther},
	"POST /ways/cloudflare/add":                  {form: url.Values{"host": {"ha.example.ie"}, "to": {"home_assistant"}, "rule": {"sign-in"}}, want: http.StatusSeeOther},
	"POST /ways/cloudflare/remove":               {form: url.Values{"host": {"ha.example.ie"}}, want: http.StatusSeeOther},
	"GET /api/v1/ways/cloudflare":                {want: http.StatusOK},
	"POST /api/v1/ways/cloudflare/hosts":         {body: `{"hosts":[]}`, want: http.StatusOK},
	"POST /api/v1/ways/cloudflare/token":         {body: `{"token":"eyJhIjoiYSIsInQiOiJ0IiwicyI6InMifQ=="}`, want: http.StatusOK},
	"GET /phones":                                {want: http.StatusOK},
	"POST /phones":                               {form: url.Values{"name": {"Alice’s phone"}}, want: http.StatusOK},
	"POST /phones/revoke":                        {form: url.Values{"name": {"nobody"}}, want: http.StatusNotFound},
	"POST /phones/mode":                          {form: url.Values{"way": {"lan"}, "mode": {"optional"}}, want: http.StatusSeeOther},
	"GET /api/v1/phones":                         {want: http.StatusOK},
	"POST /api/v1/phones":                        {body: `{"name":"Bob’s tablet"}`, want: http.StatusOK},
	"POST /api/v1/phones/revoke":                 {body: `{"name":"nobody"}`, want: http.StatusNotFound},
	"POST /api/v1/phones/mode":                   {body: `{"way":"funnel","mode":"required"}`, want: http.StatusOK},
	"GET /phone/{link}":                          {path: "/phone/guessed", want: http.StatusSeeOther},
	"POST /phone/{link}":                         {path: "/phone/guessed", form: url.Values{"form": {"android"}}, want: http.StatusSeeOther},
	"GET /system/update":                         {want: http.StatusOK},
	"POST /system/update":                        {file: "bundle", want: http.StatusSeeOther},
	"POST /system/update/seen":                   {form: url.Values{"next": {"/devices"}}, want: http.StatusSeeOther},
	"POST /system/update/check":                  {form: url.Values{}, want: http.StatusSeeOther},
	"POST /system/update/install":                {form: url.Values{}, want: http.StatusSeeOther},
	"POST /system/update/back":                   {form: url.Values{}, want: http.StatusSeeOther},
	"POST /system/update/feed":                   {form: url.Values{"feed": {"https://example.com/hems"}}, want: http.StatusSeeOther},
	"POST /system/update/developer":              {form: url.Values{"developer": {"on"}}, want: http.StatusSeeOther},
	"POST /system/update/password":               {form: url.Values{}, want: http.StatusOK},
	"GET /ledger":                                {want: http.StatusOK},
	"POST /ledger":                               {file: "file", want: http.StatusSeeOther},
	"GET /ledger/export":                         {want: http.StatusOK},
	"GET /system/backup":                         {want: http.StatusOK},
	"POST /system/backup":                        {form: url.Values{"passphrase": {"four words of mine"}, "again": {"four words of mine"}}, want: http.StatusOK},
	"POST /system/restore":                       {form: url.Values{"passphrase": {"four words of mine"}, "sure": {"1"}}, file: "file", want: http.StatusOK},
	"GET /system/logs":                           {want: http.StatusOK},
	"GET /system/diagnostics":                    {want: http.StatusOK},
	"GET /system/config":                         {want: http.StatusOK},
	"POST /system/config/restore":                {form: url.Values{"id": {"2"}}, want: http.StatusSeeOther},
	"POST /system/restart":                       {form: url.Values{}, want: http.StatusOK},
	"GET /api/v1/system/health":                  {want: http.StatusOK},
	"GET /api/v1/system/metrics":                 {want: http.StatusOK},
	"GET /api/v1/system/system":                  {want: http.StatusOK},
	"GET /api/v1/system/update":                  {want: http.StatusOK},
	"POST /api/v1/system/update":                 {body: "a bundle", want: http.StatusAccepted},
	"POST /api/v1/system/update/seen":            {want: http.StatusOK},
	"POST /api/v1/system/update/check":           {want: http.StatusOK},
	"POST /api/v1/system/update/install":         {want: http.StatusOK},
	"GET /api/v1/system/update/password":         {want: http.StatusOK},
	"POST /api/v1/system/rollback":               {want: http.StatusOK},
	"POST /api/v1/system/backup":                 {body: `{"passphrase":"four words of mine"}`, want: http.StatusOK},
	"POST /api/v1/system/restore":                {form: url.Values{"passphrase": {"four words of mine"}}, file: "file", want: http.StatusOK},
	"GET /api/v1/system/config":                  {want: http.StatusOK},
	"PUT /api/v1/system/config":                  {body: "home:\n  name: Home\n", want: http.StatusOK},
	"POST /api/v1/system/config/set":             {body: `{"path":"home.name","value":"Home"}`, want: http.StatusOK},
	"POST /api/v1/system/config/restore":         {body: `{"id":"2"}`, want: http.StatusOK},
	"GET /api/v1/system/logs":                    {want: http.StatusOK},
	"GET /api/v1/system/diagnostics":             {want: http.StatusOK},
	"GET /api/v1/system/ca":                      {want: http.StatusOK},
	"POST /api/v1/system/restart":                {body: `{"process":"hems-zigbee"}`, want: http.StatusOK},
	"POST /api/v1/system/import":                 {body: `{"format":"hems-zigbee-import","id":"x"}`, want: http.StatusAccepted},
	"GET /api/v1/system/import":                  {want: http.StatusOK},
	"GET /api/v1/system/mqtt/users":              {want: http.StatusOK},
	"POST /api/v1/system/mqtt/users":             {body: `{"name":"plug"}`, want: http.StatusOK},
	"POST /api/v1/system/mqtt/users/remove":      {body: `{"name":"plug"}`, want: http.StatusOK},
	"POST /api/v1/system/mqtt/users/certificate": {body: `{"name":"plug"}`, want: http.StatusOK},
	"POST /api/v1/system/mqtt/import":            {body: `{}`, want: http.StatusOK},
	"POST /api/v1/system/reboot":                 {want: http.StatusOK},
	"POST /api/v1/system/claimed":                {want: http.StatusMethodNotAllowed}, // the gateway's own
	"GET /api/v1/system/no":                      {want: http.StatusNotFound},
	"DELETE /api/v1/system/config":               {want: http.StatusMethodNotAllowed},
	"GET /api/v1/metrics/check":                  {want: http.StatusOK},
	"GET /api/v1/metrics/trouble":                {want: http.StatusOK},
	"GET /api/v1/metrics/destinations":           {want: http.StatusOK},
	"GET /api/v1/metrics/hdf":                    {want: http.StatusOK},
	"POST /api/v1/metrics/hdf":                   {want: http.StatusOK},
	"GET /api/v1/metrics/ledger":                 {want: http.StatusOK},
	"GET /api/v1/metrics/ledger/compare":         {want: http.StatusOK},
	"GET /api/v1/metrics/ledger/export":          {want: http.StatusOK},
	"POST /api/v1/metrics/snapshot":              {want: http.StatusMethodNotAllowed}, // the manager's own
	"GET /api/v1/metrics/no":                     {want: http.StatusNotFound},
	"GET /login":                                 {want: http.StatusSeeOther},
	"POST /login":                                {form: url.Values{"user": {owner}, "password": {password}}, want: http.StatusSeeOther},
	"GET /static/{name}":                         {path: "/static/%s", want: http.StatusOK},
	"GET /healthz":                               {want: http.StatusOK},
	"GET /{$}":                                   {path: "/", want: http.StatusOK},
	"GET /devices":                               {want: http.StatusOK},
	"GET /pair":                                  {want: http.StatusOK},
	"POST /pair":                                 {form: url.Values{"do": {"start"}}, want: http.StatusSeeOther},
	"GET /more":                                  {want: http.StatusOK},
	"POST /theme":                                {form: url.Values{"theme": {"dark"}}, want: http.StatusSeeOther},
	"POST /logout":                               {form: url.Values{}, want: http.StatusSeeOther},
	"GET /script/{name}":                         {path: "/script/none.js", want: http.StatusNotFound},
	"GET /events":                                {want: http.StatusOK},
	"GET /api/v1/now":                            {want: http.StatusOK},
	"GET /api/v1/power":                          {want: http.StatusOK},
	"GET /api/v1/devices":                        {want: http.StatusOK},
	"GET /api/v1/history/series":                 {want: http.StatusOK},
	"GET /api/v1/history/power":                  {path: "/api/v1/history/power?entity=house_power", want: http.StatusOK},
	"GET /api/v1/history/energy":                 {path: "/api/v1/history/energy?entity=house_energy", want: http.StatusOK},
	"GET /api/v1/history/peaks":                  {path: "/api/v1/history/peaks?entity=house_power&step=hour", want: http.StatusOK},
	"GET /api/v1/history/state":                  {path: "/api/v1/history/state?entity=house_power", want: http.StatusOK},
	"GET /api/v1/history/always-on":              {path: "/api/v1/history/always-on?entity=house_power", want: http.StatusOK},
	"GET /no/such/page":                          {want: http.StatusNotFound},
	"GET /api/v1/no":                             {want: http.StatusNotFound},
	"DELETE /devices":                            {want: http.StatusMethodNotAllowed},
	"PUT /api/v1/now":                            {want: http.StatusMethodNotAllowed},
	"GET /static/../devices":                     {path: "/static/%2e%2e/devices", want: http.StatusNotFound},

	"GET /system/destinations":         {want: http.StatusOK},
	"GET /system/destinations/{name}":  {path: "/system/destinations/influx", want: http.StatusOK},
	"POST /system/destinations/resend": {form: url.Values{"name": {"influx"}, "from": {"2026-11-20"}}, want: http.StatusSeeOther},
	"POST /system/destinations/aside":  {form: url.Values{"name": {"influx"}}, want: http.StatusSeeOther},

	"POST /api/v1/metrics/destinations/{name}/resend":       {path: "/api/v1/metrics/destinations/influx/resend", want: http.StatusOK},
	"GET /api/v1/metrics/destinations/{name}/aside":         {path: "/api/v1/metrics/destinations/influx/aside", want: http.StatusOK},
	"POST /api/v1/metrics/destinations/{name}/aside/resend": {path: "/api/v1/metrics/destinations/influx/aside/resend", want: http.StatusOK},
	"GET /invitation/{code}":                                {path: "/invitation/guessed", want: http.StatusNotFound},
	"POST /invitation/{code}":                               {path: "/invitation/guessed", form: url.Values{"password": {"a cup of poison"}}, want: http.StatusNotFound},

	"POST /login/passkey/begin":              {body: "{}", want: http.StatusConflict}, // by a number
	"POST /login/passkey":                    {body: "{}", want: http.StatusConflict},
	"POST /people/me/passkeys/begin":         {body: `{"name":"x"}`, want: http.StatusConflict},
	"POST /people/me/passkeys":               {body: "{}", want: http.StatusForbidden},
	"POST /people/me/passkeys/remove":        {form: url.Values{"id": {"none"}}, want: http.StatusNotFound},
	"POST /people/passkeys/remove":           {form: url.Values{"name": {owner}, "id": {"none"}}, want: http.StatusNotFound},
	"POST /api/v1/people/passkeys/remove":    {body: `{"name":"owner","id":"none"}`, want: http.StatusNotFound},
	"POST /api/v1/people/me/passkeys/remove": {body: `{"id":"none"}`, want: http.StatusNotFound},
	"GET /people":                            {want: http.StatusOK},
	"GET /people/person":                     {path: "/people/person?name=owner", want: http.StatusOK},
	"POST /people":                           {form: url.Values{"name": {"niamh"}, "role": {"viewer"}}, want: http.StatusOK},
	"POST /people/invite":                    {form: url.Values{"name": {owner}}, want: http.StatusOK},
	"POST /people/invite/end":                {form: url.Values{"name": {"nobody"}}, want: http.StatusNotFound},
	"POST /people/role":                      {form: url.Values{"name": {owner}, "role": {"viewer"}, "on": {"person"}}, want: http.StatusConflict},
	"POST /people/logins":                    {form: url.Values{"name": {owner}, "logins": {"tailnet alice@example.com"}}, want: http.StatusSeeOther},
	"POST /people/remove":                    {form: url.Values{"name": {owner}}, want: http.StatusConflict},
	"POST /people/sessions/end":              {form: url.Values{"name": {owner}, "id": {"none"}}, want: http.StatusNotFound},
	"POST /people/tokens/end":                {form: url.Values{"name": {owner}, "id": {"none"}}, want: http.StatusNotFound},
	"GET /people/me":                         {want: http.StatusOK},
	"POST /people/me/password":               {form: url.Values{"old": {password}, "new": {password}, "again": {password}}, want: http.StatusSeeOther},
	"POST /people/me/sessions/end":           {form: url.Values{"others": {"1"}}, want: http.StatusSeeOther},
	"POST /people/me/tokens":                 {form: url.Values{"name": {"a script"}, "days": {"30"}}, want: http.StatusOK},
	"POST /people/me/tokens/end":             {form: url.Values{"id": {"none"}}, want: http.StatusNotFound},
	"GET /api/v1/people":                     {want: http.StatusOK},
	"POST /api/v1/people":                    {body: `{"name":"cian","role":"viewer"}`, want: http.StatusOK},
	"POST /api/v1/people/invite":             {body: `{"name":"owner"}`, want: http.StatusOK},
	"POST /api/v1/people/invite/end":         {body: `{"name":"nobody"}`, want: http.StatusNotFound},
	"POST /api/v1/people/role":               {body: `{"name":"owner","role":"king"}`, want: http.StatusUnprocessableEntity},
	"POST /api/v1/people/logins":             {body: `{"name":"owner","logins":[{"way":"lan","login":"x"}]}`, want: http.StatusUnprocessableEntity},
	"POST /api/v1/people/remove":             {body: `{"name":"nobody"}`, want: http.StatusNotFound},
	"POST /api/v1/people/sessions/end":       {body: `{"name":"owner","id":"none"}`, want: http.StatusNotFound},
	"POST /api/v1/people/tokens/end":         {body: `{"name":"owner","id":"none"}`, want: http.StatusNotFound},
	"GET /api/v1/people/me":                  {want: http.StatusOK},
	"POST /api/v1/people/me/password":        {body: `{"old":"wrong","new":"short"}`, want: http.StatusUnprocessableEntity},
	"POST /api/v1/people/me/sessions/end":    {body: `{"id":"none"}`, want: http.StatusNotFound},
	"POST /api/v1/people/me/tokens":          {body: `{"name":"a script","days":30}`, want: http.StatusOK},
	"POST /api/v1/people/me/tokens/end":      {body: `{"id":"none"}`, want: http.StatusNotFound},
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
	body, kind := io.Reader(strings.NewReader(e.body)), "application/octet-stream"
	switch {
	case e.file != "":
		var buf bytes.Buffer
		form := multipart.NewWriter(&buf)
		for name, v := range e.form {
			if err := form.WriteField(name, v[0]); err != nil {
				h.t.Fatal(err)
			}
		}
		part, err := form.CreateFormFile(e.file, "a file")
		if err == nil {
			_, err = part.Write([]byte("what is in it"))
		}
		if err == nil {
			err = form.Close()
		}
		if err != nil {
			h.t.Fatal(err)
		}
		body, kind = &buf, form.FormDataContentType()
	case e.form != nil:
		body, kind = strings.NewReader(e.form.Encode()), "application/x-www-form-urlencoded"
	case e.body == "":
		body = nil
	}
	r, err := http.NewRequest(method, h.url+path, body)
	if err != nil {
		h.t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", kind)
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
	all["POST /api/v1/system/claimed"] = forPrograms
	all["GET /api/v1/system/no"] = forPrograms
	all["DELETE /api/v1/system/config"] = forPrograms
	all["POST /api/v1/metrics/snapshot"] = forPrograms
	all["GET /api/v1/metrics/no"] = forPrograms
	all["PUT /api/v1/now"] = forPrograms
	return all
}

func TestEveryRouteSignedOut(t *testing.T) {
	h := newHouse(t, keptReadings(t))
	h.well()
	h.await(h.visitor(), "/healthz", "ok\n")
	for pattern, who := range h.everyRoute() {
		t.Run(pattern, func(t *testing.T) {
			res := h.do(h.visitor(), h.walk(pattern))
			to := res.Header.Get("Location")
			switch who {
			case forSignedIn, forLink: // nobody has handed a link out
				if strings.HasSuffix(pattern, " /invitation/{code}") { // which says so to who was invited
					if res.StatusCode != http.StatusNotFound {
						t.Errorf("got %s, want 404", res.Status)
					}
				} else if res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, "/login") {
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
				if res.StatusCode != want || strings.HasPrefix(to, "/login") != strings.HasSuffix(pattern, " /claim") {
					t.Errorf("got %s to %q, want %d", res.Status, to, want)
				}
			}
			checkHeaders(t, res, strings.HasPrefix(pattern, "GET /static/{"))
		})
	}
}

func TestEveryRouteSignedIn(t *testing.T) {
	h := newHouse(t, keptReadings(t))
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
	h := newHouse(t, keptReadings(t))
	for pattern, who := range h.everyRoute() {
		if who == forEveryone || who == forLink {
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
		for _, pattern := range []string{"POST /login", "POST /logout", "POST /theme", "POST /claim", "POST /system/update", "POST /api/v1/system/update", "POST /api/v1/system/reboot"} {
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
	form := url.Values{"user": {owner}, "password": {strings.Repeat("x", int(2*small.body))}}
	if res := h.post(h.visitor(), "/login", form); res.StatusCode != http.StatusBadRequest {
		t.Errorf("a large form: got %s, want 400", res.Status)
	}
	r := h.walk("GET /api/v1/now")
	r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(owner+":"+strings.Repeat("x", 5000))))
	if res := h.do(h.visitor(), r); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a large password: got %s, want 401", res.Status)
	}
}
