package network

import (
	"context"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Run opens the dongle, forms or resumes the network, serves it, and recovers
// from every failure of line and dongle for ever. It returns nil when ctx
// ends, with the network closed to new devices and everything saved; it must
// be called once.
func (n *Network) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// PermitJoin opens the network to new devices for d (at most 254 s, rounded
// up to whole seconds), or closes it when d is 0.
func (n *Network) PermitJoin(ctx context.Context, d time.Duration) error { return ErrDown }

// Remove asks a device to leave and forgets it. With force it is forgotten
// even when it does not answer.
func (n *Network) Remove(ctx context.Context, e zcl.EUI64, force bool) error { return ErrDown }

// Interview asks a device again what it is, and waits for the end of it.
// Nothing known is lost when it fails.
func (n *Network) Interview(ctx context.Context, e zcl.EUI64) error { return ErrDown }

// Configure binds a device to us and sets its reporting again, and waits for
// the end of it.
func (n *Network) Configure(ctx context.Context, e zcl.EUI64) error { return ErrDown }

// Read asks a device for attributes of a cluster. Attributes that the device
// does not have come with their status. The answer is an event
// MessageReceived too.
func (n *Network) Read(ctx context.Context, e zcl.EUI64, endpoint uint8, cluster, manufacturer uint16, ids ...uint16) ([]zcl.Attribute, error) {
	return nil, ErrDown
}
