package network

import (
	"context"
	"errors"
	"fmt"

	"github.com/smartcore-ireland/hems/internal/zigbee/device"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// maxActions bounds what one call of Do can ask of a device.
const maxActions = 64

// Do does actions on a device in their order, and stops at the first that
// fails. For a device that sleeps each is tried at once, and when the device
// does not answer it waits until the device reports, announces itself or checks
// in; at most 16 requests wait for one device, 256 in all, each for
// Timing.Queue (75 min) at most, or until ctx ends. That a device was asleep for
// all of that time is an ErrAsleep. What a device refuses is a *RefusedError.
func (n *Network) Do(ctx context.Context, e zcl.EUI64, actions []device.Action) error {
	if len(actions) > maxActions {
		return fmt.Errorf("%d requests at once are too many: at most %d", len(actions), maxActions)
	}
	for _, a := range actions {
		err := n.whenAwake(ctx, e, func(ctx context.Context, s *session, d *member) error {
			return n.act(ctx, s, d, a)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// act does one action.
func (n *Network) act(ctx context.Context, s *session, d *member, a device.Action) error {
	switch a.Kind {
	case device.Command:
		_, err := n.commandDevice(ctx, s, d, Command{Endpoint: a.Endpoint, Cluster: a.Cluster, Manufacturer: a.Manufacturer,
			ID: a.Command, Payload: a.Payload, NoAnswer: a.Cluster == clusterTuya})
		return err
	case device.Write:
		return n.writeDevice(ctx, s, d, a.Endpoint, a.Cluster, a.Manufacturer, a.Attributes)
	case device.Read:
		_, err := n.readDevice(ctx, s, d, a.Endpoint, a.Cluster, a.Manufacturer, a.IDs)
		return err
	}
	return errors.New("an action of no kind")
}
