package metrics

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/metrics/delivery"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/store"
)

// TestAClockThatStepsCostsNoReading: by seconds, by hours, over the end of an
// hour, back and forth; each reading is stored once, and each is sent once.
func TestAClockThatStepsCostsNoReading(t *testing.T) {
	var mu sync.Mutex
	sent := map[string]int{} // by the value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for lines := bufio.NewScanner(body); lines.Scan(); {
			_, value, _ := strings.Cut(lines.Text(), "value=")
			value, _, _ = strings.Cut(value, " ")
			sent[value]++
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	b := newBroker(t)
	b.publish(t, powerTopic, powerConfig, true)
	path := filepath.Join(t.TempDir(), "hems.db")
	c := &times{wall: truth.Add(-2 * time.Minute)}
	w, stop := start(t, Options{
		MQTT: mqttclient.Options{Server: b.url}, Now: c.now, Elapsed: c.count,
		OpenStore: func() (*store.Store, error) {
			return store.Open(path, store.Options{CommitInterval: 20 * time.Millisecond, Now: c.now})
		},
		Destinations: []delivery.Destination{{Name: "d", URL: server.URL, Bucket: "b", Every: time.Millisecond}},
	})
	b.subscribed(t, stateTopic)
	want := map[string]int{}
	n := uint64(0)
	for _, step := range []time.Duration{0, -time.Second, -300 * time.Millisecond, -2 * time.Hour, 90 * time.Minute, -24 * time.Hour, 25 * time.Hour, -time.Minute} {
		c.set(c.now().Add(step+time.Duration(n)*time.Millisecond), true) // no two at the same millisecond of the past
		for range 20 {
			c.pass(11 * time.Second)
			n++
			want[fmt.Sprint(n)] = 1
			b.publish(t, stateTopic, fmt.Sprintf(`{"power":%d}`, n), false)
			eventually(t, "the reading", func() bool { return w.Counts().Readings == n })
		}
		eventually(t, "all that was read at the destination", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(sent) == len(want)
		})
	}
	time.Sleep(100 * time.Millisecond) // nothing more is sent
	mu.Lock()
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("how often each reading was sent (-want +got):\n%s", diff)
	}
	mu.Unlock()
	backlog, err := w.store.Backlog(t.Context(), w.senders[0].Cursor())
	if err != nil || backlog != 0 {
		t.Errorf("%d readings are yet to be sent, %v", backlog, err)
	}
	stop()
	kept := map[string]int{}
	for _, v := range readings(t, path) {
		kept[fmt.Sprint(v)]++
	}
	if diff := cmp.Diff(want, kept); diff != "" {
		t.Errorf("how often each reading is stored (-want +got):\n%s", diff)
	}
}
