package gateway

import (
	"strings"
	"testing"
)

// TestMissingBundleIsSaid holds on a fresh clone, where there is no bundle, and
// on a built one.
func TestMissingBundleIsSaid(t *testing.T) {
	h := newHouse(t)
	_, err := dist.Open("ui/dist/main.js")
	missing := err != nil
	if got := strings.Contains(h.log.String(), "run make ui"); got != missing {
		t.Errorf("the log says that the bundle is missing: got %v, want %v", got, missing)
	}
	_, body := h.get(h.signedIn(), "/")
	if got := strings.Contains(body, "<script type=\"module\""); got == missing {
		t.Errorf("the page asks for the script: got %v, want %v", got, !missing)
	}
	if !strings.Contains(body, `href="/static/style.`) {
		t.Error("the page has no style sheet")
	}
}
