package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/client"
)

// places are destinations in every state.
func places(now time.Time) []client.Destination {
	return []client.Destination{
		{Name: "influx", Kind: "influxdb2", URL: "http://192.0.2.9:8086", State: client.UpToDate, Progress: 1, Taken: now.Add(-20 * time.Second)},
		{Name: "archive", Kind: "influxdb1", URL: "http://192.0.2.10:8086", State: client.Sending, Backlog: 2_160_000, Oldest: now.Add(-50 * time.Hour),
			Progress: 0.37, Rate: 21_400, Rest: 101, Taken: now.Add(-time.Second), Aside: 12, AsideMore: 3},
		{Name: "fleet", Kind: "victoriametrics", URL: "https://metrics.example.com", State: client.Waiting, Backlog: 4_300, Oldest: now.Add(-3 * time.Hour), Progress: 0.2,
			Message: "it does not answer: connection refused", Hint: "check that the server is running and its address is right", RetryAt: now.Add(30 * time.Second)},
		{Name: "office", Kind: "influxdb3", URL: "https://192.0.2.11:8181", State: client.Refusing, Backlog: 90_000, Oldest: now.Add(-40 * time.Hour),
			Message: "it answers 401: unauthorized", Hint: "check the token of office", RetryAt: now.Add(time.Minute), Lost: 1200},
	}
}

func TestDestinationsPage(t *testing.T) {
	h := newHouse(t)
	c := h.signedIn()
	if _, body := h.get(c, "/system/destinations"); !strings.Contains(body, "metrics.destinations") || strings.Contains(body, `action="/system/destinations/resend"`) {
		t.Error("without destinations the page does not say how to name one")
	}
	h.metrics.Answer("GET /v1/destinations", http.StatusOK, places(h.o.Clock()))
	_, body := h.get(c, "/system/destinations")
	for _, want := range []string{
		"influx has everything", "InfluxDB 2 at http://192.0.2.9:8086",
		"archive is catching up", `value="37"`, "2,160,000, since ", "21,400 a second", "about 2 min", "15</dd>", `href="/system/destinations/archive"`,
		"fleet is away", "It does not answer: connection refused.", "Check that the server is running and its address is right.",
		"office needs your attention", "Check the token of office.", "Deleted before they were sent", "1,200",
		"<option>office</option>",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page: no %s", want)
		}
	}
	if _, part := h.get(c, "/system/destinations?part=destinations-part"); strings.Contains(part, "<html") || strings.Contains(part, "Send again") || !strings.Contains(part, "archive is catching up") {
		t.Errorf("the part that the script asks for: got %.200s", part)
	}

	if res := h.post(c, "/system/destinations/resend", url.Values{"name": {"archive"}, "from": {"2026-11-20"}}); res.Header.Get("Location") != "/system/destinations?again=64%2C800" {
		t.Errorf("sending again: got %s to %q", res.Status, res.Header.Get("Location"))
	}
	if _, body := h.get(c, "/system/destinations?again=64%2C800"); !strings.Contains(body, "Sending again: 64,800 readings.") {
		t.Error("the page does not say what was begun")
	}
	if res := h.post(c, "/system/destinations/aside", url.Values{"name": {"archive"}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("sending those aside again: got %s", res.Status)
	}
	for _, want := range []string{"POST /v1/destinations/archive/resend?from=2026-11-20T00%3A00%3A00Z", "POST /v1/destinations/archive/aside/resend"} {
		if asked := h.metrics.Questions(); !slices.Contains(asked, want) {
			t.Errorf("asked %q, want %q too", asked, want)
		}
	}
	if res := h.post(c, "/system/destinations/resend", url.Values{"name": {"archive"}, "from": {"last week"}}); res.StatusCode != http.StatusBadRequest {
		t.Errorf("no day: got %s, want 400", res.Status)
	}
}

func TestDestinationsPageWhileTheRecorderIsAway(t *testing.T) {
	h := newHouse(t, func(o *Options) { o.Metrics = t.TempDir() + "/none.sock" })
	res, body := h.get(h.signedIn(), "/system/destinations")
	if res != http.StatusServiceUnavailable || !strings.Contains(body, "The part that records readings does not answer.") {
		t.Errorf("got %d, want 503 that says who is away", res)
	}
}

func TestWhatIsAsideIsShown(t *testing.T) {
	h := newHouse(t)
	c := h.signedIn()
	if _, body := h.get(c, "/system/destinations/influx"); !strings.Contains(body, "influx takes everything.") {
		t.Error("nothing aside: the page does not say so")
	}
	list := []client.Aside{{ID: 7, Entity: "boiler_mode", Time: h.o.Clock(), Line: `sensor,entity_id=boiler_mode state="<b>" 1`, Reason: "it answers 422: field type conflict", Again: true}}
	h.metrics.Answer("GET /v1/destinations/{name}/aside", http.StatusOK, list)
	_, body := h.get(c, "/system/destinations/influx?after=x")
	for _, want := range []string{"influx does not take these", "boiler_mode", "state=&#34;&lt;b&gt;&#34;", "It answers 422: field type conflict.", "on its way", `value="influx"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page: no %s", want)
		}
	}
	if strings.Contains(body, "The next ones") {
		t.Error("one reading has a second page")
	}
	for len(list) < asideMost {
		list = append(list, list[0])
	}
	h.metrics.Answer("GET /v1/destinations/{name}/aside", http.StatusOK, list)
	if _, body := h.get(c, "/system/destinations/influx"); !strings.Contains(body, `href="/system/destinations/influx?after=7"`) {
		t.Error("a full page has no next one")
	}
	h.metrics.Answer("GET /v1/destinations/{name}/aside", http.StatusNotFound, client.Error{Code: "unknown", Message: `no destination is called "no"`, Hint: "hems.yaml names them"})
	if res, body := h.get(c, "/system/destinations/no"); res != http.StatusNotFound || !strings.Contains(body, "No destination is called") {
		t.Errorf("an unknown one: got %d", res)
	}
}
