package metrics

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/smartcore-ireland/hems/internal/store"
)

const token = "secret-token-of-the-test"

// server is a time-series server as the tests want it: rule says what it
// answers to a request of these lines, and it keeps the lines of those it
// answers with 204.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	rule     func(n int, lines []string) (code int, body string, header http.Header)
	requests int
	kept     []string
	queries  []string
}

func newServer(t *testing.T) *server {
	s := &server{}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	body, err := io.ReadAll(z)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	lines := strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	s.queries = append(s.queries, r.Method+" "+r.URL.String()+" "+r.Header.Get("Authorization"))
	code, text := http.StatusNoContent, ""
	if s.rule != nil {
		var h http.Header
		code, text, h = s.rule(s.requests, lines)
		for k, v := range h {
			w.Header()[k] = v
		}
	}
	if code == http.StatusNoContent || code == http.StatusUnprocessableEntity {
		s.kept = append(s.kept, lines...)
	}
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text)
}

func (s *server) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := slices.Clone(s.kept)
	slices.Sort(kept)
	return slices.Compact(kept) // as a server that overwrites
}

// rig is a sender between a store and a server; waits are noted, not waited.
type rig struct {
	*sender
	store *store.Store
	log   strings.Builder
	waits []time.Duration
	from  time.Time
}

