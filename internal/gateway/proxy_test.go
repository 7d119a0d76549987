package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/client/clienttest"
)

func (h *house) asProgram(method, path string, body io.Reader) *http.Request {
	h.t.Helper()
	r, err := http.NewRequest(method, h.url+path, body)
	if err != nil {
		h.t.Fatal(err)
	}
	r.SetBasicAuth(owner, password)
	return r
}

func TestManagerLearnsNothingOfTheVisitor(t *testing.T) {
	h := newHouse(t)
	r := h.asProgram("POST", "/api/v1/system/config/set?x=1", strings.NewReader(`{"path":"a","value":1}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Forwarded-For", "192.0.2.1")
	r.Header.Set("Hems-By", "somebody else")
	r.AddCookie(&http.Cookie{Name: "a", Value: "b"})
	res, err := h.visitor().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Header.Get("X-Manager") != "" {
		t.Errorf("the answer: got %s with %v, want 200 without the manager's own headers", res.Status, res.Header)
	}
	h.manager.Lock()
	got := h.manager.Headers["POST /v1/config/set"]
	h.manager.Unlock()
	for name := range got {
		switch name {
		case "Hems-By":
			if v := got.Get(name); v != owner {
				t.Errorf("%s: got %q, want %q", name, v, owner)
			}
		case "Content-Type", "Content-Length", "Accept-Encoding", "User-Agent":
		default:
			t.Errorf("the manager was sent %s: %q", name, got[name])
		}
	}
	asked := h.manager.Questions() // the house's claim is told beside it
	if got, want := string(h.manager.Body("POST /v1/config/set")), `{"path":"a","value":1}`; got != want || !slices.Contains(asked, "POST /v1/config/set?x=1") {
		t.Errorf("the manager was asked %q with %s, want %s", asked, got, want)
	}
}

func TestMetricsWriterIsAskedForTheVisitor(t *testing.T) {
	h := newHouse(t)
	h.metrics.Answer("GET /v1/destinations", http.StatusConflict, client.Error{Code: "busy", Message: "another is under way", Hint: "wait for it"})
	r := h.asProgram("GET", "/api/v1/metrics/destinations?x=1", nil)
	r.AddCookie(&http.Cookie{Name: "a", Value: "b"})
	res, err := h.visitor().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var e client.Error
	if err := json.NewDecoder(res.Body).Decode(&e); err != nil || res.StatusCode != http.StatusConflict || e.Hint != "wait for it" || res.Header.Get("X-Metrics") != "" {
		t.Errorf("got %s, %+v, %v with %v; want the refusal without the part's own headers", res.Status, e, err, res.Header)
	}
	if diff := cmp.Diff([]string{"GET /v1/destinations?x=1"}, h.metrics.Questions()); diff != "" {
		t.Errorf("questions (-want +got):\n%s", diff)
	}
	if got := h.metrics.Header(); got.Get("Hems-By") != owner || got.Get("Cookie")+got.Get("Authorization") != "" {
		t.Errorf("the metrics writer was sent %v, want who asks and no secret", got)
	}
}

func TestMetricsWriterThatIsAway(t *testing.T) {
	h := newHouse(t, func(o *Options) { o.Metrics = filepath.Join(t.TempDir(), "none.sock") })
	res, err := h.visitor().Do(h.asProgram("GET", "/api/v1/metrics/destinations", nil))
	if err != nil {
		t.Fatal(err)
	}
	if body := readAll(t, res); res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "the part that records readings does not answer") {
		t.Errorf("got %s %s, want 503 that says who is away", res.Status, body)
	}
}

func TestLimitsOfEachRoute(t *testing.T) {
	h := newHouse(t)
	send := func(method, path string, size int) *http.Response {
		t.Helper()
		res, err := h.visitor().Do(h.asProgram(method, path, io.LimitReader(zeros{}, int64(size)))) // chunked
		if err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		return res
	}
	for _, tt := range []struct {
		method, path string
		size, want   int
	}{
		{"POST", "/api/v1/system/update", 20 << 20, http.StatusAccepted},
		{"PUT", "/api/v1/system/config", 1 << 20, http.StatusOK},
		{"PUT", "/api/v1/system/config", 1<<20 + 1, http.StatusRequestEntityTooLarge},
		{"POST", "/api/v1/system/backup", int(small.body) + 1, http.StatusRequestEntityTooLarge},
	} {
		res := send(tt.method, tt.path, tt.size)
		if body := readAll(t, res); res.StatusCode != tt.want || tt.want == http.StatusRequestEntityTooLarge && !strings.Contains(body, "is larger than") {
			t.Errorf("%s %s with %d bytes: got %s %.200s, want %d", tt.method, tt.path, tt.size, res.Status, body, tt.want)
		}
	}
	// A size that is known is judged before a byte of it is sent.
	r := h.asProgram("POST", "/api/v1/system/update", zeros{})
	r.ContentLength = bundle.body + 1
	r.Header.Set("Expect", "100-continue")
	res, err := (&http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if body := readAll(t, res); res.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(body, "the upload is larger than 537 MB") {
		t.Errorf("half a gigabyte and a byte: got %s %s, want 413", res.Status, body)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestRefusalOutlivesTheUpload has a manager that answers long before it has read
// everything: the visitor, who is still sending, gets the answer all the same.
func TestRefusalOutlivesTheUpload(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "early.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	early := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			http.NotFound(w, r)
			return
		}
		_, _ = io.CopyN(io.Discard, r.Body, 1<<10)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = io.WriteString(w, `{"code":"signature","error":"it is signed by nobody","hint":"take another"}`)
	})}}
	early.Start()
	t.Cleanup(early.Close)
	h := newHouse(t, func(o *Options) { o.Manager = socket })
	c := h.signedIn()
	for range 20 {
		res, err := h.visitor().Do(h.asProgram("POST", "/api/v1/system/update", io.LimitReader(zeros{}, 8<<20)))
		if err != nil {
			t.Fatalf("the visitor was cut off: %v", err)
		}
		if body := readAll(t, res); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "it is signed by nobody") {
			t.Fatalf("got %s %s, want the refusal", res.Status, body)
		}
		// The page without script sends a form.
		var form bytes.Buffer
		form.WriteString("--b\r\nContent-Disposition: form-data; name=\"bundle\"; filename=\"a\"\r\n\r\n")
		form.Write(make([]byte, 8<<20))
		form.WriteString("\r\n--b--\r\n")
		res, err = c.Post(h.url+"/system/update", "multipart/form-data; boundary=b", &form)
		if err != nil {
			t.Fatalf("the visitor with a form was cut off: %v", err)
		}
		if body := readAll(t, res); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "It is signed by nobody.") {
			t.Fatalf("the page: got %s %s, want the refusal", res.Status, body)
		}
	}
}

// TestSlowUploadsOutliveTheServersLimits sends a bundle for longer than any other
// request may take, and follows the log for as long.
func TestSlowUploadsOutliveTheServersLimits(t *testing.T) {
	h := newHouse(t)
	h.limits = limits{header: 200 * time.Millisecond, read: 300 * time.Millisecond, write: 300 * time.Millisecond, idle: time.Second, conns: 16, each: 16}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- h.serve(ctx, l, h.onLAN(false)) }()
	defer func() { cancel(); <-served }()
	h.url = "http://" + l.Addr().String()

	slow := func() (io.Reader, func()) {
		pr, pw := io.Pipe()
		return pr, func() {
			for range 8 {
				_, _ = pw.Write(bytes.Repeat([]byte("x"), 1000))
				time.Sleep(100 * time.Millisecond)
			}
			pw.Close()
		}
	}
	body, send := slow()
	go send()
	res, err := h.visitor().Do(h.asProgram("POST", "/api/v1/system/update", body))
	if err != nil {
		t.Fatalf("a slow upload: %v", err)
	}
	res.Body.Close()
	if got := len(h.manager.Body("POST /v1/update")); res.StatusCode != http.StatusAccepted || got != 8000 {
		t.Errorf("a slow upload: got %s with %d bytes, want 202 with 8000", res.Status, got)
	}
	body, send = slow()
	go send()
	if res, err := h.visitor().Do(h.asProgram("PUT", "/api/v1/system/config", body)); err == nil {
		res.Body.Close()
		if res.StatusCode == http.StatusOK {
			t.Error("a question may take as long as an upload")
		}
	}

	res, err = h.visitor().Do(h.asProgram("GET", "/api/v1/system/logs?follow=1", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for range 2 { // what is there already
		if !lines.Scan() {
			t.Fatalf("the log ended: %v", lines.Err())
		}
	}
	time.Sleep(700 * time.Millisecond)
	h.manager.Follow <- "hems-zigbee: after a while"
	if !lines.Scan() || lines.Text() != "hems-zigbee: after a while" {
		t.Errorf("after a while: got %q, %v, want the new line", lines.Text(), lines.Err())
	}
}

func TestFollowingEndsWithTheSession(t *testing.T) {
	h := newHouse(t)
	h.beat = 20 * time.Millisecond
	c := h.signedIn()
	c.Timeout = 0
	res, err := c.Get(h.url + "/api/v1/system/logs?follow=1")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	ended := make(chan struct{})
	go func() { defer close(ended); _, _ = io.Copy(io.Discard, res.Body) }()
	select {
	case <-ended:
		t.Fatal("it ended while signed in")
	case <-time.After(200 * time.Millisecond):
	}
	h.post(c, "/logout", nil)
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Error("the log is followed after signing out")
	}
}

func TestManagerAwayIsASentence(t *testing.T) {
	h := newHouse(t)
	h.manager.Stop()
	c := h.signedIn()
	res, err := c.Get(h.url + "/api/v1/system/health")
	if err != nil {
		t.Fatal(err)
	}
	var got client.Error
	if err := json.Unmarshal([]byte(readAll(t, res)), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(away, got); diff != "" || res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("got %s (-want +got)\n%s", res.Status, diff)
	}
	for _, path := range []string{"/system", "/system/update", "/system/logs", "/system/config"} {
		if status, body := h.get(c, path); status != http.StatusServiceUnavailable || !strings.Contains(body, "The part that looks after the system does not answer.") {
			t.Errorf("%s: got %d, want 503 and why", path, status)
		}
	}
}

func TestBackupOfThePage(t *testing.T) {
	h := newHouse(t, func(o *Options) { o.Home.Name = "Cois <Farraige>"; o.Clock = func() time.Time { return clienttest.At } })
	c := h.signedIn()
	res, err := c.PostForm(h.url+"/system/backup", url.Values{"passphrase": {"four words of mine"}, "again": {"four words of mine"}})
	if err != nil {
		t.Fatal(err)
	}
	body := readAll(t, res)
	if got, want := res.Header.Get("Content-Disposition"), "attachment; filename=hems-cois-farraige-2026-11-24.age"; got != want || !strings.HasPrefix(body, "age-encryption.org/v1\n") {
		t.Errorf("got %s, %s, want %s", res.Status, got, want)
	}
	for name, tt := range map[string]struct{ one, two, want string }{
		"Short":  {"tea", "tea", "The passphrase is short."},
		"Differ": {"four words of mine", "four words of yours", "The two passphrases differ."},
	} {
		res, err := c.PostForm(h.url+"/system/backup", url.Values{"passphrase": {tt.one}, "again": {tt.two}})
		if err != nil {
			t.Fatal(err)
		}
		if body := readAll(t, res); res.StatusCode != http.StatusBadRequest || !strings.Contains(body, tt.want) || strings.Contains(body, tt.one+`"`) {
			t.Errorf("%s: got %s, want 400 with %q and without the passphrase", name, res.Status, tt.want)
		}
	}
	h.manager.Refuses("POST /v1/backup", http.StatusConflict, "busy", "another backup is being made", "try again when it has ended")
	res, err = c.PostForm(h.url+"/system/backup", url.Values{"passphrase": {"four words of mine"}, "again": {"four words of mine"}})
	if err != nil {
		t.Fatal(err)
	}
	if body := readAll(t, res); res.StatusCode != http.StatusConflict || !strings.Contains(body, "Another backup is being made.") {
		t.Errorf("a refusal: got %s", res.Status)
	}
}

