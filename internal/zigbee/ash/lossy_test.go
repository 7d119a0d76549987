package ash

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	simash "github.com/smartcore-ireland/hems/internal/simulator/ash"
)

// lossy is a line on which a share of the frames arrives harmed, and as large a
// share late. It buffers, as a UART does.
type lossy struct {
	net.Conn
	mu     sync.Mutex
	random *rand.Rand
	bad    float64
	queue  chan []byte
	closed chan struct{}
}

// maxDelay is longer than an acknowledgement is waited for at first, so that
// frames are sent again that had only been late.
const maxDelay = 2 * time.Second

func newLossy(c net.Conn, seed uint64, bad float64) *lossy {
	l := &lossy{Conn: c, random: rand.New(rand.NewPCG(seed, 1)), bad: bad, queue: make(chan []byte, 4096), closed: make(chan struct{})}
	queue := l.queue
	late := rand.New(rand.NewPCG(seed, 2))
	go func() {
		for b := range queue {
			if late.Float64() < bad { // and what comes after it
				select {
				case <-time.After(time.Duration(late.Int64N(int64(maxDelay)))):
				case <-l.closed:
					return
				}
			}
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	}()
	return l
}

func (l *lossy) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.queue == nil {
		return 0, net.ErrClosed
	}
	for sent := range bytes.SplitAfterSeq(p, []byte{flag}) {
		if len(sent) == 0 {
			continue
		}
		b := bytes.Clone(sent)
		if l.random.Float64() < l.bad {
			if b = l.harm(b); deceives(sent, b) {
				continue
			}
		}
		l.queue <- b
	}
	return len(p), nil
}

func (l *lossy) harm(b []byte) []byte {
	i := l.random.IntN(len(b))
	switch l.random.IntN(5) {
	case 0: // lost altogether
		return nil
	case 1: // a byte lost
		return append(b[:i], b[i+1:]...)
	case 2: // a bit flipped
		b[i] ^= 1 << l.random.IntN(8)
		return b
	case 3: // a byte twice
		return append(b[:i+1], b[i:]...)
	}
	return append(b, b...) // all of it twice
}

// deceives reports whether harmed bytes still have a right checksum and are
// another frame. With a byte more or less that happens once in 65,536 times; it
// says nothing about the protocol, which cannot notice.
func deceives(sent, harmed []byte) bool {
	frames := func(p []byte) (all []frame) {
		var d decoder
		d.feed(p, func(e event) {
			if e.err == nil {
				all = append(all, e.frame)
			}
		}, &Stats{})
		return all
	}
	was := frames(sent)
	for _, f := range frames(harmed) {
		if !slices.ContainsFunc(was, func(w frame) bool { return fmt.Sprint(w) == fmt.Sprint(f) }) {
			return true
		}
	}
	return false
}

func (l *lossy) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.queue != nil {
		close(l.queue)
		close(l.closed)
		l.queue = nil
	}
	return l.Conn.Close()
}

// patient is an NCP's end of a link: the same rules but for the handshake, and
// more patience than a real one has with so bad a line.
func patient(t *testing.T, line io.ReadWriteCloser, window int) *Conn {
	c := newConn(line, Options{Window: window, MaxTimeouts: 1000})
	l := c.link
	l.greet = func(e event) { // answers resets until the host goes on
		switch {
		case e.err != nil:
		case e.frame.kind == kindRst:
			l.put(appendFrame([]byte{cancel}, rstAck))
		default:
			l.answer()
			l.handle(e)
		}
	}
	go c.read()
	go c.write()
	go func() {
		select {
		case <-l.answered:
			l.run()
		case <-c.done:
		}
	}()
	t.Cleanup(func() { c.Close() })
	return c
}

// TestABadLineDeliversOnceInOrder lets a fifth of what travels in each
// direction be lost, flipped or duplicated, and another fifth be late.
func TestABadLineDeliversOnceInOrder(t *testing.T) {
	for _, window := range []int{1, 3, 7} {
		t.Run(fmt.Sprintf("Window%d", window), func(t *testing.T) {
			for seed := range uint64(5) {
				synctest.Test(t, func(t *testing.T) {
					hostEnd, ncpEnd := net.Pipe()
					ncp := patient(t, newLossy(ncpEnd, seed, 0.2), window)
					host, err := Open(t.Context(), newLossy(hostEnd, seed+100, 0.2), Options{Window: window, MaxTimeouts: 1000, ResetTries: 100})
					if err != nil {
						t.Fatal(err)
					}
					defer host.Close()
					const frames = 400
					var work sync.WaitGroup
					work.Go(func() { sendNumbered(t, host, frames) })
					work.Go(func() { sendNumbered(t, ncp, frames) })
					work.Go(func() { receiveNumbered(t, ncp, frames) })
					receiveNumbered(t, host, frames)
					work.Wait()
					if got := host.Stats(); got.Retransmissions == 0 || got.CRCErrors == 0 || got.Duplicates == 0 {
						t.Errorf("the line was not bad at all: %+v", got)
					}
				})
			}
		})
	}
}

func numbered(i uint32) []byte {
	return append(binary.BigEndian.AppendUint32(nil, i), "some payload of a usual size"...)
}

func sendNumbered(t *testing.T, c *Conn, frames uint32) {
	for i := range frames {
		if err := c.Send(t.Context(), numbered(i)); err != nil {
			t.Errorf("Send %d: %v", i, err)
			return
		}
	}
}

func receiveNumbered(t *testing.T, c *Conn, frames uint32) {
	for i := range frames {
		got, err := c.Receive(t.Context())
		if err != nil {
			t.Errorf("Receive %d: %v (%+v)", i, err, c.Stats())
			return
		}
		if !bytes.Equal(got, numbered(i)) {
			t.Errorf("got %q, want %q", got, numbered(i))
			return
		}
	}
}

// echo is another implementation's NCP that sends back what it is sent.
type echo struct{ link *simash.Link }

func (*echo) Reset()           {}
func (e *echo) Frame(d []byte) { e.link.Send(bytes.Clone(d), false) }

// TestWithAnotherImplementation talks to the simulated dongle's link, which was
// written apart from this one.
func TestWithAnotherImplementation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hostEnd, ncpEnd := net.Pipe()
		e := &echo{}
		e.link = simash.New(simash.Options{Handler: e})
		done := make(chan struct{})
		go func() { e.link.Run(context.Background(), ncpEnd); close(done) }()
		c, err := Open(t.Context(), hostEnd, Options{Window: 3})
		if err != nil {
			t.Fatal(err)
		}
		const frames, ahead = 1000, 5
		for i := range uint32(frames + ahead) {
			if i < frames {
				if err := c.Send(t.Context(), numbered(i)); err != nil {
					t.Fatal(err)
				}
			}
			if i < ahead {
				continue
			}
			if got, err := c.Receive(t.Context()); err != nil || !bytes.Equal(got, numbered(i-ahead)) {
				t.Fatalf("got %q, %v, want %q", got, err, numbered(i-ahead))
			}
		}
		if got := c.Stats(); got.SentFrames != frames || got.ReceivedFrames != frames || got.Retransmissions != 0 || got.BadFrames != 0 {
			t.Errorf("got %+v", got)
		}
		c.Close()
		<-done
	})
}
