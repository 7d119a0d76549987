package ezsp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// ncp is the other end of a link: it answers commands, and sends what a test
// tells it to.
type ncp struct {
	version byte
	stack   uint16

	toHost chan []byte
	done   chan struct{}
	once   sync.Once

	heard    atomic.Int64
	mu       sync.Mutex
	commands []header
	answer   func(h header, payload []byte) []byte // nil: no reply
}

func newNCP(t testing.TB) *ncp {
	n := &ncp{version: 13, stack: 0x7410, toHost: make(chan []byte, 4096), done: make(chan struct{})}
	t.Cleanup(func() { n.Close() })
	return n
}

func (n *ncp) open(t testing.TB) *Conn {
	t.Helper()
	c, err := Open(context.Background(), n, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

var errGone = errors.New("the link has ended")

func (n *ncp) Send(_ context.Context, frame []byte) error {
	if n.Err() != nil {
		return errGone
	}
	legacy := frame[2] == 0 && len(frame) == 4
	h, payload, err := parseHeader(frame, legacy)
	if err != nil {
		return err
	}
	n.mu.Lock()
	n.commands = append(n.commands, h)
	answer := n.answer
	n.mu.Unlock()
	var reply []byte
	switch {
	case h.id == cmdVersion.id && answer == nil:
		reply = []byte{n.version, 2, byte(n.stack), byte(n.stack >> 8)}
	case answer != nil:
		if reply = answer(h, payload); reply == nil {
			return nil
		}
	}
	n.reply(h, legacy, reply)
	return nil
}

func (n *ncp) reply(h header, legacy bool, payload []byte) {
	b := []byte{h.seq, 0x80, 0x01, byte(h.id), byte(h.id >> 8)}
	if legacy {
		b = []byte{h.seq, 0x80, byte(h.id)}
	}
	n.toHost <- append(b, payload...)
}

func (n *ncp) callback(id FrameID, payload ...byte) {
	n.toHost <- append([]byte{0xEE, 0x90, 0x01, byte(id), byte(id >> 8)}, payload...)
}

func (n *ncp) Receive(ctx context.Context) ([]byte, error) {
	select {
	case b := <-n.toHost:
		return b, nil
	case <-n.done:
		return nil, errGone
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *ncp) Heard() time.Time { return time.Unix(0, n.heard.Load()) }

func (n *ncp) Done() <-chan struct{} { return n.done }
func (n *ncp) Err() error {
	select {
	case <-n.done:
		return errGone
	default:
		return nil
	}
}
func (n *ncp) Close() error { n.once.Do(func() { close(n.done) }); return nil }

func TestNegotiates(t *testing.T) {
	n := newNCP(t)
	c := n.open(t)
	if c.Version() != 13 || StackVersion(c.Stack()) != "7.4.1" {
		t.Errorf("got EZSP %d of %s", c.Version(), StackVersion(c.Stack()))
	}
	if len(n.commands) != 2 || n.commands[0].seq != 0 || n.commands[1].seq != 1 {
		t.Errorf("got %+v, want version twice", n.commands)
	}
}

func TestFirmwareThatIsNotSpokenHere(t *testing.T) {
	tests := []struct {
		version byte
		stack   uint16
		want    []string
	}{
		{7, 0x6630, []string{"EZSP 7", "EmberZNet 6.6.3", "EZSP 8 to 19", "update the dongle's firmware to EmberZNet 7.4"}},
		{4, 0, []string{"EZSP 4", "EmberZNet 5.x"}},
		{0, 0, []string{"EZSP 0", "unknown version"}},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("EZSP%d", tt.version), func(t *testing.T) {
			n := newNCP(t)
			n.version, n.stack = tt.version, tt.stack
			_, err := Open(t.Context(), n, Options{})
			var v ErrVersion
			if !errors.As(err, &v) {
				t.Fatalf("got %v", err)
			}
			said := err.Error() + " / " + v.Hint()
			for _, want := range tt.want {
				if !strings.Contains(said, want) {
					t.Errorf("got %q, want %q in it", said, want)
				}
			}
			if n.Err() == nil {
				t.Error("the link was left open")
			}
		})
	}
}

func TestAnotherStackIsRefused(t *testing.T) {
	n := newNCP(t)
	n.answer = func(header, []byte) []byte { return []byte{13, 1, 0, 0} }
	if _, err := Open(t.Context(), n, Options{}); err == nil || !strings.Contains(err.Error(), "not a zigbee stack") {
		t.Errorf("got %v", err)
	}
}

func TestACommandWithoutReplyEndsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNCP(t)
		c := n.open(t)
		n.answer = func(header, []byte) []byte { return nil }
		start := time.Now()
		err := c.Nop(t.Context())
		if !errors.Is(err, ErrTimeout{"nop"}) {
			t.Errorf("got %v", err)
		}
		if got := time.Since(start); got != 5*time.Second {
			t.Errorf("after %v, want 5s", got)
		}
		if !errors.Is(c.Err(), ErrTimeout{"nop"}) || n.Err() == nil {
			t.Errorf("the connection goes on: %v", c.Err())
		}
		if err := c.Nop(t.Context()); !errors.Is(err, ErrTimeout{"nop"}) {
			t.Errorf("the next command: got %v", err)
		}
	})
}

func TestASlowLineIsGivenMoreTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNCP(t)
		c := n.open(t)
		n.answer = func(header, []byte) []byte { return nil }
		stop := make(chan struct{})
		go func() { // acknowledgements come, the reply does not
			for {
				select {
				case <-time.After(time.Second):
					n.heard.Store(time.Now().UnixNano())
				case <-stop:
					return
				}
			}
		}()
		start := time.Now()
		if err := c.Nop(t.Context()); !errors.Is(err, ErrTimeout{"nop"}) {
			t.Errorf("got %v", err)
		}
		if got := time.Since(start); got != 20*time.Second {
			t.Errorf("after %v, want 20s", got)
		}
		close(stop)
	})
}

func TestOneCommandInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNCP(t)
		c := n.open(t)
		inFlight, most := 0, 0
		n.answer = func(h header, _ []byte) []byte {
			n.mu.Lock()
			inFlight++
			most = max(most, inFlight)
			n.mu.Unlock()
			go func() {
				time.Sleep(10 * time.Millisecond)
				n.mu.Lock()
				inFlight--
				n.mu.Unlock()
				n.reply(h, false, []byte{0})
			}()
			return nil
		}
		var work sync.WaitGroup
		for range 20 {
			work.Go(func() {
				if err := c.SetPolicy(t.Context(), 0, 0); err != nil {
					t.Error(err)
				}
			})
		}
		work.Wait()
		if most != 1 {
			t.Errorf("%d commands were in flight at once", most)
		}
	})
}

func TestACallerThatGivesUpDisturbsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNCP(t)
		c := n.open(t)
		var late header
		n.answer = func(h header, _ []byte) []byte {
			if late.id == 0 {
				late = h
				return nil
			}
			return []byte{0x78, 0x56, 0x34, 0x12, 0x00, 0x4b, 0x12, 0x00}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.EUI64(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		go func() { // the reply comes in the end, and only then is it the next one's turn
			time.Sleep(time.Second)
			n.reply(late, false, []byte{1, 1, 1, 1, 1, 1, 1, 1})
		}()
		start := time.Now()
		e, err := c.EUI64(t.Context())
		if err != nil || e != 0x00124b0012345678 {
			t.Errorf("got %v, %v", e, err)
		}
		if got := time.Since(start); got != time.Second {
			t.Errorf("waited %v, want 1s", got)
		}
	})
}

func TestStrayRepliesAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNCP(t)
		c := n.open(t)
		n.answer = func(h header, _ []byte) []byte {
			n.reply(header{seq: h.seq + 1, id: h.id}, false, []byte{0xFF}) // of another command
			n.reply(header{seq: h.seq, id: 0x0018}, false, []byte{0xFF})   // of another kind
			n.toHost <- []byte{1, 2}                                       // nothing at all
			n.toHost <- []byte{h.seq, 0x80, 0x02, 0x55, 0x00, 0xFF}        // of another format
			n.toHost <- []byte{h.seq, 0x00, 0x01, 0x55, 0x00, 0xFF}        // a command
			return []byte{0}
		}
		if err := c.SetPolicy(t.Context(), 0, 0); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if got := c.Stats(); got.Stray != 2 || got.Malformed != 3 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestARefusedCommandIsATypedError(t *testing.T) {
	n := newNCP(t)
	c := n.open(t)
	n.answer = func(h header, _ []byte) []byte {
		n.toHost <- []byte{h.seq, 0x80, 0x01, 0x58, 0x00, 0x31}
		return nil
	}
	var refused *InvalidCommandError
	if err := c.Nop(t.Context()); !errors.As(err, &refused) || refused.Command != "nop" || refused.Reason.String() != "EZSP_ERROR_INVALID_FRAME_ID" {
		t.Errorf("got %v", err)
	}
	n.answer = nil
	if err := c.Nop(t.Context()); err != nil {
		t.Errorf("the next command: %v", err)
	}
}

