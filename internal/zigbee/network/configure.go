package network

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/device"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
	"github.com/smartcore-ireland/hems/internal/zigbee/zdo"
)

var errOddAnswer = errors.New("the device answered with something else")

// configure does what a known model needs so that it reports: binds, sets its
// reporting, and reads its present values, which come to the reader of Events
// as messages. Every step is tried even when one before has failed.
func (n *Network) configure(ctx context.Context, s *session, d *member) error {
	n.mu.Lock()
	model := device.For(d.Subject())
	n.mu.Unlock()
	var failed []error
	for _, setup := range model.Setup() {
		if setup.Bind {
			if err := n.persist(ctx, func() error { return n.bind(ctx, s, d, setup.Endpoint, setup.Cluster) }); err != nil {
				failed = append(failed, fmt.Errorf("binding cluster %s: %w", hex16(setup.Cluster), err))
			}
		}
		if len(setup.Reporting) > 0 {
			if err := n.persist(ctx, func() error { return n.setReporting(ctx, s, d, setup) }); err != nil {
				failed = append(failed, fmt.Errorf("reporting of cluster %s: %w", hex16(setup.Cluster), err))
			}
		}
		for _, g := range setup.Read {
			err := n.persist(ctx, func() error {
				_, err := n.readDevice(ctx, s, d, setup.Endpoint, setup.Cluster, g.Manufacturer, g.Attributes)
				return err
			})
			if err != nil { // the values come with the next report
				n.log.Debug("a first read failed", "device", d.EUI64, "cluster", hex16(setup.Cluster), "err", err)
			}
		}
		if s.ctx.Err() != nil {
			break
		}
	}
	err := errors.Join(failed...)

	n.mu.Lock()
	defer n.mu.Unlock()
	if n.devices[d.EUI64] != d {
		return ErrUnknownDevice{d.EUI64}
	}
	switch {
	case s.ctx.Err() != nil:
		return ErrDown // it is done again when the dongle is back
	case err == nil:
		d.Configured, d.failedAt = true, time.Time{}
		n.log.Info("a device was configured", "device", d.EUI64, "model", d.ModelID)
		n.putLocked(d.event(Configured))
	default:
		d.failedAt = time.Now()
		n.log.Warn("a device could not be configured in full; it is tried again when the device speaks", "device", d.EUI64, "err", err)
		e := d.event(ConfigureFailed)
		e.Err = err
		n.putLocked(e)
	}
	n.changed()
	return err
}

// bind makes a device send what a cluster reports to us.
func (n *Network) bind(ctx context.Context, s *session, d *member, endpoint uint8, cluster uint16) error {
	_, err := askDevice[zdo.BindResponse](ctx, n, s, d, func(uint16) zdo.Message {
		return zdo.BindRequest{Binding: zdo.Binding{
			Source: d.EUI64, SourceEndpoint: endpoint, ClusterID: cluster,
			Destination: s.eui64, DestinationEndpoint: ourEndpoint,
		}}
	})
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	e := d.endpoint(endpoint)
	b := Binding{Cluster: cluster, Target: s.eui64, TargetEndpoint: ourEndpoint}
	if !slices.Contains(e.Bindings, b) {
		e.Bindings = append(e.Bindings, b)
	}
	return nil
}

// setReporting tells a device when to report, and notes what it has agreed to.
func (n *Network) setReporting(ctx context.Context, s *session, d *member, setup device.Setup) error {
	r, err := n.requestDevice(ctx, s, d, setup.Endpoint, setup.Cluster, zcl.ConfigureReporting(setup.Reporting))
	if err != nil {
		return err
	}
	if r.ClusterSpecific || r.Command != zcl.CommandConfigureReportingResponse {
		return errOddAnswer
	}
	refused, err := zcl.ParseConfigureReportingResponse(r.Payload)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	e := d.endpoint(setup.Endpoint)
	for _, rc := range setup.Reporting {
		i := slices.IndexFunc(refused, func(a zcl.AttributeStatus) bool { return a.ID == rc.Attribute || a.ID == zcl.AllAttributes })
		if i >= 0 && refused[i].Status != zcl.StatusSuccess {
			err = errors.Join(err, fmt.Errorf("attribute %s: %v", hex16(rc.Attribute), refused[i].Status))
			continue
		}
		agreed := Reporting{Cluster: setup.Cluster, Attribute: rc.Attribute, Min: rc.Min, Max: rc.Max, Change: rc.Change}
		e.Reporting = slices.DeleteFunc(e.Reporting, func(r Reporting) bool {
			return r.Cluster == agreed.Cluster && r.Attribute == agreed.Attribute && r.Manufacturer == agreed.Manufacturer
		})
		e.Reporting = append(e.Reporting, agreed)
	}
	return err
}

// endpoint gives an endpoint to note something on. Network.mu is held.
func (d *member) endpoint(id uint8) *Endpoint {
	for i := range d.Endpoints {
		if d.Endpoints[i].ID == id {
			return &d.Endpoints[i]
		}
	}
	d.Endpoints = append(d.Endpoints, Endpoint{ID: id})
	return &d.Endpoints[len(d.Endpoints)-1]
}
