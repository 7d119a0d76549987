package network

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"math"

	"github.com/smartcore-ireland/hems/internal/zigbee/coordbackup"
	"github.com/smartcore-ireland/hems/internal/zigbee/ezsp"
	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// aside is what to do so that neither the state nor its backup is restored.
func (n *Network) aside() string {
	return "move " + n.state.Path() + " and " + coordbackup.Name + " beside it aside"
}

// ahead is a frame counter that no device has seen yet.
func ahead(counter uint32) uint32 {
	if counter > math.MaxUint32-1-counterBump {
		return math.MaxUint32 - 1
	}
	return counter + counterBump
}

// takeAddress gives the dongle the address of the one whose network it is to
// carry on, where its firmware can: devices know their trust centre by it, and
// send it what they report. The dongle has to be reset then, which errRestarting
// asks for.
func (s *session) takeAddress(ctx context.Context, was zcl.EUI64) error {
	n := s.n
	if was == zcl.EUI64None || was == s.eui64 {
		return nil
	}
	n.mu.Lock()
	tried := n.takenFrom == s.eui64
	n.takenFrom = s.eui64
	n.mu.Unlock()
	err := errors.New("it did not take it")
	if !tried {
		if err = s.ez.RestoreEUI64(ctx, was); err == nil {
			n.log.Warn("the dongle takes the address of the one before it; that one must not be used again near this one",
				"before", was, "dongle", s.eui64)
			return errRestarting
		}
		if s.ez.Err() != nil {
			return err
		}
	}
	n.log.Warn("the dongle keeps its own address: all devices are configured again to report to it; "+
		"those that insist on the old one (some locks and alarms) must be paired again",
		"dongle", s.eui64, "before", was, "why", err)
	return nil
}

// setAPSCounter makes what is sent with link keys go on where the one before
// has ended, when there are keys of single devices.
func (s *session) setAPSCounter(ctx context.Context) error {
	var highest uint32
	keys := s.n.importable()
	for _, k := range keys {
		highest = max(highest, k.Outgoing)
	}
	if len(keys) == 0 {
		return nil
	}
	return s.optional("link keys' frame counter", s.ez.SetAPSFrameCounter(ctx, ahead(highest)))
}

// importLinkKeys gives the dongle the keys of single devices. One that has no
// room for all keeps the first; the others' devices get a new one when they ask.
func (s *session) importLinkKeys(ctx context.Context) error {
	keys := s.n.importable()
	for i, k := range keys {
		err := s.ez.ImportLinkKey(ctx, ezsp.AnyIndex, k.EUI64, ezsp.Key(k.Key))
		if err == nil {
			continue
		}
		if s.ez.Err() != nil || ctx.Err() != nil {
			return err
		}
		s.n.log.Warn("the dongle has no room for all devices' link keys: devices that use theirs may have to be paired again",
			"taken", i, "of", len(keys), "err", err)
		return nil
	}
	return nil
}

// importable are the keys of single devices that are not the trust centre's own.
func (n *Network) importable() []savedLinkKey {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.linkKeys
}

// roomForKeys makes the dongle's key table large enough. It is done at each
// start, before the network is.
func (s *session) roomForKeys(ctx context.Context) error {
	keys := len(s.n.importable())
	if keys == 0 {
		return nil
	}
	has, err := s.ez.KeyTableSize(ctx)
	if err != nil || has > keys {
		return err
	}
	const spare = 4 // for devices that are given one here
	return s.ez.SetConfigurationValue(ctx, ezsp.ConfigKeyTableSize, uint16(min(keys+spare, 127)))
}

// configureAnew makes every device be bound to the coordinator's new address. n.mu
// is held.
func (n *Network) configureAnew() {
	for _, d := range n.devices {
		d.Configured, d.ConfiguredAs = false, ""
	}
	n.changed()
}

// replaced is the section "replaced_network": enough to recognise it.
type replaced struct {
	ExtendedPANID hexUint64 `json:"extended_pan_id"`
	NetworkKey    secret    `json:"network_key"`
}

// ReplaceSection is the section of the state that lets the dongle of its present
// network, if it has one, be taken for another: an import has been told so.
func ReplaceSection(state *statefile.File) (map[string]any, error) {
	var was savedNetwork
	ok, err := state.Get(statefile.Network, &was)
	if err != nil || !ok {
		return nil, err
	}
	return map[string]any{statefile.Replaced: replaced{was.ExtendedPANID, was.NetworkKey}}, nil
}

// wasReplaced reports whether the dongle's network is one that this appliance had
// before an import.
func (s *session) wasReplaced(extended uint64, key secret) (bool, error) {
	var was replaced
	ok, err := s.n.state.Get(statefile.Replaced, &was)
	if err != nil || !ok {
		return false, err
	}
	return uint64(was.ExtendedPANID) == extended && subtle.ConstantTimeCompare(was.NetworkKey[:], key[:]) == 1, nil
}

// eraseAndCreate makes the dongle forget its network, and makes the saved one.
func (s *session) eraseAndCreate(ctx context.Context) error {
	s.n.log.Warn("the dongle's network was replaced by an import: the dongle forgets it")
	if err := s.ez.LeaveNetwork(ctx); err != nil {
		return fmt.Errorf("taking the dongle out of the network that was replaced: %w", err)
	}
	if err := s.awaitStatus(ctx, ezsp.NetworkDown, "leave its network"); err != nil {
		return err
	}
	return s.create(ctx)
}
