package ash

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// recorder is a co-processor that notes what it gets and echoes it on demand.
type recorder struct {
	link   *Link
	resets int
	got    [][]byte
	echo   bool
}

func (r *recorder) Reset() { r.resets++ }

func (r *recorder) Frame(b []byte) {
	r.got = append(r.got, b)
	if r.echo {
		r.link.Send(b, false)
	}
}

// host is the other end of the line in a test: it says exactly what the test
// wants and notes every frame that comes.
type host struct {
	t    *testing.T
	line net.Conn
	ncp  *recorder
	link *Link
	done chan error

	mu   sync.Mutex
	came []Frame
}

// connect starts a link inside a synctest bubble.
func connect(t *testing.T, o Options) *host {
	ours, theirs := net.Pipe()
	h := &host{t: t, line: ours, ncp: &recorder{}, done: make(chan error, 1)}
	o.Handler = h.ncp
	h.link = New(o)
	h.ncp.link = h.link
	go func() { h.done <- h.link.Run(t.Context(), theirs) }()
	go func() {
		var d Decoder
		buf := make([]byte, 64)
		for {
			n, err := ours.Read(buf)
			for _, c := range buf[:n] {
				if f, bad, done := d.Byte(c); done {
					if bad != nil {
						t.Errorf("the NCP sent a spoiled frame: %v", bad)
					}
					h.mu.Lock()
					h.came = append(h.came, f)
					h.mu.Unlock()
				}
			}
			if err != nil {
				return
			}
		}
	}()
	return h
}

func (h *host) say(frames ...Frame) {
	for _, f := range frames {
		h.line.Write(f.Append(nil))
		synctest.Wait() // acknowledgements of frames in a row would become one
	}
}

// want compares what came since the last call.
func (h *host) want(frames ...Frame) {
	h.t.Helper()
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	if diff := cmp.Diff(frames, h.came); diff != "" {
		h.t.Errorf("frames from the NCP (-want +got):\n%s", diff)
	}
	h.came = nil
}

func (h *host) reset() {
	h.t.Helper()
	h.say(Frame{Kind: Rst})
	h.want(Frame{Kind: RstAck, Version: 2, Code: 0x0B})
}

func (h *host) close() {
	h.line.Close()
	<-h.done
}

func payload(n byte) []byte { return []byte{n, n, n} }

func in(number, ack uint8, again bool) Frame {
	return Frame{Kind: Data, Number: number, Ack: ack, Retransmit: again, Data: payload(number)}
}

// session runs a test against a link whose host has reset it.
func session(t *testing.T, o Options, f func(t *testing.T, h *host)) {
	synctest.Test(t, func(t *testing.T) {
		h := connect(t, o)
		defer h.close()
		h.reset()
		f(t, h)
	})
}

func TestAnswersErrorUntilReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := connect(t, Options{Boot: ResetWatchdog})
		defer h.close()
		h.say(in(0, 0, false))
		h.want(Frame{Kind: Error, Version: 2, Code: ResetWatchdog})
		if err := h.link.Send(payload(1), true); !errors.Is(err, ErrNotConnected) {
			t.Errorf("sending before RST: got %v, want %v", err, ErrNotConnected)
		}
		h.reset()
		if len(h.ncp.got) != 0 || h.ncp.resets != 1 {
			t.Errorf("got %d frames and %d resets, want 0 and 1", len(h.ncp.got), h.ncp.resets)
		}
	})
}

func TestAcknowledgesDataOnce(t *testing.T) {
	session(t, Options{}, func(t *testing.T, h *host) {
		h.say(in(0, 0, false))
		h.want(Frame{Kind: Ack, Ack: 1})
		h.say(in(0, 0, true)) // the acknowledgement was lost
		h.want(Frame{Kind: Ack, Ack: 1})
		if len(h.ncp.got) != 1 {
			t.Errorf("got %d frames, want 1", len(h.ncp.got))
		}
	})
}

