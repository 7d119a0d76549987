package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/smartcore-ireland/hems/internal/gateway/live"
)

const (
	writeTime = 10 * time.Second // for one event; a visitor who reads slower is let go
	retryMS   = 2000             // how long a browser waits before it comes back
)

// events pushes what changes, as server-sent events: everything first, then
// "now", "devices", "health" and "pairing" whenever they change, each whole, and
// "beat" every so often: a page that hears nothing of it has lost the line, which
// a phone that left the Wi-Fi is not told otherwise.
// With ?view=devices or ?view=pairing that event comes ready for the page, as
// "list".
func (g *Gateway) events(w http.ResponseWriter, r *http.Request) {
	first, changes, stop, err := g.model.Watch()
	if err != nil {
		w.Header().Set("Retry-After", "30")
		text := "the appliance is stopping"
		if errors.Is(err, live.ErrFull) {
			text = err.Error()
		}
		writeError(w, http.StatusServiceUnavailable, text)
		return
	}
	defer stop()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	s := stream{w: w, rc: http.NewResponseController(w)}
	// The server's read timeout would otherwise end the stream.
	if err := s.rc.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return
	}
	if r.Method == http.MethodHead {
		return
	}
	s.printf("retry: %d\n\n", retryMS)
	s.beat(g.beat)
	view := r.URL.Query().Get("view")
	for _, e := range first {
		g.sendEvent(&s, e, view)
	}
	s.flush()
	beat := time.NewTicker(g.beat)
	defer beat.Stop()
	v := visitorOf(r)
	for s.err == nil {
		select {
		case <-r.Context().Done():
			return
		case e, ok := <-changes:
			if !ok {
				return
			}
			g.sendEvent(&s, e, view)
		case <-beat.C:
			if !g.still(v) {
				return // signed out meanwhile
			}
			s.beat(g.beat)
		}
		s.flush()
	}
}

func (g *Gateway) sendEvent(s *stream, e live.Event, view string) {
	if ready := map[string]string{"devices": "device-list", "pairing": "pair-list"}[view]; ready != "" && e.Name == view {
		var body any = g.devicesBody()
		if view == "pairing" {
			body = g.pairBody()
		}
		var buf bytes.Buffer
		if err := g.pages.ExecuteTemplate(&buf, ready, body); err != nil {
			g.log.Error("making a list for a page", "list", view, "err", err)
			return
		}
		data, _ := json.Marshal(buf.String()) // strings always marshal
		e = live.Event{Name: "list", Data: data}
	}
	s.printf("event: %s\ndata: %s\n\n", e.Name, e.Data)
}

// stream writes events, and keeps the first error.
type stream struct {
	w   http.ResponseWriter
	rc  *http.ResponseController
	err error
}

func (s *stream) printf(format string, args ...any) {
	if s.err != nil {
		return
	}
	if s.err = s.rc.SetWriteDeadline(time.Now().Add(writeTime)); s.err != nil && errors.Is(s.err, http.ErrNotSupported) {
		s.err = nil // a test's recorder has no deadlines
	}
	if s.err == nil {
		_, s.err = fmt.Fprintf(s.w, format, args...)
	}
}

// beat is a sign of life, and says when the next one is due.
func (s *stream) beat(every time.Duration) {
	s.printf("event: beat\ndata: {\"every_s\":%g}\n\n", every.Seconds())
}

func (s *stream) flush() {
	if s.err == nil {
		s.err = s.rc.Flush()
	}
}
