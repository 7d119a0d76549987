package gateway

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/gateway/front"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// withHomeAssistant puts one behind the house that is in that state.
func withHomeAssistant(t *testing.T, state front.Verdict) setting {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case state == front.Untrusted && r.Header.Get("X-Forwarded-For") != "":
			http.Error(w, "400: Bad Request", http.StatusBadRequest)
		case state == front.Strange:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	if state == front.Away {
		srv.Close()
	}
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	f, err := front.New(front.Options{To: u, Cookies: Cookies, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return func(o *Options) { o.HomeAssistant = HomeAssistant{Front: f, URL: srv.URL} }
}

// awaitHome waits until that is known.
func (h *house) awaitHome(state front.Verdict) {
	h.t.Helper()
	for deadline := time.Now().Add(time.Minute); h.o.HomeAssistant.Front.State().Verdict != state; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			h.t.Fatalf("Home Assistant: got %+v, want %q", h.o.HomeAssistant.Front.State(), state)
		}
	}
}

func (h *house) askHome() (a homeAssistant) {
	h.t.Helper()
	res, err := h.signedIn().Get(h.url + "/api/v1/home-assistant")
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil {
		h.t.Fatal(err)
	}
	return a
}

func TestStateOfHomeAssistant(t *testing.T) {
	for state, want := range map[front.Verdict]string{
		front.Well:      "takes what comes through this appliance",
		front.Untrusted: "refuses what comes through",
		front.Away:      "does not answer",
		front.Strange:   "is not Home Assistant",
	} {
		t.Run(string(state), func(t *testing.T) {
			h := newHouse(t, withHomeAssistant(t, state))
			h.awaitHome(state)
			a := h.askHome()
			if a.State != string(state) || !strings.Contains(a.Message, want) || a.Since == nil || a.URL == "" {
				t.Errorf("got %+v, want the message %q", a, want)
			}
			lines := "http:\n  use_x_forwarded_for: true\n  trusted_proxies:\n    - 127.0.0.1\n    - ::1\n"
			if a.Lines != lines && state != front.Away {
				t.Errorf("the lines: got %q, want %q", a.Lines, lines)
			}
			c := h.signedIn()
			res, err := c.Get(h.url + "/system/home-assistant")
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			page, err := io.ReadAll(res.Body)
			if err != nil || !strings.Contains(string(page), want) || state == front.Untrusted && !strings.Contains(string(page), lines) {
				t.Errorf("the page (%v) has not %q", err, want)
			}
		})
	}
}

// TestHealthSaysHomeAssistant: it is on the health tree by way of MQTT, as a note.
func TestHealthSaysHomeAssistant(t *testing.T) {
	for state, want := range map[front.Verdict]string{
		front.Well:      `{"state":"ok"}`,
		front.Untrusted: `{"state":"ok","message":"Home Assistant refuses what comes through this appliance"`,
	} {
		h := newHouse(t, withHomeAssistant(t, state))
		h.awaitHome(state)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		said := make(chan string, 100)
		if err := h.test.AwaitConnection(ctx); err != nil {
			t.Fatal(err)
		}
		if err := h.test.Subscribe(ctx, "hems/gateway/health", 1, func(m mqttclient.Message) { said <- string(m.Payload) }); err != nil {
			t.Fatal(err)
		}
		for got := ""; !strings.HasPrefix(got, want); {
			select {
			case got = <-said:
			case <-ctx.Done():
				t.Fatalf("%s: the last report is %s, want %s", state, got, want)
			}
		}
	}
}

func TestWithoutHomeAssistant(t *testing.T) {
	h := newHouse(t)
	if a := h.askHome(); a != (homeAssistant{}) {
		t.Errorf("got %+v, want nothing", a)
	}
}
