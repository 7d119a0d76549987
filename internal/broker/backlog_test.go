package broker_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// memory is what is in use.
func memory() int64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// TestWhatWaitsIsBoundedInBytes: large messages for a client that is away, for
// one that never acknowledges and for one that never reads fill no memory, and
// small ones for others go on.
func TestWhatWaitsIsBoundedInBytes(t *testing.T) {
	h := startHouse(t)
	sleeper := h.hello(t, 4, "metrics", "sleeper")
	sleeper.keep = true
	away := dial(t, h.opt.Unix)
	away.connect(sleeper, 0)
	away.send(frame(0x82, []byte{0, 1}, text("bulk"), []byte{1}))
	away.packet()
	away.send([]byte{0xe0, 0})
	away.closed(0)

	silent := dial(t, h.opt.Unix)
	silent.connect(h.hello(t, 4, "metrics", "silent"), 0)
	silent.send(frame(0x82, []byte{0, 1}, text("bulk"), []byte{1}))
	silent.packet()
	go func() { // reads, and acknowledges nothing
		buffer := make([]byte, 1<<20)
		for {
			if _, err := silent.Read(buffer); err != nil {
				return
			}
		}
	}()
	stalled := dial(t, h.tcp())
	stalled.connect(h.hello(t, 4, "home", "stalled"), 0)
	subscribeRaw(stalled, 4, "bulk")

	before := memory()
	pub := h.client(t, "home")
	other := subscribe(t, h.client(t, "metrics"), "other")
	payload := strings.Repeat("x", 1_000_000)
	for i := range 200 {
		publish(t, pub, msg("bulk", payload, 1, false))
		if i%20 == 0 {
			publish(t, pub, msg("other", fmt.Sprint(i), 1, false))
			if got := other.next(); string(got.Payload) != fmt.Sprint(i) {
				t.Fatalf("got %q, want %d", got.Payload, i)
			}
		}
	}
	if grown := memory() - before; grown > 100<<20 {
		t.Errorf("%d MB are in use for 200 MB published, want less than 100", grown>>20)
	}
	if h.Stats().DroppedMessages == 0 {
		t.Error("no message was counted as dropped")
	}
	back := dial(t, h.opt.Unix)
	back.SetDeadline(time.Now().Add(time.Minute))
	back.send(sleeper.bytes())
	back.packet()
	for range 10 { // what was kept comes
		if p := back.packet(); len(p) < 1_000_000 {
			t.Fatalf("a packet of %d bytes came, want what has waited", len(p))
		}
	}
}

// TestTheBacklogIsGivenBack: a client that reads and acknowledges takes any
// number of large messages, also after it has come back.
func TestTheBacklogIsGivenBack(t *testing.T) {
	h := startHouse(t)
	pub := h.client(t, "home")
	payload := strings.Repeat("x", 200_000)
	c := h.hello(t, 4, "metrics", "reader")
	c.keep = true
	for round := range 2 {
		w := dial(t, h.opt.Unix)
		w.connect(c, 0)
		w.send(frame(0x82, []byte{0, 1}, text("bulk"), []byte{2}))
		for p := w.packet(); p[0] != 0x90; p = w.packet() { // SUBACK, with the replay around it
		}
		for i := range 200 { // 40 MB
			publish(t, pub, msg("bulk", payload, byte(i%3), i%10 == 0))
			for arrived := false; !arrived; {
				p := w.packet()
				if p == nil {
					t.Fatal("the broker closed the connection")
				}
				switch {
				case p[0]>>4 == 3:
					qos := p[0] >> 1 & 3
					if qos > 0 { // PUBACK or PUBREC
						w.send(frame(0x30+0x10*qos, p[2+2+len("bulk"):][:2]))
					}
					arrived = p[0]&1 == 0 && qos < 2 // no replay
				case p[0] == 0x62:
					w.send(frame(0x70, p[2:4]))
					arrived = true
				}
			}
		}
		w.send([]byte{0xe0, 0})
		w.closed(0)
		if n := h.Stats().DroppedMessages; n != 0 {
			t.Errorf("round %d: %d messages were dropped, want none", round, n)
		}
	}
}

// TestSessionsOfClientsThatAreAwayAreBounded: the one that has been away for
// longest makes way, and those of other users stay.
func TestSessionsOfClientsThatAreAwayAreBounded(t *testing.T) {
	h := startHouse(t)
	leave := func(user, id string) (present byte) {
		c := h.hello(t, 4, user, id)
		c.keep = true
		w := dial(t, h.opt.Unix)
		w.send(c.bytes())
		p := w.packet()
		w.send([]byte{0xe0, 0})
		w.closed(0)
		return p[2]
	}
	leave("metrics", "own")
	leave("home", "first")
	time.Sleep(1100 * time.Millisecond) // the server counts in seconds
	for i := range 150 {
		leave("home", fmt.Sprint("stranger-", i))
	}
	if leave("home", "stranger-149") != 1 || leave("metrics", "own") != 1 {
		t.Error("a session is gone, want the newest and those of other users kept")
	}
	if leave("home", "first") != 0 {
		t.Error("the oldest session is still there")
	}
}
