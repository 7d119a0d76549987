package network

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
	"github.com/smartcore-ireland/hems/internal/zigbee/zdo"
)

// maxEndpoints bounds what a device can make us ask.
const maxEndpoints = 32

// basicFirst is what a model is known by; basicRest is nice to know. At most
// four attributes go into one request: some devices fail on more.
var (
	basicFirst = []uint16{zcl.AttrModelIdentifier, zcl.AttrManufacturerName}
	basicRest  = [][]uint16{
		{zcl.AttrPowerSource, zcl.AttrZCLVersion, zcl.AttrApplicationVersion, zcl.AttrStackVersion},
		{zcl.AttrHWVersion, zcl.AttrDateCode, zcl.AttrSWBuildID},
	}
)

// interview asks a device what it is. What is learnt is kept step by step, so
// that a device of which one step fails shows the rest.
func (n *Network) interview(ctx context.Context, s *session, d *member) error {
	n.mu.Lock()
	d.Interview = InterviewInProgress
	n.putLocked(d.event(InterviewStarted))
	n.mu.Unlock()
	err := n.interviewSteps(ctx, s, d)

	n.mu.Lock()
	defer n.mu.Unlock()
	if n.devices[d.EUI64] != d {
		return ErrUnknownDevice{d.EUI64} // it has left meanwhile
	}
	switch {
	case err == nil:
		d.Interview, d.failedAt, d.failures = InterviewSuccessful, time.Time{}, 0
		n.log.Info("a device was interviewed", "device", d.EUI64, "model", d.ModelID, "manufacturer", d.ManufacturerName)
		n.putLocked(d.event(InterviewSucceeded))
	case s.ctx.Err() != nil: // the dongle went away: it goes on when that is back
		d.Interview = InterviewPending
	default:
		d.Interview = InterviewFault
		d.fail()
		n.log.Warn("the interview of a device failed; it is tried again when the device speaks", "device", d.EUI64, "err", err)
		e := d.event(InterviewFailed)
		e.Err = err
		n.putLocked(e)
	}
	n.changed()
	return err
}

func (n *Network) interviewSteps(ctx context.Context, s *session, d *member) error {
	var endpoints []uint8
	steps := []struct {
		name string
		do   func() error
	}{
		{"Node descriptor", func() error { return n.learnNode(ctx, s, d) }},
		{"Endpoints", func() (err error) { endpoints, err = n.learnEndpoints(ctx, s, d); return err }},
	}
	for _, step := range steps {
		if err := n.step(ctx, d, step.name, step.do); err != nil {
			return err
		}
	}
	for _, id := range endpoints {
		err := n.step(ctx, d, fmt.Sprintf("Endpoint %d", id), func() error { return n.learnEndpoint(ctx, s, d, id) })
		if err != nil && s.ctx.Err() != nil {
			return err // else the others are worth knowing
		}
	}
	basic, ok := n.basicEndpoint(d)
	if !ok {
		return nil // a device without a name is listed as unsupported
	}
	err := n.step(ctx, d, "Model", func() error { return n.learnBasic(ctx, s, d, basic, basicFirst) })
	if err != nil {
		return err
	}
	var failed error
	for _, ids := range basicRest {
		if err := n.persist(ctx, func() error { return n.learnBasic(ctx, s, d, basic, ids) }); err != nil {
			failed = err
		}
	}
	if err := n.persist(ctx, func() error { return n.learnVersion(ctx, s, d, basic) }); err != nil {
		failed = err
	}
	n.tellStep(d, "Basic information", failed)
	if s.ctx.Err() != nil {
		return failed
	}
	return nil
}

// step does one step and tells of it.
func (n *Network) step(ctx context.Context, d *member, name string, do func() error) error {
	err := n.persist(ctx, do)
	if err != nil {
		err = fmt.Errorf("%s: %w", lower(name), err)
	}
	n.tellStep(d, name, err)
	return err
}

func (n *Network) tellStep(d *member, name string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.devices[d.EUI64] != d {
		return
	}
	n.changed()
	e := d.event(InterviewStep)
	e.Step, e.Err = name, err
	n.putLocked(e)
}

func (n *Network) learnNode(ctx context.Context, s *session, d *member) error {
	a, err := askDevice[zdo.NodeDescResponse](ctx, n, s, d, func(node uint16) zdo.Message { return zdo.NodeDescRequest{NWKAddr: node} })
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	d.unmodel()
	d.ManufacturerCode = a.Descriptor.ManufacturerCode
	d.sleepy = a.Descriptor.Sleepy()
	switch a.Descriptor.Type {
	case zdo.Router:
		d.Type = TypeRouter
	case zdo.EndDevice:
		d.Type = TypeEndDevice
	default:
		d.Type = TypeUnknown
	}
	return nil
}

