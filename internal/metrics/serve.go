package metrics

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/smartcore-ireland/hems/internal/store"
)

// checkWithin bounds a check of the store: one that takes longer is no store to
// rely on.
const checkWithin = 20 * time.Second

// Serve answers on l until ctx ends:
//
//	POST /v1/check     writes into the store, reads it back and removes it
//	POST /v1/snapshot  a copy of the store, as a SQLite database
//
// An error is JSON: {"code","error","hint"}. Who may ask is up to the listener.
func (w *Writer) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           w.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       10 * time.Second, // there are no bodies
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(w.log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (w *Writer) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/check", w.serveCheck)
	mux.HandleFunc("POST /v1/snapshot", w.serveSnapshot)
	return mux
}

// openedStore is the store, or nil while it cannot be opened, and why.
func (w *Writer) openedStore() (*store.Store, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.store == nil && w.openErr == nil {
		return nil, errors.New("the store of readings is being opened")
	}
	return w.store, w.openErr
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

func refuse(rw http.ResponseWriter, status int, code string, err error, hint string) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(struct {
		Code  string `json:"code"`
		Error string `json:"error"`
		Hint  string `json:"hint"`
	}{code, err.Error(), hint})
}
