package network

import (
	"context"
	"fmt"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
	"github.com/smartcore-ireland/hems/internal/zigbee/zdo"
)

// Remove asks a device to leave and forgets it. With force it is forgotten
// even when it does not answer, or when the network is down; it comes back into
// the list if it ever speaks again.
func (n *Network) Remove(ctx context.Context, e zcl.EUI64, force bool) error {
	n.mu.Lock()
	d := n.devices[e]
	n.mu.Unlock()
	if d == nil {
		return ErrUnknownDevice{e}
	}
	err := n.leave(ctx, d, force)
	if err != nil && !force {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.devices[e] == d { // the NCP may have told us already that it has left
		n.forget(d)
	}
	return nil
}

// leave asks a device to leave: once, or as soon as it wakes up.
func (n *Network) leave(ctx context.Context, d *member, once bool) error {
	ask := func(ctx context.Context, s *session, d *member) error {
		_, err := askDevice[zdo.LeaveResponse](ctx, n, s, d, func(uint16) zdo.Message { return zdo.LeaveRequest{EUI64: d.EUI64} })
		return err
	}
	s, err := n.up()
	switch {
	case err != nil:
	case once:
		err = n.oncemore(ctx, s, d, ask)
	default:
		err = n.whenAwake(ctx, d.EUI64, ask)
	}
	if err != nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.devices[d.EUI64] != d { // it left rather than answer
			return nil
		}
		return fmt.Errorf("asking the device to leave: %w", err)
	}
	return nil
}
