package conformance

import (
	"fmt"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/broker"
	"github.com/smartcore-ireland/hems/internal/broker/door"
)

// limitTales are of what a client may cost; the limits are set low here.
var limitTales = []tale{
	{name: "TimeToConnect", versions: "5", options: func(o *broker.Options) {
		o.Limits = door.Limits{ConnectTimeout: 300 * time.Millisecond}
	}, script: `
		a >
		a closed silent
		b > 10
		b closed silent
		c > 1020 0004 'MQTT'
		c closed silent`},
	{name: "SizeOfConnect", versions: "345", script: `
		a > 10 [ N v c2 003c () "a" "t"*33000 "p" ]
		a ends
		b > 10 ffffff7f
		b closed silent`},
	{name: "SizeOfAPacket", versions: "345", options: func(o *broker.Options) {
		o.Limits = door.Limits{PacketSize: 10000}
	}, script: `
		a connect ... 27 00002710
		a sub "x" 00
		b connect
		b > 30 [ "x" () 'm'*9980 ]
		a < 30 [ "x" () 'm'*9980 ]
		b > 30 [ "x" () 'm'*10000 ]
		b closed 95`},
	{name: "Levels", versions: "345", script: `
		a connect
		a sub "/"*199 00
		b connect
		b puts 0 "/"*199 'm'
		a < 30 [ "/"*199 () 'm' ]
		b > 30 [ "/"*201 () 'm' ]
		b closed 90
		a > 82 [ 0009 () "/"*201 00 ]
		a closed 8f
		c connect
		c > 82 [ 0001 () "/"*65530 00 ]
		c closed 8f`},
	{name: "Subscriptions", versions: "345", options: func(o *broker.Options) {
		o.Core.MaxSubscriptions = 2
	}, script: `
		a connect
		a sub "x" 00
		a > 82 [ 0009 () "y" 00 "z" 00 "x" 01 ]
		a < 90 [ 0009 (...) 00 80/97 01 ]
		a > a2 [ 000a () "x" ]
		a < b0 [ 000a (...) -/00 ]
		a sub "z" 00`},
	{name: "InFlight", versions: "345", options: func(o *broker.Options) {
		o.Core.MaxInflightMessages = 2
	}, script: `
		a connect
		a sub "x" 01
		b connect
		b puts 1 "x" '1'
		b puts 1 "x" '2'
		b puts 1 "x" '3'
		a < 32 [ "x" $1 () '1' ]
		a < 32 [ "x" $2 () '2' ]
		a quiet
		a > 40 [ $2 ]
		a < 32 [ "x" .. .. () '3' ]`},
	{name: "Queued", versions: "345", options: func(o *broker.Options) {
		o.Core.MaxQueuedMessages = 3
	}, script: `
		a connect keep
		a sub "x" 01
		a leave
		b connect
		b puts 1 "x" '1'
		b puts 1 "x" '2'
		b puts 1 "x" '3'
		b puts 1 "x" '4'
		a connect keep present
		a < 32 [ "x" .. .. () '1' ]
		a < 32 [ "x" .. .. () '2' ]
		a < 32 [ "x" .. .. () '3' ]
		a quiet`},
	{name: "KeepAlive", versions: "5", options: func(o *broker.Options) {
		o.Core.MaxKeepAlive = time.Second
	}, script: `
		a connect ... 13 0001
		a closed`},
	{name: "BytesThatDripAreNoSignOfLife", versions: "345", shows: "4: 3.1.2-24 5: 3.1.2-22", script: `
		a > 10 [ N v c2 0001 () "a" @ ]
		a < 20 [ 00 00 (...) ]
		a > 30
		sleep 400ms
		a > 20
		sleep 400ms
		a > 00
		sleep 400ms
		a > 01
		sleep 400ms
		a > 78
		a closed`},
	{name: "TopicAliases", versions: "5", options: func(o *broker.Options) {
		o.Core.MaxTopicAlias = 2
	}, script: `
		a connect ... 22 0002
		a > 30 [ "x" (23 0002) '1' ]
		a > 30 [ "x" (23 0003) '1' ]
		a closed 94`},
	{name: "SessionExpiry", versions: "5", options: func(o *broker.Options) {
		o.Core.MaxSessionExpiry = time.Second
	}, script: `
		a connect keep ... 11 00000001
		a leave
		sleep 1500ms
		a connect keep`},
}

func TestLimits(t *testing.T) { tell(t, limitTales) }

