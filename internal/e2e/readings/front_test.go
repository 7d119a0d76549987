//go:build e2e || bench

package readings

import (
	"bytes"
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// front is what a destination's address leads to: it passes requests on to a
// database, wherever that listens now, unless a fault is to be seen. While there
// is no database it closes connections, as a machine does that is off.
type front struct {
	url string

	mu      sync.Mutex
	to      *database
	refused int                                                            // requests for which there was no database
	fault   func(w http.ResponseWriter, r *http.Request, body []byte) bool // true: it has answered; nil: none
}

func newFront(t testing.TB, to *database) *front {
	t.Helper()
	f := &front{to: to}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	f.url = s.URL
	return f
}

// lead leads to another database, or to none.
func (f *front) lead(to *database) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.to = to
}

func (f *front) missed() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refused
}

// setFault has something else happen to requests.
func (f *front) setFault(fault func(w http.ResponseWriter, r *http.Request, body []byte) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		reset(w)
		return
	}
	f.mu.Lock()
	fault := f.fault
	f.mu.Unlock()
	if fault != nil && fault(w, r, body) {
		return
	}
	status, header, answer, ok := f.pass(r, body)
	if !ok {
		f.mu.Lock()
		f.refused++
		f.mu.Unlock()
		reset(w)
		return
	}
	for _, h := range []string{"Content-Type", "X-Influxdb-Error", "X-Platform-Error-Code"} {
		if v := header.Get(h); v != "" {
			w.Header().Set(h, v)
		}
	}
	w.WriteHeader(status)
	w.Write(answer)
}

// pass passes a request on and returns the answer; false: there was none.
func (f *front) pass(r *http.Request, body []byte) (status int, header http.Header, answer []byte, ok bool) {
	f.mu.Lock()
	to := f.to
	f.mu.Unlock()
	if to == nil {
		return 0, nil, nil, false
	}
	req, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+to.address()+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, false
	}
	req.Header = r.Header.Clone()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, nil, false
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, nil, false
	}
	return resp.StatusCode, resp.Header, answer, true
}

// reset breaks the connection off without an answer.
func reset(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Close()
}

// unpacked is a body without its compression.
func unpacked(r *http.Request, body []byte) []byte {
	if r.Header.Get("Content-Encoding") != "gzip" {
		return body
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil
	}
	b, err := io.ReadAll(z)
	if err != nil {
		return nil
	}
	return b
}