func newRig(t *testing.T, url string) *rig {
	t.Helper()
	r := &rig{from: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	st, err := store.Open(filepath.Join(t.TempDir(), "hems.db"), store.Options{CommitInterval: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	r.store = st
	r.sender, err = newSender(Destination{
		Name: "influx", URL: url, Org: "hems", Bucket: "home_assistant",
		Token: func() (string, error) { return token + "\n", nil },
	}, slog.New(slog.NewTextHandler(&r.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	r.pause = func(ctx context.Context, d time.Duration) bool {
		r.waits = append(r.waits, d)
		return ctx.Err() == nil && len(r.waits) < 12
	}
	r.jitter = func(d time.Duration) time.Duration { return d }
	return r
}

// readings commits n readings of each of the entities.
func (r *rig) readings(t *testing.T, n int, entities ...string) (lines []string) {
	t.Helper()
	for _, e := range entities {
		if _, err := r.store.Register(store.Series{Entity: e, Unit: "W"}); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			at := r.from.Add(time.Duration(i) * time.Second)
			if err := r.store.Append(store.Reading{Entity: e, Time: at, Value: float64(i) + 0.5}); err != nil {
				t.Fatal(err)
			}
			lines = append(lines, fmt.Sprintf("sensor,entity_id=%s,unit_of_measurement=W value=%v %d", e, float64(i)+0.5, at.UnixNano()))
		}
	}
	if err := r.store.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

// sendAll takes steps until nothing is left or a step gives up.
func (r *rig) sendAll(t *testing.T) {
	t.Helper()
	for {
		n, err := r.step(context.Background(), r.store)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

func (r *rig) backlog(t *testing.T) int64 {
	t.Helper()
	n, err := r.store.Backlog(context.Background(), r.cursor())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSenderWritesAsTheReferenceDoes(t *testing.T) {
	srv := newServer(t)
	r := newRig(t, srv.URL+"/prefix")
	if _, err := r.store.Register(store.Series{Entity: "frient_blink_counter_power", Unit: "W"}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.store.Register(store.Series{Entity: "link_quality"}); err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1708789012, 0)
	for e, v := range map[string]float64{"frient_blink_counter_power": 342, "link_quality": 67.25} {
		if err := r.store.Append(store.Reading{Entity: e, Time: at, Value: v}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.store.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	r.sendAll(t)
	want := []string{
		"sensor,entity_id=frient_blink_counter_power,unit_of_measurement=W value=342 1708789012000000000",
		"sensor,entity_id=link_quality value=67.25 1708789012000000000",
	}
	if diff := cmp.Diff(want, srv.lines()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	wantQuery := "POST /prefix/api/v2/write?bucket=home_assistant&org=hems&precision=ns Token " + token
	if diff := cmp.Diff([]string{wantQuery}, srv.queries); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if got := r.backlog(t); got != 0 {
		t.Errorf("backlog: got %d, want 0", got)
	}
}

// always answers everything in one way.
func always(code int, body string) func(int, []string) (int, string, http.Header) {
	return func(int, []string) (int, string, http.Header) { return code, body, nil }
}

// until answers the first n requests in one way and then takes everything.
func until(n, code int, body string, h http.Header) func(int, []string) (int, string, http.Header) {
	return func(i int, _ []string) (int, string, http.Header) {
		if i <= n {
			return code, body, h
		}
		return http.StatusNoContent, "", nil
	}
}

// refuses answers 400 to requests with a line that has the text.
func refuses(text string, code int) func(int, []string) (int, string, http.Header) {
	return func(_ int, lines []string) (int, string, http.Header) {
		for _, l := range lines {
			if strings.Contains(l, text) {
				return code, `{"code":"invalid","message":"unable to parse '` + text + `'"}`, nil
			}
		}
		return http.StatusNoContent, "", nil
	}
}

func TestSenderHandlesAnswers(t *testing.T) {
	const second, minute = time.Second, time.Minute
	for _, tc := range []struct {
		name     string
		rule     func(int, []string) (int, string, http.Header)
		lost     string // lines with it do not arrive
		waits    []time.Duration
		stuck    bool   // nothing arrives and the cursor stays
		log      string // is logged
		requests int    // at most
	}{
		{name: "Taken", requests: 1},
		{name: "Overloaded", rule: until(3, 503, "", nil), waits: []time.Duration{second, 2 * second, 4 * second}, requests: 4},
		{name: "RetryAfterSeconds", rule: until(1, 429, "", http.Header{"Retry-After": {"17"}}), waits: []time.Duration{17 * second}, requests: 2},
		{name: "RetryAfterFar", rule: until(1, 503, "", http.Header{"Retry-After": {"999999"}}), waits: []time.Duration{time.Hour}, requests: 2},
		{name: "GatewayError", rule: until(1, 502, "<html>bad gateway</html>", nil), waits: []time.Duration{second}, requests: 2},
		{name: "BackoffIsBounded", rule: until(9, 504, "", nil), waits: []time.Duration{1 * second, 2 * second, 4 * second, 8 * second, 16 * second, 32 * second, minute, minute, minute}, requests: 10},
		{name: "WrongToken", rule: until(2, 401, `{"code":"unauthorized","message":"unauthorized access"}`, nil), waits: []time.Duration{minute, minute}, log: "check the token", requests: 3},
		{name: "NoPermission", rule: until(1, 403, "", nil), waits: []time.Duration{minute}, log: "permission to write to bucket home_assistant", requests: 2},
		{name: "NoBucket", rule: until(1, 404, `{"message":"bucket \"x\" not found"}`, nil), waits: []time.Duration{minute}, log: "not found", requests: 2},
		{name: "Redirect", rule: until(1, 307, "", http.Header{"Location": {"http://192.0.2.1/"}}), waits: []time.Duration{minute}, requests: 2},
		{name: "OneBadLine", rule: refuses("entity_id=b,unit_of_measurement=W value=7.5", 400), lost: "entity_id=b,unit_of_measurement=W value=7.5", log: "unable to parse", requests: 20},
		{name: "OneBadSeries", rule: refuses("entity_id=a", 400), lost: "entity_id=a", log: "is passed over", requests: 160},
		{name: "PartlyTaken", rule: always(422, `{"message":"partial write: points beyond retention policy dropped=1"}`), log: "partial write", requests: 1},
		{name: "TooLarge", rule: func(_ int, l []string) (int, string, http.Header) {
			if len(l) > 20 {
				return 413, "", nil
			}
			return 204, "", nil
		}, requests: 20},
		{name: "PoisonedLine", rule: refuses("entity_id=a,unit_of_measurement=W value=0.5", 500), lost: "entity_id=a,unit_of_measurement=W value=0.5",
			waits: []time.Duration{second, 2 * second, 4 * second, 8 * second, 16 * second, 32 * second}, log: "is passed over", requests: 30},
		{name: "RefusesAll", rule: always(400, "precision?"), stuck: true, log: "refuses every reading", requests: 12 * 60},
		{name: "BrokenForEver", rule: always(500, ""), stuck: true, requests: 12 * 60},
	} {
		t.Run(tc.name, func(t *testing.T) {
			srv := newServer(t)
			srv.rule = tc.rule
			r := newRig(t, srv.URL)
			want := r.readings(t, 30, "a", "b", "c")
			r.sendAll(t)
			if tc.stuck {
				if got := r.backlog(t); len(srv.lines()) != 0 || got != 90 {
					t.Errorf("got %d lines and a backlog of %d, want none and 90", len(srv.lines()), got)
				}
			} else {
				want = slices.DeleteFunc(want, func(l string) bool { return tc.lost != "" && strings.Contains(l, tc.lost) })
				if diff := cmp.Diff(want, srv.lines()); diff != "" {
					t.Errorf("lines (-want +got):\n%s", diff)
				}
				if got := r.backlog(t); got != 0 {
					t.Errorf("backlog: got %d, want 0", got)
				}
				if what, _ := r.trouble(); what != "" {
					t.Errorf("trouble at the end: got %q, want none", what)
				}
				if diff := cmp.Diff(tc.waits, r.waits); diff != "" {
					t.Errorf("waits (-want +got):\n%s", diff)
				}
			}
			if srv.requests > tc.requests {
				t.Errorf("got %d requests, want at most %d", srv.requests, tc.requests)
			}
			if !strings.Contains(r.log.String(), tc.log) {
				t.Errorf("log: got\n%s\nwant something with %q", r.log.String(), tc.log)
			}
			if strings.Contains(r.log.String(), token) {
				t.Errorf("the token is in the log:\n%s", r.log.String())
			}
		})
	}
}

// A few readings are as much as a minute brings. That all of them are refused
// says nothing of them when the server refuses whatever it is sent.
func TestSenderPassesNothingOverWhereAllIsRefused(t *testing.T) {
	const page = "<!DOCTYPE html><title>Sign in</title>"
	poison := func(_ int, l []string) (int, string, http.Header) {
		if strings.HasPrefix(l[0], "#") {
			return 204, "", nil
		}
		return 400, "unable to parse", nil
	}
	for _, tc := range []struct {
		name    string
		rule    func(int, []string) (int, string, http.Header)
		backlog int64
		log     string
	}{
		{"HTTPWhereItExpectsHTTPS", always(400, "The plain HTTP request was sent to HTTPS port"), 2, "refuses every reading"},
		{"TooLargeWhateverItsSize", always(413, ""), 2, "refuses every reading"},
		{"APageOfSomethingElse", always(200, page), 2, "check the address"},
		{"OnlyTheLines", poison, 0, "is passed over"},
		{"OKWithJSON", always(200, "{}"), 0, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			srv := newServer(t)
			srv.rule = tc.rule
			r := newRig(t, srv.URL)
			r.readings(t, 1, "a", "b")
			r.sendAll(t)
			if got := r.backlog(t); got != tc.backlog {
				t.Errorf("backlog: got %d, want %d", got, tc.backlog)
			}
			if !strings.Contains(r.log.String(), tc.log) {
				t.Errorf("log: got\n%s\nwant something with %q", r.log.String(), tc.log)
			}
			if r.limit < leastLines {
				t.Errorf("a request is prepared for %d lines, want %d or more", r.limit, leastLines)
			}
		})
	}
}

func TestSenderSurvivesAServerThatIsAway(t *testing.T) {
	srv := newServer(t)
	r := newRig(t, srv.URL)
	want := r.readings(t, 10, "a")
	srv.Close()
	tries := 0
	r.pause = func(context.Context, time.Duration) bool { tries++; return tries < 5 }
	r.sendAll(t)
	if what, hint := r.trouble(); !strings.Contains(what, "does not answer") || hint == "" {
		t.Errorf("trouble: got %q, %q", what, hint)
	}
	back := newServer(t)
	again, err := newSender(Destination{Name: r.Name, URL: back.URL}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r.sender = again
	r.sendAll(t)
	if diff := cmp.Diff(want, back.lines()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestSenderGoesOnWhereItWas(t *testing.T) {
	srv := newServer(t)
	r := newRig(t, srv.URL)
	want := r.readings(t, 30, "a")
	r.limit = 7
	r.sendAll(t)
	r.from = r.from.Add(time.Hour)
	want = append(want, r.readings(t, 5, "a")...)
	slices.Sort(want)
	r.sendAll(t)
	if len(srv.kept) != 35 {
		t.Errorf("got %d lines, want 35, each once", len(srv.kept))
	}
	if diff := cmp.Diff(want, srv.lines()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if srv.requests != 6 {
		t.Errorf("got %d requests, want 6", srv.requests)
	}
}

func TestNewSenderRefuses(t *testing.T) {
	for name, d := range map[string]Destination{
		"NoScheme":           {Name: "a", URL: "192.0.2.1:8086"},
		"OtherScheme":        {Name: "a", URL: "udp://192.0.2.1:8086"},
		"NoName":             {URL: "http://192.0.2.1"},
		"CommentMeasurement": {Name: "a", URL: "http://192.0.2.1", Measurement: "#sensor"},
		"BrokenMeasurement":  {Name: "a", URL: "http://192.0.2.1", Measurement: "a\nb"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := newSender(d, slog.New(slog.DiscardHandler)); err == nil {
				t.Error("got no error")
			}
		})
	}
}

func TestTokenThatCannotBeReadIsTheTrouble(t *testing.T) {
	srv := newServer(t)
	r := newRig(t, srv.URL)
	r.readings(t, 1, "a")
	r.Token = func() (string, error) { return "", fmt.Errorf("open influx: no such file") }
	r.pause = func(context.Context, time.Duration) bool { return false }
	r.sendAll(t)
	if what, hint := r.trouble(); !strings.Contains(what, "no such file") || !strings.Contains(hint, "secrets/") || srv.requests != 0 {
		t.Errorf("got %q, %q and %d requests", what, hint, srv.requests)
	}
}
