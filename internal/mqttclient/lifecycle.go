package mqttclient

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
)

// onUp is called by the library, which waits for it: the work is follow's.
func (c *Client) onUp(cm *autopaho.ConnectionManager, _ *paho.Connack) {
	ctx, cancel := context.WithCancel(context.Background())
	c.mu.Lock()
	c.cm = cm // Open may not have returned yet
	c.up = true
	c.upCtx, c.upEnd = ctx, cancel
	c.lastErr = ""
	conn := c.conn
	c.mu.Unlock()
	c.events.put(event{ctx: ctx, conn: conn})
}

func (c *Client) onDown() bool {
	c.mu.Lock()
	c.up = false
	if c.isReady {
		c.isReady = false
		c.ready = make(chan struct{})
	}
	if c.upEnd != nil {
		c.upEnd()
	}
	c.mu.Unlock()
	c.events.put(event{})
	return true
}

// lost keeps why the connection ended, for the event that follows. The library
// calls it on a goroutine of its own, at most once for each connection.
func (c *Client) lost(err error) {
	select {
	case c.failed <- err:
	default:
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
		if e.ctx == nil {
			err := c.reason()
			c.log.Warn("the connection to the MQTT broker was lost; reconnecting", "server", c.opt.Server, "error", err)
			if told && c.opt.OnDown != nil {
				c.opt.OnDown(err)
			}
			told = false
			continue
		}
		select { // a reason that came after its own event belongs to no later one
		case <-c.failed:
		default:
		}
		if e.ctx.Err() != nil {
			continue // lost again meanwhile
		}
		if err := c.resubscribe(e.ctx); err != nil {
			c.log.Warn("the MQTT subscriptions could not be made; reconnecting", "server", c.opt.Server, "error", err)
			e.conn.Close()
			continue
		}
		c.log.Info("connected to the MQTT broker", "server", c.opt.Server, "client", c.opt.ClientID)
		told = true
		if c.opt.OnUp != nil {
			c.opt.OnUp(e.ctx, c)
		}
	}
}

func (c *Client) reason() error {
	select {
	case err := <-c.failed:
		return err
	case <-time.After(time.Second):
		return errors.New("the connection was closed")
	}
}
