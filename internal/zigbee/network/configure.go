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

// configure does what a model needs so that it reports: enrols, binds, sets its
// reporting, and reads its present values, which come to the reader of Events
// as messages. Every step is tried even when one before was refused, and is
// told of as an InterviewStep. What a device refuses it will refuse again: it
// counts as configured then, as far as it can be. Only one that does not answer
// is tried again.
func (n *Network) configure(ctx context.Context, s *session, d *member) error {
	n.mu.Lock()
	model := n.modelOf(d)
	n.mu.Unlock()
	w := configuring{n: n, s: s, d: d}
	for _, setup := range model.setup {
		w.setUp(ctx, setup)
		if s.ctx.Err() != nil || ctx.Err() != nil || w.deaf >= tooDeaf {
			break
		}
	}
	err := errors.Join(w.failed...)

	n.mu.Lock()
	defer n.mu.Unlock()
	if n.devices[d.EUI64] != d {
		return ErrUnknownDevice{d.EUI64}
	}
	switch {
	case s.ctx.Err() != nil:
		return ErrDown // it is done again when the dongle is back
	case err == nil:
		d.Configured, d.ConfiguredAs, d.failedAt, d.failures = true, model.version, time.Time{}, 0
		d.setUp = time.Now()
		if len(model.setup) > 0 {
			n.log.Info("a device was configured", "device", d.EUI64, "model", d.ModelID, "refused", len(w.refused))
		}
		n.putLocked(d.event(Configured))
	default:
		d.fail()
		n.log.Warn("a device could not be configured in full; it is tried again when the device speaks", "device", d.EUI64, "err", err)
		e := d.event(ConfigureFailed)
		e.Err = err
		n.putLocked(e)
	}
	n.changed()
	if err == nil {
		return errors.Join(w.refused...)
	}
	return err
}

// tooDeaf is after how many steps without an answer, in a row, a device is left
// alone: it sleeps, or is away.
const tooDeaf = 2

// configuring is a configuration under way.
type configuring struct {
	n       *Network
	s       *session
	d       *member
	refused []error // by the device, for good
	failed  []error // for want of an answer
	deaf    int     // steps without an answer, in a row
}

// setUp does one part of a setup.
func (w *configuring) setUp(ctx context.Context, setup device.Setup) {
	n, s, d := w.n, w.s, w.d
	where := fmt.Sprintf("%s of endpoint %d", hex16(setup.Cluster), setup.Endpoint)
	if setup.EnrollIAS {
		w.step(ctx, "Enrolment of endpoint "+fmt.Sprint(setup.Endpoint), false, func() error {
			return n.enrol(ctx, s, d, setup.Endpoint)
		})
	}
	if setup.Bind {
		w.step(ctx, "Binding "+where, setup.Optional, func() error {
			err := n.bind(ctx, s, d, setup.Endpoint, setup.Cluster)
			if isStatus(err, zdo.StatusTableFull) || isStatus(err, zdo.StatusInsufficientSpace) {
				n.log.Info("a device has no room for another binding", "device", d.EUI64, "cluster", hex16(setup.Cluster))
				return nil
			}
			return err
		})
	}
	// What is worth a report is said in the device's own scale.
	var scales []zcl.Attribute
	for ids := range slices.Chunk(setup.Scales, maxTogether) {
		w.step(ctx, "Reading the scale of "+where, true, func() error {
			list, err := n.readTogether(ctx, s, d, setup.Endpoint, setup.Cluster, 0, ids)
			scales = append(scales, list...)
			return err
		})
	}
	setup = setup.WithScales(scales)
	if len(setup.Reporting) > 0 {
		w.step(ctx, "Reporting "+where, setup.Optional, func() error {
			return n.setReporting(ctx, s, d, setup.Endpoint, setup.Cluster, setup.Manufacturer, setup.Reporting)
		})
	}
	for _, g := range setup.Read {
		// A value that was not read comes with the next report.
		w.step(ctx, "Reading "+where, true, func() error {
			return n.readGroup(ctx, s, d, setup.Endpoint, setup.Cluster, g.Manufacturer, g.Attributes)
		})
	}
	for _, a := range setup.Actions {
		w.step(ctx, "Setting up "+where, setup.Optional, func() error { return n.act(ctx, s, d, a) })
	}
}

