package gateway

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/remote"
)

// TestARequestByNoWayIsRefused: who came in by nothing that vouches for their
// address gets not even the sign-in page.
func TestARequestByNoWayIsRefused(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{"/", "/login", "/healthz", "/api/v1/now"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != http.StatusForbidden {
			t.Errorf("%s: got %d, want 403", path, w.Code)
		}
	}
}

// TestADoorVouchesForItsVisitors: the address, and whether the browser spoke HTTPS,
// are what the way in says, and what it does not let through does not come in.
func TestADoorVouchesForItsVisitors(t *testing.T) {
	h := newHouse(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := remote.Door{
		Way: remote.Cloudflare, Name: "the dashboard at Cloudflare",
		Arrive: func(net.Conn) remote.Arrival { return remote.Arrival{Way: remote.Cloudflare, Secure: true} },
		Admit: func(r *http.Request, a remote.Arrival) (remote.Arrival, error) {
			if r.Host != "home.example.com" {
				return a, &remote.Refusal{Status: http.StatusMisdirectedRequest, Text: "no rule for this name"}
			}
			a.Address = netip.MustParseAddr("203.0.113.7")
			return a, nil
		},
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- h.serve(ctx, l, d) }()
	defer func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serving: %v", err)
		}
	}()
	ask := func(host string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequest("POST", "http://"+l.Addr().String()+"/login", strings.NewReader("user="+owner+"&password=wrong"))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(body)
	}
	res, body := ask("elsewhere.example.com")
	if diff := cmp.Diff("421 no rule for this name\n", res.Status[:4]+body); diff != "" {
		t.Errorf("a name without a rule (-want +got):\n%s", diff)
	}
	checkHeaders(t, res, false)
	if res, _ = ask("home.example.com"); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a wrong password: got %s, want 401", res.Status)
	}
	if got := h.log.String(); !strings.Contains(got, "203.0.113.7") {
		t.Errorf("the log does not name the visitor's address:\n%s", got)
	}
}
