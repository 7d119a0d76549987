package cli

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/client"
)

func TestDestinations(t *testing.T) {
	s := newSite(t)
	s.run("destination", "list", "HOST").check(t, 0, "readings are sent nowhere", "")
	at := time.Date(2026, 11, 20, 18, 2, 0, 0, time.Local)
	s.metrics.Answer("GET /v1/destinations", http.StatusOK, []client.Destination{
		{Name: "influx", Kind: "influxdb2", URL: "http://192.0.2.9:8086", State: client.UpToDate, Progress: 1, Backlog: 250},
		{Name: "archive", Kind: "influxdb1", URL: "http://192.0.2.10:8086", State: client.Sending, Progress: 0.37, Backlog: 2_160_000, Oldest: at, Rate: 21_400, Rest: 101, Aside: 12, AsideMore: 3},
		{Name: "office", Kind: "influxdb3", URL: "http://192.0.2.11:8181", State: client.Refusing, Progress: 0.2, Backlog: 9, Oldest: at,
			Message: "it answers 401: unauthorized", Hint: "check the token of office", Lost: 7},
	})
	got := s.run("destination", "list", "HOST")
	for _, want := range []string{
		"✓ influx: up to date, 250 readings wait\n    server   influxdb2 at http://192.0.2.9:8086\n",
		"… archive: sending, 37 %, 2160000 readings wait since Fri 20 Nov 18:02, 21400 a second, done in about 1m41s\n",
		"    aside    15 readings that it does not take: hems destination aside " + s.url + " archive\n",
		"▲ office: refusing, 20 %, 9 readings wait since Fri 20 Nov 18:02\n",
		"    why      it answers 401: unauthorized\n    hint     check the token of office\n    lost     7 readings were deleted for their age, or for want of room, before they were sent\n",
	} {
		got.check(t, 0, want, "")
	}
	env := map[string]string{"HEMS_URL": s.url, "HEMS_USER": "owner", "HEMS_PASSWORD": "a cup of tea"}
	s.runWith(env, "destination", "list").check(t, 0, "✓ influx", "")
	var list []client.Destination
	if got := s.run("destination", "HOST", "list", "-json"); json.Unmarshal([]byte(got.out), &list) != nil || len(list) != 3 {
		t.Errorf("as JSON: got %+v", got)
	}

	s.run("destination", "resend", "HOST", "archive", "-from", "2026-11-20T06:00:00Z").check(t, 0, "64800 readings are sent again; how far that is: hems destination list "+s.url, "")
	s.run("destination", "resend", "HOST", "archive", "-from", "everything").check(t, 0, "64800", "")
	s.runWith(env, "destination", "resend", "archive", "-from", "everything", "-json").check(t, 0, `"readings": 64800`, "")
	s.run("destination", "aside", "HOST", "archive", "-resend").check(t, 0, "2 readings are sent again", "")
	asked := s.metrics.Questions()
	for _, want := range []string{"POST /v1/destinations/archive/resend?from=2026-11-20T06%3A00%3A00Z", "POST /v1/destinations/archive/resend", "POST /v1/destinations/archive/aside/resend"} {
		if !slices.Contains(asked, want) {
			t.Errorf("asked %q, want %q too", asked, want)
		}
	}
	s.metrics.Answer("GET /v1/destinations/{name}/aside", http.StatusOK, []client.Aside{{ID: 1, Line: "sensor,entity_id=a state=\"x\ny\" 1", Reason: "it answers 422: field type conflict"}})
	s.run("destination", "aside", "HOST", "archive").check(t, 0, "sensor,entity_id=a state=\"x⏎y\" 1\n    it answers 422: field type conflict\n", "")

	s.run("destination", "resend", "HOST", "archive").check(t, 2, "", `error: -from "" is no moment`)
	s.run("destination", "resend", "HOST", "archive", "-from", "yesterday").check(t, 2, "", "hint: -from 2026-11-20, or -from everything\n")
	s.run("destination", "forget", "HOST", "archive").check(t, 2, "", "hint: hems destination -h")
	s.run("destination", "-h").check(t, 0, "", "usage: hems destination list HOST")
	s.metrics.Answer("POST /v1/destinations/{name}/resend", http.StatusNotFound, client.Error{Code: "unknown", Message: `no destination is called "x"`, Hint: "hems.yaml names them below metrics.destinations"})
	s.run("destination", "resend", "HOST", "x", "-from", "2026-11-20").check(t, 1, "", "error: no destination is called \"x\"\nhint: hems.yaml names them")
}
