package clienttest

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"

	"github.com/smartcore-ireland/hems/internal/client"
)

// Metrics is a metrics writer for tests of those who ask one. It answers on
// Socket until the test ends.
type Metrics struct {
	Socket string

	mu     sync.Mutex
	rows   map[string]row // by pattern of http.ServeMux
	asked  []string       // method and path with its query, in order
	bodies map[string][]byte
	header http.Header // of the last question
}

type row struct {
	status int
	answer any // as JSON; a string as it is
}

// StartMetrics begins to answer, as a metrics writer with nothing to tell.
func StartMetrics(t *testing.T) *Metrics {
	t.Helper()
	m := &Metrics{Socket: filepath.Join(t.TempDir(), "metrics.sock"), bodies: map[string][]byte{}, rows: map[string]row{
		"GET /v1/check":                             {200, client.Soundness{}},
		"GET /v1/trouble":                           {200, client.Trouble{}},
		"GET /v1/destinations":                      {200, []client.Destination{}},
		"POST /v1/destinations/{name}/resend":       {200, client.Resent{Readings: 64_800}},
		"GET /v1/destinations/{name}/aside":         {200, []client.Aside{}},
		"POST /v1/destinations/{name}/aside/resend": {200, client.Resent{Readings: 2}},
		"GET /v1/hdf":                               {200, []client.MeterFile{}},
		"POST /v1/hdf":                              {200, client.MeterFile{}},
		"GET /v1/ledger":                            {200, []any{}},
		"GET /v1/ledger/compare":                    {200, client.Comparison{}},
		"GET /v1/ledger/export":                     {200, "start,end\r\n"},
	}}
	l, err := net.Listen("unix", m.Socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: m}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close() })
	return m
}

// Answer settles what a question of the pattern, such as "GET
// /v1/destinations/{name}/aside", is answered: v as JSON, or as it is when it is a
// string.
func (m *Metrics) Answer(pattern string, status int, v any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows[pattern] = row{status, v}
}

// Questions are all so far, with their queries.
func (m *Metrics) Questions() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.asked...)
}

// Body is the last body of a question, such as "POST /v1/hdf"; nil when it was not
// asked.
func (m *Metrics) Body(question string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bodies[question]
}

// Header is that of the last question.
func (m *Metrics) Header() http.Header {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.header
}

// ServeHTTP answers one question.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	m.mu.Lock()
	m.asked = append(m.asked, r.Method+" "+r.URL.RequestURI())
	m.bodies[r.Method+" "+r.URL.Path] = body
	m.header = r.Header.Clone()
	mux := http.NewServeMux()
	for pattern, a := range m.rows {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { a.write(w) })
	}
	m.mu.Unlock()
	mux.ServeHTTP(w, r)
}

func (a row) write(w http.ResponseWriter) {
	text, raw := a.answer.(string)
	if !raw {
		b, err := json.Marshal(a.answer)
		if err != nil {
			panic(err) // the test gave something that is no JSON
		}
		text = string(b)
		w.Header().Set("Content-Type", "application/json")
	}
	w.Header().Set("X-Metrics", "not for visitors")
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, text)
}
