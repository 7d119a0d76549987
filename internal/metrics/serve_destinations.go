package metrics

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/smartcore-ireland/hems/internal/metrics/delivery"
	"github.com/smartcore-ireland/hems/internal/store"
)

// serveDestinations answers for the destinations.
func (w *Writer) serveDestinations(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/destinations", w.serveDestinationList)
	mux.HandleFunc("POST /v1/destinations/{name}/resend", w.serveResend)
	mux.HandleFunc("GET /v1/destinations/{name}/aside", w.serveAside)
	mux.HandleFunc("POST /v1/destinations/{name}/aside/resend", w.serveAsideResend)
}

func (w *Writer) serveDestinationList(rw http.ResponseWriter, r *http.Request) {
	s, err := w.openedStore()
	list := []delivery.Status{}
	for _, d := range w.senders {
		if err != nil {
			break
		}
		var one delivery.Status
		one, err = d.Status(r.Context(), s)
		list = append(list, one)
	}
	if err != nil {
		storeAway(rw, err)
		return
	}
	answer(rw, list)
}

func storeAway(rw http.ResponseWriter, err error) {
	refuse(rw, http.StatusServiceUnavailable, "store", err, "look for a full or read-only disk")
}

// named is the destination that a request is about, and the store. When it
// returns false it has answered.
func (w *Writer) named(rw http.ResponseWriter, r *http.Request) (*delivery.Sender, *store.Store, bool) {
	name := r.PathValue("name")
	for _, d := range w.senders {
		if d.Name != name {
			continue
		}
		s, err := w.openedStore()
		if err != nil {
			storeAway(rw, err)
			return nil, nil, false
		}
		return d, s, true
	}
	refuse(rw, http.StatusNotFound, "unknown", fmt.Errorf("no destination is called %.40q", name), "hems.yaml names them below metrics.destinations")
	return nil, nil, false
}

// resent is how much is sent again.
type resent struct {
	Readings int64 `json:"readings"`
}

// serveResend has everything sent again that the store holds since ?from=, a time
// of RFC 3339; without it, everything.
func (w *Writer) serveResend(rw http.ResponseWriter, r *http.Request) {
	d, s, ok := w.named(rw, r)
	if !ok {
		return
	}
	from := time.Unix(0, 0)
	if text := r.URL.Query().Get("from"); text != "" {
		var err error
		if from, err = time.Parse(time.RFC3339, text); err != nil {
			refuse(rw, http.StatusBadRequest, "time", fmt.Errorf("%.40q is no moment", text), "write it as 2026-11-20T00:00:00Z")
			return
		}
		if from.After(w.o.Now()) {
			refuse(rw, http.StatusBadRequest, "time", errors.New("that moment is still to come"), "give an earlier one")
			return
		}
	}
	n, err := d.Resend(r.Context(), s, from)
	if err != nil {
		storeAway(rw, err)
		return
	}
	answer(rw, resent{n})
}

// put is a reading that a destination does not take.
type put struct {
	ID     int64     `json:"id"`
	Entity string    `json:"entity"`
	Time   time.Time `json:"time"`
	Line   string    `json:"line"`
	Reason string    `json:"reason"`
	Put    time.Time `json:"put"`
	Again  bool      `json:"again,omitempty"` // it is being sent again
}

// asidePage is how many of those aside are told at a time.
const asidePage = 200

// serveAside tells what is aside, oldest first, from ?after= (an id) on.
func (w *Writer) serveAside(rw http.ResponseWriter, r *http.Request) {
	d, s, ok := w.named(rw, r)
	if !ok {
		return
	}
	after := int64(0)
	if text := r.URL.Query().Get("after"); text != "" {
		var err error
		if after, err = strconv.ParseInt(text, 10, 64); err != nil {
			refuse(rw, http.StatusBadRequest, "after", fmt.Errorf("%.40q is no id", text), "give the id of the last one that was told")
			return
		}
	}
	list, err := s.ListAside(r.Context(), d.Cursor(), after, asidePage, false)
	if err != nil {
		storeAway(rw, err)
		return
	}
	series := s.Series()
	told := make([]put, 0, len(list))
	for _, a := range list {
		told = append(told, put{ID: a.ID, Entity: series[a.Series].Entity, Time: a.Time.UTC(), Line: a.Line, Reason: a.Reason, Put: a.Put.UTC(), Again: a.Again})
	}
	answer(rw, told)
}

// serveAsideResend has all of them sent again.
func (w *Writer) serveAsideResend(rw http.ResponseWriter, r *http.Request) {
	d, s, ok := w.named(rw, r)
	if !ok {
		return
	}
	n, err := d.ResendAside(r.Context(), s)
	if err != nil {
		storeAway(rw, err)
		return
	}
	answer(rw, resent{n})
}
