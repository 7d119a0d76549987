// Package door stands between the network and the MQTT codec: a connection
// behind it yields only whole packets whose structure was checked, so that no
// length, count or nesting a stranger chooses reaches the code inside. It knows
// the wire form of MQTT 3.1, 3.1.1 and 5 and must never know who is connecting,
// or what topics mean.
package door

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Limits of what a client may send. The zero value of each means its default.
type Limits struct {
	// ConnectTimeout is the time from accepting a connection to the last byte of
	// its CONNECT packet, and again to its acceptance. Default 10 s.
	ConnectTimeout time.Duration
	// ConnectSize is the largest CONNECT packet in bytes. Default 32 KiB.
	ConnectSize int
	// PacketSize is the largest packet in bytes, fixed header included. Default 1 MiB.
	PacketSize int
	// TopicLevels is how many levels a topic or filter has at most. Default 200.
	TopicLevels int
	// Filters is how many topic filters one SUBSCRIBE or UNSUBSCRIBE holds at
	// most. Default 1000.
	Filters int
	// WriteTimeout is how long a client may refuse to read before it is given
	// up: one that stands still holds up whoever publishes to it. Default 5 s.
	WriteTimeout time.Duration
}

func (l Limits) withDefaults() Limits {
	set := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	if l.ConnectTimeout == 0 {
		l.ConnectTimeout = 10 * time.Second
	}
	if l.WriteTimeout == 0 {
		l.WriteTimeout = 5 * time.Second
	}
	set(&l.ConnectSize, 32<<10)
	set(&l.PacketSize, 1<<20)
	set(&l.TopicLevels, 200)
	set(&l.Filters, 1000)
	return l
}

// Reason is an MQTT 5 reason code (MQTT 5, 2.4) with which a packet is refused.
type Reason byte

// The reasons this package gives.
const (
	Malformed          Reason = 0x81
	ProtocolError      Reason = 0x82
	UnsupportedVersion Reason = 0x84
	FilterInvalid      Reason = 0x8f
	TopicInvalid       Reason = 0x90
	TooLarge           Reason = 0x95
	QuotaExceeded      Reason = 0x97
)

// Error is the refusal of a packet; the connection ends with it.
type Error struct {
	Reason Reason
	What   string
}

func (e *Error) Error() string {
	return fmt.Sprintf("refused an MQTT packet (reason 0x%02x): %s", byte(e.Reason), e.What)
}

func refuse(r Reason, format string, args ...any) error {
	return &Error{r, fmt.Sprintf(format, args...)}
}

// Conn is a client's connection behind the door.
type Conn struct {
	net.Conn
	limits  Limits
	state   state
	raw     [2048]byte // read from the network, not yet looked at
	pending []byte     // the part of raw not yet looked at
	packet  []byte     // the current packet
	given   int        // how much of it Read has handed out
	err     error      // why nothing comes any more

	refused atomic.Pointer[Error]
	done    chan struct{}
	finish  sync.Once
}

// New puts a door before c. Nothing is read yet.
func New(c net.Conn, l Limits) *Conn {
	return &Conn{Conn: c, limits: l.withDefaults(), done: make(chan struct{})}
}

// Await reads the CONNECT packet, so that a connection costs nothing inside
// before its client has said who it is. Read then begins with that packet.
func (c *Conn) Await() error {
	if err := c.Conn.SetReadDeadline(time.Now().Add(c.limits.ConnectTimeout)); err != nil {
		return err
	}
	if err := c.next(); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("waiting for CONNECT: none came within %v", c.limits.ConnectTimeout)
		}
		return fmt.Errorf("waiting for CONNECT: %w", err)
	}
	return nil
}

// Read gives the bytes of checked packets, never of two at once.
func (c *Conn) Read(p []byte) (int, error) {
	if c.given == len(c.packet) {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.packet[c.given:])
	c.given += n
	return n, nil
}

