package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	ourbroker "github.com/smartcore-ireland/hems/internal/broker"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/store"
)

// house is the appliance's own broker, and somebody who publishes.
type house struct {
	dir, socket, secrets string
	home                 *mqttclient.Client
}

func newHouse(t *testing.T) *house {
	t.Helper()
	dir, err := os.MkdirTemp("", "metrics") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	h := &house{dir: dir, socket: filepath.Join(dir, "mqtt.sock"), secrets: filepath.Join(dir, "secrets")}
	b, err := ourbroker.New(ourbroker.Options{Unix: h.socket, Dir: filepath.Join(dir, "broker"), Secrets: h.secrets})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	<-b.Ready()
	h.home, err = mqttclient.Open(t.Context(), h.options("home", h.socket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.home.Close(context.Background()) })
	wait, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	if err := h.home.AwaitConnection(wait); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) options(user, socket string) mqttclient.Options {
	return mqttclient.Options{
		Server: "unix://" + socket, ClientID: "hems-" + user, User: user,
		Password: func() (string, error) { return ourbroker.ReadPassword(h.secrets, user) },
	}
}

func (h *house) says(t *testing.T, topic, payload string, qos byte, retain bool) {
	t.Helper()
	if err := h.home.Publish(t.Context(), mqttclient.Message{Topic: topic, Payload: []byte(payload), QoS: qos, Retain: retain}); err != nil {
		t.Fatal(err)
	}
}

// path is that of the store.
func (h *house) path() string { return filepath.Join(h.dir, "hems.db") }

// wire is a way to the broker that can be cut in one direction: what the client
// says is swallowed.
type wire struct {
	socket string
	deaf   atomic.Bool
}

