package network

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/device"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
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
			err := n.persist(ctx, func() error { return n.setReporting(ctx, s, d, setup.Endpoint, setup.Cluster, 0, setup.Reporting) })
			if err != nil {
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

// setReporting tells a device when to report, and notes what it has agreed to.
// Only so many attributes go into one request: some devices fail on more.
func (n *Network) setReporting(ctx context.Context, s *session, d *member, endpoint uint8, cluster, manufacturer uint16, list []zcl.ReportConfig) error {
	var refused []zcl.AttributeStatus
	for part := range slices.Chunk(list, maxTogether) {
		no, err := n.setReportingOf(ctx, s, d, endpoint, cluster, manufacturer, part)
		if err != nil {
			return err
		}
		refused = append(refused, no...)
	}
	return refusal(refused)
}

// maxTogether is how many attributes go into one request.
const maxTogether = 4

func (n *Network) setReportingOf(ctx context.Context, s *session, d *member, endpoint uint8, cluster, manufacturer uint16, list []zcl.ReportConfig) (refused []zcl.AttributeStatus, err error) {
	q := zcl.ConfigureReporting(list)
	q.Manufacturer = manufacturer
	r, err := n.requestDevice(ctx, s, d, endpoint, cluster, q)
	if err != nil {
		return nil, err
	}
	if r.ClusterSpecific || r.Command != zcl.CommandConfigureReportingResponse {
		return nil, errOddAnswer
	}
	told, err := zcl.ParseConfigureReportingResponse(r.Payload)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	d.edit(endpoint, func(e *Endpoint) {
		e.Reporting = slices.Clone(e.Reporting)
		for _, rc := range list {
			i := slices.IndexFunc(told, func(a zcl.AttributeStatus) bool { return a.ID == rc.Attribute || a.ID == zcl.AllAttributes })
			if i >= 0 && told[i].Status != zcl.StatusSuccess {
				refused = append(refused, zcl.AttributeStatus{ID: rc.Attribute, Status: told[i].Status})
				continue
			}
			e.Reporting = slices.DeleteFunc(e.Reporting, func(r Reporting) bool {
				return r.Cluster == cluster && r.Attribute == rc.Attribute && r.Manufacturer == manufacturer
			})
			if rc.Max == 0xFFFF { // it reports no more
				continue
			}
			e.Reporting = append(e.Reporting, Reporting{Cluster: cluster, Attribute: rc.Attribute, Manufacturer: manufacturer,
				Min: rc.Min, Max: rc.Max, Change: rc.Change})
		}
	})
	n.changed()
	return refused, nil
}
