package metrics

import "net/http"

// serveDestinations answers for the destinations.
func (w *Writer) serveDestinations(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/destinations", w.serveDestinationList)
}

// destination is how far one is.
type destination struct {
	Name    string `json:"name"`
	Backlog int64  `json:"backlog"`
	Message string `json:"message,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

func (w *Writer) serveDestinationList(rw http.ResponseWriter, r *http.Request) {
	s, err := w.openedStore()
	list := []destination{}
	for _, d := range w.senders {
		if err != nil {
			break
		}
		one := destination{Name: d.Name}
		one.Message, one.Hint = d.trouble()
		one.Backlog, err = s.Backlog(r.Context(), d.cursor())
		list = append(list, one)
	}
	if err != nil {
		refuse(rw, http.StatusServiceUnavailable, "store", err, "look for a full or read-only disk")
		return
	}
	answer(rw, list)
}
