// Package ezsp speaks the EmberZNet Serial Protocol (Silicon Labs UG100) with
// a network co-processor: commands with their typed replies, callbacks in
// their order, and the version of all that, negotiated.
//
// It knows commands and their payloads in each protocol version. It must never
// know what a network is made of, what devices say, or how frames reach the
// NCP.
package ezsp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Link carries whole EZSP frames in both directions, exactly once and in
// order. *ash.Conn is one.
type Link interface {
	Send(ctx context.Context, frame []byte) error
	Receive(ctx context.Context) ([]byte, error)
	// Heard is when the NCP last gave a sign of life, be it only an
	// acknowledgement.
	Heard() time.Time
	Done() <-chan struct{}
	Err() error
	Close() error
}

// Options of a connection.
type Options struct {
	// Timeout is how long an NCP may be silent while it owes a reply; default
	// 5 s. One that gives signs of life, as on a bad line where much is sent
	// again, may take four times as long.
	Timeout time.Duration
	// Log receives what is odd; nil discards it.
	Log *slog.Logger
}

// ErrTimeout ends a connection whose NCP takes frames and does not reply: it
// hangs.
type ErrTimeout struct{ Command string }

func (e ErrTimeout) Error() string {
	return fmt.Sprintf("the dongle does not reply to a command (%s)", e.Command)
}

// Hint says what to do.
func (e ErrTimeout) Hint() string { return "unplug the dongle and plug it in again" }

// InvalidCommandError is the reply to a command that the NCP does not know or
// does not take now.
type InvalidCommandError struct {
	Command string
	Reason  Status
}

func (e *InvalidCommandError) Error() string {
	return fmt.Sprintf("the dongle refuses %s: %v", e.Command, e.Reason)
}

const frameInvalidCommand FrameID = 0x0058

// Stats count what passes over a connection.
type Stats struct {
	Commands, Callbacks uint64
	Malformed           uint64 // frames that could not be read
	Stray               uint64 // replies to nothing
	Lost                uint64 // callbacks dropped for want of room
	Overflows           uint64 // frames with which the NCP says it has lost some
}

// Conn is a connection to an NCP. It ends when its link ends, when the NCP
// stops replying, or with Close. Commands may be sent from any goroutine; they
// wait for each other, since an NCP takes one at a time.
type Conn struct {
	link    Link
	timeout time.Duration
	log     *slog.Logger
	version atomic.Uint32 // the dialect, a Version
	speaks  Version       // set before Open returns, and not after
	stack   uint16

	turn   chan struct{} // holds a token while no command is in flight
	seq    uint8         // guarded by turn
	legacy atomic.Bool
	calls  callbackQueue
	scan   scan

	mu      sync.Mutex
	waiting *exchange

	commands, received, malformed, stray, overflows atomic.Uint64

	endOnce sync.Once
	done    chan struct{}
	err     error
}

type exchange struct {
	seq   uint8
	id    FrameID
	reply chan []byte // has room for one
	bad   *Status     // of invalidCommand; set before reply is sent
}

// Open negotiates the protocol version over a link that was just reset and
// takes the link over; it is closed when the connection ends, also when Open
// fails. An NCP that speaks too old a version gives ErrVersion; one that speaks
// a newer one than is known is tried with the newest that is.
func Open(ctx context.Context, link Link, o Options) (*Conn, error) {
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Conn{
		link:    link,
		timeout: o.Timeout,
		log:     o.Log,
		turn:    make(chan struct{}, 1),
		done:    make(chan struct{}),
	}
	c.calls.init()
	c.version.Store(uint32(NewestVersion))
	c.turn <- struct{}{}
	c.legacy.Store(true)
	go c.read()
	if err := c.negotiate(ctx); err != nil {
		c.end(err)
		return nil, err
	}
	return c, nil
}

// negotiate asks for the version in the header that every NCP understands,
// then again in the extended header, with the version the NCP has: from then
// on it takes commands.
func (c *Conn) negotiate(ctx context.Context) error {
	r, err := cmdVersion.call(ctx, c, NewestVersion)
	if err != nil {
		return err
	}
	if r.Version < OldestVersion {
		return ErrVersion{Version: r.Version, Stack: r.Stack}
	}
	c.legacy.Store(false)
	if r, err = cmdVersion.call(ctx, c, r.Version); err != nil {
		return err
	}
	if r.Version < OldestVersion {
		return ErrVersion{Version: r.Version, Stack: r.Stack}
	}
	const meshStack = 2
	if r.StackType != meshStack {
		return fmt.Errorf("the dongle's firmware is not a zigbee stack (stack type %d)", r.StackType)
	}
	c.version.Store(uint32(r.Version.dialect()))
	c.speaks, c.stack = r.Version, r.Stack
	if _, known := emberZNet[r.Version]; !known {
		c.log.Warn("the dongle's firmware speaks a version of EZSP that this version of hems does not know: the nearest before it is tried",
			"ezsp", uint8(r.Version), "firmware", StackVersion(r.Stack), "tried", uint8(c.dialect()))
	}
	return nil
}

// Version is the protocol version of the NCP.
func (c *Conn) Version() Version { return c.speaks }

// dialect is the version in whose form frames are written and read: the NCP's,
// or the newest that is known.
func (c *Conn) dialect() Version { return Version(c.version.Load()) }

