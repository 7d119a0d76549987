package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/pki"
	"github.com/smartcore-ireland/hems/internal/remote"
	"github.com/smartcore-ireland/hems/internal/remote/phones"
)

// phonesDir is where the authority of the house's manager leaves what phones are
// judged by; the manager answers for it from now on.
func (h *house) phonesDir() string {
	h.t.Helper()
	dir := filepath.Join(h.data, "pki")
	a := openAuthority(h.t, dir)
	refuse := func(err error) (int, any) {
		status := http.StatusUnprocessableEntity
		if errors.Is(err, pki.ErrNoPhone) {
			status = http.StatusNotFound
		}
		return status, client.Error{Code: "no", Message: err.Error()}
	}
	h.manager.Lock()
	defer h.manager.Unlock()
	h.manager.Answers = map[string]func([]byte) (int, any){
		"POST /v1/phones": func(body []byte) (int, any) {
			var q struct{ Name, Request string }
			if err := json.Unmarshal(body, &q); err != nil {
				return refuse(err)
			}
			cert, p, err := a.IssuePhone(q.Name, []byte(q.Request))
			if err != nil {
				return refuse(err)
			}
			return http.StatusOK, map[string]any{"certificate": string(cert), "phone": p}
		},
		"POST /v1/phones/revoke": func(body []byte) (int, any) {
			var q struct{ Name string }
			if err := json.Unmarshal(body, &q); err != nil {
				return refuse(err)
			}
			if err := a.RevokePhone(q.Name); err != nil {
				return refuse(err)
			}
			return http.StatusOK, struct{}{}
		},
	}
	return pki.HolderDir(dir, "gateway")
}

// asking is a house that asks phones on the LAN for their certificate.
func asking(m phones.Mode) setting {
	return func(o *Options) {
		o.Phones = phones.New(phones.Options{Dir: filepath.Join(filepath.Dir(o.Dir), "pki", "gateway"), Modes: map[remote.Way]phones.Mode{remote.LAN: m}, Log: o.Log})
	}
}

// addPhone adds one over the JSON interface, as somebody at that address.
func (h *house) newPhoneAt(c *http.Client, at, name string) client.NewPhone {
	h.t.Helper()
	body, err := json.Marshal(map[string]string{"name": name})
	if err != nil {
		h.t.Fatal(err)
	}
	r, err := http.NewRequest("POST", at+"/api/v1/phones", bytes.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	r.SetBasicAuth(owner, password)
	res, err := c.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	var v client.NewPhone
	if err := json.NewDecoder(res.Body).Decode(&v); err != nil || res.StatusCode != http.StatusOK {
		h.t.Fatalf("adding a phone: got %s, %v", res.Status, err)
	}
	return v
}

// fetch gets a parcel as the phone does: by the form of the page that the link
// leads to.
func (h *house) fetch(link, form string) (status int, parcel []byte) {
	h.t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		h.t.Fatal(err)
	}
	res, err := h.visitor().PostForm(h.url+u.Path, url.Values{"form": {form}})
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return res.StatusCode, b
}

