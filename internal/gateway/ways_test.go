package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/remote"
)

// told is a reporter that says what it was told to say.
type told remote.Status

func (s told) Status() remote.Status { return remote.Status(s) }

func TestTheWaysAreToldInTheirOrder(t *testing.T) {
	since := time.Date(2026, 12, 1, 7, 0, 0, 0, time.UTC)
	h := newHouse(t, func(o *Options) {
		o.HostName = "hems"
		o.Reporters = []remote.Reporter{
			told{Way: remote.Cloudflare, State: remote.Down, Since: since, Detail: "The tunnel is down.", Action: "Wait."},
			told{Way: remote.Tailnet, State: remote.Up, Since: since, Links: []string{"https://hems.tail1234.ts.net/"}},
		}
	})
	res, err := h.signedIn().Get(h.url + "/api/v1/ways")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var got struct {
		Ways []remote.Status `json:"ways"`
	}
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	want := []remote.Status{
		{Way: remote.LAN, State: remote.Starting}, // this house's own addresses are the test's
		{Way: remote.Tailnet, State: remote.Up, Since: since, Links: []string{"https://hems.tail1234.ts.net/"}},
		{Way: remote.Funnel, State: remote.Off},
		{Way: remote.Cloudflare, State: remote.Down, Since: since, Detail: "The tunnel is down.", Action: "Wait."},
	}
	if diff := cmp.Diff(want, got.Ways); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if res.StatusCode != http.StatusOK {
		t.Errorf("got %s, want 200", res.Status)
	}
}

func TestTheLANIsUpWhenAllItsDoorsAre(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 12, 1, 7, minute, 0, 0, time.UTC) }
	taken := errors.New("address already in use")
	var o openings
	check := func(what string, state remote.State, since time.Time, err error) {
		t.Helper()
		s, when, e := o.state()
		if s != state || !when.Equal(since) || !errors.Is(e, err) {
			t.Errorf("%s: got %s since %v, %v; want %s since %v, %v", what, s, when, e, state, since, err)
		}
	}
	check("at first", remote.Starting, time.Time{}, nil)
	plain, secure := o.add(remote.Door{Way: remote.LAN}), o.add(remote.Door{Way: remote.LAN})
	if o.add(remote.Door{Way: remote.Tailnet}) != nil {
		t.Error("a door of the tailnet counts as one of the LAN")
	}
	plain.note(at(1), nil)
	check("one is open", remote.Up, at(1), nil)
	secure.note(at(2), taken)
	secure.note(at(3), taken)
	check("the other is not", remote.Down, at(2), taken)
	secure.note(at(4), nil)
	check("both are", remote.Up, at(4), nil)
}

// TestHealthSaysWhichWayIsShut on MQTT, as a note.
func TestHealthSaysWhichWayIsShut(t *testing.T) {
	h := newHouse(t, func(o *Options) {
		o.Reporters = []remote.Reporter{
			told{Way: remote.Tailnet, State: remote.Up},
			told{Way: remote.Cloudflare, State: remote.Down, Detail: "The tunnel has no connection to Cloudflare."},
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := h.test.AwaitConnection(ctx); err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 100)
	if err := h.test.Subscribe(ctx, "hems/gateway/health", 1, func(m mqttclient.Message) { said <- string(m.Payload) }); err != nil {
		t.Fatal(err)
	}
	for got, want := "", `{"state":"ok","message":"Cloudflare Tunnel: The tunnel has no connection to Cloudflare"`; !strings.HasPrefix(got, want); {
		select {
		case got = <-said:
		case <-ctx.Done():
			t.Fatalf("the last report is %s, want %s", got, want)
		}
	}
}
