package gateway

import (
	"io"
	"net/http"
	"sync"
	"time"
)

// slowPause is how long a line may stand still under a request that takes its
// time. An upload over a slow line takes an hour and is well all the while.
const slowPause = time.Minute

// patient takes the server's time limits off one request and gives each read and
// each write of its own instead. Only for visitors who are known.
func patient(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, *http.Request) {
	rc := http.NewResponseController(w)
	// Where there is no body, the server reads ahead for the visitor's going away:
	// its read timeout would end the answer.
	_ = rc.SetReadDeadline(time.Time{}) // a test's recorder has no deadlines
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &patientBody{ReadCloser: r.Body, rc: rc}
	}
	return &patientWriter{ResponseWriter: w, rc: rc}, r
}

type patientBody struct {
	io.ReadCloser
	rc *http.ResponseController
}

func (b *patientBody) Read(p []byte) (int, error) {
	_ = b.rc.SetReadDeadline(time.Now().Add(slowPause))
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		_ = b.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}

type patientWriter struct {
	http.ResponseWriter
	rc *http.ResponseController
}

func (w *patientWriter) extend() { _ = w.rc.SetWriteDeadline(time.Now().Add(slowPause)) }

func (w *patientWriter) WriteHeader(status int) {
	w.extend()
	w.ResponseWriter.WriteHeader(status)
}

func (w *patientWriter) Write(p []byte) (int, error) {
	w.extend()
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// An upload is a request's body, or a file in it, on its way to the manager. It
// can be read to its end by the gateway when the manager has answered before that
// (while the transport may still be at it): a browser that is still sending takes
// no answer in, and says that the line broke.
type upload struct {
	mu   sync.Mutex
	body io.Reader
	done bool
}

func (u *upload) Read(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.done {
		return 0, io.ErrUnexpectedEOF
	}
	return u.body.Read(p)
}

// Close leaves the visitor's body open: it belongs to the server.
func (u *upload) Close() error { return nil }

// drain reads what is left, within the route's limit.
func (u *upload) drain() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.done = true
	_, _ = io.Copy(io.Discard, u.body) // who has gone misses the answer too
}