func TestRestoreIsConfirmed(t *testing.T) {
	h := newHouse(t)
	c := h.signedIn()
	for _, sure := range []bool{false, true} {
		var buf strings.Builder
		fmt.Fprintf(&buf, "--b\r\nContent-Disposition: form-data; name=\"passphrase\"\r\n\r\nfour words of mine\r\n")
		if sure {
			fmt.Fprintf(&buf, "--b\r\nContent-Disposition: form-data; name=\"sure\"\r\n\r\n1\r\n")
		}
		fmt.Fprintf(&buf, "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nan archive\r\n--b--\r\n")
		res, err := c.Post(h.url+"/system/restore", "multipart/form-data; boundary=b", strings.NewReader(buf.String()))
		if err != nil {
			t.Fatal(err)
		}
		body, asked := readAll(t, res), string(h.manager.Body("POST /v1/restore"))
		if sure != (res.StatusCode == http.StatusOK) || sure != strings.Contains(body, "<h1>The backup is taken in") || sure != strings.Contains(asked, "an archive") {
			t.Errorf("confirmed %v: got %s, and the manager was sent %q", sure, res.Status, asked)
		}
	}
	for _, bad := range []string{"", "--b--\r\n", "--b\r\nContent-Disposition: form-data; name=\"passphrase\"\r\n\r\nx", "nothing"} {
		res, err := c.Post(h.url+"/system/restore", "multipart/form-data; boundary=b", strings.NewReader(bad))
		if err != nil {
			t.Fatal(err)
		}
		if body := readAll(t, res); res.StatusCode != http.StatusBadRequest || !strings.Contains(body, "The form is damaged or not complete.") {
			t.Errorf("%q: got %s, want 400", bad, res.Status)
		}
	}
}

