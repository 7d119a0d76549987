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
	err := n.leave(ctx, d)
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

func (n *Network) leave(ctx context.Context, d *member) error {
	s, err := n.up()
	if err != nil {
		return err
	}
	_, err = askDevice[zdo.LeaveResponse](ctx, n, s, d, func(uint16) zdo.Message { return zdo.LeaveRequest{EUI64: d.EUI64} })
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
