package metrics

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/smartcore-ireland/hems/internal/store"
)

// checkWithin bounds a check of the store: one that takes longer is no store to
// rely on.
const checkWithin = 20 * time.Second

// serveStore answers for the store as a whole.
func (w *Writer) serveStore(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/check", w.serveCheck)
	mux.HandleFunc("GET /v1/check", w.serveSoundness)
	mux.HandleFunc("POST /v1/snapshot", w.serveSnapshot)
}

func (w *Writer) serveCheck(rw http.ResponseWriter, r *http.Request) {
	s, err := w.openedStore()
	if err == nil {
		ctx, cancel := context.WithTimeout(r.Context(), checkWithin)
		defer cancel()
		err = s.Probe(ctx)
	}
	if err == nil {
		err = s.Failure() // of the last commit of readings
	}
	if err != nil {
		refuse(rw, http.StatusServiceUnavailable, "store", err, "look for a full or read-only disk")
		return
	}
	rw.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(rw, "{}\n")
}

func (w *Writer) serveSnapshot(rw http.ResponseWriter, r *http.Request) {
	s, err := w.openedStore()
	var snapshot *store.Snapshot
	if err == nil {
		snapshot, err = s.Snapshot(r.Context())
	}
	switch {
	case errors.Is(err, store.ErrBusy):
		refuse(rw, http.StatusConflict, "busy", err, "wait until it is done")
		return
	case errors.Is(err, store.ErrNoSpace):
		refuse(rw, http.StatusInsufficientStorage, "no_space", err, "make room, or keep readings for fewer days")
		return
	case err != nil:
		refuse(rw, http.StatusServiceUnavailable, "store", err, "look for a full or read-only disk")
		return
	}
	defer snapshot.Close()
	rw.Header().Set("Content-Type", "application/vnd.sqlite3")
	rw.Header().Set("Content-Length", strconv.FormatInt(snapshot.Size, 10))
	if _, err := io.Copy(rw, snapshot); err != nil {
		w.log.Warn("a copy of the store was not taken to its end", "err", err)
	}
}