// step does one step until it succeeds or fails for good, and tells of it. A
// fault of an optional step is nobody's, unless the device did not answer.
func (w *configuring) step(ctx context.Context, name string, optional bool, do func() error) {
	if w.deaf >= tooDeaf || w.s.ctx.Err() != nil {
		return
	}
	err := w.n.persist(ctx, do)
	switch {
	case err == nil:
		w.deaf = 0
	case mayPass(err) || ctx.Err() != nil:
		w.deaf++
		w.failed = append(w.failed, fmt.Errorf("%s: %w", lower(name), err))
	default:
		w.deaf = 0
		if optional {
			w.n.log.Debug("a device lacks something optional", "device", w.d.EUI64, "step", name, "err", err)
			err = nil
		} else {
			err = fmt.Errorf("%s: %w", lower(name), err)
			w.refused = append(w.refused, err)
		}
	}
	w.n.tellStep(w.d, name, err)
}

// readGroup reads attributes together. A device that answers for one only is
// asked for the others one by one.
func (n *Network) readGroup(ctx context.Context, s *session, d *member, endpoint uint8, cluster, manufacturer uint16, ids []uint16) error {
	_, err := n.readTogether(ctx, s, d, endpoint, cluster, manufacturer, ids)
	return err
}

// readTogether is readGroup with what was read.
func (n *Network) readTogether(ctx context.Context, s *session, d *member, endpoint uint8, cluster, manufacturer uint16, ids []uint16) (list []zcl.Attribute, err error) {
	list, err = n.readDevice(ctx, s, d, endpoint, cluster, manufacturer, ids)
	if err != nil && mayPass(err) || len(ids) <= 1 {
		return list, err
	}
	for _, id := range ids {
		if slices.ContainsFunc(list, func(a zcl.Attribute) bool { return a.ID == id }) {
			continue
		}
		one, oneErr := n.readDevice(ctx, s, d, endpoint, cluster, manufacturer, []uint16{id})
		list = append(list, one...)
		if oneErr == nil {
			err = nil
		} else if mayPass(oneErr) {
			return list, oneErr
		}
	}
	return list, err
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
		for _, a := range no {
			i := slices.IndexFunc(part, func(rc zcl.ReportConfig) bool { return rc.Attribute == a.ID })
			took := false
			if a.Status == zcl.StatusInvalidValue && i >= 0 {
				if took, err = n.setReportingShorter(ctx, s, d, endpoint, cluster, manufacturer, part[i]); err != nil {
					return err
				}
			}
			if !took {
				refused = append(refused, a)
			}
		}
	}
	return refusal(refused)
}

// longestReports are the longest times between reports, in seconds, that are
// tried after one that a device does not take: some know no more than an hour,
// few less than five minutes.
var longestReports = []uint16{3600, 600, 290}

// setReportingShorter tells a device that has refused a value to report more
// often than it was to, and reports whether it takes that.
func (n *Network) setReportingShorter(ctx context.Context, s *session, d *member, endpoint uint8, cluster, manufacturer uint16, rc zcl.ReportConfig) (took bool, err error) {
	wanted := rc.Max
	if wanted == 0 || wanted == 0xFFFF { // it is to report on change only, or no more
		return false, nil
	}
	for _, longest := range longestReports {
		if longest >= wanted || longest < rc.Min {
			continue
		}
		rc.Max = longest
		refused, err := n.setReportingOf(ctx, s, d, endpoint, cluster, manufacturer, []zcl.ReportConfig{rc})
		if err != nil {
			return false, err
		}
		if len(refused) == 0 {
			n.log.Info("a device reports more often than it was to: it does not take the longer interval", "device", d.EUI64,
				"cluster", hex16(cluster), "attribute", hex16(rc.Attribute), "wanted_s", wanted, "takes_s", longest)
			return true, nil
		}
		if refused[0].Status != zcl.StatusInvalidValue {
			break
		}
	}
	return false, nil
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
