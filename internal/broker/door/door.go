// Package door stands between the network and the broker: a connection behind it
// yields only whole packets whose structure was checked, so that no length, count
// or nesting a stranger chooses reaches the code inside. It knows the wire form of
// MQTT 3.1, 3.1.1 and 5 and must never know who is connecting, or what topics
// mean.
package door

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Limits of what a client may send. The zero value of each means its default.
type Limits struct {
	// ConnectTimeout is the time from accepting a connection to the last byte of
	// its CONNECT packet. Default 10 s.
	ConnectTimeout time.Duration
	// ConnectSize is the largest CONNECT packet in bytes. Default 32 KiB.
	ConnectSize int
	// PacketSize is the largest packet in bytes, fixed header included. Default 1 MiB.
	PacketSize int
	// TopicLevels is how many levels a topic or filter has at most. Default 201,
	// which is 200 separators, as in Mosquitto.
	TopicLevels int
	// Filters is how many topic filters one SUBSCRIBE or UNSUBSCRIBE holds at
	// most. Default 1000.
	Filters int
	// WriteTimeout is how long a client that is being disconnected may take to
	// read what is left for it. Default 5 s.
	WriteTimeout time.Duration
}

// WithDefaults is l with the defaults where it says nothing.
func (l Limits) WithDefaults() Limits {
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
	set(&l.TopicLevels, 201)
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
	AliasInvalid       Reason = 0x94
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

// Packet is one whole packet that was checked. Its slices are good until the next
// call of Next.
type Packet struct {
	First byte   // type and flags
	Body  []byte // what follows the fixed header
	// Of a PUBLISH, its parts. Large says that Payload has a buffer of its own,
	// which the caller may keep.
	Topic, Properties, Payload []byte
	ID                         uint16
	Large                      bool
}

// Conn is a client's connection behind the door.
type Conn struct {
	net.Conn
	limits Limits
	state  state
	raw    syscall.RawConn    // nil where the connection is not a socket
	ready  func(uintptr) bool // reads when the socket has something
	n      int                // what it read
	err    error              // and why not
	buf    *buffer            // nil while nothing is there
	r, w   int                // what of it was read from the network and not given
	large  []byte             // a packet that does not fit buf, as far as it has come
	each   func([]Packet) error
	over   error // why nothing comes any more
}

// The buffer of a connection is small until its CONNECT was accepted, and is
// given back while there is nothing to read.
const (
	smallBuffer = 2 << 10
	largeBuffer = 16 << 10
	batch       = 64
)

type buffer struct {
	b       []byte
	packets [batch]Packet
}

var (
	buffers = sync.Pool{New: func() any { return &buffer{b: make([]byte, largeBuffer)} }}
	small   = sync.Pool{New: func() any { return &buffer{b: make([]byte, smallBuffer)} }}
)

// New puts a door before c. Nothing is read yet.
func New(c net.Conn, l Limits) *Conn {
	d := &Conn{Conn: c, limits: l.WithDefaults()}
	if s, ok := c.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			d.raw = raw
			d.ready = d.readSocket
		}
	}
	return d
}

// Await reads the CONNECT packet, within the time for it.
func (c *Conn) Await() (Packet, error) {
	if err := c.Conn.SetReadDeadline(time.Now().Add(c.limits.ConnectTimeout)); err != nil {
		return Packet{}, err
	}
	all, err := c.Next(1)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return Packet{}, fmt.Errorf("waiting for CONNECT: none came within %v", c.limits.ConnectTimeout)
	}
	if err != nil {
		return Packet{}, fmt.Errorf("waiting for CONNECT: %w", err)
	}
	return all[0], c.Conn.SetReadDeadline(time.Time{})
}

// Next waits until there is a packet and returns it, with those that came right
// behind it, at most limit. An error is that of the packet after the last one
// returned before.
func (c *Conn) Next(limit int) ([]Packet, error) {
	for {
		if c.over != nil {
			c.release()
			return nil, c.over
		}
		if c.buf != nil {
			if n := c.parse(min(limit, batch)); n > 0 {
				return c.buf.packets[:n], nil
			}
			if c.over != nil {
				continue
			}
		}
		if err := c.fill(); err != nil {
			c.over = c.ending(err)
		}
	}
}

// Each hands the packets that come to f, as Next would, until the connection or f
// ends it; the error says which.
func (c *Conn) Each(f func([]Packet) error) error {
	for c.raw == nil {
		all, err := c.Next(batch)
		if err == nil {
			err = f(all)
		}
		if err != nil {
			return err
		}
	}
	if c.each = f; !c.hand() {
		return c.over
	}
	// All is done while the socket is held for reading: what comes meanwhile wakes
	// it, so that nobody has to ask in vain whether there is more.
	if err := c.raw.Read(c.eachSocket); err != nil {
		c.release()
		return err
	}
	c.release()
	return c.over
}

// hand gives the whole packets that are there to whoever wants each; false when
// nothing comes any more.
func (c *Conn) hand() bool {
	for c.buf != nil {
		n := c.parse(batch)
		if n == 0 {
			break
		}
		if err := c.each(c.buf.packets[:n]); err != nil {
			c.over = err
			return false
		}
		if n == batch {
			runtime.Gosched() // one who floods leaves others their turn
		}
	}
	return c.over == nil
}