// next reads and checks one packet.
func (c *Conn) next() error {
	if c.err != nil {
		return c.err
	}
	if err := c.readPacket(); err != nil {
		c.err = err
		if e := (*Error)(nil); errors.As(err, &e) {
			c.refused.Store(e)
			c.sayWhy(e)
		}
		return c.err
	}
	return nil
}

func (c *Conn) readPacket() error {
	const keep = 64 << 10 // a large packet's buffer is not kept
	if cap(c.packet) > keep {
		c.packet = nil
	}
	c.packet, c.given = c.packet[:0], 0
	size, err := c.readHeader()
	if err != nil {
		return err
	}
	for len(c.packet) < size {
		if err := c.fill(); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		// The buffer grows with what has come, not with what was announced.
		n := min(len(c.pending), size-len(c.packet))
		c.packet = append(c.packet, c.pending[:n]...)
		c.pending = c.pending[n:]
	}
	return c.state.check(c.packet, size, c.limits)
}

// readHeader reads the fixed header into packet and returns the size of the
// whole packet (MQTT 5, 2.1).
func (c *Conn) readHeader() (size int, err error) {
	b, err := c.readByte()
	if err != nil {
		return 0, err
	}
	c.packet = append(c.packet, b)
	if err := c.state.checkType(b); err != nil {
		return 0, err
	}
	limit := c.limits.PacketSize
	if !c.state.connected {
		limit = c.limits.ConnectSize
	}
	remaining := 0
	for shift := 0; ; shift += 7 {
		if shift == 28 {
			return 0, refuse(Malformed, "its length has more than 4 bytes")
		}
		b, err := c.readByte()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, err
		}
		c.packet = append(c.packet, b)
		remaining |= int(b&0x7f) << shift
		if b&0x80 == 0 {
			break
		}
	}
	if size = len(c.packet) + remaining; size > limit {
		return 0, refuse(TooLarge, "%d bytes are more than the limit of %d", size, limit)
	}
	c.state.body = len(c.packet)
	return size, nil
}

func (c *Conn) readByte() (byte, error) {
	if err := c.fill(); err != nil {
		return 0, err
	}
	b := c.pending[0]
	c.pending = c.pending[1:]
	return b, nil
}

// fill makes sure that at least one byte is pending.
func (c *Conn) fill() error {
	for len(c.pending) == 0 {
		n, err := c.Conn.Read(c.raw[:])
		c.pending = c.raw[:n]
		if n == 0 && err != nil {
			return err
		}
	}
	return nil
}

// sayWhy tells an MQTT 5 client with which reason it is disconnected; before
// CONNECT, and to older ones, there is no way to say it. A client of a version
// to come gets the answer to CONNECT that all versions share.
func (c *Conn) sayWhy(e *Error) {
	if e.Reason == UnsupportedVersion {
		_, _ = c.Write([]byte{0x20, 2, 0, 1})
	} else if c.state.connected && c.state.version == 5 {
		_, _ = c.Write([]byte{0xe0, 2, byte(e.Reason), 0})
	}
}

// Refused is the refusal that ended the connection, or nil.
func (c *Conn) Refused() *Error { return c.refused.Load() }

// Write sends to the client within the write timeout, or closes the connection.
// A client that is already gone makes no error here: it may have sent its
// DISCONNECT before going, and only reading to the end shows that.
func (c *Conn) Write(p []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.limits.WriteTimeout)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	switch {
	case errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET):
		return len(p), nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.Conn.Close()
		return n, fmt.Errorf("the client has read nothing for %v and was disconnected: %w", c.limits.WriteTimeout, err)
	}
	return n, err
}

// SetDeadline sets the deadline for reading only: writing has its own.
func (c *Conn) SetDeadline(t time.Time) error { return c.Conn.SetReadDeadline(t) }

// SetWriteDeadline does nothing: see Write.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

// Finish says that nothing inside works on this connection any more.
func (c *Conn) Finish() { c.finish.Do(func() { close(c.done) }) }

// Finished is closed by Finish.
func (c *Conn) Finished() <-chan struct{} { return c.done }
