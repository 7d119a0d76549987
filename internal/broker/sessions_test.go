package broker_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"
)

// TestReconnectsLeaveNoDeafSession: a client that drops its connection and is
// back at once, over and over, gets the messages published after its SUBACK.
func TestReconnectsLeaveNoDeafSession(t *testing.T) {
	t.Parallel()
	h := startHouse(t)
	pub := h.client(t, "home")
	for i := range 300 {
		w := dial(t, h.opt.Unix)
		w.connect(h.hello(t, byte(4+i%2), "metrics", "restless"), 0)
		subscribeRaw(w, byte(4+i%2), "news")
		payload := fmt.Sprint("for round ", i)
		publish(t, pub, msg("news", payload, 1, false))
		if p := w.packet(); len(p) == 0 || p[0]>>4 != 3 || !bytes.HasSuffix(p, []byte(payload)) {
			t.Fatalf("round %d: got %x, want the message", i, p)
		}
		w.Close()
	}
}

// subscribeRaw subscribes with QoS 0 and awaits the SUBACK.
func subscribeRaw(w *wire, version byte, filter string) {
	w.t.Helper()
	var props []byte
	if version == 5 {
		props = []byte{0}
	}
	w.send(frame(0x82, []byte{0, 1}, props, text(filter), []byte{0}))
	if p := w.packet(); len(p) < 5 || p[0] != 0x90 || p[len(p)-1] != 0 {
		w.t.Fatalf("the answer to SUBSCRIBE is %x", p)
	}
}

func TestTheNewerConnectionOfAClientIDWins(t *testing.T) {
	h := startHouse(t)
	old := dial(t, h.tcp())
	old.connect(h.hello(t, 5, "home", "one"), 0)
	subscribeRaw(old, 5, "a")
	var wg sync.WaitGroup
	for range 10 { // several at once: one of them stays
		wg.Go(func() {
			w := dial(t, h.tcp())
			w.send(h.hello(t, 5, "home", "one").bytes())
			w.packet()
		})
	}
	wg.Wait()
	last := dial(t, h.tcp())
	last.connect(h.hello(t, 5, "home", "one"), 0)
	old.closed(0x8e) // session taken over
	subscribeRaw(last, 5, "a")
	publish(t, h.client(t, "home"), msg("a", "x", 1, false))
	if p := last.packet(); len(p) == 0 || p[0] != 0x30 {
		t.Errorf("got %x, want the message", p)
	}
}

// TestWaitingMessagesKeepTheirOrder: what is published while a client of a kept
// session is away comes in order when it is back.
func TestWaitingMessagesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	h := startHouse(t)
	o := h.options("metrics")
	o.SessionExpiry = time.Hour
	away := h.open(t, o)
	subscribe(t, away, "a/#")
	if err := away.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	pub := h.client(t, "home")
	const n = 300
	for i := range n {
		publish(t, pub, msg(fmt.Sprint("a/", i%7), fmt.Sprint(i), 1, false))
	}
	back := dial(t, h.opt.Unix)
	c := h.hello(t, 5, "metrics", o.ClientID)
	c.keep = true
	c.props = []byte{0x11, 0, 0, 0x0e, 0x10}
	back.send(c.bytes())
	if p := back.packet(); len(p) < 4 || p[2] != 1 {
		t.Fatalf("CONNACK %x, want the session present", p)
	}
	for i := range n {
		p := back.packet()
		if len(p) == 0 || p[0]>>4 != 3 || !bytes.Contains(p, []byte("hems-time")) || string(payloadOf(p)) != fmt.Sprint(i) {
			t.Fatalf("message %d: got %q", i, p)
		}
		id := p[2+2+3:][:2]
		back.send(frame(0x40, id))
	}
}

// payloadOf is that of a short PUBLISH of MQTT 5 with QoS 1.
func payloadOf(p []byte) []byte {
	rest := p[2:]
	rest = rest[2+int(binary.BigEndian.Uint16(rest))+2:] // topic and id
	return rest[1+int(rest[0]):]
}

// TestASmallReceiveMaximumIsNoDeadEnd: a client that takes two messages at a time
// gets all of a burst, and later ones.
func TestASmallReceiveMaximumIsNoDeadEnd(t *testing.T) {
	t.Parallel()
	h := startHouse(t)
	w := dial(t, h.opt.Unix)
	c := h.hello(t, 5, "metrics", "small")
	c.props = []byte{0x21, 0, 2}
	w.connect(c, 0)
	w.send(frame(0x82, []byte{0, 1, 0}, text("a"), []byte{1}))
	w.packet()
	pub := h.client(t, "home")
	for round := range 3 {
		const n = 20
		for range n {
			publish(t, pub, msg("a", "x", 1, false))
		}
		for i := range n {
			p := w.packet()
			if len(p) < 7 || p[0]>>4 != 3 {
				t.Fatalf("round %d, message %d: got %x", round, i, p)
			}
			w.send(frame(0x40, p[5:7]))
		}
	}
}