// eachSocket reads and hands on what there is; false to be called again when
// there is more.
func (c *Conn) eachSocket(fd uintptr) bool {
	for c.hand() {
		c.arrange()
		c.take()
		into := c.space()
		n, err := syscall.Read(int(fd), into)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			c.rest()
			return false
		case err != nil:
			c.over = os.NewSyscallError("read", err)
		case n == 0:
			c.over = c.ending(io.EOF)
		}
		if c.over != nil {
			return true
		}
		// A short read is not the end of what is there: the poller tells once of
		// data and of the end of the stream behind it. Only EAGAIN is.
		c.came(n)
	}
	return true
}

// rest gives the buffer back where nothing is in it.
func (c *Conn) rest() {
	if c.r == c.w && c.large == nil {
		c.release()
	}
}

// ending is err, or what it means in the middle of a packet.
func (c *Conn) ending(err error) error {
	if err == io.EOF && (c.r < c.w || c.large != nil) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Version is the protocol's, once CONNECT was seen.
func (c *Conn) Version() byte { return c.state.version }

// parse checks the whole packets that are there.
func (c *Conn) parse(limit int) (n int) {
	for n < limit && c.over == nil {
		var p []byte
		head, size, err := c.header()
		switch {
		case err != nil:
		case size == 0:
			return n
		case c.large != nil:
			if len(c.large) < size || n > 0 {
				return n
			}
			p, c.large = c.large, nil
		case size > len(c.buf.b):
			// The buffer grows with what has come, not with what was announced.
			c.large = append(make([]byte, 0, min(size, 2*largeBuffer)), c.buf.b[c.r:c.w]...)
			c.r, c.w = 0, 0
			return n
		case size > c.w-c.r:
			return n
		default:
			p = c.buf.b[c.r : c.r+size]
			c.r += size
		}
		pk := &c.buf.packets[n]
		if err == nil {
			*pk = Packet{First: p[0], Body: p[head:], Large: size > len(c.buf.b)}
			err = c.state.check(pk, &c.limits)
		}
		if err != nil {
			c.over = err
			return n
		}
		n++
	}
	return n
}

// header looks at the fixed header (MQTT 5, 2.1): its own size and that of the
// whole packet, 0 if it is not all there.
func (c *Conn) header() (head, size int, err error) {
	b := c.large
	if b == nil {
		b = c.buf.b[c.r:c.w]
	}
	if len(b) == 0 {
		return 0, 0, nil
	}
	if err := c.state.checkType(b[0]); err != nil {
		return 0, 0, err
	}
	remaining := 0
	for i := 1; ; i++ {
		if i == 5 {
			return 0, 0, refuse(Malformed, "its length has more than 4 bytes")
		}
		if i == len(b) {
			return 0, 0, nil
		}
		remaining |= int(b[i]&0x7f) << (7 * (i - 1))
		if b[i]&0x80 == 0 {
			head = i + 1
			break
		}
	}
	limit := c.limits.PacketSize
	if !c.state.connected {
		limit = c.limits.ConnectSize
	}
	if size = head + remaining; size > limit {
		return 0, 0, refuse(TooLarge, "%d bytes are more than the limit of %d", size, limit)
	}
	return head, size, nil
}

// arrange makes room for what comes.
func (c *Conn) arrange() {
	if c.buf != nil && c.r > 0 {
		c.w = copy(c.buf.b, c.buf.b[c.r:c.w])
		c.r = 0
	}
	if c.w == 0 && c.large == nil && c.state.connected && c.buf != nil && len(c.buf.b) == smallBuffer && c.raw != nil {
		c.release() // and take a large one
	}
}

// fill reads once.
func (c *Conn) fill() error {
	c.arrange()
	if c.raw == nil {
		c.take()
		into := c.space()
		n, err := c.Conn.Read(into)
		c.came(n)
		if n > 0 {
			return nil
		}
		return err
	}
	c.n, c.err = 0, nil
	if err := c.raw.Read(c.ready); err != nil {
		return err
	}
	if c.err != nil {
		return c.err
	}
	c.came(c.n)
	return nil
}

// readSocket tries to read; false where there is nothing yet, and then no buffer
// is held if nothing is in it.
func (c *Conn) readSocket(fd uintptr) bool {
	for {
		c.take()
		n, err := syscall.Read(int(fd), c.space())
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			c.rest()
			return false
		case err != nil:
			c.err = os.NewSyscallError("read", err)
		case n == 0:
			c.err = io.EOF
		}
		c.n = n
		return true
	}
}

// space is where the next bytes go.
func (c *Conn) space() []byte {
	if c.large == nil {
		return c.buf.b[c.w:]
	}
	if len(c.large) == cap(c.large) {
		_, size, _ := c.header()
		grown := make([]byte, len(c.large), min(size, 2*cap(c.large)))
		copy(grown, c.large)
		c.large = grown
	}
	return c.large[len(c.large):cap(c.large)]
}

func (c *Conn) came(n int) {
	if c.large != nil {
		c.large = c.large[:len(c.large)+n]
	} else {
		c.w += n
	}
}

func (c *Conn) take() {
	switch {
	case c.buf != nil:
	case c.state.connected && c.raw != nil:
		c.buf = buffers.Get().(*buffer)
	default:
		c.buf = small.Get().(*buffer)
	}
}

func (c *Conn) release() {
	if c.buf == nil {
		return
	}
	c.buf.packets[0] = Packet{} // a large one is always alone
	if len(c.buf.b) == smallBuffer {
		small.Put(c.buf)
	} else {
		buffers.Put(c.buf)
	}
	c.buf, c.r, c.w = nil, 0, 0
}