func (n *Network) learnEndpoints(ctx context.Context, s *session, d *member) ([]uint8, error) {
	a, err := askDevice[zdo.ActiveEndpointsResponse](ctx, n, s, d, func(node uint16) zdo.Message { return zdo.ActiveEndpointsRequest{NWKAddr: node} })
	if err != nil {
		return nil, err
	}
	ids := slices.Compact(slices.Sorted(slices.Values(a.Endpoints)))
	ids = slices.DeleteFunc(ids, func(id uint8) bool { return id == 0 })
	ids = ids[:min(len(ids), maxEndpoints)]

	n.mu.Lock()
	defer n.mu.Unlock()
	d.unmodel()
	known := d.Endpoints
	d.Endpoints = nil
	for _, id := range ids {
		e := Endpoint{ID: id}
		for _, k := range known {
			if k.ID == id {
				e = k
			}
		}
		d.Endpoints = append(d.Endpoints, e)
	}
	return ids, nil
}

func (n *Network) learnEndpoint(ctx context.Context, s *session, d *member, id uint8) error {
	a, err := askDevice[zdo.SimpleDescResponse](ctx, n, s, d, func(node uint16) zdo.Message {
		return zdo.SimpleDescRequest{NWKAddr: node, Endpoint: id}
	})
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	d.edit(id, func(e *Endpoint) {
		e.Profile, e.DeviceID = a.Descriptor.Profile, a.Descriptor.DeviceID
		e.In, e.Out = a.Descriptor.In, a.Descriptor.Out
	})
	return nil
}

// basicEndpoint is the endpoint to ask for the model: the first with the Basic
// cluster, rather one of the home automation profile.
func (n *Network) basicEndpoint(d *member) (id uint8, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range d.Endpoints {
		if !slices.Contains(e.In, zcl.ClusterBasic) {
			continue
		}
		if e.Profile == zcl.ProfileHomeAutomation {
			return e.ID, true
		}
		if !ok {
			id, ok = e.ID, true
		}
	}
	return id, ok
}

// learnBasic reads attributes of the Basic cluster. A device that refuses to
// answer for several at once, or answers for one of them, is asked one by one.
func (n *Network) learnBasic(ctx context.Context, s *session, d *member, endpoint uint8, ids []uint16) error {
	list, err := n.readDevice(ctx, s, d, endpoint, zcl.ClusterBasic, 0, ids)
	if ctx.Err() == nil && len(ids) > 1 {
		for _, id := range ids { // those that were not answered at all
			if slices.ContainsFunc(list, func(a zcl.Attribute) bool { return a.ID == id }) {
				continue
			}
			one, oneErr := n.readDevice(ctx, s, d, endpoint, zcl.ClusterBasic, 0, []uint16{id})
			if oneErr == nil {
				list, err = append(list, one...), nil
			} else if mayPass(oneErr) {
				break // it is away or asleep: it is tried again
			}
		}
	}
	if len(list) == 0 && err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range list {
		if a.Status == zcl.StatusSuccess {
			d.setBasic(a)
		}
	}
	return nil
}

// maxName bounds the names that a device gives itself. They are kept as they
// are sent, padded with NUL or not: models are told by them. Who shows them
// trims.
const maxName = 64

func (d *member) setBasic(a zcl.Attribute) {
	d.unmodel()
	text := func(p *string) {
		if s, ok := a.Value.Text(); ok {
			*p = strings.ToValidUTF8(s[:min(len(s), maxName)], "")
		}
	}
	number := func(p **uint8) {
		if v, ok := a.Value.Uint(); ok {
			b := uint8(v)
			*p = &b
		}
	}
	switch a.ID {
	case zcl.AttrModelIdentifier:
		text(&d.ModelID)
	case zcl.AttrManufacturerName:
		text(&d.ManufacturerName)
	case zcl.AttrDateCode:
		text(&d.DateCode)
	case zcl.AttrSWBuildID:
		text(&d.SWBuildID)
	case zcl.AttrZCLVersion:
		number(&d.ZCLVersion)
	case zcl.AttrApplicationVersion:
		number(&d.AppVersion)
	case zcl.AttrStackVersion:
		number(&d.StackVersion)
	case zcl.AttrHWVersion:
		if v, ok := a.Value.Uint(); ok {
			version := uint16(v)
			d.HWVersion = &version
		}
	case zcl.AttrPowerSource:
		if v, ok := a.Value.Uint(); ok {
			d.PowerSource = uint8(v)
		}
	}
}

// lower is a step's name within a sentence.
func lower(name string) string { return strings.ToLower(name[:1]) + name[1:] }