func TestVerdictIsShownUntilItWasRead(t *testing.T) {
	for name, tt := range map[string]struct {
		verdict client.Verdict
		want    []string
	}{
		"Installed": {client.Verdict{Result: "installed", Version: "1.2", From: "1.1"}, []string{`data-good="true"`, "Version 1.2 is installed.", "It was 1.1 before."}},
		"Returned": {client.Verdict{Result: "returned", Version: "1.2", From: "1.1", Why: "the <broker> did not answer"},
			[]string{`data-good="false"`, "The update to 1.2 was tried and did not work: the &lt;broker&gt; did not answer.", "Your appliance runs 1.1 as before."}},
		"Refused": {client.Verdict{Result: "refused", Version: "1.2"}, []string{"The update to 1.2 was refused.", "Nothing was changed. Your appliance runs as before."}},
		"Failed":  {client.Verdict{Result: "failed", Why: "the card is full."}, []string{"The update could not be written: the card is full.", "as before"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			tt.verdict.At = clienttest.At
			h.manager.Set(client.Update{Phase: client.Idle, Verdict: &tt.verdict})
			h.look(t.Context())
			c := h.signedIn()
			_, body := h.get(c, "/devices")
			for _, want := range tt.want {
				if !strings.Contains(body, want) {
					t.Errorf("no %s", want)
				}
			}
			if res := h.post(c, "/system/update/seen", url.Values{"next": {"/devices"}}); res.Header.Get("Location") != "/devices" {
				t.Errorf("having read it leads to %q, want the page it was on", res.Header.Get("Location"))
			}
			if _, body := h.get(c, "/devices"); strings.Contains(body, "class=\"notice verdict\"") {
				t.Error("it is shown after it was read")
			}
		})
	}
}