// identity is what a phone shows that has fetched its parcel.
func (h *house) identity(p client.NewPhone) tls.Certificate {
	h.t.Helper()
	status, parcel := h.fetch(p.Link, "modern")
	if status != http.StatusOK {
		h.t.Fatalf("fetching the certificate of %s: got %d", p.Phone.Name, status)
	}
	key, cert, err := pkcs12.Decode(parcel, p.Password)
	if err != nil {
		h.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// with is a browser that shows those certificates.
func (s *secureHouse) with(certs ...tls.Certificate) *http.Client {
	s.t.Helper()
	c := s.browserOf()
	t := c.Transport.(*http.Transport)
	t.TLSClientConfig.Certificates = certs
	s.t.Cleanup(t.CloseIdleConnections)
	return c
}

// TestAPhoneIsGivenItsCertificateOnce: the page shows the password and the link,
// which nobody needs to sign in for, and each form can be fetched once.
func TestAPhoneIsGivenItsCertificateOnce(t *testing.T) {
	h := newHouse(t)
	c := h.signedIn()
	res, err := c.PostForm(h.url+"/phones", url.Values{"name": {"Alice’s phone"}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("got %s, %v", res.Status, err)
	}
	page := string(b)
	password := regexp.MustCompile(`([a-z2-9]{4}-){3}[a-z2-9]{4}`).FindString(page)
	link := regexp.MustCompile(`/phone/[A-Za-z0-9_-]{22}`).FindString(page)
	if password == "" || link == "" || strings.Contains(link, password) {
		t.Fatalf("the page has the password %q and the link %q:\n%s", password, link, page)
	}
	if _, again := h.get(c, "/phones"); strings.Contains(again, password) || strings.Contains(again, link) || !strings.Contains(again, "Alice’s phone") {
		t.Errorf("the page shows the secrets again, or not the phone:\n%s", again)
	}

	status, shown := h.get(h.visitor(), link) // nobody is signed in on the phone
	if status != http.StatusOK || !strings.Contains(shown, "Download for Android") || !strings.Contains(shown, "Download for iPhone") || strings.Contains(shown, password) {
		t.Errorf("the phone's page: got %d\n%s", status, shown)
	}
	if res := h.do(h.visitor(), must(http.NewRequest("HEAD", h.url+link, nil))); res.StatusCode != http.StatusOK {
		t.Errorf("a look ahead: got %s", res.Status)
	}
	for _, form := range []string{"android", "modern"} {
		status, parcel := h.fetch(link, form)
		if status != http.StatusOK {
			t.Fatalf("%s: got %d", form, status)
		}
		if _, _, err := pkcs12.Decode(parcel, password); err != nil {
			t.Errorf("%s: %v", form, err)
		}
		if status, _ := h.fetch(link, form); status != http.StatusSeeOther {
			t.Errorf("%s again: got %d, want 303 back to its page", form, status)
		}
	}
	if _, shown := h.get(h.visitor(), link); !strings.Contains(shown, "It was downloaded") {
		t.Errorf("the phone's page then:\n%s", shown)
	}
	for _, secret := range []string{password, link} {
		if strings.Contains(h.log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
	for _, name := range []string{"", "../x", strings.Repeat("x", 41), "Alice’s phone"} {
		if res := h.post(c, "/phones", url.Values{"name": {name}}); res.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("a phone called %q: got %s, want 422", name, res.Status)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestWhatNobodyFetchesIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h Handouts
		revoked := 0
		give := func() string {
			return h.give("Alice", map[pki.Form][]byte{pki.Android: []byte("a"), pki.Modern: []byte("m")}, time.Now(), func() { revoked++ })
		}
		unused, used := give(), give()
		if _, parcel, ok := h.take(used, pki.Android, time.Now()); !ok || string(parcel) != "a" {
			t.Fatalf("got %q, %v", parcel, ok)
		}
		if _, _, ok := h.take(used, "other", time.Now()); ok {
			t.Error("a form that is none was given")
		}
		time.Sleep(handoutTime - time.Second)
		if _, forms, ok := h.look(used, time.Now()); !ok || !slices.Equal(forms, []pki.Form{pki.Modern}) {
			t.Errorf("shortly before the end: got %v, %v", forms, ok)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		for _, link := range []string{unused, used} {
			if _, _, ok := h.take(link, pki.Modern, time.Now()); ok {
				t.Error("it was given after its time")
			}
		}
		if revoked != 1 || len(h.by) != 0 {
			t.Errorf("%d were revoked, %d are kept; want the one that nobody fetched, and none", revoked, len(h.by))
		}
		for range maxHandouts {
			if give() == "" {
				t.Fatal("there is no room")
			}
		}
		if give() != "" {
			t.Error("there is room for any number")
		}
		h.forget("Alice")
		time.Sleep(handoutTime)
		synctest.Wait()
		if revoked != 1 {
			t.Errorf("%d were revoked; what was forgotten was revoked already", revoked)
		}
	})
}

// TestCertificatesAtHome: what a visitor over TLS gets without a certificate, with a
// good one, a revoked one and one of an MQTT device, in each mode.
func TestCertificatesAtHome(t *testing.T) {
	for _, tt := range []struct {
		mode                        phones.Mode
		none, good, revoked, device string // "ok", "refused" (an answer), "shut" (no connection)
	}{
		{phones.Off, "ok", "ok", "ok", "ok"},
		{phones.Optional, "ok", "ok", "refused", "ok"},
		{phones.Required, "shut", "ok", "shut", "shut"},
	} {
		t.Run(string(tt.mode), func(t *testing.T) {
			s := newSecureHouse(t, asking(tt.mode))
			alice, bob := s.newPhoneAt(s.visitor(), s.url, "Alice"), s.newPhoneAt(s.visitor(), s.url, "Bob")
			good, gone := s.identity(alice), s.identity(bob)
			if err := s.manager2().RevokePhone(t.Context(), "Bob"); err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				what, want string
				certs      []tls.Certificate
			}{{"none", tt.none, nil}, {"good", tt.good, []tls.Certificate{good}}, {"revoked", tt.revoked, []tls.Certificate{gone}}, {"of a device", tt.device, []tls.Certificate{deviceCertificate(t)}}} {
				browser := s.with(c.certs...)
				for range 2 { // the second resumes the session of the first
					got := "shut"
					if res, err := browser.Get(s.tls + "/login"); err == nil {
						res.Body.Close()
						got = map[int]string{200: "ok", 403: "refused"}[res.StatusCode]
					}
					if got != c.want {
						t.Errorf("%s: got %q, want %q", c.what, got, c.want)
					}
					browser.Transport.(*http.Transport).CloseIdleConnections()
				}
			}
			seen := s.o.Phones.Seen(alice.Phone.Serial)
			if (seen.Way == remote.LAN) != (tt.mode != phones.Off) {
				t.Errorf("the phone was seen: %+v", seen)
			}
		})
	}
}

// manager2 asks the house's manager as another process would.
func (h *house) manager2() *client.Client { return client.Local(h.manager.Socket) }

// deviceCertificate is good for MQTT, at some appliance.
func deviceCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key := must(pki.NewPhoneKey())
	cert := must(openAuthority(t, t.TempDir()).IssueClient("plug", key.Request))
	k, c, err := pkcs12.Decode(must(key.Parcel(pki.Modern, cert, "x")), "x")
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: k}
}

// TestRevokingEndsWhatIsOpen: an event stream of a phone that is revoked ends at
// once, and its next connection is not taken.
func TestRevokingEndsWhatIsOpen(t *testing.T) {
	s := newSecureHouse(t, asking(phones.Required))
	alice, bob := s.with(s.identity(s.newPhoneAt(s.visitor(), s.url, "Alice"))), s.with(s.identity(s.newPhoneAt(s.visitor(), s.url, "Bob")))
	stream := func(c *http.Client) io.ReadCloser {
		t.Helper()
		r := must(http.NewRequest("GET", s.tls+"/events", nil))
		r.SetBasicAuth(owner, password)
		res, err := c.Do(r)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("the event stream: %v, %v", res, err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res.Body
	}
	hers, his := stream(alice), stream(bob)
	r := must(http.NewRequest("POST", s.tls+"/api/v1/phones/revoke", strings.NewReader(`{"name":"Alice"}`)))
	r.SetBasicAuth(owner, password)
	if res := s.do(bob, r); res.StatusCode != http.StatusOK {
		t.Fatalf("revoking: got %s", res.Status)
	}
	_, _ = io.Copy(io.Discard, hers) // it ends, however
	if _, err := alice.Get(s.tls + "/login"); err == nil {
		t.Error("who was revoked comes in again")
	}
	if _, err := his.Read(make([]byte, 1)); err != nil {
		t.Errorf("his stream ended too: %v", err)
	}
	r = must(http.NewRequest("POST", s.tls+"/api/v1/phones/revoke", strings.NewReader(`{"name":"Bob"}`)))
	r.SetBasicAuth(owner, password)
	if res := s.do(bob, r); res.StatusCode != http.StatusConflict {
		t.Errorf("revoking the last: got %s, want 409", res.Status)
	}
}

// TestRequiredDoesNotShutItsOwnerOut: it can be chosen by who shows a certificate
// alone, and without any phone it counts as optional.
func TestRequiredDoesNotShutItsOwnerOut(t *testing.T) {
	s := newSecureHouse(t, asking(phones.Optional))
	alice := s.with(s.identity(s.newPhoneAt(s.visitor(), s.url, "Alice")))
	ask := func(c *http.Client, at, path, body string) int {
		t.Helper()
		r := must(http.NewRequest("POST", at+path, strings.NewReader(body)))
		r.SetBasicAuth(owner, password)
		return s.do(c, r).StatusCode
	}
	for _, q := range [][2]string{
		{"/api/v1/phones/mode", `{"way":"lan","mode":"required"}`},
		{"/api/v1/system/config/set", `{"path":"gateway.client_certificates.lan","value":"required"}`},
		{"/api/v1/system/config/set", `{"path":"gateway.client_certificates","value":{"lan":"required"}}`},
	} {
		if got := ask(s.visitor(), s.url, q[0], q[1]); got != http.StatusConflict {
			t.Errorf("%s %s in the clear: got %d, want 409", q[0], q[1], got)
		}
		if got := ask(s.with(), s.tls, q[0], q[1]); got != http.StatusConflict {
			t.Errorf("%s %s without a certificate: got %d, want 409", q[0], q[1], got)
		}
		if got := ask(alice, s.tls, q[0], q[1]); got != http.StatusOK {
			t.Errorf("%s %s with one: got %d, want 200", q[0], q[1], got)
		}
	}
	if diff := cmp.Diff(`{"path":"gateway.client_certificates","value":{"lan":"required"}}`, string(s.manager.Body("POST /v1/config/set"))); diff != "" {
		t.Errorf("the manager was told (-want +got):\n%s", diff)
	}
	for _, q := range []string{`{"way":"tailnet","mode":"off"}`, `{"way":"lan","mode":"perhaps"}`, `{"way":"","mode":"off"}`} {
		if got := ask(alice, s.tls, "/api/v1/phones/mode", q); got != http.StatusUnprocessableEntity {
			t.Errorf("%s: got %d, want 422", q, got)
		}
	}
	if got := ask(s.visitor(), s.url, "/api/v1/phones/mode", `{"way":"lan","mode":"off"}`); got != http.StatusOK {
		t.Errorf("switching it off: got %d, want 200", got)
	}

	nobody := newSecureHouse(t, asking(phones.Required))
	if res, err := nobody.with().Get(nobody.tls + "/login"); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("required without any phone: got %v, %v; want the sign-in page", res, err)
	}
	if _, body := nobody.get(nobody.signedInAt(), nobody.plain+"/phones"); !strings.Contains(body, "until one has, it wants none") {
		t.Errorf("the page does not say that it does not count:\n%s", body)
	}
}

// signedInAt is somebody signed in at the plain address.
func (s *secureHouse) signedInAt() *http.Client {
	s.t.Helper()
	c := s.browserOf()
	res, err := c.PostForm(s.plain+"/login", url.Values{"user": {owner}, "password": {password}})
	if err != nil || res.StatusCode != http.StatusSeeOther {
		s.t.Fatalf("signing in: %v, %v", res, err)
	}
	res.Body.Close()
	return c
}

// TestThePlainAddressWhereCertificatesAreRequired gives what a phone needs to get
// one, and nothing else.
func TestThePlainAddressWhereCertificatesAreRequired(t *testing.T) {
	s := newSecureHouse(t, asking(phones.Required))
	s.well()
	s.await(s.visitor(), "/healthz", "ok\n")
	p := s.newPhoneAt(s.visitor(), s.url, "Alice")
	u := must(url.Parse(p.Link))
	for _, tt := range []struct {
		method, path string
		status       int
		to           string
	}{
		{"GET", "/healthz", http.StatusOK, ""},
		{"GET", u.Path, http.StatusOK, ""},
		{"GET", "/claim", http.StatusSeeOther, "/login"}, // it is claimed
		{"GET", "/login", http.StatusFound, s.tls + "/login"},
		{"GET", "/?a=b", http.StatusFound, s.tls + "/?a=b"},
		{"POST", "/login", http.StatusForbidden, ""},
		{"GET", "/api/v1/now", http.StatusFound, s.tls + "/api/v1/now"},
		{"POST", "/api/v1/system/reboot", http.StatusForbidden, ""},
		{"GET", "/static/../login", http.StatusFound, s.tls + "/static/../login"},
		{"GET", "/static/%2e%2e/login", http.StatusFound, s.tls + "/static/%2e%2e/login"},
	} {
		r := must(http.NewRequest(tt.method, s.plain, nil))
		r.URL.Opaque = tt.path
		res := s.do(s.visitor(), r)
		if res.StatusCode != tt.status || res.Header.Get("Location") != tt.to {
			t.Errorf("%s %s: got %s to %q, want %d to %q", tt.method, tt.path, res.Status, res.Header.Get("Location"), tt.status, tt.to)
		}
	}
}

// TestPhonesEnd: a certificate that ends within a month is said, on the page and on
// the health tree.
func TestPhonesEnd(t *testing.T) {
	var ahead atomic.Int64 // days
	h := newHouse(t, func(o *Options) { o.Clock = func() time.Time { return time.Now().AddDate(0, 0, int(ahead.Load())) } })
	h.newPhoneAt(h.visitor(), h.url, "Alice")
	state := func() (string, string) {
		t.Helper()
		v, err := h.allPhones()
		if err != nil || len(v.Phones) != 1 {
			t.Fatalf("got %+v, %v", v, err)
		}
		return v.Phones[0].State, v.Notice
	}
	if s, notice := state(); s != "good" || notice != "" {
		t.Errorf("a new one: got %q, %q", s, notice)
	}
	said := make(chan string, 100)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := h.test.AwaitConnection(ctx); err != nil {
		t.Fatal(err)
	}
	if err := h.test.Subscribe(ctx, "hems/gateway/health", 1, func(m mqttclient.Message) { said <- string(m.Payload) }); err != nil {
		t.Fatal(err)
	}
	ahead.Store(730 - 29)
	if s, notice := state(); s != "ending" || !strings.Contains(notice, "The certificate of Alice ends on ") {
		t.Errorf("a month before its end: got %q, %q", s, notice)
	}
	for got := ""; !strings.HasPrefix(got, `{"state":"ok","message":"The certificate of Alice ends on `); {
		select {
		case got = <-said:
		case <-ctx.Done():
			t.Fatalf("the last report is %s", got)
		}
	}
	ahead.Store(731)
	if s, notice := state(); s != "expired" || notice != "" {
		t.Errorf("after it: got %q, %q", s, notice)
	}
}

// TestCurlShowsAPhonesCertificate: both forms of a parcel are good for a program that
// is not ours.
func TestCurlShowsAPhonesCertificate(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal("curl is missing: apt-get install curl")
	}
	s := newSecureHouse(t, asking(phones.Required))
	p := s.newPhoneAt(s.visitor(), s.url, "Alice")
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.crt")
	if err := os.WriteFile(ca, s.ca, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{"android", "modern"} {
		status, parcel := s.fetch(p.Link, form)
		if status != http.StatusOK {
			t.Fatalf("%s: got %d", form, status)
		}
		file := filepath.Join(dir, form+".p12")
		if err := os.WriteFile(file, parcel, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(curl, "-sS", "--max-time", "60", "--cacert", ca, "--cert", file+":"+p.Password, "--cert-type", "P12", s.tls+"/login").CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("<title>Sign in")) {
			t.Errorf("%s: %v\n%s", form, err, out)
		}
	}
	if out, err := exec.Command(curl, "-sS", "--max-time", "60", "--cacert", ca, s.tls+"/login").CombinedOutput(); err == nil {
		t.Errorf("without a certificate:\n%s", out)
	}
}
