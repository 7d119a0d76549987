package network

import (
	"context"
	"slices"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
	"github.com/smartcore-ireland/hems/internal/zigbee/zdo"
)

// Target is where a binding leads: an endpoint of a device (the coordinator's
// is 1), or a group when Group is not 0.
type Target struct {
	EUI64    zcl.EUI64
	Endpoint uint8
	Group    uint16
}

// Bind makes a device send what a cluster of it says to a target: reports, or
// the commands of a switch.
func (n *Network) Bind(ctx context.Context, e zcl.EUI64, endpoint uint8, cluster uint16, to Target) error {
	return n.whenAwake(ctx, e, func(ctx context.Context, s *session, d *member) error {
		return n.bindTo(ctx, s, d, endpoint, cluster, to)
	})
}

// Unbind ends a binding. One that the device does not know is as good.
func (n *Network) Unbind(ctx context.Context, e zcl.EUI64, endpoint uint8, cluster uint16, to Target) error {
	return n.whenAwake(ctx, e, func(ctx context.Context, s *session, d *member) error {
		_, err := askDevice[zdo.UnbindResponse](ctx, n, s, d, func(uint16) zdo.Message {
			return zdo.UnbindRequest{Binding: binding(d, endpoint, cluster, to)}
		})
		if err != nil && !isStatus(err, zdo.StatusNoEntry) {
			return err
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		d.edit(endpoint, func(e *Endpoint) {
			e.Bindings = slices.DeleteFunc(slices.Clone(e.Bindings), func(b Binding) bool { return b == bindingOf(cluster, to) })
		})
		n.changed()
		return nil
	})
}

func (n *Network) bindTo(ctx context.Context, s *session, d *member, endpoint uint8, cluster uint16, to Target) error {
	_, err := askDevice[zdo.BindResponse](ctx, n, s, d, func(uint16) zdo.Message {
		return zdo.BindRequest{Binding: binding(d, endpoint, cluster, to)}
	})
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	d.edit(endpoint, func(e *Endpoint) {
		if b := bindingOf(cluster, to); !slices.Contains(e.Bindings, b) {
			e.Bindings = append(slices.Clone(e.Bindings), b)
		}
	})
	n.changed()
	return nil
}

// bind makes a device send what a cluster reports to us.
func (n *Network) bind(ctx context.Context, s *session, d *member, endpoint uint8, cluster uint16) error {
	return n.bindTo(ctx, s, d, endpoint, cluster, Target{EUI64: s.eui64, Endpoint: ourEndpoint})
}

func binding(d *member, endpoint uint8, cluster uint16, to Target) zdo.Binding {
	b := zdo.Binding{Source: d.EUI64, SourceEndpoint: endpoint, ClusterID: cluster}
	if to.Group != 0 {
		b.ToGroup, b.Group = true, to.Group
	} else {
		b.Destination, b.DestinationEndpoint = to.EUI64, to.Endpoint
	}
	return b
}

func bindingOf(cluster uint16, to Target) Binding {
	if to.Group != 0 {
		return Binding{Cluster: cluster, Group: to.Group}
	}
	return Binding{Cluster: cluster, Target: to.EUI64, TargetEndpoint: to.Endpoint}
}