func TestAFailedCommandIsATypedError(t *testing.T) {
	n := newNCP(t)
	c := n.open(t)
	n.answer = func(header, []byte) []byte { return []byte{0x36} }
	var st *StatusError
	err := c.SetConfigurationValue(t.Context(), ConfigMaxHops, 99)
	if !errors.As(err, &st) || st.Status != (Status{Ezsp, 0x36}) || err.Error() != "setConfigurationValue: EZSP_ERROR_INVALID_VALUE" {
		t.Errorf("got %v", err)
	}
	n.answer = func(header, []byte) []byte { return []byte{0x70} }
	if err := c.PermitJoining(t.Context(), 1); err == nil || err.Error() != "permitJoining: EMBER_INVALID_CALL" {
		t.Errorf("the same command with an EmberStatus: got %v", err)
	}
}

func TestCallbacksComeInOrderAndHoldNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNCP(t)
		c := n.open(t)
		const count = maxCallbacks + 100 // nobody reads them yet
		for i := range count {
			n.callback(0x0099, byte(i>>8), byte(i))
		}
		if err := c.Nop(t.Context()); err != nil {
			t.Errorf("a command behind many callbacks: %v", err)
		}
		for i := range maxCallbacks {
			cb, err := c.Callback(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			u := cb.(Unknown)
			if got, want := int(u.Payload[0])<<8|int(u.Payload[1]), i+100; got != want {
				t.Fatalf("got callback %d, want %d", got, want)
			}
		}
		if got := c.Stats(); got.Lost != 100 || got.Callbacks != count {
			t.Errorf("got %+v", got)
		}
	})
}

func TestCallbacksThatMakeNoSenseAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNCP(t)
		c := n.open(t)
		n.callback(0x0045, 1, 2, 3)                         // too short
		n.toHost <- []byte{0, 0x92, 0x01, 0x19, 0x00, 0x90} // cut by the NCP
		n.toHost <- []byte{0, 0x91, 0x01, 0x19, 0x00, 0x91} // some were lost before
		n.toHost <- []byte{0, 0x80, 0x01, 0x19, 0x00, 0x90} // not marked as a callback
		n.callback(0x0019, 0x9C, 0xFF, 0xFF)                // with more than is known
		for _, want := range []uint32{0x91, 0x90, 0x9C} {
			cb, err := c.Callback(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := cb.(StackStatus).Status.Code; got != want {
				t.Errorf("got %02X, want %02X", got, want)
			}
		}
		if got := c.Stats(); got.Malformed != 2 || got.Overflows != 1 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestTheConnectionEndsWithItsLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNCP(t)
		c := n.open(t)
		n.answer = func(header, []byte) []byte { n.Close(); return nil }
		if err := c.Nop(t.Context()); !errors.Is(err, errGone) {
			t.Errorf("got %v", err)
		}
		if _, err := c.Callback(t.Context()); !errors.Is(err, errGone) {
			t.Errorf("Callback: got %v", err)
		}
		<-c.Done()
	})
}

func TestStatuses(t *testing.T) {
	tests := []struct {
		s    Status
		want string
		is   Meaning
	}{
		{Status{Ember, 0x00}, "EMBER_SUCCESS", Success},
		{Status{Ember, 0x90}, "EMBER_NETWORK_UP", NetworkUp},
		{Status{Ember, 0x93}, "EMBER_NOT_JOINED", NotJoined},
		{Status{Ember, 0x66}, "EMBER_DELIVERY_FAILED", DeliveryFailed},
		{Status{Ember, 0xEE}, "EmberStatus 0xEE", 0},
		{Status{Ezsp, 0x36}, "EZSP_ERROR_INVALID_VALUE", 0},
		{Status{Ezsp, 0x90}, "EzspStatus 0x90", 0}, // the same byte, another meaning
		{Status{SL, 0x15}, "SL_STATUS_NETWORK_UP", NetworkUp},
		{Status{SL, 0x17}, "SL_STATUS_NOT_JOINED", NotJoined},
		{Status{SL, 0x0C18}, "SL_STATUS_ZIGBEE_NETWORK_OPENED", NetworkOpened},
		{Status{SL, 0xABCD}, "sl_status 0xABCD", 0},
	}
	for _, tt := range tests {
		if got := tt.s.String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
		if tt.is != 0 && !tt.s.Is(tt.is) {
			t.Errorf("%v does not mean %d", tt.s, tt.is)
		}
		if tt.is != NetworkUp && tt.s.Is(NetworkUp) {
			t.Errorf("%v means that the network is up", tt.s)
		}
	}
}

func TestKeysDoNotPrintThemselves(t *testing.T) {
	k := Key{1, 2, 3}
	for _, format := range []string{"%v", "%s", "%+v", "%#v"} {
		if got := fmt.Sprintf(format, struct{ K Key }{k}); strings.Contains(got, "1") {
			t.Errorf("%s: got %s", format, got)
		}
	}
}
