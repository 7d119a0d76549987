package metrics

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/metrics/delivery"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// asked is what a question is answered, with every field known to v.
func asked(t *testing.T, c *http.Client, method, path string, v any) int {
	t.Helper()
	r, err := http.NewRequest(method, "http://metrics"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		code(t, body)
		return res.StatusCode
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields() // what is told here and what is understood there are two types
	if err := d.Decode(v); err != nil {
		t.Errorf("%s %s: %v in %s", method, path, err, body)
	}
	return res.StatusCode
}

func TestDestinationsAreToldAndSentAgainOverTheSocket(t *testing.T) {
	var status, requests atomic.Int64
	status.Store(http.StatusUnprocessableEntity)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		w.WriteHeader(int(status.Load()))
		if status.Load() == http.StatusUnprocessableEntity {
			_, _ = io.WriteString(w, `{"message":"partial write: field type conflict dropped=1"}`)
		}
	}))
	defer srv.Close()
	b := newBroker(t)
	path := filepath.Join(t.TempDir(), "hems.db")
	w, _ := start(t, Options{MQTT: mqttclient.Options{Server: b.url}, OpenStore: openAt(path), Destinations: []delivery.Destination{
		{Name: "influx", URL: srv.URL, Bucket: "b", Every: time.Millisecond},
		{Name: "vm", Kind: delivery.VictoriaMetrics, URL: "http://127.0.0.1:1", From: delivery.Start{Now: true}},
	}})
	c := served(t, w)
	b.publish(t, powerTopic, powerConfig, true)
	b.subscribed(t, stateTopic)
	b.publish(t, stateTopic, `{"power":5}`, false)
	list := func() (d []client.Destination) {
		t.Helper()
		if got := asked(t, c, "GET", "/v1/destinations", &d); got != http.StatusOK || len(d) != 2 {
			t.Fatalf("got %d with %+v", got, d)
		}
		return d
	}
	eventually(t, "the reading aside", func() bool { return list()[0].Aside == 1 })
	if d := list()[0]; d.Name != "influx" || d.Kind != "influxdb2" || d.URL != srv.URL || d.State != client.UpToDate || d.Backlog != 0 || !strings.Contains(d.Answer, "field type conflict") {
		t.Errorf("got %+v", d)
	}
	eventually(t, "what is wrong with the other", func() bool { return strings.Contains(list()[1].Message, "it does not answer") })
	if d := list()[1]; d.State != client.Waiting || d.Hint == "" || d.Backlog != 1 || d.RetryAt.IsZero() {
		t.Errorf("got %+v", d)
	}

	var aside []client.Aside
	if got := asked(t, c, "GET", "/v1/destinations/influx/aside", &aside); got != http.StatusOK || len(aside) != 1 || aside[0].Entity != "frient_blink_counter_power" ||
		!strings.Contains(aside[0].Line, "value=5 ") || !strings.Contains(aside[0].Reason, "field type conflict") || aside[0].Again {
		t.Errorf("aside: got %d with %+v", got, aside)
	}
	status.Store(http.StatusNoContent)
	var n client.Resent
	if got := asked(t, c, "POST", "/v1/destinations/influx/aside/resend", &n); got != http.StatusOK || n.Readings != 1 {
		t.Errorf("sending it again: got %d with %+v", got, n)
	}
	eventually(t, "that it was taken", func() bool { return list()[0].Aside == 0 })

	before := requests.Load()
	from := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	if got := asked(t, c, "POST", "/v1/destinations/influx/resend?from="+from, &n); got != http.StatusOK || n.Readings != 1 {
		t.Errorf("sending everything again: got %d with %+v", got, n)
	}
	eventually(t, "a further request", func() bool { return requests.Load() > before && list()[0].Backlog == 0 })

	for question, want := range map[string]int{
		"POST /v1/destinations/none/resend":                             http.StatusNotFound,
		"GET /v1/destinations/none/aside":                               http.StatusNotFound,
		"POST /v1/destinations/none/aside/resend":                       http.StatusNotFound,
		"POST /v1/destinations/influx/resend?from=yesterday":            http.StatusBadRequest,
		"POST /v1/destinations/influx/resend?from=2199-01-01T00:00:00Z": http.StatusBadRequest,
		"GET /v1/destinations/influx/aside?after=x":                     http.StatusBadRequest,
	} {
		method, path, _ := strings.Cut(question, " ")
		if got := asked(t, c, method, path, nil); got != want {
			t.Errorf("%s: got %d, want %d", question, got, want)
		}
	}
}
