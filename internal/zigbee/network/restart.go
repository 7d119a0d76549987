package network

import (
	"context"
)

// errRestarting is why the network is down for a moment when a person wants it
// so.
var errRestarting = &Error{Message: "the zigbee dongle is being restarted", Advice: "this takes a few seconds"}

// Restart ends the session with the dongle in order and begins anew: the dongle
// is reset and set up as at the start. It returns when the network is up again.
func (n *Network) Restart(ctx context.Context) error {
	n.mu.Lock()
	s, back := n.session, n.backUp
	n.mu.Unlock()
	if s == nil {
		_, err := n.up()
		return err // it is tried again and again already
	}
	n.log.Info("the dongle is restarted")
	select {
	case s.restart <- struct{}{}:
	default: // it is under way
	}
	select {
	case <-back:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
