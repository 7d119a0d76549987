// Package ash is the host's side of ASH, the protocol that carries EZSP frames
// over a serial line to a network co-processor (Silicon Labs UG101): bytes in
// any state of disorder on one side, whole frames exactly once and in order on
// the other.
//
// It knows frames, their numbers, acknowledgements and timers. It must never
// know what the frames say (EZSP), nor what kind of line it has.
package ash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Options of a link. The zero value is right for every dongle known.
type Options struct {
	// Window is how many frames may be on their way to the NCP without an
	// acknowledgement: 1 to 7, default 1. EZSP has one command in flight
	// anyway, so more gains nothing, and firmware is known that crashes on it.
	Window int
	// The time to wait for an acknowledgement adapts itself to the line
	// between AckMin and AckMax, starting with AckInit (UG101 5.6). Defaults:
	// 400 ms, 3.2 s, 1.6 s.
	AckInit, AckMin, AckMax time.Duration
	// MaxTimeouts is how many acknowledgements in a row may fail to come
	// before the link is given up. Default 6: with the times above that is 10
	// to 17 s on a line that was good, and a line that loses a fifth of its
	// frames survives.
	MaxTimeouts int
	// ResetWait is how long an NCP may take to restart, ResetTries how often it
	// is asked to. Defaults: 2.5 s and 4, so a silent line is known after 10 s.
	ResetWait  time.Duration
	ResetTries int
	// Log receives what is odd about the line, at debug level; nil discards it.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Window == 0 {
		o.Window = 1
	}
	o.Window = min(max(o.Window, 1), 7)
	def := func(p *time.Duration, d time.Duration) {
		if *p <= 0 {
			*p = d
		}
	}
	def(&o.AckInit, 1600*time.Millisecond)
	def(&o.AckMin, 400*time.Millisecond)
	def(&o.AckMax, 3200*time.Millisecond)
	def(&o.ResetWait, 2500*time.Millisecond)
	if o.MaxTimeouts <= 0 {
		o.MaxTimeouts = 6
	}
	if o.ResetTries <= 0 {
		o.ResetTries = 4
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// The receive queue, in frames: above rxHigh the NCP is told to hold its
// callbacks back (nRdy), at rxLow it may go on, beyond rxQueue frames are
// refused until there is room.
const (
	rxQueue = 64
	rxHigh  = 40
	rxLow   = 8
	// holdRefresh is how often nRdy is repeated: an NCP forgets it after 1 s
	// (UG101 table 5, T_REMOTE_NOTRDY).
	holdRefresh = 400 * time.Millisecond
)

// Conn is a link that has been reset and works until it ends, once and for
// ever: Done is closed then and Err says why.
type Conn struct {
	o     Options
	line  io.ReadWriteCloser
	reset ResetCode // why the NCP restarted when the link was opened

	link *link
	send chan []byte   // from Send
	recv chan []byte   // to Receive
	out  outbox        // to the writer
	kick chan struct{} // the receive queue has room again
	done chan struct{}

	holding atomic.Bool  // nRdy is set
	heard   atomic.Int64 // UnixNano of the last whole frame

	endOnce sync.Once
	err     error // valid once done is closed
}

// Open resets the NCP at the other end of line and returns the link once it
// has answered. It takes line over and closes it when the link ends, also
// when Open fails: with ErrNoAnswer when nothing answers, ErrVersion, the
// line's own error, or that of ctx.
func Open(ctx context.Context, line io.ReadWriteCloser, o Options) (*Conn, error) {
	c := newConn(line, o)
	opened := make(chan struct{})
	go c.read()
	go c.write()
	go func() {
		if c.link.handshake() {
			close(opened)
			c.link.run()
		}
	}()
	select {
	case <-opened:
		return c, nil
	case <-c.done:
		return nil, c.err
	case <-ctx.Done():
		c.end(context.Cause(ctx))
		return nil, c.err
	}
}

func newConn(line io.ReadWriteCloser, o Options) *Conn {
	c := &Conn{
		o:    o.withDefaults(),
		line: line,
		send: make(chan []byte),
		recv: make(chan []byte, rxQueue),
		out:  outbox{wake: make(chan struct{}, 1)},
		kick: make(chan struct{}, 1),
		done: make(chan struct{}),
	}
	c.out.line, _ = line.(trier)
	c.link = newLink(c)
	return c
}

// Send hands a frame of 3 to MaxData bytes to the link, which sends it until
// it is acknowledged. It waits for room in the window; the frame must not be
// changed afterwards. It fails when ctx ends first or the link has ended.
func (c *Conn) Send(ctx context.Context, data []byte) error {
	if len(data) < minData || len(data) > MaxData {
		return fmt.Errorf("ash: a frame of %d bytes cannot be sent (%d to %d can)", len(data), minData, MaxData)
	}
	select {
	case c.send <- data:
		return nil
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Receive waits for the next frame from the NCP. Frames that arrived before
// the link ended are still delivered after its end; then comes its error.
func (c *Conn) Receive(ctx context.Context) ([]byte, error) {
	select {
	case f := <-c.recv:
		c.received()
		return f, nil
	default:
	}
	select {
	case f := <-c.recv:
		c.received()
		return f, nil
	case <-c.done:
		select {
		case f := <-c.recv:
			return f, nil
		default:
			return nil, c.err
		}
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (c *Conn) received() {
	if c.holding.Load() && len(c.recv) <= rxLow {
		select {
		case c.kick <- struct{}{}:
		default:
		}
	}
}

// Done is closed when the link has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err says why the link has ended; nil while it has not.
func (c *Conn) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// ResetCode says why the NCP restarted when the link was opened: normally
// ResetSoftware, for it was asked to.
func (c *Conn) ResetCode() ResetCode { return c.reset }

// Heard is when the last whole frame came from the NCP, be it only an
// acknowledgement.
func (c *Conn) Heard() time.Time { return time.Unix(0, c.heard.Load()) }

// Close ends the link and closes the line. It says nothing to the NCP.
func (c *Conn) Close() error {
	c.end(ErrClosed)
	return nil
}

func (c *Conn) end(err error) {
	c.endOnce.Do(func() {
		c.err = err
		close(c.done)
		c.line.Close() // frees the reader and the writer
	})
}

func (c *Conn) read() {
	buf := make([]byte, 1024)
	for {
		n, err := c.line.Read(buf)
		if n > 0 {
			c.link.take(buf[:n])
		}
		if err != nil {
			c.end(lineError("reading from the dongle", err))
			return
		}
	}
}

// write writes what a line did not take at once.
func (c *Conn) write() {
	for {
		select {
		case <-c.out.wake:
			b := c.out.take()
			if len(b) == 0 { // taken together with what came before it
				continue
			}
			_, err := c.line.Write(b)
			if c.out.taken(b, len(b)); err != nil {
				c.end(lineError("writing to the dongle", err))
				return
			}
		case <-c.done:
			return
		}
	}
}

// lineError says what was being done when a line failed, unless the line itself
// explains what has happened.
func lineError(doing string, err error) error {
	var explained interface{ Hint() string }
	if errors.As(err, &explained) {
		return err
	}
	if err == io.EOF {
		err = errLineClosed
	}
	return fmt.Errorf("%s: %w", doing, err)
}
