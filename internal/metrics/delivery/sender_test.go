package delivery

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

// reply is an answer, and which of a request's lines are stored; by default all
// with 204, and none otherwise.
type reply struct {
	code   int
	body   string
	header http.Header
	keep   func(line string) bool
}

// rule says what the n-th request, of these lines, is answered.
type rule func(n int, lines []string) reply

// server is a time-series server as the tests want it.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	rule     rule
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
	a := reply{code: http.StatusNoContent}
	if s.rule != nil {
		a = s.rule(s.requests, lines)
	}
	for _, l := range lines {
		if !strings.HasPrefix(l, "#") && (a.keep == nil && a.code == http.StatusNoContent || a.keep != nil && a.keep(l)) {
			s.kept = append(s.kept, l)
		}
	}
	for k, v := range a.header {
		w.Header()[k] = v
	}
	if a.code == hangUp {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(a.code)
	_, _ = io.WriteString(w, a.body)
}

// hangUp is a reply that never comes.
const hangUp = 0

func (s *server) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := slices.Clone(s.kept)
	slices.Sort(kept)
	return slices.Compact(kept) // as a server that overwrites
}

// rig is a sender between a store and a server; waits are noted, not waited.
type rig struct {
	*Sender
	store *store.Store
	log   strings.Builder
	waits []time.Duration
	from  time.Time
	clock time.Time // the sender's
}

func newRig(t *testing.T, url string, settings ...func(*Destination)) *rig {
	t.Helper()
	from := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	r := &rig{from: from, clock: from.Add(time.Hour)}
	st, err := store.Open(filepath.Join(t.TempDir(), "hems.db"), store.Options{CommitInterval: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	r.store = st
	d := Destination{
		Name: "influx", URL: url, Org: "hems", Bucket: "home_assistant",
		Token: func() (string, error) { return token + "\n", nil },
	}
	for _, set := range settings {
		set(&d)
	}
	r.Sender, err = New(d, Options{Log: slog.New(slog.NewTextHandler(&r.log, nil)), Now: func() time.Time { return r.clock }})
	if err != nil {
		t.Fatal(err)
	}
	r.pause = func(ctx context.Context, d time.Duration) bool {
		r.waits = append(r.waits, d)
		r.clock = r.clock.Add(d)
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
	n, err := r.store.Backlog(context.Background(), r.Cursor())
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

func TestSenderSurvivesAServerThatIsAway(t *testing.T) {
	srv := newServer(t)
	r := newRig(t, srv.URL)
	want := r.readings(t, 10, "a")
	srv.Close()
	tries := 0
	r.pause = func(context.Context, time.Duration) bool { tries++; return tries < 5 }
	r.sendAll(t)
	if what, hint := r.Trouble(); !strings.Contains(what, "does not answer") || hint == "" {
		t.Errorf("trouble: got %q, %q", what, hint)
	}
	back := newServer(t)
	again, err := New(Destination{Name: r.Name, URL: back.URL}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.Sender = again
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
			if _, err := New(d, Options{}); err == nil {
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
	if what, hint := r.Trouble(); !strings.Contains(what, "no such file") || !strings.Contains(hint, "secrets/") || srv.requests != 0 {
		t.Errorf("got %q, %q and %d requests", what, hint, srv.requests)
	}
}
