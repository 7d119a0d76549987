package conformance

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/broker/load"
)

// memory is what this process has from the system for heap and stacks.
func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// at is the broker for package load.
func (s *stage) at() load.Broker {
	return load.Broker{Address: s.house.address(), User: testUser, Password: s.password(testUser)}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestAStalledSubscriberHoldsUpNobody has one subscriber that neither reads nor
// acknowledges, and one that reads a message now and then; the publisher gets
// every acknowledgement, and the good subscriber every message.
func TestAStalledSubscriberHoldsUpNobody(t *testing.T) {
	for qos := range byte(2) {
		t.Run(fmt.Sprintf("QoS%d", qos), func(t *testing.T) {
			s := newStage(t, 4, nil)
			b := s.at()
			stalled := must(b.Dial("stalled", true))(t)
			defer stalled.Close()
			stalled.Conn.(*net.TCPConn).SetReadBuffer(4096)
			if err := stalled.Subscribe("x", qos); err != nil {
				t.Fatal(err)
			}
			slow := must(b.Dial("slow", true))(t)
			defer slow.Close()
			if err := slow.Subscribe("x", qos); err != nil {
				t.Fatal(err)
			}
			go slow.Receive(load.Patience, func(_, _ []byte) bool { time.Sleep(5 * time.Millisecond); return true })
			good := must(b.Dial("good", true))(t)
			defer good.Close()
			if err := good.Subscribe("x", qos); err != nil {
				t.Fatal(err)
			}
			const window = 100
			n := 20000
			if qos == 0 {
				n = 40000 // the sockets take some of them
			}
			var got int
			var wg sync.WaitGroup
			var receiving error
			wg.Go(func() {
				receiving = good.Receive(30*time.Second, func(_, payload []byte) bool {
					if binary.BigEndian.Uint32(payload) != uint32(got) {
						receiving = fmt.Errorf("message %d is number %d", got, binary.BigEndian.Uint32(payload))
						return false
					}
					got++
					return got < n
				})
			})
			mouth := must(b.Dial("mouth", true))(t)
			defer mouth.Close()
			payload := make([]byte, 1000)
			for i := range n {
				binary.BigEndian.PutUint32(payload, uint32(i))
				if err := mouth.Publish("x", qos, false, uint16(i+1), payload); err != nil {
					t.Fatal(err)
				}
				if qos == 1 && i%window == window-1 {
					if err := errors.Join(mouth.Flush(), mouth.Acknowledged(window)); err != nil {
						t.Fatalf("after %d messages: %v", i, err)
					}
				}
			}
			if err := errors.Join(mouth.Flush(), mouth.Ping()); err != nil {
				t.Fatal(err)
			}
			wg.Wait()
			if got != n {
				t.Errorf("the good subscriber got %d of %d messages: %v", got, n, receiving)
			}
			if s.house.Stats().DroppedMessages == 0 {
				t.Error("nothing was dropped for the one that has stalled")
			}
		})
	}
}

// TestAFloodHoldsUpNobody has one client publish as fast as it can while another
// asks and is answered.
func TestAFloodHoldsUpNobody(t *testing.T) {
	s := newStage(t, 4, nil)
	b := s.at()
	stop := make(chan struct{})
	var flooding sync.WaitGroup
	flooding.Go(func() {
		c, err := b.Dial("flood", true)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		payload := make([]byte, 500)
		for {
			select {
			case <-stop:
				return
			default:
				if err := c.Publish("flood", 0, false, 0, payload); err != nil {
					t.Errorf("the flood: %v", err)
					return
				}
			}
		}
	})
	ask, answer := must(b.Dial("ask", true))(t), must(b.Dial("answer", true))(t)
	defer ask.Close()
	defer answer.Close()
	if err := answer.Subscribe("q", 1); err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		err := errors.Join(ask.Publish("q", 1, false, uint16(i+1), []byte("what")), ask.Flush(), ask.Acknowledged(1),
			answer.Receive(patience, func(_, _ []byte) bool { return false }))
		if err != nil {
			t.Fatalf("question %d: %v", i, err)
		}
	}
	close(stop)
	flooding.Wait()
}

// TestReconnectsLeaveNoDeafSession reconnects again and again with the same
// client id, without waiting for the end of the connection before, and looks
// each time whether messages arrive.
func TestReconnectsLeaveNoDeafSession(t *testing.T) {
	n := 5000
	if raceEnabled {
		n = 1000
	}
	for _, clean := range []bool{true, false} {
		t.Run(fmt.Sprintf("Clean=%v", clean), func(t *testing.T) {
			s := newStage(t, 4, nil)
			b := s.at()
			mouth := must(b.Dial("mouth", true))(t)
			defer mouth.Close()
			var last *load.Client
			deaf := 0
			for i := range n {
				c, err := b.Dial("same", clean)
				if err != nil {
					t.Fatalf("connection %d: %v", i, err)
				}
				if clean || i == 0 {
					if err := c.Subscribe("x", 0); err != nil {
						t.Fatalf("connection %d: %v", i, err)
					}
				}
				if last != nil {
					last.Close()
				}
				last = c
				if err := errors.Join(mouth.Publish("x", 0, false, 0, []byte("m")), mouth.Flush()); err != nil {
					t.Fatal(err)
				}
				if err := c.Receive(patience, func(_, _ []byte) bool { return false }); err != nil {
					if !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Fatalf("connection %d: %v", i, err)
					}
					if deaf++; deaf > 2 {
						t.Fatalf("connection %d is the third that is deaf", i)
					}
				}
				switch {
				case i%50 == 0: // the broker has to end it when the next comes
				case i%2 == 0:
					c.Conn.(*net.TCPConn).SetLinger(0)
					fallthrough
				default: // it breaks, and the next comes at once
					c.Close()
				}
			}
			last.Close()
			if deaf > 0 {
				t.Errorf("%d of %d connections were deaf", deaf, n)
			}
			for deadline := time.Now().Add(patience); s.house.Stats().Connections > 1; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%d connections are left, want that of the publisher alone", s.house.Stats().Connections)
				}
			}
		})
	}
}

// TestTheEndIsSeenBehindTheLastWord has clients end their connections in the same
// moment in which they say something: both arrive together.
func TestTheEndIsSeenBehindTheLastWord(t *testing.T) {
	s := newStage(t, 4, nil)
	b := s.at()
	for range 500 {
		c := must(b.Dial("last", true))(t)
		if err := errors.Join(c.Publish("x", 0, false, 0, []byte("m")), c.Flush()); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	for deadline := time.Now().Add(patience); s.house.Stats().Connections > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are left", s.house.Stats().Connections)
		}
	}
}
