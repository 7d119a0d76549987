package mqttclient

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/smartcore-ireland/hems/internal/mqttclient/packet"
)

// Subscribe remembers the filter and its handler and makes the subscription, now
// when connected and again at every reconnection. A second call with the same
// filter replaces its handler and QoS.
//
// Handlers are called one message at a time, in the order of arrival, on one
// goroutine of the client; a QoS 1 message is acknowledged after they returned.
// A message that several filters match is given to each of their handlers once.
// A slow handler delays the others but not the connection: QoS 0 messages beyond
// 32 MiB of backlog are dropped, counted and logged.
//
// When not connected it returns nil at once. Errors: ErrRefused (the broker said
// no; the filter is then forgotten), or that of ctx (it stays remembered).
func (c *Client) Subscribe(ctx context.Context, filter string, qos byte, h func(Message)) error {
	if err := checkFilter(filter); err != nil {
		return fmt.Errorf("subscribing to %q: %w", filter, err)
	}
	if qos > 2 {
		return fmt.Errorf("subscribing to %q: QoS %d does not exist; it is 0, 1 or 2", filter, qos)
	}
	release, err := c.takeSubSlot(ctx)
	if err != nil {
		return fmt.Errorf("subscribing to %q: %w", filter, err)
	}
	defer release()

	c.mu.Lock()
	c.remember(subscription{filter, qos}, h)
	now := c.isReady
	c.mu.Unlock()
	if !now { // made with the others when the connection is up
		return nil
	}
	err = c.subscribe(ctx, subscription{filter, qos})
	switch {
	case errors.Is(err, ErrRefused):
		c.mu.Lock()
		c.forget(filter)
		c.mu.Unlock()
	case err != nil && ctx.Err() == nil && !c.Connected():
		return nil // lost meanwhile: made again with the others
	}
	return err
}

// Unsubscribe forgets the filter and, when connected, tells the broker.
func (c *Client) Unsubscribe(ctx context.Context, filter string) error {
	release, err := c.takeSubSlot(ctx)
	if err != nil {
		return fmt.Errorf("unsubscribing from %q: %w", filter, err)
	}
	defer release()
	c.mu.Lock()
	c.forget(filter)
	c.mu.Unlock()
	conn := c.current()
	if conn == nil { // a persistent session remembers at the broker what we forget while away
		return nil
	}
	_, err = c.ask(ctx, conn, packet.Unsuback, func(b []byte, id uint16) []byte { return packet.AppendUnsubscribe(b, id, filter) })
	if err != nil && c.Connected() {
		return fmt.Errorf("unsubscribing from %q: %w", filter, err)
	}
	return nil
}

// ask sends a packet and waits for the one that answers it.
func (c *Client) ask(ctx context.Context, conn *conn, awaits packet.Kind, add func(b []byte, id uint16) []byte) (packet.Packet, error) {
	id, f, err := c.flying.begin(awaits, packet.Message{})
	if err != nil {
		return packet.Packet{}, err
	}
	if err := sent(conn.write(func(b []byte) []byte { return add(b, id) })); err != nil {
		c.flying.cancel(id)
		return packet.Packet{}, err
	}
	return c.await(ctx, conn, f)
}

// takeSubSlot serialises subscriptions with the resubscription after a
// reconnection, so that each is made exactly once for each connection.
func (c *Client) takeSubSlot(ctx context.Context) (release func(), err error) {
	select {
	case c.subSlot <- struct{}{}:
		return func() { <-c.subSlot }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.done:
		return nil, fmt.Errorf("the client was closed: %w", ErrDown)
	}
}

func (c *Client) remember(s subscription, h func(Message)) {
	if _, known := c.filters[s.filter]; known {
		for i := range c.order {
			if c.order[i].filter == s.filter {
				c.order[i] = s
			}
		}
	} else {
		c.order = append(c.order, s)
	}
	c.filters[s.filter] = h
	c.routes = nil
}

func (c *Client) forget(filter string) (known bool) {
	if _, known = c.filters[filter]; !known {
		return false
	}
	delete(c.filters, filter)
	c.routes = nil
	c.order = slices.DeleteFunc(c.order, func(s subscription) bool { return s.filter == filter })
	return true
}

