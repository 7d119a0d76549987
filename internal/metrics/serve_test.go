package metrics

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/store"
)

// served is a client of a Writer's socket.
func served(t *testing.T, w *Writer) *http.Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
}

func ask(t *testing.T, c *http.Client, path string) (status int, body []byte, length int64) {
	t.Helper()
	resp, err := c.Post("http://metrics"+path, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body, resp.ContentLength
}

func code(t *testing.T, body []byte) string {
	t.Helper()
	var v struct{ Code, Error, Hint string }
	if err := json.Unmarshal(body, &v); err != nil || v.Error == "" || v.Hint == "" {
		t.Errorf("%s is no error with a hint: %v", body, err)
	}
	return v.Code
}

func TestTheStoreIsCheckedAndCopiedOverTheSocket(t *testing.T) {
	b := newBroker(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "hems.db")
	w, _ := start(t, Options{MQTT: mqttclient.Options{Server: b.url}, OpenStore: openAt(path)})
	c := served(t, w)
	b.publish(t, powerTopic, powerConfig, true)
	b.subscribed(t, stateTopic)
	if status, body, _ := ask(t, c, "/v1/check"); status != http.StatusOK {
		t.Errorf("check: %d %s", status, body)
	}
	b.publish(t, stateTopic, `{"power":5}`, false)
	eventually(t, "a reading", func() bool { return w.Counts().Readings == 1 })
	status, body, length := ask(t, c, "/v1/snapshot")
	if status != http.StatusOK || length != int64(len(body)) {
		t.Fatalf("snapshot: %d, %d bytes of %d", status, len(body), length)
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(copied, body, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := store.OpenReader(copied)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	series, err := r.Series(t.Context())
	if err != nil || len(series) != 1 {
		t.Fatalf("series of the copy: %v, %v", series, err)
	}
	if s, ok, err := r.Last(t.Context(), series[0].ID); err != nil || !ok || s.Value != 5 {
		t.Errorf("last reading of the copy: %v, %v, %v; want 5 W, that waited in memory", s, ok, err)
	}
	if got, err := filepath.Glob(path + ".*"); err != nil || len(got) != 2 { // the lock and what is known of the file
		t.Errorf("files beside the store: %v", got)
	}
	// A store that lost its file is not well.
	if err := os.Rename(path, path+".elsewhere"); err != nil {
		t.Fatal(err)
	}
	status, body, _ = ask(t, c, "/v1/check")
	if diff := cmp.Diff(http.StatusServiceUnavailable, status); diff != "" || code(t, body) != "store" {
		t.Errorf("check without a file: %d %s", status, body)
	}
}

func TestAStoreThatCannotBeOpenedIsNotWell(t *testing.T) {
	b := newBroker(t)
	w, err := New(Options{MQTT: mqttclient.Options{Server: b.url}, OpenStore: func() (*store.Store, error) { return nil, errors.New("no disk") }})
	if err != nil {
		t.Fatal(err)
	}
	c := served(t, w)
	for _, path := range []string{"/v1/check", "/v1/snapshot"} { // before it runs, too
		if status, body, _ := ask(t, c, path); status != http.StatusServiceUnavailable || code(t, body) != "store" {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

func TestOneCopyAtATime(t *testing.T) {
	b := newBroker(t)
	path := filepath.Join(t.TempDir(), "hems.db")
	w, _ := start(t, Options{MQTT: mqttclient.Options{Server: b.url}, OpenStore: openAt(path)})
	c := served(t, w)
	eventually(t, "an open store", func() bool { s, err := w.openedStore(); return s != nil && err == nil })
	s, _ := w.openedStore()
	snapshot, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status, body, _ := ask(t, c, "/v1/snapshot"); status != http.StatusConflict || code(t, body) != "busy" {
		t.Errorf("beside another: %d %s", status, body)
	}
	snapshot.Close()
	if status, _, _ := ask(t, c, "/v1/snapshot"); status != http.StatusOK {
		t.Errorf("after it: %d", status)
	}
}
