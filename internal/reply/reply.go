// Package reply writes the answers of the appliance's own HTTP interfaces: JSON,
// and refusals as {"code","error","hint"}. It knows how an answer looks and must
// never know what it is about.
package reply

import (
	"encoding/json"
	"net/http"
)

// A Refusal is what a caller gets instead of what was asked for.
type Refusal struct {
	Code  string `json:"code"`           // for programs: lower case with underscores
	Error string `json:"error"`          // for people: one lower-case sentence
	Hint  string `json:"hint,omitempty"` // what to do about it
	Lines []Line `json:"lines,omitempty"`
}

// A Line is one of several things wrong in a text.
type Line struct {
	Line int    `json:"line"` // 1 and up; 0: none in particular
	Text string `json:"text"`
}

// Refuse writes a refusal with the given HTTP status.
func Refuse(w http.ResponseWriter, status int, r Refusal) { JSON(w, status, r) }

// JSON writes v as the whole answer. A caller that has gone is not an error of
// ours.
func JSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil { // v is one of our own types
		http.Error(w, "the answer cannot be written as JSON", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}