// packetIDInUse is the reason with which a broker asks for another packet id.
const packetIDInUse = 0x91

// inOneGo is how many subscriptions one packet asks for: a broker that keeps the
// session writes them down before it answers.
const inOneGo = 100

// SubscribeAll is Subscribe for many filters with one handler, in few packets.
// Those that the broker refuses are forgotten and returned, each with its
// ErrRefused; err is for all that were not made.
func (c *Client) SubscribeAll(ctx context.Context, filters []string, qos byte, h func(Message)) (refused map[string]error, err error) {
	for _, f := range filters {
		if err := checkFilter(f); err != nil {
			return nil, fmt.Errorf("subscribing to %q: %w", f, err)
		}
	}
	release, err := c.takeSubSlot(ctx)
	if err != nil {
		return nil, fmt.Errorf("subscribing to %d filters: %w", len(filters), err)
	}
	defer release()
	c.mu.Lock()
	for _, f := range filters {
		c.remember(subscription{f, qos}, h)
	}
	now := c.isReady
	c.mu.Unlock()
	if !now {
		return nil, nil
	}
	refused = map[string]error{}
	for group := range slices.Chunk(filters, inOneGo) {
		no, err := c.subscribeGroup(ctx, group, qos)
		for f, why := range no {
			refused[f] = why
		}
		if err != nil && ctx.Err() == nil && !c.Connected() {
			break // lost meanwhile: made again with the others
		}
		if err != nil {
			return refused, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for f := range refused {
		c.forget(f)
	}
	return refused, nil
}

// subscribe makes one subscription on the current connection.
func (c *Client) subscribe(ctx context.Context, s subscription) error {
	refused, err := c.subscribeGroup(ctx, []string{s.filter}, s.qos)
	if err == nil {
		err = refused[s.filter]
	}
	return err
}

// subscribeGroup makes subscriptions on the current connection with one packet.
// The error is none that the broker gave for a filter.
func (c *Client) subscribeGroup(ctx context.Context, filters []string, qos byte) (refused map[string]error, err error) {
	what := fmt.Sprintf("subscribing to %q", filters[0])
	conn := c.current()
	if conn == nil {
		return nil, fmt.Errorf("%s: %w", what, ErrDown)
	}
	for attempt := 1; ; attempt++ {
		answer, err := c.ask(ctx, conn, packet.Suback, func(b []byte, id uint16) []byte {
			return packet.AppendSubscribe(b, id, qos, filters...)
		})
		if answer.Reason == packetIDInUse && attempt < 3 {
			continue // the next attempt has the next id
		}
		if err != nil && !errors.Is(err, ErrRefused) {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		if len(answer.Reasons) != len(filters) {
			return nil, fmt.Errorf("%s: the broker answers %d of %d filters", what, len(answer.Reasons), len(filters))
		}
		for i, reason := range answer.Reasons {
			if reason < packet.Refusal {
				continue
			}
			if refused == nil {
				refused = map[string]error{}
			}
			refused[filters[i]] = fmt.Errorf("subscribing to %q: %w (reason 0x%02x%s)", filters[i], ErrRefused, reason, inWords(answer.Text))
		}
		return refused, nil
	}
}

// resubscribe makes all remembered subscriptions on a new connection; also where
// the broker kept our session, because it may have forgotten one of them. What
// the broker refuses is logged and stays remembered: its list may change.
func (c *Client) resubscribe(ctx context.Context) error {
	release, err := c.takeSubSlot(ctx)
	if err != nil {
		return err
	}
	defer release()
	c.mu.Lock()
	todo := slices.Clone(c.order)
	c.mu.Unlock()
	for len(todo) > 0 {
		var group []string
		for _, s := range todo[:min(len(todo), inOneGo)] {
			if s.qos != todo[0].qos {
				break
			}
			group = append(group, s.filter)
		}
		refused, err := c.subscribeGroup(ctx, group, todo[0].qos)
		for filter, why := range refused {
			c.log.Error("the MQTT broker refuses a subscription", "filter", filter, "error", why)
		}
		if err != nil {
			return err
		}
		todo = todo[len(group):]
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Err() == nil && c.conn != nil && !c.isReady {
		c.isReady = true
		close(c.ready)
	}
	return ctx.Err()
}
