package development

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/appliance"
)

// TestAnotherApplianceIsNotGreetedAsOurs: whoever answered before we began has
// another password; only what comes in its place is ours.
func TestAnotherApplianceIsNotGreetedAsOurs(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer other.Close()
	u, err := url.Parse(other.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		taken bool
		want  error
	}{
		{"Ours", false, nil},
		{"AnotherOne", true, context.DeadlineExceeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			d := &run{Options: Options{Env: appliance.Env{Listen: "127.0.0.1", PortBase: port}}, taken: tt.taken}
			if err := d.awaitDashboard(ctx); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}
