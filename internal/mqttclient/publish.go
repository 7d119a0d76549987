package mqttclient

import (
	"context"
	"errors"
	"fmt"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
)

// Publish sends a message. QoS 0: it returns when the message is handed to the
// operating system. QoS 1 and 2: when the broker has acknowledged it, within 10 s.
// Errors: ErrDown (not connected, or the connection was lost before the answer),
// ErrRefused, or that of ctx.
func (c *Client) Publish(ctx context.Context, m Message) error {
	if err := checkTopic(m.Topic); err != nil {
		return fmt.Errorf("publishing to %q: %w", m.Topic, err)
	}
	if m.QoS > 2 {
		return fmt.Errorf("publishing to %q: QoS %d does not exist; it is 0, 1 or 2", m.Topic, m.QoS)
	}
	cm, pubCtx, cancel, up := c.current(ctx)
	if !up {
		return fmt.Errorf("publishing to %q: %w", m.Topic, ErrDown)
	}
	defer cancel()
	p := &paho.Publish{Topic: m.Topic, Payload: m.Payload, QoS: m.QoS, Retain: m.Retain}
	if expiry := m.Expiry; expiry > 0 {
		p.Properties = &paho.PublishProperties{MessageExpiry: &expiry}
	}
	resp, err := cm.Publish(pubCtx, p)
	if resp != nil && resp.ReasonCode >= 0x80 {
		return fmt.Errorf("publishing to %q: %w (reason 0x%02x)", m.Topic, ErrRefused, resp.ReasonCode)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("publishing to %q: %w", m.Topic, ctx.Err())
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("publishing to %q: the broker has not acknowledged within %v: %w", m.Topic, packetTimeout, err)
	case errors.Is(err, paho.ErrInvalidArguments):
		return fmt.Errorf("publishing to %q: %w", m.Topic, err)
	case errors.Is(err, autopaho.ConnectionDownError):
		return fmt.Errorf("publishing to %q: %w", m.Topic, ErrDown)
	default: // the library has no one error for a connection lost on the way
		return fmt.Errorf("publishing to %q: %w: %w", m.Topic, ErrDown, err)
	}
}