func TestResponseCarriesTheAcknowledgement(t *testing.T) {
	session(t, Options{}, func(t *testing.T, h *host) {
		h.ncp.echo = true
		h.say(in(0, 0, false))
		h.want(Frame{Kind: Data, Number: 0, Ack: 1, Data: payload(0)})
		h.say(Frame{Kind: Ack, Ack: 1})
		time.Sleep(time.Minute)
		h.want()
	})
}

func TestAsksOnceForWhatIsMissing(t *testing.T) {
	session(t, Options{}, func(t *testing.T, h *host) {
		h.say(in(1, 0, false), in(2, 0, false), in(3, 0, false))
		h.want(Frame{Kind: Nak, Ack: 0})
		h.say(in(0, 0, true), in(1, 0, true))
		h.want(Frame{Kind: Ack, Ack: 1}, Frame{Kind: Ack, Ack: 2})
		if diff := cmp.Diff([][]byte{payload(0), payload(1)}, h.ncp.got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAsksAgainForASpoiledFrame(t *testing.T) {
	session(t, Options{}, func(t *testing.T, h *host) {
		wire := in(0, 0, false).Append(nil)
		wire[2] ^= 1
		h.line.Write(wire)
		h.want(Frame{Kind: Nak, Ack: 0})
		h.say(in(0, 0, true))
		h.want(Frame{Kind: Ack, Ack: 1})
	})
}

func TestRefusesAcknowledgementOfWhatWasNotSent(t *testing.T) {
	session(t, Options{}, func(t *testing.T, h *host) {
		f := in(0, 3, false)
		h.say(f)
		h.want(Frame{Kind: Nak, Ack: 0})
		if c := h.link.Counters(); len(h.ncp.got) != 0 || c.BadAcks != 1 {
			t.Errorf("got %d frames and %d bad acknowledgements, want 0 and 1", len(h.ncp.got), c.BadAcks)
		}
	})
}

func TestRetransmitsAfterNAK(t *testing.T) {
	session(t, Options{}, func(t *testing.T, h *host) {
		for n := range byte(3) {
			h.link.Send(payload(n), true)
		}
		h.want(in(0, 0, false), in(1, 0, false), in(2, 0, false))
		h.say(Frame{Kind: Nak, Ack: 1})
		h.want(in(1, 0, true), in(2, 0, true))
	})
}

func TestRetransmitsAfterTimeoutAndGivesUp(t *testing.T) {
	session(t, Options{}, func(t *testing.T, h *host) {
		h.link.Send(payload(0), false)
		h.want(in(0, 0, false))
		for _, wait := range []time.Duration{1600, 3200, 3200, 3200} {
			time.Sleep(wait*time.Millisecond - time.Millisecond)
			h.want()
			time.Sleep(time.Millisecond)
			h.want(in(0, 0, true))
		}
		time.Sleep(3200 * time.Millisecond)
		h.want(Frame{Kind: Error, Version: 2, Code: 0x51})
		h.say(Frame{Kind: Ack, Ack: 1})
		h.want(Frame{Kind: Error, Version: 2, Code: 0x51})
		h.reset()
		h.say(in(0, 0, false))
		h.want(Frame{Kind: Ack, Ack: 1})
	})
}

func TestLearnsTheLinesSpeed(t *testing.T) {
	session(t, Options{}, func(t *testing.T, h *host) {
		for n := range uint8(8) { // each answered at once: the time shrinks to the least
			h.link.Send(payload(n), false)
			h.want(in(n, 0, false))
			h.say(Frame{Kind: Ack, Ack: (n + 1) & 7})
		}
		for range 8 {
			n := h.link.next
			h.link.Send(payload(n), false)
			h.want(in(n, 0, false))
			h.say(Frame{Kind: Ack, Ack: (n + 1) & 7})
		}
		h.link.Send(payload(0), false)
		h.want(in(0, 0, false))
		time.Sleep(ackTimeMin)
		h.want(in(0, 0, true))
	})
}

func TestWindow(t *testing.T) {
	session(t, Options{Window: 7}, func(t *testing.T, h *host) {
		for n := range byte(10) {
			h.link.Send(payload(n&7), true)
		}
		want := []Frame{}
		for n := range uint8(7) {
			want = append(want, in(n, 0, false))
		}
		h.want(want...)
		h.say(Frame{Kind: Ack, Ack: 2})
		h.want(in(7, 0, false), in(0, 0, false))
	})
}

func TestNotReadyHoldsCallbacksOnly(t *testing.T) {
	session(t, Options{}, func(t *testing.T, h *host) {
		h.say(Frame{Kind: Ack, NotReady: true})
		h.link.Send(payload(1), true)
		h.want()
		h.link.Send(payload(0), false)
		h.want(in(0, 0, false))
		h.say(Frame{Kind: Ack, Ack: 1}) // ready again
		h.want(in(1, 0, false))
		h.say(Frame{Kind: Ack, Ack: 2, NotReady: true})
		h.link.Send(payload(2), true)
		time.Sleep(remoteNotReady - time.Millisecond)
		h.want()
		time.Sleep(5 * time.Millisecond) // a host that forgot to say that it is ready
		h.want(in(2, 0, false))
	})
}

func TestResponsesGoFirst(t *testing.T) {
	session(t, Options{Window: 1}, func(t *testing.T, h *host) {
		h.link.Send(payload(0), true)
		h.want(in(0, 0, false))
		h.link.Send(payload(2), true)
		h.link.Send(payload(1), false)
		h.say(Frame{Kind: Ack, Ack: 1})
		h.want(in(1, 0, false))
	})
}

func TestQueueIsBounded(t *testing.T) {
	session(t, Options{Window: 1}, func(t *testing.T, h *host) {
		var err error
		sent := 0
		for ; err == nil && sent < 1000; sent++ {
			err = h.link.Send(payload(0), true)
			synctest.Wait()
		}
		if !errors.Is(err, ErrQueueFull) || sent > maxQueue+2 {
			t.Errorf("got %v after %d frames, want %v after about %d", err, sent, ErrQueueFull, maxQueue)
		}
		for _, b := range [][]byte{nil, {1, 2}, make([]byte, MaxData+1)} {
			if err := h.link.Send(b, true); !errors.Is(err, ErrSize) {
				t.Errorf("%d bytes: got %v, want %v", len(b), err, ErrSize)
			}
		}
	})
}

func TestHangAndReboot(t *testing.T) {
	session(t, Options{}, func(t *testing.T, h *host) {
		h.link.Hang()
		h.say(Frame{Kind: Rst}, in(0, 0, false))
		time.Sleep(time.Minute)
		h.want()
		h.link.Reboot(ResetWatchdog)
		h.want(Frame{Kind: RstAck, Version: 2, Code: ResetWatchdog})
		h.say(in(0, 0, false))
		h.want(Frame{Kind: Error, Version: 2, Code: ResetWatchdog})
		h.reset()
	})
}

func TestResetForgetsWhatWaits(t *testing.T) {
	session(t, Options{Window: 1}, func(t *testing.T, h *host) {
		h.link.Send(payload(0), true)
		h.link.Send(payload(1), true)
		h.want(in(0, 0, false))
		h.reset()
		time.Sleep(time.Minute)
		h.want()
	})
}

func TestRunEndsWithTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := connect(t, Options{})
		h.reset()
		h.line.Close()
		if err := <-h.done; err != nil && !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want no error", err)
		}
		if h.link.Connected() {
			t.Error("a link without a line is connected")
		}
	})
}

