package delivery

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/store"
)

// inMemory is a time-series server without a network, for tests in which time
// passes by itself.
type inMemory struct {
	t     *testing.T
	began time.Time

	mu      sync.Mutex
	at      []string       // when each request with lines came, and with how many
	kept    map[string]int // how often each line was stored
	answer  func() int     // the status; nil: 204
	started string         // what /metrics says; empty: 404
	uptime  string         // and this
	fresh   bool           // the next connection is a new one
	working map[*http.Request]bool
}

func newInMemory(t *testing.T) *inMemory {
	return &inMemory{t: t, began: time.Now(), kept: map[string]int{}, working: map[*http.Request]bool{}}
}

func (m *inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	reply := func(code int, body string) (*http.Response, error) {
		return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
	if r.Method == http.MethodGet {
		if m.started == "" {
			return reply(http.StatusNotFound, "")
		}
		return reply(http.StatusOK, "# HELP\nvm_app_start_timestamp "+m.started+"\nvm_app_uptime_seconds "+m.uptime+"\n")
	}
	if len(m.working) > 0 {
		m.t.Error("two requests at once")
	}
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil {
		trace.GotConn(httptrace.GotConnInfo{Reused: !m.fresh})
		m.fresh = false
	}
	m.working[r] = true
	m.mu.Unlock()
	time.Sleep(time.Millisecond) // and the lock is not held meanwhile
	m.mu.Lock()
	delete(m.working, r)
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	code := http.StatusNoContent
	if m.answer != nil {
		code = m.answer()
	}
	lines := strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
	if code == http.StatusNoContent {
		for _, l := range lines {
			m.kept[l]++
		}
	}
	m.at = append(m.at, fmt.Sprintf("%v: %d, %d", time.Since(m.began).Truncate(time.Second), len(lines), code))
	return reply(code, "")
}

// requests are those so far; they are forgotten.
func (m *inMemory) requests() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := m.at
	m.at = nil
	return at
}

// answers sets the status of all further requests.
func (m *inMemory) answers(code int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answer = func() int { return code }
}

// says sets when the server says that it was started, on the connection that there is.
func (m *inMemory) says(at, uptime string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.started, m.uptime = at, uptime
}

// restarts makes the server one that was started again.
func (m *inMemory) restarts(at, uptime string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.started, m.uptime, m.fresh = at, uptime, true
}

// times returns how often the lines with the text were stored, all alike.
func (m *inMemory) times(text string) []int {
	m.mu.Lock()
	defer m.mu.Unlock()
	var n []int
	for l, times := range m.kept {
		if strings.Contains(l, text) && !slices.Contains(n, times) {
			n = append(n, times)
		}
	}
	slices.Sort(n)
	return n
}

// running is a sender that runs in a synctest bubble until the test ends.
type running struct {
	*Sender
	t     *testing.T
	store *store.Store
	path  string
	n     int
	stop  func()
}

func run(t *testing.T, m *inMemory, d Destination) *running {
	t.Helper()
	r := &running{t: t, path: filepath.Join(t.TempDir(), "hems.db")}
	r.start(m, d)
	return r
}

func (r *running) start(m *inMemory, d Destination) {
	r.t.Helper()
	st, err := store.Open(r.path, store.Options{CommitInterval: 24 * time.Hour})
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := st.Register(store.Series{Entity: "a"}); err != nil {
		r.t.Fatal(err)
	}
	d.Name, d.URL = "d", "http://192.0.2.1:8086"
	s, err := New(d, Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	s.http.Transport = m
	s.jitter = func(d time.Duration) time.Duration { return d }
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx, st) }()
	r.Sender, r.store = s, st
	r.stop = sync.OnceFunc(func() {
		cancel()
		<-done
		if err := st.Close(); err != nil {
			r.t.Error(err)
		}
	})
	r.t.Cleanup(r.stop)
	synctest.Wait() // it has its place
}

