package metrics

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/store"
)

// askPending asks a writer's socket for what is not yet in the file.
func askPending(c *http.Client) func(context.Context) (store.Pending, error) {
	return func(ctx context.Context) (store.Pending, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://metrics/v1/pending", nil)
		if err != nil {
			return store.Pending{}, err
		}
		resp, err := c.Do(r)
		if err != nil {
			return store.Pending{}, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			b, _ := io.ReadAll(resp.Body)
			return store.Pending{}, fmt.Errorf("%s: %s", resp.Status, b)
		}
		return store.DecodePending(resp.Body)
	}
}

func TestWhatWaitsIsToldOverTheSocket(t *testing.T) {
	b := newBroker(t)
	path := filepath.Join(t.TempDir(), "hems.db")
	w, _ := start(t, Options{MQTT: mqttclient.Options{Server: b.url}, OpenStore: func() (*store.Store, error) {
		return store.Open(path, store.Options{CommitInterval: 1000 * time.Hour})
	}})
	c := served(t, w)
	b.publish(t, powerTopic, powerConfig, true)
	b.subscribed(t, stateTopic)
	b.publish(t, stateTopic, `{"power":5}`, false)
	eventually(t, "a reading in the file", func() bool { s, err := w.openedStore(); return err == nil && s.Durable() == 1 })
	b.publish(t, stateTopic, `{"power":6}`, false)
	eventually(t, "another reading", func() bool { return w.Counts().Readings == 2 })

	r, err := store.OpenReader(path, store.ReaderOptions{Pending: askPending(c)})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	last, ok, err := r.Last(context.Background(), 1)
	if diff := cmp.Diff(6.0, last.Value); err != nil || !ok || diff != "" {
		t.Errorf("the last reading: %v %v (-want +got):\n%s", ok, err, diff)
	}
}

func TestNothingWaitsInAStoreThatIsNotOpen(t *testing.T) {
	w, err := New(Options{OpenStore: openAt(filepath.Join(t.TempDir(), "hems.db"))})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := served(t, w).Get("http://metrics/v1/pending")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := code(t, body); resp.StatusCode != http.StatusServiceUnavailable || got != "store" {
		t.Errorf("got %d %s, want 503 store", resp.StatusCode, got)
	}
}
