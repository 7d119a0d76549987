package mqttclient

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"time"

	"github.com/smartcore-ireland/hems/internal/mqttclient/packet"
)

// disconnectWithWill is the reason of a DISCONNECT that asks for the will.
const disconnectWithWill = 0x04

// connect makes one connection after the other until the client is closed.
func (c *Client) connect(ctx context.Context) {
	defer close(c.ended)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-c.done: // an attempt under way ends too
			cancel()
		case <-ctx.Done():
		}
	}()
	for attempt := 0; ; attempt++ {
		conn, err := c.attempt(ctx)
		if err == nil {
			attempt = 0
			c.up(conn)
			c.down(conn, c.read(conn))
		} else {
			c.connectFailed(err)
		}
		select {
		case <-c.done:
			return
		case <-time.After(backoff(attempt)):
		}
	}
}

// backoff grows from 100 ms to maxBackoff, with a quarter of chance so that
// processes started together do not knock together.
func backoff(n int) time.Duration {
	d := min(maxBackoff, 100*time.Millisecond<<min(max(n, 0), 5))
	return d - rand.N(d/4)
}

func (c *Client) attempt(ctx context.Context) (*conn, error) {
	h, err := c.hello()
	if err != nil {
		return nil, err
	}
	line, err := c.dial.dial(ctx)
	if err != nil {
		return nil, err
	}
	return greet(ctx, line, h, c.opt.Gather)
}

// hello is how we introduce ourselves.
func (c *Client) hello() (packet.Hello, error) {
	h := packet.Hello{ClientID: c.opt.ClientID, Clean: c.opt.SessionExpiry <= 0, KeepAlive: keepAlive, ReceiveMaximum: c.opt.ReceiveMaximum}
	if c.opt.SessionExpiry > 0 {
		h.SessionExpiry = uint32(min(math.Ceil(c.opt.SessionExpiry.Seconds()), math.MaxUint32-1))
	}
	if c.opt.User != "" {
		h.User = &c.opt.User
	}
	if c.opt.Password != nil {
		password, err := c.opt.Password()
		if err != nil {
			return h, fmt.Errorf("asking for the password of MQTT user %q: %w", c.opt.User, err)
		}
		h.Password = &password
	}
	if c.opt.Will != nil {
		w := c.opt.Will.sending()
		h.Will = &w
	}
	return h, nil
}

// up begins to use a connection, unless the client was closed meanwhile.
func (c *Client) up(conn *conn) {
	c.owed.begin(conn, conn.welcome.SessionPresent)
	if !conn.welcome.SessionPresent {
		c.flying.lost(false)
	} else if packets, n := c.flying.again(nil); n > 0 {
		for range min(n, cap(conn.slots)) {
			conn.slots <- struct{}{}
		}
		_ = conn.write(func(b []byte) []byte { return append(b, packets...) }) // the reader hears of it
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		_ = conn.goodbye(0)
		return
	}
	c.conn = conn
	c.lastErr = ""
	go conn.ping()
	c.events.put(event{conn: conn})
}

// down is after the reader of a connection has met its end.
func (c *Client) down(conn *conn, err error) {
	err = conn.reason(err)
	conn.line.Close()
	c.mu.Lock()
	c.conn = nil
	if c.isReady {
		c.isReady = false
		c.ready = make(chan struct{})
	}
	closed := c.closed
	c.mu.Unlock()
	conn.end()
	c.flying.lost(c.opt.SessionExpiry > 0)
	if !closed {
		c.events.put(event{err: err})
	}
}

// connectFailed logs each distinct reason once, not each attempt.
func (c *Client) connectFailed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := err.Error()
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		text = op.Op + op.Err.Error() // without the ports, which differ each time
	}
	if c.closed || text == c.lastErr {
		return
	}
	c.lastErr = text
	c.log.Warn("the MQTT broker cannot be reached; trying again", "server", c.opt.Server, "error", err)
}

// follow handles the ups and downs of the connection one after the other, until
// the client is closed.
func (c *Client) follow() {
	told := false // OnUp was called, so OnDown is owed
	for {
		e, ok := c.events.get()
		if !ok {
			return
		}
		if e.conn == nil {
			c.log.Warn("the connection to the MQTT broker was lost; reconnecting", "server", c.opt.Server, "error", e.err)
			if told && c.opt.OnDown != nil {
				c.opt.OnDown(e.err)
			}
			told = false
			continue
		}
		ctx := e.conn.ctx
		if ctx.Err() != nil {
			continue // lost again meanwhile
		}
		if err := c.resubscribe(ctx); err != nil {
			c.log.Warn("the MQTT subscriptions could not be made; reconnecting", "server", c.opt.Server, "error", err)
			e.conn.fail(err)
			continue
		}
		c.log.Info("connected to the MQTT broker", "server", c.opt.Server, "client", c.opt.ClientID)
		told = true
		if c.opt.OnUp != nil {
			c.opt.OnUp(ctx, c)
		}
	}
}
