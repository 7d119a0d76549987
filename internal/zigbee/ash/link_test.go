package ash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// script is the NCP's end of a line, played frame by frame.
type script struct {
	t    *testing.T
	line net.Conn
	dec  decoder
	got  []frame
}

func newScript(t *testing.T) (*script, net.Conn) {
	host, ncp := net.Pipe()
	t.Cleanup(func() { ncp.Close() })
	return &script{t: t, line: ncp}, host
}

// expect waits for the next frame from the host.
func (s *script) expect(want frame) frame {
	s.t.Helper()
	buf := make([]byte, 1024)
	var stats Stats
	for len(s.got) == 0 {
		n, err := s.line.Read(buf)
		if err != nil {
			s.t.Errorf("waiting for %+v: %v", want, err)
			return frame{}
		}
		s.dec.feed(buf[:n], func(e event) {
			if e.err != nil {
				s.t.Errorf("the host has sent nonsense: %v", e.err)
			}
			s.got = append(s.got, e.frame)
		}, &stats)
	}
	f := s.got[0]
	s.got = s.got[1:]
	same := f
	same.data = nil
	data := want.data
	want.data = nil
	if fmt.Sprint(same) != fmt.Sprint(want) || data != nil && !bytes.Equal(f.data, data) {
		want.data = data
		s.t.Errorf("got %+v, want %+v", f, want)
	}
	return f
}

func (s *script) send(frames ...frame) {
	var b []byte
	for _, f := range frames {
		b = appendFrame(b, f)
	}
	s.raw(b)
}

func (s *script) raw(b []byte) {
	s.t.Helper()
	if _, err := s.line.Write(b); err != nil {
		s.t.Errorf("writing: %v", err)
	}
}

var rstAck = frame{kind: kindRstAck, version: 2, code: ResetSoftware}

// open opens a link to the script.
func (s *script) open(host net.Conn, o Options) *Conn {
	s.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.expect(frame{kind: kindRst})
		s.send(rstAck)
	}()
	c, err := Open(context.Background(), host, o)
	<-done
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

func send(t *testing.T, c *Conn, data string) {
	t.Helper()
	if err := c.Send(context.Background(), []byte(data)); err != nil {
		t.Errorf("Send(%q): %v", data, err)
	}
}

func receive(t *testing.T, c *Conn, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	got, err := c.Receive(ctx)
	if err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func data(frm, ack uint8, s string) frame {
	return frame{kind: kindData, frm: frm, ack: ack, data: []byte(s)}
}

func again(f frame) frame {
	f.reTx = true
	return f
}

func ackOf(n uint8) frame { return frame{kind: kindAck, ack: n} }
func nakOf(n uint8) frame { return frame{kind: kindNak, ack: n} }

// bubble plays a script against an open link.
func bubble(t *testing.T, o Options, play func(t *testing.T, s *script, c *Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, host := newScript(t)
		play(t, s, s.open(host, o))
	})
}

func TestPiggybacksTheAcknowledgement(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, s *script, c *Conn) {
		send(t, c, "one")
		s.expect(data(0, 0, "one"))
		s.send(data(0, 1, "reply one"))
		receive(t, c, "reply one")
		s.expect(ackOf(1)) // nothing else to send
		send(t, c, "two")
		s.expect(data(1, 1, "two"))
		s.send(data(1, 2, "reply two"))
		receive(t, c, "reply two")
		s.expect(ackOf(2))
	})
}

func TestRetransmitsAfterNAK(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, s *script, c *Conn) {
		send(t, c, "one")
		s.expect(data(0, 0, "one"))
		s.send(nakOf(0))
		s.expect(again(data(0, 0, "one")))
		s.send(ackOf(1))
		synctest.Wait()
		if got := c.Stats(); got.Retransmissions != 1 || got.ReceivedNaks != 1 || got.AckTimeouts != 0 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestRetransmitsAfterTimeout(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, s *script, c *Conn) {
		send(t, c, "one")
		s.expect(data(0, 0, "one"))
		start := time.Now()
		s.expect(again(data(0, 0, "one")))
		if got, want := time.Since(start), 1600*time.Millisecond; got != want {
			t.Errorf("first after %v, want %v", got, want)
		}
		start = time.Now()
		s.expect(again(data(0, 0, "one")))
		if got, want := time.Since(start), 3200*time.Millisecond; got != want {
			t.Errorf("then after %v, want %v", got, want)
		}
		s.send(ackOf(1))
	})
}