func (h *house) wire(t *testing.T) *wire {
	t.Helper()
	w := &wire{socket: filepath.Join(h.dir, "wire.sock")}
	l, err := net.Listen("unix", w.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("unix", h.socket)
			if err != nil {
				c.Close()
				continue
			}
			go func() {
				_, _ = io.Copy(c, b)
				c.Close()
			}()
			go func() {
				defer b.Close()
				buf := make([]byte, 4096)
				for {
					n, err := c.Read(buf)
					if err != nil {
						return
					}
					if w.deaf.Load() {
						continue
					}
					if _, err := b.Write(buf[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
	return w
}

// timesOf are when an entity's readings are of.
func timesOf(t *testing.T, path, entity string) (at []time.Time) {
	t.Helper()
	r, err := store.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	all, err := r.Series(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Entity != entity {
			continue
		}
		samples, err := r.Samples(t.Context(), s.ID, time.UnixMilli(0), time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range samples {
			at = append(at, time.UnixMilli(v.Milli))
		}
	}
	return at
}

// TestWhatIsSaidWhileTheWriterIsAwayIsKept: of every QoS, with the time when it
// was said, also of a device that was announced meanwhile.
func TestWhatIsSaidWhileTheWriterIsAwayIsKept(t *testing.T) {
	h := newHouse(t)
	h.says(t, powerTopic, powerConfig, 1, true)
	o := Options{MQTT: h.options("metrics", h.socket), OpenStore: openAt(h.path())}
	w, stop := start(t, o)
	eventually(t, "the subscription", func() bool { return w.knows("frient_blink_counter_power") && w.listens(stateTopic) })
	h.says(t, stateTopic, `{"power":1}`, 0, true)
	h.says(t, stateTopic, `{"power":2}`, 1, true)
	eventually(t, "two readings", func() bool { return w.Counts().Readings == 2 })
	stop()
	if got := stored(t, h.path(), "frient_blink_counter_power"); !cmp.Equal(got, []float64{1, 2}) {
		t.Errorf("got %v, want 1 and 2", got)
	}

	before := time.Now().Truncate(time.Millisecond)
	h.says(t, stateTopic, `{"power":3}`, 0, true)
	h.says(t, stateTopic, `{"power":4}`, 1, true)
	h.says(t, "homeassistant/sensor/other/power/config", doc("Other", "z/other", "other"), 1, true)
	h.says(t, stateTopic, `{"power":5}`, 2, true)
	after := time.Now()
	o.Now = func() time.Time { return time.Now().Add(time.Second) } // as if it took longer to be back
	w, stop = start(t, o)
	eventually(t, "three readings", func() bool { return w.Counts().Readings == 3 })
	eventually(t, "the subscription", func() bool { return w.listens("z/other") })
	h.says(t, "z/other", `{"v":7}`, 0, false)
	eventually(t, "four readings", func() bool { return w.Counts().Readings == 4 })
	stop()
	if got := stored(t, h.path(), "frient_blink_counter_power"); !cmp.Equal(got, []float64{1, 2, 3, 4, 5}) {
		t.Errorf("got %v, want 1 to 5", got)
	}
	for i, at := range timesOf(t, h.path(), "frient_blink_counter_power") {
		if i >= 2 && (at.Before(before) || at.After(after)) {
			t.Errorf("reading %d is of %v, want it between %v and %v", i+1, at, before, after)
		}
	}
}

// listens tells whether the writer has subscribed to a topic.
func (w *Writer) listens(topic string) bool {
	w.topics.mu.Lock()
	defer w.topics.mu.Unlock()
	return w.topics.made[topic]
}

// TestAMessageThatComesAgainIsStoredOnce: the process ends after its commit, and
// the broker has heard of no acknowledgement.
func TestAMessageThatComesAgainIsStoredOnce(t *testing.T) {
	h := newHouse(t)
	wire := h.wire(t)
	h.says(t, powerTopic, powerConfig, 1, true)
	o := Options{MQTT: h.options("metrics", wire.socket), OpenStore: openAt(h.path())}
	w, stop := start(t, o)
	eventually(t, "the subscription", func() bool { return w.listens(stateTopic) })
	const n = 20
	for i := range n {
		h.says(t, stateTopic, fmt.Sprintf(`{"power":%d}`, i/2), 1, false) // each value twice, which are two readings
	}
	eventually(t, "the readings", func() bool { return w.Counts().Readings == n })
	wire.deaf.Store(true)
	stop()
	wire.deaf.Store(false)
	want := stored(t, h.path(), "frient_blink_counter_power")
	if len(want) != n {
		t.Fatalf("%d readings are stored, want %d", len(want), n)
	}

	w, stop = start(t, o)
	h.says(t, stateTopic, `{"power":9}`, 1, false) // a new one that says what the last did
	eventually(t, "the messages, again", func() bool { c := w.Counts(); return c.Repeated == n && c.Readings == 1 })
	stop()
	if got := stored(t, h.path(), "frient_blink_counter_power"); !cmp.Equal(got, append(want, 9)) {
		t.Errorf("got %v, want %v and 9", got, want)
	}
	// Now it was acknowledged.
	w, stop = start(t, o)
	h.says(t, stateTopic, `{"power":10}`, 1, false)
	eventually(t, "the new one alone", func() bool { c := w.Counts(); return c.Readings == 1 })
	if c := w.Counts(); c.Repeated != 0 {
		t.Errorf("%d messages came again, want none", c.Repeated)
	}
	stop()
}

// TestTheMillisecondOfARunBefore: what came at the same moment as the last reading
// of the run before, and is stored by this one, does not take its place.
func TestTheMillisecondOfARunBefore(t *testing.T) {
	h := newHouse(t)
	h.says(t, powerTopic, powerConfig, 1, true)
	now := time.Now().Truncate(time.Millisecond)
	o := Options{MQTT: h.options("metrics", h.socket), OpenStore: openAt(h.path()), Now: func() time.Time { return now }}
	for i := range 3 {
		w, stop := start(t, o)
		eventually(t, "the subscription", func() bool { return w.listens(stateTopic) })
		h.says(t, stateTopic, fmt.Sprintf(`{"power":%d}`, 2*i), 0, false)
		h.says(t, stateTopic, fmt.Sprintf(`{"power":%d}`, 2*i+1), 0, false)
		eventually(t, "the readings", func() bool { return w.Counts().Readings == 2 })
		stop()
	}
	if got := stored(t, h.path(), "frient_blink_counter_power"); !cmp.Equal(got, []float64{0, 1, 2, 3, 4, 5}) {
		t.Errorf("got %v, want 0 to 5", got)
	}
	for i, at := range timesOf(t, h.path(), "frient_blink_counter_power") {
		if want := now.Add(time.Duration(i) * time.Millisecond); !at.Equal(want) {
			t.Errorf("reading %d is of %v, want %v", i, at, want)
		}
	}
}

// TestAFullStoreLosesNothingOfQoS1: a store that takes little at a time
// loses nothing of QoS 1.
func TestAFullStoreLosesNothingOfQoS1(t *testing.T) {
	h := newHouse(t)
	h.says(t, powerTopic, powerConfig, 1, true)
	var s *store.Store
	var mu sync.Mutex
	w, stop := start(t, Options{MQTT: h.options("metrics", h.socket), OpenStore: func() (*store.Store, error) {
		mu.Lock()
		defer mu.Unlock()
		var err error
		s, err = store.Open(h.path(), store.Options{CommitInterval: time.Hour, MaxPending: 3})
		return s, err
	}})
	eventually(t, "the subscription", func() bool { return w.listens(stateTopic) })
	const n = 50
	var want []float64
	for i := range n {
		h.says(t, stateTopic, fmt.Sprintf(`{"power":%d}`, i), 1, false)
		want = append(want, float64(i))
	}
	eventually(t, "all readings", func() bool {
		mu.Lock()
		defer mu.Unlock()
		if err := s.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		return w.Counts().Readings == n
	})
	if d := w.Counts().Dropped; d != 0 {
		t.Errorf("%d readings were dropped", d)
	}
	stop()
	if diff := cmp.Diff(want, stored(t, h.path(), "frient_blink_counter_power")); diff != "" {
		t.Errorf("readings (-want +got):\n%s", diff)
	}
}

// TestMessagesWaitForTheStore: and for the documents that say what they mean,
// where the store has forgotten them.
func TestMessagesWaitForTheStore(t *testing.T) {
	h := newHouse(t)
	h.says(t, powerTopic, powerConfig, 1, true)
	o := Options{MQTT: h.options("metrics", h.socket), OpenStore: openAt(h.path())}
	w, stop := start(t, o)
	eventually(t, "the subscription", func() bool { return w.listens(stateTopic) })
	stop()
	for i := range 5 {
		h.says(t, stateTopic, fmt.Sprintf(`{"power":%d}`, i), byte(i%2), false)
	}
	if err := os.Rename(h.path(), h.path()+".gone"); err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	o.OpenStore = func() (*store.Store, error) {
		select {
		case <-release:
			return openAt(h.path())()
		default:
			return nil, errors.New("not yet")
		}
	}
	w, stop = start(t, o)
	eventually(t, "messages that wait", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.early.messages) == 6 // with the document
	})
	close(release)
	eventually(t, "all readings", func() bool { return w.Counts().Readings == 5 })
	stop()
	if got := stored(t, h.path(), "frient_blink_counter_power"); !cmp.Equal(got, []float64{0, 1, 2, 3, 4}) {
		t.Errorf("got %v, want 0 to 4", got)
	}
}

// TestTopicsOfNobodyAreGivenUp: what an earlier run subscribed to, and nobody
// announces any more.
func TestTopicsOfNobodyAreGivenUp(t *testing.T) {
	h := newHouse(t)
	h.says(t, powerTopic, powerConfig, 1, true)
	o := Options{MQTT: h.options("metrics", h.socket), OpenStore: openAt(h.path())}
	w, stop := start(t, o)
	eventually(t, "the subscription", func() bool { return w.listens(stateTopic) })
	stop()
	h.says(t, powerTopic, "", 1, true)
	h.says(t, stateTopic, `{"power":1}`, 1, false)
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	w.settleAfter = time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	eventually(t, "the end of its messages", func() bool {
		before, bad := w.Counts().Strange, w.Counts().BadDocuments
		h.says(t, stateTopic, `{"power":2}`, 1, false)
		h.says(t, powerTopic, powerConfig+"x", 1, false) // which is answered after that
		eventually(t, "an answer", func() bool { return w.Counts().BadDocuments > bad })
		return before > 0 && before == w.Counts().Strange
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if c := w.Counts(); c.Readings != 0 {
		t.Errorf("%d readings of nobody", c.Readings)
	}
}
