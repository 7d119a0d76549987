package metrics

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/smartcore-ireland/hems/internal/store"
)

// Serve answers on l until ctx ends:
//
//	POST /v1/check                             writes into the store, reads it back and removes it
//	GET  /v1/check                             what is known about the soundness of the store, see store.Check
//	POST /v1/snapshot                          a copy of the store, as a SQLite database
//	GET  /v1/pending                           what is not yet in the store's file, see store.Pending
//	GET  /v1/destinations                      how far each is
//	POST /v1/destinations/{name}/resend?from=  sends everything since a moment again
//	GET  /v1/destinations/{name}/aside?after=  readings that it refuses
//	POST /v1/destinations/{name}/aside/resend  sends those again
//	GET  /v1/trouble                           what devices say and cannot be used, since when, how often
//	POST /v1/hdf                               takes a file of ESB Networks into the ledger
//	GET  /v1/hdf                               the files that were taken, and what they prove
//	GET  /v1/ledger                            the meters in the ledger
//	GET  /v1/ledger/compare?meter=&from=&to=   our own metering and the files', day by day
//	GET  /v1/ledger/export?meter=&from=&to=    half hours as CSV, or in ESB Networks' columns:
//	     &source=own|hdf&format=csv|hdf
//
// An error is JSON: {"code","error","hint"}. Who may ask is up to the listener.
func (w *Writer) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           w.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute, // bodies are files that a person gives
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
	w.serveStore(mux)
	w.serveDestinations(mux)
	w.serveTrouble(mux)
	w.servePending(mux)
	w.serveLedger(mux)
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

// answer is v as JSON.
func answer(rw http.ResponseWriter, v any) {
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(v)
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
