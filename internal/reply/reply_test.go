package reply

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRefuse(t *testing.T) {
	w := httptest.NewRecorder()
	Refuse(w, http.StatusConflict, Refusal{Code: "busy", Error: "a backup is being made", Hint: "try again"})
	if got, want := w.Code, http.StatusConflict; got != want {
		t.Errorf("status %d, want %d", got, want)
	}
	want := `{"code":"busy","error":"a backup is being made","hint":"try again"}` + "\n"
	if diff := cmp.Diff(want, w.Body.String()); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	if got, want := w.Header().Get("Content-Type"), "application/json"; got != want {
		t.Errorf("content type %q, want %q", got, want)
	}
}

func TestJSONThatCannotBeWrittenIsAnError(t *testing.T) {
	w := httptest.NewRecorder()
	JSON(w, http.StatusOK, make(chan int))
	if got, want := w.Code, http.StatusInternalServerError; got != want {
		t.Errorf("status %d, want %d", got, want)
	}
}
