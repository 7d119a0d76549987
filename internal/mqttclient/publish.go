package mqttclient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/mqttclient/packet"
)

// Publish sends a message. QoS 0: it returns when the message is handed to the
// operating system. QoS 1 and 2: when the broker has acknowledged it, within 10 s.
// Errors: ErrDown (not connected, or the connection was lost before the answer),
// ErrRefused, or that of ctx.
func (c *Client) Publish(ctx context.Context, m Message) error {
	if err := c.publish(ctx, m); err != nil {
		return fmt.Errorf("publishing to %q: %w", m.Topic, err)
	}
	return nil
}

func (c *Client) publish(ctx context.Context, m Message) error {
	if err := checkTopic(m.Topic); err != nil {
		return err
	}
	if m.QoS > 2 {
		return fmt.Errorf("QoS %d does not exist; it is 0, 1 or 2", m.QoS)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	conn := c.current()
	if conn == nil {
		return ErrDown
	}
	p := m.sending()
	switch {
	case !p.Fits():
		return errTooLarge
	case m.QoS > conn.welcome.MaximumQoS:
		return fmt.Errorf("the broker takes no QoS %d", m.QoS)
	case m.QoS > 0:
		return c.publishSurely(ctx, conn, p)
	}
	return sent(conn.publish(p, 0))
}

// sent says what a write that has failed means.
func sent(err error) error {
	if err != nil && !errors.Is(err, errTooLarge) {
		return fmt.Errorf("%w: %w", ErrDown, err)
	}
	return err
}

// publishSurely publishes with QoS 1 or 2.
func (c *Client) publishSurely(ctx context.Context, conn *conn, m packet.Message) error {
	if err := conn.slot(ctx); err != nil {
		return err
	}
	awaits := packet.Puback
	if m.QoS == 2 {
		awaits = packet.Pubrec
	}
	if c.opt.SessionExpiry > 0 { // it may be sent again when the caller is long gone
		m.Payload = slices.Clone(m.Payload)
	}
	id, f, err := c.flying.begin(awaits, m)
	if err == nil {
		if err = sent(conn.publish(m, id)); errors.Is(err, errTooLarge) {
			c.flying.cancel(id)
		}
	}
	if err != nil {
		conn.freeSlot()
		return err
	}
	_, err = c.await(ctx, conn, f)
	return err
}

// await waits for the answer to what was sent.
func (c *Client) await(ctx context.Context, conn *conn, f *flight) (packet.Packet, error) {
	late := time.NewTimer(packetTimeout)
	defer late.Stop()
	select {
	case p := <-f.answer:
		if p.Reason >= packet.Refusal {
			return p, fmt.Errorf("%w (reason 0x%02x%s)", ErrRefused, p.Reason, inWords(p.Text))
		}
		return p, nil
	case <-conn.ctx.Done():
		return packet.Packet{}, ErrDown
	case <-ctx.Done():
		return packet.Packet{}, ctx.Err()
	case <-late.C:
		return packet.Packet{}, fmt.Errorf("the broker has not acknowledged within %v: %w", packetTimeout, context.DeadlineExceeded)
	}
}