// TestNoisyLine sends frames both ways over a line that harms bytes, to a host
// that retransmits as the protocol asks: each must arrive once and in order.
func TestNoisyLine(t *testing.T) {
	for seed := range uint64(8) {
		synctest.Test(t, func(t *testing.T) {
			noise := NewNoise(seed)
			ours, theirs := net.Pipe()
			ncp := &recorder{echo: true}
			link := New(Options{Handler: ncp, Noise: noise})
			ncp.link = link
			done := make(chan error, 1)
			go func() { done <- link.Run(t.Context(), theirs) }()

			frames := make(chan Frame, 1024)
			go func() {
				var d Decoder
				buf := make([]byte, 64)
				for {
					n, err := ours.Read(buf)
					for _, c := range buf[:n] {
						if f, bad, done := d.Byte(c); done && bad == nil {
							frames <- f
						}
					}
					if err != nil {
						return
					}
				}
			}()
			ours.Write(Frame{Kind: Rst}.Append(nil))
			<-frames // RSTACK, over a line that is still clean
			if err := noise.Set(Faults{Lose: 0.004, Flip: 0.004, Duplicate: 0.004}); err != nil {
				t.Fatal(err)
			}

			const count = 100
			var echoed [][]byte
			expected := uint8(0)
			for n := range count {
				data := []byte{byte(n), byte(n >> 8), 0x7E, 0x11, 0x1A}
				f := Frame{Kind: Data, Number: uint8(n & 7), Data: data}
				for try := 0; len(echoed) <= n; try++ {
					if try > 100 {
						t.Fatalf("seed %d: no answer to frame %d: %+v", seed, n, link.Counters())
					}
					f.Ack, f.Retransmit = expected, try > 0
					ours.Write(f.Append(nil))
					timer := time.After(300 * time.Millisecond)
					for waiting := true; waiting; {
						select {
						case got := <-frames:
							if got.Kind == Data && got.Number == expected {
								expected = (expected + 1) & 7
								echoed = append(echoed, got.Data)
								ours.Write(Frame{Kind: Ack, Ack: expected}.Append(nil))
								waiting = false
							} else if got.Kind == Data {
								ours.Write(Frame{Kind: Ack, Ack: expected}.Append(nil))
							} else if got.Kind == Error {
								t.Fatalf("seed %d: the link was given up: %+v", seed, link.Counters())
							}
						case <-timer:
							waiting = false
						}
					}
				}
				if !bytes.Equal(echoed[n], data) {
					t.Fatalf("seed %d: frame %d came back as %x, want %x", seed, n, echoed[n], data)
				}
			}
			if len(ncp.got) != count {
				t.Errorf("seed %d: the NCP got %d frames, want %d", seed, len(ncp.got), count)
			}
			if c := link.Counters(); c.BadFrames == 0 || c.Retransmitted == 0 {
				t.Errorf("seed %d: the line harmed nothing: %+v", seed, c)
			}
			ours.Close()
			<-done
		})
	}
}