// commit commits n readings, each of a millisecond and a value of its own.
func (r *running) commit(n int) {
	r.t.Helper()
	for range n {
		r.n++
		if err := r.store.Append(store.Reading{Entity: "a", Time: noon.Add(time.Duration(r.n) * time.Second), Value: float64(r.n)}); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := r.store.Commit(context.Background()); err != nil {
		r.t.Fatal(err)
	}
	synctest.Wait()
}

func TestRequestsHave5000LinesOrAreTenSecondsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newInMemory(t)
		r := run(t, m, Destination{})
		r.commit(12_000)
		time.Sleep(time.Second)
		if diff := cmp.Diff([]string{"0s: 5000, 204", "0s: 5000, 204", "0s: 2000, 204"}, m.requests()); diff != "" {
			t.Errorf("a backlog (-want +got):\n%s", diff)
		}
		for range 12 { // a commit a second
			r.commit(3)
			time.Sleep(time.Second)
		}
		if diff := cmp.Diff([]string{"10s: 30, 204"}, m.requests()); diff != "" {
			t.Errorf("a few readings (-want +got):\n%s", diff)
		}
		time.Sleep(time.Minute)
		if diff := cmp.Diff([]string{"20s: 6, 204"}, m.requests()); diff != "" {
			t.Errorf("the last ones, and nothing more (-want +got):\n%s", diff)
		}
		if got := m.times("sensor"); !slices.Equal(got, []int{1}) {
			t.Errorf("lines were sent %v times, want once", got)
		}
	})
}

func TestWhatWasReadSinceAMomentIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newInMemory(t)
		r := run(t, m, Destination{})
		for range 3 {
			r.commit(100)
		}
		time.Sleep(time.Minute)
		m.requests()
		// While the server is away, what is asked for is kept and not waited for.
		m.answers(http.StatusServiceUnavailable)
		r.commit(1)
		time.Sleep(10 * time.Minute)
		status, err := r.Status(t.Context(), r.store)
		if err != nil || status.State != Waiting || status.Backlog != 1 || status.RetryAt.IsZero() || !strings.Contains(status.Message, "503") || status.Taken.IsZero() {
			t.Errorf("status while it is away: got %+v, %v", status, err)
		}
		m.answers(http.StatusNoContent)
		m.requests()
		n, err := r.Resend(t.Context(), r.store, noon.Add(150*time.Second)) // in the second commit
		if err != nil || n != 201 {
			t.Fatalf("Resend: got %d, %v; want the second and third commit and what waited", n, err)
		}
		time.Sleep(time.Second)
		if got := m.requests(); len(got) != 1 || !strings.HasSuffix(got[0], ": 201, 204") {
			t.Errorf("after a second: got requests %q, want one", got)
		}
		if got := m.times("value=50 "); !slices.Equal(got, []int{1}) {
			t.Errorf("what was read before was sent %v times, want once", got)
		}
		if got := m.times("value=250 "); !slices.Equal(got, []int{2}) {
			t.Errorf("what was read since was sent %v times, want twice", got)
		}
		status, err = r.Status(t.Context(), r.store)
		if err != nil || status.State != UpToDate || status.Backlog != 0 || status.Progress != 1 || status.Rate <= 0 {
			t.Errorf("status at the end: got %+v, %v", status, err)
		}
	})
}

func TestANewDestinationBeginsWhereItIsToldTo(t *testing.T) {
	for _, tc := range []struct {
		name string
		from Start
		want []int // how often what was committed before, and after, was sent
	}{
		{"Everything", Start{}, []int{1}},
		{"Now", Start{Now: true}, nil},
		{"At", Start{At: noon.Add(time.Hour)}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newInMemory(t)
				r := &running{t: t, path: filepath.Join(t.TempDir(), "hems.db"), n: 7200}
				st, err := store.Open(r.path, store.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := st.Register(store.Series{Entity: "a"}); err != nil {
					t.Fatal(err)
				}
				if err := st.Append(store.Reading{Entity: "a", Time: noon, Value: 77}); err != nil {
					t.Fatal(err)
				}
				if err := st.Close(); err != nil {
					t.Fatal(err)
				}
				r.start(m, Destination{From: tc.from})
				r.commit(1)
				time.Sleep(time.Minute)
				if got := m.times("value=77 "); !slices.Equal(got, tc.want) {
					t.Errorf("what was there before was sent %v times, want %v", got, tc.want)
				}
				if got := m.times("value=7201 "); !slices.Equal(got, []int{1}) {
					t.Errorf("what came after was sent %v times, want once", got)
				}
			})
		})
	}
}