// TestAnExpiredSessionLeavesNoSubscription: the next client with the id gets
// nothing that it has not asked for.
func TestAnExpiredSessionLeavesNoSubscription(t *testing.T) {
	t.Parallel()
	h := startHouse(t)
	w := dial(t, h.tcp())
	c := h.hello(t, 5, "home", "brief")
	c.props = binary.BigEndian.AppendUint32([]byte{0x11}, 1) // session expiry: 1 s
	w.connect(c, 0)
	subscribeRaw(w, 5, "a")
	w.Close()
	time.Sleep(3500 * time.Millisecond) // the server looks once a second, in whole seconds
	w = dial(t, h.tcp())
	w.connect(h.hello(t, 4, "home", "brief"), 0)
	publish(t, h.client(t, "home"), msg("a", "x", 1, false))
	w.send([]byte{0xc0, 0})
	if p := w.packet(); !bytes.Equal(p, []byte{0xd0, 0}) {
		t.Errorf("got %x, want PINGRESP and no message", p)
	}
}

// TestAStalledSubscriberHoldsPublishersUpOnlyBriefly: it is disconnected when it
// has read nothing for the write timeout, and its publishers go on.
func TestAStalledSubscriberHoldsPublishersUpOnlyBriefly(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.opt.Limits.WriteTimeout = 200 * time.Millisecond
	h.start(t)
	stalled := dial(t, h.tcp())
	stalled.connect(h.hello(t, 5, "home", "stalled"), 0)
	stalled.send(frame(0x82, []byte{0, 1, 0}, text("a"), []byte{1}))
	stalled.packet()
	home := h.client(t, "home")
	payload := string(bytes.Repeat([]byte{'x'}, 10000))
	begin := time.Now()
	for range 2000 { // 20 MB: more than the sockets' buffers
		publish(t, home, msg("a", payload, 1, false))
	}
	if d := time.Since(begin); d > 15*time.Second {
		t.Errorf("publishing took %v beside a stalled subscriber", d)
	}
}

func TestManyRetainedMessagesAreAllReplayed(t *testing.T) {
	t.Parallel()
	h := startHouse(t)
	w := dial(t, h.opt.Unix)
	w.connect(h.hello(t, 4, "home", "many"), 0)
	const n = 12000
	var all []byte
	for i := range n {
		all = append(all, frame(0x31, text(fmt.Sprint("many/", i)), []byte("x"))...)
	}
	w.send(all)
	w.send([]byte{0xc0, 0})
	w.packet()
	s := subscribe(t, h.client(t, "metrics"), "many/#")
	for range n {
		s.next()
	}
	if got := h.Stats().DroppedMessages; got != 0 {
		t.Errorf("%d messages were dropped", got)
	}
}

// TestPacketIDsOfBothSidesAreTheirOwn: a client may use the id of a message that
// it has not acknowledged yet, for whatever it sends.
func TestPacketIDsOfBothSidesAreTheirOwn(t *testing.T) {
	h := startHouse(t)
	w := dial(t, h.opt.Unix)
	c := h.hello(t, 4, "home", "ids")
	c.keep = true
	w.connect(c, 0)
	w.send(frame(0x82, []byte{0, 9}, text("a"), []byte{1}))
	w.packet()
	publish(t, h.open(t, h.options("home")), msg("a", "unacknowledged", 1, false))
	p := w.packet()
	want := frame(0x32, text("a"), []byte{0, 1}, []byte("unacknowledged"))
	if !bytes.Equal(p, want) {
		t.Fatalf("got %x, want %x", p, want)
	}
	for _, step := range []struct{ send, want []byte }{
		{frame(0x82, []byte{0, 1}, text("b"), []byte{1}), unhex("90 03 0001 01")},
		{frame(0xa2, []byte{0, 1}, text("b")), unhex("b0 02 0001")},
		{frame(0x32, text("x"), []byte{0, 1}), unhex("40 02 0001")},
		{frame(0x34, text("x"), []byte{0, 1}), unhex("50 02 0001")},
		{unhex("62 02 0001"), unhex("70 02 0001")},
	} {
		w.send(step.send)
		if p := w.packet(); !bytes.Equal(p, step.want) {
			t.Errorf("the answer to %x is %x, want %x", step.send, p, step.want)
		}
	}
	w.Close()
	w = dial(t, h.opt.Unix)
	w.connect(c, 0)
	want[0] |= 0x08 // sent again
	if p := w.packet(); !bytes.Equal(p, want) {
		t.Errorf("after the reconnection %x, want %x", p, want)
	}
}

// TestHowLongASessionIsKept: the appliance's own processes may be away for
// longer than anybody else, bridges whose other end is gone for a month among
// them.
func TestHowLongASessionIsKept(t *testing.T) {
	h := startHouse(t)
	const day = 24 * 60 * 60
	for _, tc := range []struct {
		name, network, user string
		want                uint32 // seconds
	}{{"Own", h.opt.Unix, "metrics", 90 * day}, {"Other", h.tcp(), "home", 7 * day}} {
		t.Run(tc.name, func(t *testing.T) {
			d := dial(t, tc.network)
			c := h.hello(t, 5, tc.user, "id-"+tc.user)
			c.keep, c.props = true, []byte{0x11, 0xff, 0xff, 0xff, 0xff}
			d.send(c.bytes())
			answer := d.packet()
			at := bytes.IndexByte(answer, 0x11)
			if at < 0 || at+5 > len(answer) {
				t.Fatalf("CONNACK %x says nothing of the session's expiry", answer)
			}
			if got := binary.BigEndian.Uint32(answer[at+1:]); got != tc.want {
				t.Errorf("got %d s, want %d s", got, tc.want)
			}
		})
	}
}
