package manager

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/smartcore-ireland/hems/internal/reply"
)

// problem is an answer that says no.
type problem struct {
	status           int    // of HTTP
	code, text, hint string // as reply.Refusal has them
}

func (p *problem) Error() string { return p.text }

// fail answers with what is wrong. Only a problem says more than that something
// went wrong, for what others say may hold what is nobody's business.
func fail(w http.ResponseWriter, err error) {
	var p *problem
	if !errors.As(err, &p) {
		p = &problem{http.StatusInternalServerError, "internal", "something went wrong in the manager", "look at its last lines in the logs"}
	}
	reply.Refuse(w, p.status, reply.Refusal{Code: p.code, Error: p.text, Hint: p.hint})
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