// A server that was killed before it was first asked when it was started has lost
// what it had answered for.
func TestAServerEndsBeforeItIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newInMemory(t)
		m.restarts("", "")
		r := run(t, m, Destination{Kind: VictoriaMetrics})
		r.commit(1)
		time.Sleep(30 * time.Second)
		m.restarts("2000", "1")
		r.commit(1)
		time.Sleep(5 * time.Minute)
		if got := m.times("value=1 "); !slices.Equal(got, []int{2}) {
			t.Errorf("what the server before had answered for was sent %v times, want twice", got)
		}
	})
}

// A VictoriaMetrics that was killed has lost seconds of what it answered for.
func TestWhatAServerMayHaveLostIsSentAgain(t *testing.T) {
	fill := func(t *testing.T) (*inMemory, *running) {
		m := newInMemory(t)
		m.restarts("1000", "86400")
		r := run(t, m, Destination{Kind: VictoriaMetrics})
		for range 10 { // value=1 … at 0 s, value=10 at 5 min
			r.commit(1)
			time.Sleep(30 * time.Second)
		}
		if got := m.times("sensor"); !slices.Equal(got, []int{1}) {
			t.Fatalf("lines were sent %v times, want once", got)
		}
		return m, r
	}
	check := func(t *testing.T, m *inMemory, again bool) {
		t.Helper()
		want := []int{1}
		if again {
			want = []int{2}
		}
		if got := m.times("value=9 "); !slices.Equal(got, want) {
			t.Errorf("what was sent a minute before was sent %v times, want %v", got, want)
		}
		if got := m.times("value=2 "); !slices.Equal(got, []int{1}) {
			t.Errorf("what was sent minutes before was sent %v times, want once", got)
		}
	}
	for _, tc := range []struct {
		name  string
		what  func(m *inMemory, r *running)
		again bool
	}{
		{"StartedAgainBetweenTwoRequests", func(m *inMemory, r *running) { m.restarts("2000", "86400") }, true},
		{"ANewConnectionToTheSame", func(m *inMemory, r *running) { m.restarts("1000", "86400") }, false},
		{"StartedAgainWithinTheSecond", func(m *inMemory, r *running) { m.restarts("1000", "1") }, true},
		{"AwayAndTheSame", func(m *inMemory, r *running) {
			m.answers(http.StatusBadGateway)
			r.commit(1)
			time.Sleep(time.Minute)
			m.answers(http.StatusNoContent)
		}, false},
		{"AwayAndStartedAgain", func(m *inMemory, r *running) {
			m.answers(http.StatusBadGateway)
			r.commit(1)
			time.Sleep(20 * time.Second)
			m.answers(http.StatusNoContent)
			m.restarts("2000", "86400")
		}, true},
		{"AwayAndItDoesNotSay", func(m *inMemory, r *running) {
			m.answers(http.StatusBadGateway)
			r.commit(1)
			time.Sleep(20 * time.Second)
			m.answers(http.StatusNoContent)
			m.restarts("", "86400")
		}, true},
		{"SilentForOnce", func(m *inMemory, r *running) {
			m.restarts("", "86400")
			r.commit(1)
			time.Sleep(20 * time.Second)
			m.says("1000", "86400")
		}, false},
		{"SilentForOnceAndStartedAgain", func(m *inMemory, r *running) {
			m.restarts("", "86400")
			r.commit(1)
			time.Sleep(20 * time.Second)
			m.says("2000", "86400")
		}, true},
		{"OurOwnRestart", func(m *inMemory, r *running) {
			r.stop()
			r.start(m, Destination{Kind: VictoriaMetrics})
		}, true},
		{"OurOwnRestartWithoutAWindow", func(m *inMemory, r *running) {
			r.stop()
			r.start(m, Destination{Kind: InfluxDB2})
		}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, r := fill(t)
				tc.what(m, r)
				r.commit(1)
				time.Sleep(5 * time.Minute)
				check(t, m, tc.again)
				if n, err := r.store.Backlog(t.Context(), r.Cursor()); err != nil || n != 0 {
					t.Errorf("backlog: got %d, %v; want 0", n, err)
				}
			})
		})
	}
}