func TestNoise(t *testing.T) {
	clean := bytes.Repeat([]byte{0xA5}, 1000)
	n := NewNoise(1)
	if got := n.Pass(clean); !bytes.Equal(got, clean) {
		t.Error("a clean line changes bytes")
	}
	for _, tt := range []struct {
		name   string
		faults Faults
		want   int
	}{{"lose", Faults{Lose: 1}, 0}, {"duplicate", Faults{Duplicate: 1}, 2000}, {"flip", Faults{Flip: 1}, 1000}} {
		if err := n.Set(tt.faults); err != nil {
			t.Fatal(err)
		}
		got := n.Pass(clean)
		if len(got) != tt.want || tt.faults.Flip > 0 && bytes.Contains(got, []byte{0xA5}) {
			t.Errorf("%s: got %d bytes, want %d, none as before", tt.name, len(got), tt.want)
		}
	}
	for _, f := range []Faults{{Lose: -0.1}, {Flip: 1.1}} {
		if n.Set(f) == nil {
			t.Errorf("%+v was accepted", f)
		}
	}
}

func FuzzLink(f *testing.F) {
	f.Add(Frame{Kind: Rst}.Append(nil))
	for _, tt := range frames {
		f.Add(append(Frame{Kind: Rst}.Append(nil), unhex(f, tt.wire)...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ncp := &recorder{echo: true}
		l := New(Options{Handler: ncp})
		ncp.link = l
		var d Decoder
		for _, c := range b {
			frame, bad, done := d.Byte(c)
			if done && bad == nil {
				l.receive(frame)
			} else if done {
				l.receiveBad(bad)
			}
			l.mu.Lock()
			l.outgoing()
			if len(l.inFlight) > maxWindow || len(l.responses) > maxQueue {
				t.Errorf("%d frames in flight, %d waiting", len(l.inFlight), len(l.responses))
			}
			l.mu.Unlock()
		}
		l.mu.Lock()
		l.stopTimer()
		l.mu.Unlock()
	})
}
