package mqttclient

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smartcore-ireland/hems/internal/mqttclient/packet"
	"github.com/smartcore-ireland/hems/internal/nonblock"
)

// conn is one connection, from the broker's acceptance to its end.
type conn struct {
	line    *nonblock.File
	in      *bufio.Reader
	welcome packet.Welcome
	slots   chan struct{} // a token for each message of QoS 1 or 2 under way to the broker
	heard   atomic.Bool   // something came since the last ping
	ctx     context.Context
	end     context.CancelFunc // ends ctx; with the connection

	mu  sync.Mutex
	out []byte // is being written; with acknowledgements that wait
	why error  // it was given up; the first reason
}

// maxKept is how much room for packets is kept between them, in bytes.
const maxKept = 64 << 10

// errTooLarge is what a broker that names its limits would not take.
var errTooLarge = errors.New("it is larger than the broker takes")

// greet makes a connection of a line: it says who we are, and waits for the
// broker's answer.
func greet(ctx context.Context, line *nonblock.File, h packet.Hello, gather time.Duration) (*conn, error) {
	c := &conn{line: line, in: bufio.NewReader(line)}
	if gather > 0 {
		c.in = bufio.NewReaderSize(&gatherer{from: line, wait: gather}, gathered)
	}
	line.Patience = writeTimeout
	stop := context.AfterFunc(ctx, func() { line.Close() })
	defer stop()
	p, err := c.introduce(h)
	if err != nil {
		line.Close()
		return nil, err
	}
	c.welcome = p.Welcome
	c.slots = make(chan struct{}, p.ReceiveMaximum)
	c.ctx, c.end = context.WithCancel(context.Background())
	return c, nil
}

func (c *conn) introduce(h packet.Hello) (packet.Packet, error) {
	if err := c.line.SetReadDeadline(time.Now().Add(packetTimeout)); err != nil {
		return packet.Packet{}, err
	}
	if err := c.write(func(b []byte) []byte { return packet.AppendConnect(b, h) }); err != nil {
		return packet.Packet{}, err
	}
	p, err := packet.Read(c.in)
	switch {
	case err != nil:
		return p, fmt.Errorf("waiting for the broker's answer to our CONNECT: %w", err)
	case p.Kind != packet.Connack:
		return p, fmt.Errorf("the broker answers our CONNECT with a %v", p.Kind)
	case p.Reason >= packet.Refusal:
		return p, fmt.Errorf("%w (reason 0x%02x%s)", ErrRefused, p.Reason, inWords(p.Text))
	}
	return p, c.line.SetReadDeadline(time.Time{})
}

func inWords(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}

// write sends the packets that add adds, and acknowledgements that wait, at once.
func (c *conn) write(add func([]byte) []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := len(c.out)
	c.out = add(c.out)
	if max := c.welcome.MaximumPacket; max > 0 && len(c.out)-before > int(max) {
		c.out = c.out[:before]
		return errTooLarge
	}
	return c.flushLocked()
}

// publish is write of one PUBLISH. It is a function of its own for its being
// called most.
func (c *conn) publish(m packet.Message, id uint16) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := len(c.out)
	c.out = packet.AppendPublish(c.out, m, id, false)
	if max := c.welcome.MaximumPacket; max > 0 && len(c.out)-before > int(max) {
		c.out = c.out[:before]
		return errTooLarge
	}
	return c.flushLocked()
}

// later keeps an acknowledgement for the next write, or flush.
func (c *conn) later(k packet.Kind, id uint16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out = packet.AppendAck(c.out, k, id); len(c.out) > maxKept {
		_ = c.flushLocked() // who reads hears of a lost connection
	}
}

// flush writes what waits.
func (c *conn) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.out) > 0 {
		_ = c.flushLocked()
	}
}

func (c *conn) flushLocked() error {
	_, err := c.line.Write(c.out)
	if c.out = c.out[:0]; cap(c.out) > maxKept {
		c.out = nil
	}
	if err != nil { // part of a packet may be gone
		c.failLocked(err)
	}
	return err
}

func (c *conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failLocked(err)
}

func (c *conn) failLocked(err error) {
	if c.why == nil {
		c.why = err
	}
	c.line.Close()
}

// reason is why the connection has ended, of which the reader was told err.
func (c *conn) reason(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.why != nil:
		return c.why
	case err == io.EOF:
		return errors.New("the broker closed the connection")
	}
	return err
}

// ping asks for a sign of life while there is none otherwise, and gives up a
// connection that gives none.
func (c *conn) ping() {
	every := keepAlive * time.Second
	if c.welcome.Commands {
		every = time.Duration(c.welcome.KeepAlive) * time.Second
	}
	if every == 0 {
		every = keepAlive * time.Second // the broker wants none, but we do
	}
	every = min(every, keepAlive*time.Second) * 3 / 4
	tick := time.NewTicker(every)
	defer tick.Stop()
	asked := false
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-tick.C:
		}
		if asked && !c.heard.Load() {
			c.fail(fmt.Errorf("the broker has said nothing for %v", every))
			return
		}
		c.heard.Store(false)
		asked = c.write(func(b []byte) []byte { return append(b, packet.Ping...) }) == nil
	}
}

// goodbye disconnects. The broker is to close the connection first: one that is
// just answering an earlier packet would else meet a closed connection before it
// has read the DISCONNECT, and would publish the will. It is given little time.
func (c *conn) goodbye(reason byte) error {
	err := c.write(func(b []byte) []byte { return packet.AppendDisconnect(b, reason) })
	if err != nil || c.line.CloseWrite() != nil || c.line.SetReadDeadline(time.Now().Add(lingerTimeout)) != nil {
		c.line.Close() // a broker that has the DISCONNECT may have closed it before us
	}
	return err
}

// slot waits for a message of QoS 1 or 2 to be allowed.
func (c *conn) slot(ctx context.Context) error {
	select {
	case c.slots <- struct{}{}:
		return nil
	case <-c.ctx.Done():
		return ErrDown
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *conn) freeSlot() {
	select {
	case <-c.slots:
	default:
	}
}
