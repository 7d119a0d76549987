package metrics

import (
	"bytes"
	"net/http"
)

// servePending answers with what is not yet in the store's file.
func (w *Writer) servePending(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/pending", w.servePendingReadings)
}

func (w *Writer) servePendingReadings(rw http.ResponseWriter, r *http.Request) {
	s, err := w.openedStore()
	var b bytes.Buffer
	if err == nil {
		err = s.Pending().Encode(&b)
	}
	if err != nil {
		refuse(rw, http.StatusServiceUnavailable, "store", err, "look for a full or read-only disk")
		return
	}
	rw.Header().Set("Content-Type", "application/octet-stream")
	_, _ = rw.Write(b.Bytes())
}