func TestAcknowledgementTimeAdapts(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, s *script, c *Conn) {
		for i := range 20 { // a quick line: down to the least
			send(t, c, "abc")
			s.expect(data(uint8(i)&7, 0, "abc"))
			s.send(ackOf(uint8(i+1) & 7))
		}
		send(t, c, "abc")
		s.expect(data(4, 0, "abc"))
		start := time.Now()
		s.expect(again(data(4, 0, "abc")))
		if got, want := time.Since(start), 400*time.Millisecond; got != want {
			t.Errorf("got %v, want %v", got, want)
		}
		s.send(ackOf(5))
	})
}

func TestGivesUpAfterTooManyTimeouts(t *testing.T) {
	bubble(t, Options{MaxTimeouts: 3}, func(t *testing.T, s *script, c *Conn) {
		go io.Copy(io.Discard, s.line)
		send(t, c, "one")
		<-c.Done()
		if !errors.Is(c.Err(), ErrTooManyTimeouts) {
			t.Errorf("got %v", c.Err())
		}
		if got := c.Stats(); got.AckTimeouts != 3 || got.Retransmissions != 2 {
			t.Errorf("got %+v", got)
		}
		if err := c.Send(t.Context(), []byte("two")); !errors.Is(err, ErrTooManyTimeouts) {
			t.Errorf("Send: got %v", err)
		}
	})
}

func TestWindow(t *testing.T) {
	bubble(t, Options{Window: 3}, func(t *testing.T, s *script, c *Conn) {
		go func() {
			for _, d := range []string{"one", "two", "three", "four"} {
				send(t, c, d)
			}
		}()
		s.expect(data(0, 0, "one"))
		s.expect(data(1, 0, "two"))
		s.expect(data(2, 0, "three"))
		synctest.Wait()
		if got := c.Stats().SentFrames; got != 3 {
			t.Errorf("%d frames are on their way, want 3", got)
		}
		s.send(ackOf(2)) // the first two arrived, the third did not
		s.expect(data(3, 0, "four"))
		s.send(nakOf(2))
		s.expect(again(data(2, 0, "three")))
		s.expect(again(data(3, 0, "four")))
		s.send(ackOf(4))
	})
}

func TestWindowOfOneWaits(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, s *script, c *Conn) {
		go func() { send(t, c, "one"); send(t, c, "two") }()
		s.expect(data(0, 0, "one"))
		synctest.Wait()
		if got := c.Stats().SentFrames; got != 1 {
			t.Errorf("%d frames are on their way, want 1", got)
		}
		s.send(ackOf(1))
		s.expect(data(1, 0, "two"))
		s.send(ackOf(2))
	})
}

func TestRefusesWhatIsOutOfSequence(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, s *script, c *Conn) {
		s.send(data(1, 0, "two"), data(2, 0, "three")) // zero got lost
		s.expect(nakOf(0))                             // once
		s.send(again(data(0, 0, "one")), again(data(1, 0, "two")), again(data(2, 0, "three")))
		s.expect(ackOf(3))
		receive(t, c, "one")
		receive(t, c, "two")
		receive(t, c, "three")
	})
}

