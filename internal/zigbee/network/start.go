package network

import (
	"context"
	"errors"
	"fmt"

	"github.com/smartcore-ireland/hems/internal/zigbee/ezsp"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// manufacturerCode stands in the node descriptor of the coordinator: Silicon
// Labs, whose stack it is.
const manufacturerCode = 0x1049

// stackConfig are the sizes and times of the stack. A firmware that does not
// take one keeps its own.
var stackConfig = []struct {
	id    ezsp.ConfigID
	name  string
	value uint16
}{
	// The trust centre talks to a joining device and one it has just told of.
	{ezsp.ConfigTrustCenterAddressCacheSize, "trust centre address cache", 2},
	// Longest time (ms) a message waits for a sleeping child; Zigbee asks for
	// at least 7.68 s.
	{ezsp.ConfigIndirectTransmissionTimeout, "indirect transmission timeout", 7680},
	{ezsp.ConfigMaxHops, "max hops", 30},
	{ezsp.ConfigSupportedNetworks, "supported networks", 1},
	{ezsp.ConfigStackProfile, "stack profile", 2},   // Zigbee Pro
	{ezsp.ConfigSecurityLevel, "security level", 5}, // encryption and a 4-byte MIC, as Zigbee Pro requires
	{ezsp.ConfigMaxEndDeviceChildren, "max end device children", 32},
	// 2^8 minutes: a child that has not polled for over 4 h is no child any
	// more. Sleepy meters poll far more often.
	{ezsp.ConfigEndDevicePollTimeout, "end device poll timeout", 8},
	// Longer (s) than the longest time the network is open at once (254 s).
	{ezsp.ConfigTransientKeyTimeout, "transient key timeout", 300},
}

// The policies' decisions (UG100: EzspDecisionId and EzspDecisionBitmask).
const (
	bindingsValidEndpoint = 0x12 // devices may bind at us what our endpoints have
	contentsTagOnly       = 0x40 // messageSent comes without the message
	tcKeySendCurrent      = 0x51 // a joined device may ask for its own link key
	appKeyDeny            = 0x60 // devices get no keys for talking among themselves
	tcAllowJoins          = 0x03 // joins with a known key, and rejoins
	tcRejoinsOnly         = 0x02 // known devices may come back; nobody new
)

// ourEndpoints are what the NCP tells devices that ask what we are: a home
// gateway that takes what they have, and the Green Power sink that Zigbee 3.0
// expects of every coordinator.
var ourEndpoints = []ezsp.Endpoint{
	{
		ID: ourEndpoint, Profile: zcl.ProfileHomeAutomation, Device: 0x0065, Version: 1,
		In: []uint16{0x0000, 0x0003, 0x0006, 0x0008, 0x000A, 0x0019, 0x0300},
		Out: []uint16{0x0000, 0x0003, 0x0004, 0x0005, 0x0006, 0x0008, 0x0020, 0x0300, 0x0400, 0x0402, 0x0405,
			0x0406, 0x0500, 0x0702, 0x0B01, 0x0B03, 0x0B04, 0x1000},
	},
	{
		ID: 242, Profile: zcl.ProfileGreenPower, Device: 0x0066, Version: 1,
		In: []uint16{zcl.ClusterGreenPower}, Out: []uint16{zcl.ClusterGreenPower},
	},
}

// start configures the stack and brings the network up: resumed, restored from
// what was saved, or new.
func (s *session) start(ctx context.Context) error {
	if err := s.identify(ctx); err != nil {
		return err
	}
	if err := s.configureStack(ctx); err != nil {
		return err
	}
	err := s.ez.NetworkInit(ctx)
	var st *ezsp.StatusError
	switch {
	case err == nil:
		if err := s.awaitUp(ctx); err != nil {
			return err
		}
		err = s.resumed(ctx)
	case errors.As(err, &st) && st.Status.Is(ezsp.NotJoined):
		err = s.create(ctx)
	}
	if err != nil {
		return err
	}
	return s.afterUp(ctx)
}

// identify learns whom we talk to.
func (s *session) identify(ctx context.Context) error {
	firmware := ezsp.StackVersion(s.ez.Stack())
	if v, err := s.ez.Firmware(ctx); err == nil {
		firmware = v.String()
	} else if s.ez.Err() != nil {
		return err
	} // else the short form will do
	e, err := s.ez.EUI64(ctx)
	if err != nil {
		return err
	}
	s.eui64 = e
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	s.n.info.EUI64, s.n.info.Firmware, s.n.info.EZSPVersion = e, firmware, uint8(s.ez.Version())
	return nil
}

// configureStack sets up an NCP that has just been reset and remembers only
// its network.
func (s *session) configureStack(ctx context.Context) error {
	for _, c := range stackConfig {
		if err := s.optional(c.name, s.ez.SetConfigurationValue(ctx, c.id, c.value)); err != nil {
			return err
		}
	}
	steps := []struct {
		name     string
		required bool
		do       func() error
	}{
		{"key table", false, func() error { return s.roomForKeys(ctx) }},
		{"binding policy", false, func() error {
			return s.ez.SetPolicy(ctx, ezsp.PolicyBindingModification, bindingsValidEndpoint)
		}},
		{"message contents policy", false, func() error {
			return s.ez.SetPolicy(ctx, ezsp.PolicyMessageContents, contentsTagOnly)
		}},
		// How long (ms) the stack keeps a place for a device that is joining.
		{"transient device timeout", false, func() error {
			return s.ez.SetValue(ctx, ezsp.ValueTransientDeviceTimeout, []byte{0x10, 0x27})
		}},
		{"manufacturer code", false, func() error { return s.ez.SetManufacturerCode(ctx, manufacturerCode) }},
		{"CCA threshold", false, func() error { return s.ez.SetValue(ctx, ezsp.ValueCCAThreshold, []byte{0}) }},
		{"endpoint 1", true, func() error { return s.ez.AddEndpoint(ctx, ourEndpoints[0]) }},
		{"green power endpoint", false, func() error { return s.ez.AddEndpoint(ctx, ourEndpoints[1]) }},
		{"link key policy", true, func() error { return s.ez.SetPolicy(ctx, ezsp.PolicyTCKeyRequest, tcKeySendCurrent) }},
		{"application key policy", true, func() error { return s.ez.SetPolicy(ctx, ezsp.PolicyAppKeyRequest, appKeyDeny) }},
		{"trust centre policy", true, func() error { return s.ez.SetPolicy(ctx, ezsp.PolicyTrustCenter, tcRejoinsOnly) }},
	}
	for _, step := range steps {
		err := step.do()
		if step.required && err != nil {
			return fmt.Errorf("setting up the dongle (%s): %w", step.name, err)
		}
		if err := s.optional(step.name, err); err != nil {
			return err
		}
	}
	return nil
}

// optional logs that the NCP does not take a setting, and gives back only
// errors of the connection itself.
func (s *session) optional(name string, err error) error {
	if err == nil {
		return nil
	}
	if s.ez.Err() != nil || s.ctx.Err() != nil {
		return err
	}
	s.n.log.Debug("the dongle keeps its own setting", "setting", name, "err", err)
	return nil
}

// afterUp is what a network needs whenever it has come up.
func (s *session) afterUp(ctx context.Context) error {
	if err := s.optional("stack token writing", s.ez.SetValue(ctx, ezsp.ValueStackTokenWriting, []byte{1})); err != nil {
		return err
	}
	// Routers learn the way to us from our announcements, at most one in 5 s and
	// at least one in 60 s when needed, and send their routes along.
	err := s.ez.SetConcentrator(ctx, ezsp.Concentrator{
		On: true, Type: 0xFFF9, MinTime: 5, MaxTime: 60, RouteErrors: 3, DeliveryFailures: 1,
	})
	if err := s.optional("concentrator", err); err != nil {
		return err
	}
	_, err = s.ez.SetSourceRouteDiscoveryMode(ctx, 2)
	if err := s.optional("source route discovery", err); err != nil {
		return err
	}
	return s.n.reopen(ctx, s)
}

// OwnEndpoints are what the coordinator tells devices that it is.
func OwnEndpoints() []Endpoint {
	list := make([]Endpoint, len(ourEndpoints))
	for i, e := range ourEndpoints {
		list[i] = Endpoint{ID: e.ID, Profile: e.Profile, DeviceID: e.Device, In: e.In, Out: e.Out}
	}
	return list
}
