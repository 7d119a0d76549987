package broker_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/broker/retained"
)

// older is a broker before the journal: it keeps a message.
func older(t *testing.T, h *house, topic, payload string) {
	t.Helper()
	s, err := retained.Open(retained.Options{Dir: h.opt.Dir})
	if err != nil {
		t.Fatal(err)
	}
	s.Put(retained.Message{Topic: topic, Payload: []byte(payload), QoS: 1, Properties: retained.Properties{ContentType: "text/plain"}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func (h *house) retained(t *testing.T, n int) map[string]string {
	t.Helper()
	s := subscribe(t, h.client(t, "metrics"), "old/#")
	got := map[string]string{}
	for range n {
		m := s.next()
		got[m.Topic] = string(m.Payload)
	}
	return got
}

// TestWhatAnOlderBrokerHasKeptIsTakenOver: once, and again when the older one has
// been back meanwhile; its file stays for it.
func TestWhatAnOlderBrokerHasKeptIsTakenOver(t *testing.T) {
	h := newHouse(t)
	older(t, h, "old/a", "1")
	older(t, h, "old/b", "1")
	for _, step := range []struct {
		name string
		do   func()
		want map[string]string
	}{
		{"FirstStart", func() {}, map[string]string{"old/a": "1", "old/b": "1"}},
		{"OwnAreNewer", func() {
			publish(t, h.client(t, "home"), msg("old/a", "2", 1, true))
			h.stop()
		}, map[string]string{"old/a": "2", "old/b": "1"}},
		{"TheOlderWasBack", func() {
			h.stop()
			older(t, h, "old/b", "3")
		}, map[string]string{"old/a": "1", "old/b": "3"}},
	} {
		step.do()
		h.start(t)
		if diff := cmp.Diff(step.want, h.retained(t, 2)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
	h.stop()
	s, err := retained.Open(retained.Options{Dir: h.opt.Dir})
	if err != nil {
		t.Fatalf("the older broker cannot start any more: %v", err)
	}
	s.Close()
}