func TestDropsDuplicates(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, s *script, c *Conn) {
		s.send(data(0, 0, "one"))
		s.expect(ackOf(1))
		s.send(again(data(0, 0, "one"))) // our ACK got lost
		s.expect(ackOf(1))
		s.send(data(1, 0, "two"))
		s.expect(ackOf(2))
		receive(t, c, "one")
		receive(t, c, "two")
		if got := c.Stats(); got.Duplicates != 1 || got.ReceivedFrames != 2 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestAsksAgainAfterABadChecksum(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, s *script, c *Conn) {
		b := appendFrame(nil, data(0, 0, "one"))
		b[2] ^= 0x40
		s.raw(b)
		s.expect(nakOf(0))
		s.raw(b) // still asked for: no second NAK
		s.send(again(data(0, 0, "one")))
		s.expect(ackOf(1))
		receive(t, c, "one")
		if got := c.Stats(); got.CRCErrors != 2 || got.SentNaks != 1 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestAnImpossibleAcknowledgementIsRefused(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, s *script, c *Conn) {
		s.send(ackOf(5))
		s.expect(nakOf(0))
		s.send(again(data(0, 0, "one")))
		s.expect(ackOf(1))
		receive(t, c, "one")
		if got := c.Stats().BadAcks; got != 1 {
			t.Errorf("got %d bad acknowledgements, want 1", got)
		}
	})
}

func TestHoldsCallbacksBackWhenNobodyReads(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, s *script, c *Conn) {
		held := -1
		for i := range rxQueue {
			s.send(data(uint8(i)&7, 0, fmt.Sprintf("frame %d", i)))
			f := s.expect(frame{kind: kindAck, ack: uint8(i+1) & 7, nRdy: i+1 >= rxHigh})
			if f.nRdy && held < 0 {
				held = i + 1
			}
		}
		if held != rxHigh {
			t.Errorf("held back after %d frames, want %d", held, rxHigh)
		}
		s.send(data(0, 0, "one too many"))
		s.expect(frame{kind: kindNak, ack: 0, nRdy: true})
		start := time.Now()
		s.expect(frame{kind: kindAck, ack: 0, nRdy: true}) // an NCP forgets in a second
		if got := time.Since(start); got > time.Second {
			t.Errorf("not repeated for %v", got)
		}
		for i := range rxQueue {
			receive(t, c, fmt.Sprintf("frame %d", i))
			if i == rxQueue-rxLow-1 {
				s.expect(ackOf(0)) // room again
			}
		}
		s.send(again(data(0, 0, "one too many")))
		s.expect(ackOf(1))
		receive(t, c, "one too many")
		if got := c.Stats(); got.Refused != 1 || got.Holds != 1 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestTheLinkEnds(t *testing.T) {
	tests := []struct {
		name string
		with func(*script)
		want error
	}{
		{"WhenTheNCPResets", func(s *script) {
			s.send(frame{kind: kindRstAck, version: 2, code: ResetWatchdog})
		}, ErrReset{ResetWatchdog}},
		{"WhenTheNCPGivesUp", func(s *script) {
			s.send(frame{kind: kindError, version: 2, code: CodeTimeouts})
		}, ErrFailed{CodeTimeouts}},
		{"WhenTheLineCloses", func(s *script) { s.line.Close() }, errLineClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, Options{}, func(t *testing.T, s *script, c *Conn) {
				s.send(data(0, 0, "before"))
				s.expect(ackOf(1))
				tt.with(s)
				<-c.Done()
				if !errors.Is(c.Err(), tt.want) {
					t.Errorf("got %v, want %v", c.Err(), tt.want)
				}
				receive(t, c, "before")
				if _, err := c.Receive(t.Context()); !errors.Is(err, tt.want) {
					t.Errorf("Receive: got %v", err)
				}
			})
		})
	}
}

func TestCloseEndsEverything(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, s *script, c *Conn) {
		done := make(chan error)
		go func() {
			_, err := c.Receive(context.Background())
			done <- err
		}()
		synctest.Wait()
		c.Close()
		if err := <-done; !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
		if _, err := s.line.Read(make([]byte, 1)); err == nil {
			t.Error("the line is still open")
		}
	})
}

func TestSendRefusesImpossibleSizes(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, s *script, c *Conn) {
		for _, n := range []int{0, minData - 1, MaxData + 1} {
			if err := c.Send(t.Context(), make([]byte, n)); err == nil {
				t.Errorf("%d bytes: no error", n)
			}
		}
	})
}
