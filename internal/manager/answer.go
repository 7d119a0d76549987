package manager

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// problem is an answer that says no.
type problem struct {
	status int
	Code   string `json:"code"`  // a word for programs
	Text   string `json:"error"` // a lower-case sentence for people
	Hint   string `json:"hint,omitempty"`
}

func (p *problem) Error() string { return p.Text }

// fail answers with what is wrong. Only a problem says more than that something
// went wrong, for what others say may hold what is nobody's business.
func fail(w http.ResponseWriter, err error) {
	var p *problem
	if !errors.As(err, &p) {
		p = &problem{http.StatusInternalServerError, "internal", "something went wrong in the manager", "look at its last lines in the logs"}
	}
	answer(w, p.status, p)
}

// answer sends v as JSON. An error of sending is the asker's.
func answer(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil { // what is answered always marshals
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}

// maxAsked bounds the JSON body of a request, in bytes.
const maxAsked = 64 << 10

// asked reads a request's JSON body, strictly.
func asked(w http.ResponseWriter, r *http.Request, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAsked))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows it")
		}
	}
	if err != nil {
		return &problem{http.StatusBadRequest, "bad_request", fmt.Sprintf("the request is not the JSON that is expected: %v", err), ""}
	}
	return nil
}

// errDevelopment is for what only a card has.
func errDevelopment(what string) *problem {
	return &problem{http.StatusConflict, "development", "this appliance runs on a computer and has no card: " + what, "do it on the appliance itself"}
}