func TestDeveloperSettingAndPassword(t *testing.T) {
	h := newHouse(t)
	c := h.signedIn()
	if _, body := h.get(c, "/system/update"); strings.Contains(body, "seven-quiet-herons") || !strings.Contains(body, `value="on"`) {
		t.Error("the page shows the password unasked, or the setting as on")
	}
	h.post(c, "/system/update/developer", url.Values{"developer": {"on"}})
	if _, body := h.get(c, "/system/update"); !strings.Contains(body, "Updates without a signature are installed.") || !strings.Contains(body, `value="off"`) {
		t.Error("the page does not say that the setting is on")
	}
	res, err := c.PostForm(h.url+"/system/update/password", nil)
	if err != nil {
		t.Fatal(err)
	}
	if body := readAll(t, res); !strings.Contains(body, "seven-quiet-herons") || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("asking for the password: got %s", res.Status)
	}
	h.manager.Refuses("GET /v1/update/password", http.StatusConflict, "unclaimed", "the appliance has no owner yet", "claim it first")
	res, err = c.PostForm(h.url+"/system/update/password", nil)
	if err != nil {
		t.Fatal(err)
	}
	if body := readAll(t, res); res.StatusCode != http.StatusConflict || !strings.Contains(body, "The appliance has no owner yet.") {
		t.Errorf("a refusal: got %s", res.Status)
	}
}

func TestFormatBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 999: "999 bytes", 1500: "2 kB", 4_700_000: "4.7 MB", 47_000_000: "47 MB", 2 << 30: "2.1 GB", 29_400_000_000: "29 GB"} {
		if got := formatBytes(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
	for s, want := range map[string]string{"": "", "it broke": "It broke.", "is it on?": "Is it on?", "é a": "É a.", "take one (or two)": "Take one (or two)"} {
		if got := sentence(s); got != want {
			t.Errorf("sentence(%q): got %q, want %q", s, got, want)
		}
	}
}
