package broker_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// publishRaw is a PUBLISH of QoS 1 from an MQTT 5 client.
func publishRaw(topic string, id uint16, payload string) []byte {
	return frame(0x32, text(topic), binary.BigEndian.AppendUint16(nil, id), []byte{0}, []byte(payload))
}

// TestASmallReceiveMaximumUnderLoad: a client with the Receive Maximum of
// mosquitto_sub, which acknowledges and pings while messages for it keep coming,
// gets all of them, and its publishers go on.
func TestASmallReceiveMaximumUnderLoad(t *testing.T) {
	t.Parallel()
	h := startHouse(t)
	const rounds, burst = 40, 200
	got := make(chan int, 1)
	sub := dial(t, h.opt.Unix)
	c := h.hello(t, 5, "metrics", "small-under-load")
	c.props = []byte{0x21, 0, 20}
	sub.connect(c, 0)
	sub.send(frame(0x82, []byte{0, 1, 0}, text("load"), []byte{1}))
	sub.packet()
	go func() {
		n := 0
		for n < rounds*burst {
			p := sub.packet()
			if p == nil {
				break
			}
			if p[0]>>4 != 3 {
				continue
			}
			n++
			if _, err := sub.Write(append(frame(0x40, p[2+2+len("load"):][:2]), 0xc0, 0)); err != nil {
				break
			}
		}
		got <- n
	}()
	pub := dial(t, h.tcp())
	pub.connect(h.hello(t, 5, "home", "publisher-under-load"), 0)
	for round := range rounds {
		var b []byte
		for i := range burst {
			b = append(b, publishRaw("load", uint16(i+1), fmt.Sprint(round))...)
		}
		pub.send(b)
		for range burst {
			if p := pub.packet(); len(p) == 0 || p[0] != 0x40 {
				t.Fatalf("round %d: the publisher got %x, want PUBACK", round, p)
			}
		}
	}
	select {
	case n := <-got:
		if n != rounds*burst {
			t.Errorf("%d messages came, want %d", n, rounds*burst)
		}
	case <-time.After(time.Minute):
		t.Error("the subscriber waits for messages that do not come")
	}
}

// TestNoMoreThanTheReceiveMaximum: without acknowledgements no more messages
// come than the client takes, of both qualities of service; each acknowledgement
// brings one more, and what needs none comes when its turn does.
func TestNoMoreThanTheReceiveMaximum(t *testing.T) {
	t.Parallel()
	h := startHouse(t)
	for _, qos := range []byte{1, 2} {
		w := dial(t, h.opt.Unix)
		c := h.hello(t, 5, "metrics", fmt.Sprint("three-at-a-time-", qos))
		c.props = []byte{0x21, 0, 3}
		w.connect(c, 0)
		topic := fmt.Sprint("window", qos)
		w.send(frame(0x82, []byte{0, 1, 0}, text(topic), []byte{qos}))
		w.packet()
		pub := h.client(t, "home")
		const n = 12
		for i := range n {
			publish(t, pub, msg(topic, fmt.Sprint(i), qos, false))
		}
		var open [][]byte // packet ids not acknowledged
		for i := range n {
			if len(open) == 3 {
				w.silent(100 * time.Millisecond)
				id := open[0]
				open = open[1:]
				if qos == 1 {
					w.send(frame(0x40, id))
				} else {
					w.send(frame(0x50, id))
					if p := w.packet(); len(p) < 2 || p[0] != 0x62 {
						t.Fatalf("got %x, want PUBREL", p)
					}
					w.silent(100 * time.Millisecond) // PUBCOMP gives the place back
					w.send(frame(0x70, id))
				}
			}
			p := w.packet()
			if len(p) == 0 || p[0]>>4 != 3 || !strings.HasSuffix(string(p), "\x00"+fmt.Sprint(i)) {
				t.Fatalf("message %d of QoS %d: got %q", i, qos, p)
			}
			open = append(open, p[2+2+len(topic):][:2])
		}
	}
}

// silent checks that nothing comes for a while.
func (w *wire) silent(d time.Duration) {
	w.t.Helper()
	w.SetReadDeadline(time.Now().Add(d))
	defer w.SetReadDeadline(time.Now().Add(time.Minute))
	if b, err := w.r.Peek(1); err == nil {
		w.t.Fatalf("a packet beginning with %x came, want none yet", b)
	} else if ne, ok := err.(net.Error); !ok || !ne.Timeout() {
		w.t.Fatal(err)
	}
}
