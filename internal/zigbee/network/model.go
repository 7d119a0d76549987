package network

import (
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/smartcore-ireland/hems/internal/zigbee/device"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// modelOf is the device's model with what follows from it here. It is worked
// out once and again after the interview has learnt something: never for each
// message. Network.mu is held.
func (n *Network) modelOf(d *member) *modelState {
	if d.model == nil {
		m := device.For(d.Subject())
		d.model = &modelState{Model: m, setup: n.setupOf(d, m), forgets: m.Info().ForgetsSetup, polls: m.Poll(d.options)}
		d.model.version = setupVersion(d.model.setup)
		d.model.fill(d)
		n.replan()
	}
	return d.model
}

// modelState is a model at work.
type modelState struct {
	*device.Model
	setup   []device.Setup
	version string // of the setup: another one is set up again
	forgets bool   // the setup is gone when the device loses its power
	polls   []device.Poll
	next    []pollTime // when, of each of polls
}

// setupOf is what is to be done on a device: what its model says, and for one
// that sleeps its check-ins, which let us reach it.
func (n *Network) setupOf(d *member, m *device.Model) []device.Setup {
	list := m.Setup()
	if !d.sleepy {
		return list
	}
	for _, e := range d.Endpoints {
		has := slices.ContainsFunc(list, func(s device.Setup) bool { return s.Cluster == zcl.ClusterPollControl && s.Endpoint == e.ID })
		if has || e.Profile != zcl.ProfileHomeAutomation || !slices.Contains(e.In, zcl.ClusterPollControl) {
			continue
		}
		// Last, since small devices have room for few bindings.
		list = append(slices.Clone(list), device.Setup{Endpoint: e.ID, Cluster: zcl.ClusterPollControl, Bind: true,
			Read: []device.ReadGroup{{Attributes: []uint16{attrCheckInInterval}}}, Optional: true})
	}
	return list
}

// attrCheckInInterval is how often a device checks in, in quarter seconds.
const attrCheckInInterval = 0x0000

// setupVersion changes when anything in a setup does.
func setupVersion(list []device.Setup) string {
	if len(list) == 0 {
		return ""
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%+v", list) // values only, no addresses
	return fmt.Sprintf("%016x", h.Sum64())
}

// learn takes what a message says of what the device is. Network.mu is held.
func (n *Network) learn(d *member, m *Message) {
	if m.Frame.ClusterSpecific || len(m.Attributes) == 0 {
		return
	}
	told := n.modelOf(d).Learn(d.Told, m.Endpoint, m.Cluster, m.Frame.Manufacturer, m.Attributes)
	if slices.Equal(told, d.Told) {
		return
	}
	d.Told = told
	d.unmodel()
	n.modelOf(d)
	n.changed()
}

// unmodel makes the model to be worked out anew. Network.mu is held.
func (d *member) unmodel() { d.model = nil }

// SetOptions gives the options that a person has chosen for a device, as far as
// its model knows them: they say what is polled, and how often. It may be
// called for a device that has not joined yet. The map must not change after.
func (n *Network) SetOptions(e zcl.EUI64, options map[string]any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.options == nil {
		n.options = make(map[zcl.EUI64]map[string]any)
	}
	if len(options) == 0 {
		delete(n.options, e)
	} else {
		n.options[e] = options
	}
	if d := n.devices[e]; d != nil {
		d.options = options
		d.unmodel()
		n.modelOf(d)
	}
}
