package cli

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/gateway"
	"github.com/smartcore-ireland/hems/internal/gateway/front"
)

func TestDoctor(t *testing.T) {
	s := newSite(t)
	s.run("doctor", "HOST").check(t, 0, "• Card: a fault in the file system was repaired\n", "")
}

// TestDoctorKnowsTrustedProxies: a Home Assistant that refuses what is passed on
// is told with the lines that it needs.
func TestDoctorKnowsTrustedProxies(t *testing.T) {
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Forwarded-For") != "" {
			http.Error(w, "400: Bad Request", http.StatusBadRequest)
		}
	}))
	defer home.Close()
	u, err := url.Parse(home.URL)
	if err != nil {
		t.Fatal(err)
	}
	f, err := front.New(front.Options{To: u, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	go f.Run(t.Context())
	for deadline := time.Now().Add(time.Minute); f.State().Verdict != front.Untrusted; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("Home Assistant: %+v", f.State())
		}
	}
	s := newSite(t, func(o *gateway.Options) { o.HomeAssistant = gateway.HomeAssistant{Front: f, URL: home.URL} })
	got := s.run("doctor", "HOST")
	got.check(t, 1, "▲ Home Assistant ("+home.URL+"): Home Assistant refuses what comes through this appliance.", "")
	got.check(t, 1, "\n    http:\n      use_x_forwarded_for: true\n      trusted_proxies:\n        - 127.0.0.1\n        - ::1\n", "")
	s.run("doctor", "HOST", "-json").check(t, 1, `"state": "untrusted"`, "")
}
