package broker_test

import (
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// TestWhatWaitsForTheMetricsSaysWhenItCame: of QoS 0 and 1, over a restart of the
// broker; live messages, strangers, and what strangers claim have no say in it.
func TestWhatWaitsForTheMetricsSaysWhenItCame(t *testing.T) {
	t.Parallel()
	h := startHouse(t)
	o := h.options("metrics")
	o.SessionExpiry, o.HoldAcks = time.Hour, true
	got := make(chan mqttclient.Message, 9)
	receive := func(m mqttclient.Message) { got <- m }
	next := func(what string) mqttclient.Message {
		t.Helper()
		select {
		case m := <-got:
			if string(m.Payload) != what {
				t.Fatalf("got %q, want %q", m.Payload, what)
			}
			return m
		case <-time.After(30 * time.Second):
			t.Fatalf("%s has not come", what)
			return mqttclient.Message{}
		}
	}
	c := h.open(t, o)
	if err := c.Subscribe(t.Context(), "a/#", 1, receive); err != nil {
		t.Fatal(err)
	}
	pub := h.client(t, "home")
	publish(t, pub, msg("a/b", "live", 0, false))
	if m := next("live"); !m.Received.IsZero() {
		t.Errorf("a live message of QoS 0 waited since %v", m.Received)
	}
	before := time.Now().Truncate(time.Millisecond)
	publish(t, pub, msg("a/b", "one", 1, false)) // and is not acknowledged
	first := next("one")
	if first.Again || first.Received.Before(before) || first.Received.After(time.Now()) || first.Age < 0 {
		t.Errorf("%+v, want it to have come just now", first)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Somebody says when their message came.
	w := dial(t, h.tcp())
	w.connect(h.hello(t, 5, "home", "liar"), 0)
	lie := append(append([]byte{0x26}, text("hems-time")...), text("1 1")...)
	w.send(frame(0x30, text("a/b"), []byte{byte(len(lie))}, lie, []byte("zero")))
	w.send(frame(0x32, text("a/b"), []byte{0, 1, byte(len(lie))}, lie, []byte("two")))
	if p := w.packet(); len(p) == 0 || p[0] != 0x40 {
		t.Fatalf("the answer to PUBLISH is %x", p)
	}
	after := time.Now()

	back := func() *mqttclient.Client {
		t.Helper()
		ready, password := make(chan struct{}), h.options("metrics").Password
		o := o
		o.Password = func() (string, error) { <-ready; return password() }
		c, err := mqttclient.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Subscribe(t.Context(), "a/#", 1, receive); err != nil {
			t.Fatal(err)
		}
		close(ready)
		return c
	}
	check := func(m mqttclient.Message, again, age bool) {
		t.Helper()
		if m.Again != again || m.Received.Before(before) || m.Received.After(after) || (m.Age >= 0) != age {
			t.Errorf("%+v, want it to have come between %v and %v", m, before, after)
		}
	}
	c = back()
	check(next("one"), true, true)
	check(next("zero"), false, true)
	check(next("two"), false, true)
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.stop()
	h.start(t)
	c = back()
	defer c.Close(t.Context())
	m := next("one")
	check(m, true, false)
	if !m.Received.Equal(first.Received) || m.ID != first.ID {
		t.Errorf("%+v, want it as it was: %+v", m, first)
	}
	check(next("two"), true, false)
}