// Stack is the firmware version as the version reply gives it, for
// StackVersion.
func (c *Conn) Stack() uint16 { return c.stack }

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err says why the connection has ended; nil while it has not.
func (c *Conn) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// ErrClosed is what a connection says after Close.
var ErrClosed = errors.New("the connection to the dongle is closed")

// Close ends the connection and its link.
func (c *Conn) Close() error {
	c.end(ErrClosed)
	return nil
}

func (c *Conn) end(err error) {
	c.endOnce.Do(func() {
		c.err = err
		close(c.done)
		c.link.Close()
	})
}

// Stats gives the counters as they are now.
func (c *Conn) Stats() Stats {
	return Stats{
		Commands:  c.commands.Load(),
		Callbacks: c.received.Load(),
		Malformed: c.malformed.Load(),
		Stray:     c.stray.Load(),
		Lost:      c.calls.lost.Load(),
		Overflows: c.overflows.Load(),
	}
}

// exchange sends a command and waits for its reply. A caller that gives up
// early leaves the turn with the command until that is answered.
func (c *Conn) exchange(ctx context.Context, id FrameID, name string, payload []byte) ([]byte, error) {
	select {
	case <-c.turn:
	case <-c.done:
		return nil, c.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if err := c.Err(); err != nil {
		c.turn <- struct{}{}
		return nil, err
	}
	x := &exchange{seq: c.seq, id: id, reply: make(chan []byte, 1)}
	c.seq++
	frame := appendHeader(make([]byte, 0, 5+len(payload)), x.seq, id, c.legacy.Load())
	frame = append(frame, payload...)
	c.mu.Lock()
	c.waiting = x
	c.mu.Unlock()
	c.commands.Add(1)

	type result struct {
		payload []byte
		err     error
	}
	finish := func() (r result) {
		r.payload, r.err = c.await(x, name)
		c.mu.Lock()
		c.waiting = nil
		c.mu.Unlock()
		c.turn <- struct{}{}
		return r
	}
	if err := c.link.Send(context.Background(), frame); err != nil {
		c.end(err)
		return nil, finish().err
	}
	if ctx.Done() == nil {
		r := finish()
		return r.payload, r.err
	}
	results := make(chan result, 1)
	go func() { results <- finish() }()
	select {
	case r := <-results:
		return r.payload, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// await waits for a reply. When none comes the NCP hangs, and the connection
// ends.
func (c *Conn) await(x *exchange, name string) ([]byte, error) {
	start := time.Now()
	timer := time.NewTimer(c.timeout)
	defer timer.Stop()
	for {
		select {
		case p := <-x.reply:
			if x.bad != nil {
				return nil, &InvalidCommandError{Command: name, Reason: *x.bad}
			}
			return p, nil
		case <-c.done:
			return nil, c.err
		case <-timer.C:
			until := c.link.Heard().Add(c.timeout)
			if latest := start.Add(4 * c.timeout); until.After(latest) {
				until = latest
			}
			wait := time.Until(until)
			if wait <= 0 {
				c.end(ErrTimeout{name})
				return nil, c.err
			}
			timer.Reset(wait)
		}
	}
}

// read takes frames from the link until it ends.
func (c *Conn) read() {
	for {
		frame, err := c.link.Receive(context.Background())
		if err != nil {
			c.end(err)
			return
		}
		if err := c.take(frame); err != nil {
			c.malformed.Add(1)
			c.log.Debug("ezsp: a frame that cannot be read", "err", err, "bytes", len(frame))
		}
	}
}

// take sorts a frame: a reply goes to whoever waits for it, a callback to the
// queue.
func (c *Conn) take(frame []byte) error {
	h, payload, err := parseHeader(frame, c.legacy.Load())
	if err != nil {
		return err
	}
	if h.control&controlResponse == 0 {
		return fmt.Errorf("frame 0x%04X is a command", uint16(h.id))
	}
	if h.control&controlOverflow != 0 {
		c.overflows.Add(1)
		c.log.Debug("ezsp: the dongle ran out of memory and has dropped callbacks")
	}
	decode, known := callbackDecoder(h.id, c.dialect())
	if h.control&controlCallback != 0 || known {
		if h.control&controlTruncated != 0 {
			return fmt.Errorf("callback 0x%04X was cut short by the dongle", uint16(h.id))
		}
		var cb Callback = Unknown{ID: h.id, Payload: payload}
		if known {
			if cb, err = decode(c.dialect(), payload); err != nil {
				return fmt.Errorf("callback 0x%04X: %w", uint16(h.id), err)
			}
		}
		c.received.Add(1)
		if !c.scan.take(cb) {
			c.calls.put(cb)
		}
		return nil
	}
	c.mu.Lock()
	x := c.waiting
	if x == nil || x.seq != h.seq || h.id != x.id && h.id != frameInvalidCommand {
		c.mu.Unlock()
		c.stray.Add(1)
		return nil
	}
	c.waiting = nil
	c.mu.Unlock()
	if h.id == frameInvalidCommand {
		// One byte of reason in all versions.
		reason := Status{Ezsp, 0x31}
		if len(payload) > 0 {
			reason.Code = uint32(payload[0])
		}
		x.bad = &reason
	}
	x.reply <- payload
	return nil
}
