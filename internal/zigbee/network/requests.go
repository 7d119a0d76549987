package network

import (
	"context"
	"errors"
	"fmt"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Command is a command of a cluster, for Network.Command and GroupCommand.
type Command struct {
	Endpoint     uint8 // of the device; not used for a group
	Cluster      uint16
	Manufacturer uint16 // code, or 0
	ID           uint8
	Payload      []byte
	// ToClient is for a command from the server of a cluster to its client,
	// which few devices take.
	ToClient bool
	// NoAnswer is for a command that the device answers with nothing; it is
	// done when the device has acknowledged it.
	NoAnswer bool
}

func (c Command) frame() zcl.Frame {
	return zcl.Frame{ClusterSpecific: true, FromServer: c.ToClient, DisableDefaultResponse: c.NoAnswer,
		Manufacturer: c.Manufacturer, Command: c.ID, Payload: c.Payload}
}

// A RefusedError is a device's answer that says no.
type RefusedError struct {
	Status zcl.Status
	// Attributes are the ones that were refused, of a write or a reporting
	// configuration; zcl.AllAttributes stands for all.
	Attributes []zcl.AttributeStatus
}

func (e *RefusedError) Error() string {
	if len(e.Attributes) == 0 {
		return "the device refuses: " + e.Status.String()
	}
	s := "the device refuses"
	for i, a := range e.Attributes {
		if i > 0 {
			s += ","
		}
		if a.ID != zcl.AllAttributes {
			s += " attribute " + hex16(a.ID)
		}
		s += ": " + a.Status.String()
	}
	return s
}

// Read asks a device for attributes of a cluster. Attributes that the device
// does not have come with their status. The answer is an event MessageReceived
// too. One that sleeps is asked when it wakes up (see Do).
func (n *Network) Read(ctx context.Context, e zcl.EUI64, endpoint uint8, cluster, manufacturer uint16, ids ...uint16) (list []zcl.Attribute, err error) {
	err = n.whenAwake(ctx, e, func(ctx context.Context, s *session, d *member) error {
		list, err = n.readDevice(ctx, s, d, endpoint, cluster, manufacturer, ids)
		return err
	})
	return list, err
}

// Write sets attributes on a device. What the device refuses is a
// *RefusedError; it has taken the others.
func (n *Network) Write(ctx context.Context, e zcl.EUI64, endpoint uint8, cluster, manufacturer uint16, attributes []zcl.Attribute) error {
	return n.whenAwake(ctx, e, func(ctx context.Context, s *session, d *member) error {
		return n.writeDevice(ctx, s, d, endpoint, cluster, manufacturer, attributes)
	})
}

// Command sends a command of a cluster and waits for its answer: the cluster's
// own, or the default response of a success. A refusal is a *RefusedError.
func (n *Network) Command(ctx context.Context, e zcl.EUI64, c Command) (r zcl.Frame, err error) {
	err = n.whenAwake(ctx, e, func(ctx context.Context, s *session, d *member) error {
		r, err = n.commandDevice(ctx, s, d, c)
		return err
	})
	return r, err
}

// ConfigureReporting tells a device when to report attributes of a cluster.
// What the device refuses is a *RefusedError; it has agreed to the others.
func (n *Network) ConfigureReporting(ctx context.Context, e zcl.EUI64, endpoint uint8, cluster, manufacturer uint16, list []zcl.ReportConfig) error {
	return n.whenAwake(ctx, e, func(ctx context.Context, s *session, d *member) error {
		return n.setReporting(ctx, s, d, endpoint, cluster, manufacturer, list)
	})
}

func (n *Network) writeDevice(ctx context.Context, s *session, d *member, endpoint uint8, cluster, manufacturer uint16, attributes []zcl.Attribute) error {
	q := zcl.WriteAttributes(attributes)
	q.Manufacturer = manufacturer
	r, err := n.requestDevice(ctx, s, d, endpoint, cluster, q)
	if err != nil {
		return err
	}
	if r.ClusterSpecific || r.Command != zcl.CommandWriteResponse {
		return errOddAnswer
	}
	refused, err := zcl.ParseWriteResponse(r.Payload)
	if err != nil {
		return err
	}
	return refusal(refused)
}

// refusal makes an error of the attributes that a device did not take.
func refusal(list []zcl.AttributeStatus) error {
	var bad []zcl.AttributeStatus
	for _, a := range list {
		if a.Status != zcl.StatusSuccess {
			bad = append(bad, a)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return &RefusedError{Status: bad[0].Status, Attributes: bad}
}

func (n *Network) commandDevice(ctx context.Context, s *session, d *member, c Command) (zcl.Frame, error) {
	if c.NoAnswer {
		done, err := d.takeTurn(ctx)
		if err != nil {
			return zcl.Frame{}, err
		}
		defer done()
		node, wait, err := n.node(d)
		if err != nil {
			return zcl.Frame{}, err
		}
		q := c.frame()
		q.Seq = s.nextZCL()
		_, err = s.unicast(ctx, node, zclAddress(c.Endpoint, c.Cluster), q.Append(nil), nil, wait)
		return zcl.Frame{}, err
	}
	return n.requestDevice(ctx, s, d, c.Endpoint, c.Cluster, c.frame())
}

// readDevice reads attributes.
func (n *Network) readDevice(ctx context.Context, s *session, d *member, endpoint uint8, cluster, manufacturer uint16, ids []uint16) ([]zcl.Attribute, error) {
	q := zcl.ReadAttributes(ids...)
	q.Manufacturer = manufacturer
	r, err := n.requestDevice(ctx, s, d, endpoint, cluster, q)
	if err != nil {
		return nil, err
	}
	if r.ClusterSpecific || r.Command != zcl.CommandReadResponse {
		return nil, errors.New("the device answered a read with something else")
	}
	list, err := zcl.ParseReadResponse(r.Payload)
	if err != nil {
		n.stats.malformed.Add(1)
		if len(list) > 0 { // what came before the fault is as good as any
			n.log.Debug("an answer ends in nonsense", "device", d.EUI64, "cluster", hex16(cluster), "err", err)
			return list, nil
		}
		return nil, fmt.Errorf("the device's answer makes no sense: %w", err)
	}
	return list, nil
}