// TestReceiveMaximum has a client open one message more than the broker has said
// it takes.
func TestReceiveMaximum(t *testing.T) {
	s := newStage(t, 5, func(o *broker.Options) { o.Core.ReceiveMaximum = 20 })
	s.play(`a connect ... 21 0014`)
	for id := 1; id <= 20; id++ {
		s.play(fmt.Sprintf(`
			a > 34 [ "x" %04x () 'm' ]
			a acked 50 %04x`, id, id))
	}
	s.play(`
		a > 62 [ 0001 ]
		a acked 70 0001
		a > 34 [ "x" 0001 () 'm' ]
		a acked 50 0001
		a > 34 [ "x" 0015 () 'm' ]
		a closed 93`)
}

// TestWhatWaitsHasABoundInBytes fills the queue of a client that is away.
func TestWhatWaitsHasABoundInBytes(t *testing.T) {
	s := newStage(t, 4, func(o *broker.Options) { o.Core.MaxQueuedBytes = 1 << 20 })
	s.play(`
		a connect keep
		a sub "x" 01
		a leave
		b connect`)
	for range 20 {
		s.play(`b puts 1 "x" 'm'*100000`)
	}
	if got := s.house.Stats().DroppedMessages; got < 9 || got > 11 {
		t.Errorf("%d messages were dropped, want 10 or so of 20", got)
	}
	if got := s.house.Stats().QueuedBytes; got > 1<<20+64<<10 {
		t.Errorf("%d bytes wait, want about 1 MiB at most", got)
	}
}

// TestConnectionsHaveALimit counts those in all.
func TestConnectionsHaveALimit(t *testing.T) {
	s := newStage(t, 5, func(o *broker.Options) { o.Core.MaxConnections = 3 })
	s.play(`
		a connect
		b connect
		c connect
		d > 10 [ N v c2 003c () "d" @ ]
		d ends
		a leave
		b quiet`)
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		c := s.dial("e")
		if err := c.connect(""); err == nil {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("after one has left: %v", err)
		}
	}
}

// TestFailedSignInsAreCounted has one address guess too often.
func TestFailedSignInsAreCounted(t *testing.T) {
	s := newStage(t, 5, func(o *broker.Options) {
		o.Core.MaxFailedSignIns, o.Core.SignInDelay = 5, time.Millisecond
	})
	for range 5 {
		s.play(`
			a > 10 [ N v c2 003c () "a" "t" "wrong" ]
			a refused 86`)
		delete(s.clients, "a")
	}
	c := s.dial("b")
	if err := c.send(`10 [ N v c2 003c () "b" "t" "wrong" ]`); err == nil {
		if p, err := c.packet(); err == nil && (len(p) < 4 || p[3] == 0x86) {
			t.Errorf("the sixth guess was looked at: %s", show(p))
		}
	}
	if got := s.house.Stats().FailedSignIns; got != 5 {
		t.Errorf("%d failed sign-ins counted, want 5", got)
	}
}

// TestNothingIsHeldForStrangers measures the memory of connections that have not
// signed in and claim as much as they can.
func TestNothingIsHeldForStrangers(t *testing.T) {
	s := newStage(t, 5, nil)
	// The longest CONNECT that is taken, but for its last bytes.
	c := s.dial("x")
	nodes, err := c.parse(`10 [ N v c2 003c () "x" "t"*16000 "p"*16000 ]`)
	if err != nil {
		t.Fatal(err)
	}
	connect, err := c.encode(nodes)
	if err != nil {
		t.Fatal(err)
	}
	claim := []byte{0x10, 0xff, 0xff, 0xff, 0x7f}
	const n = 1000
	before := memory()
	for i := range n {
		one := s.dial(fmt.Sprint(i))
		if _, err := one.conn.Write([][]byte{claim, connect[:len(connect)-10], connect[:100]}[i%3]); err != nil {
			continue // turned away
		}
	}
	time.Sleep(500 * time.Millisecond)
	each := int64(memory()-before) / n
	t.Logf("%d bytes a connection", each)
	if each > 64<<10 {
		t.Errorf("a stranger's connection takes %d bytes, want less than 64 KiB", each)
	}
	s.play(`
		z > 10 [ N v c2 003c () "z" @ ]`)
	if err := s.clients["z"].expect("20 [ 00 00 (...) ]"); err != nil {
		for name, c := range s.clients {
			if name != "z" {
				c.conn.Close()
			}
		}
		time.Sleep(500 * time.Millisecond)
		s.play(`y connect`)
	}
}
