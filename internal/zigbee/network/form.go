package network

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/ezsp"
	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

const (
	// allChannels are the 2.4 GHz channels 11 to 26.
	allChannels = 0x07FFF800
	// txPower in dBm: what every dongle of the kind can do.
	txPower = 5
	// counterBump is added to the saved frame counter when a network is
	// restored: devices drop what has a lower counter than they have seen, and
	// the saved one may be an hour old. It covers 70 frames a second for an hour.
	counterBump = 1 << 18
)

// securityFlags of the networks formed here: one random link key of the trust
// centre, from which each device's own is hashed.
const securityFlags = ezsp.SecurityHashedLinkKey | ezsp.SecurityPreconfiguredKey |
	ezsp.SecurityNetworkKey | ezsp.SecurityEncryptedKey

// extendedSecurity (UG100: EmberExtendedSecurityBitmask): joining devices use
// the well-known link key, and frame counters go on across a reset.
var extendedSecurity = []byte{0x10, 0x01}

// create makes a network on an NCP that has none: the saved one, if there is
// one, so that its devices need not be paired again; else a new one with random
// keys and addresses.
func (s *session) create(ctx context.Context) error {
	n := s.n
	n.mu.Lock()
	saved := n.saved
	n.mu.Unlock()
	flags := securityFlags
	if saved == nil {
		fresh, err := newNetwork(n.opts.Channel)
		if err != nil {
			return err
		}
		saved = fresh
		n.log.Info("the dongle has no network: a new one is formed", "pan", hex16(saved.PANID), "channel", saved.Channel)
	} else {
		flags |= ezsp.SecurityNoFrameCounterReset
		n.log.Warn("the dongle has lost its network, or is another: the saved one is restored",
			"pan", hex16(saved.PANID), "channel", saved.Channel)
		if err := s.takeAddress(ctx, saved.Coordinator); err != nil {
			return err
		}
		if err := s.ez.SetNetworkFrameCounter(ctx, ahead(saved.FrameCounter)); err != nil {
			return &Error{
				Message: "the saved zigbee network cannot be restored: the dongle does not take its frame counter",
				Advice:  "plug in the dongle the network was made with, or " + n.aside() + " to form a new network and pair the devices again",
				Err:     err,
			}
		}
		if err := s.setAPSCounter(ctx); err != nil {
			return err
		}
		if saved.LinkKey == (secret{}) { // it was made by another kind of dongle
			restored := *saved
			rand.Read(restored.LinkKey[:]) // never fails
			saved = &restored
		}
	}
	steps := []struct {
		name string
		do   func() error
	}{
		{"keys", func() error {
			return s.ez.SetInitialSecurityState(ctx, ezsp.InitialSecurity{
				Flags:              flags,
				TrustCenterLinkKey: ezsp.Key(saved.LinkKey),
				NetworkKey:         ezsp.Key(saved.NetworkKey),
				NetworkKeySequence: saved.KeySequence,
				TrustCenter:        zcl.EUI64Any,
			})
		}},
		{"extended security", func() error {
			return s.ez.SetValue(ctx, ezsp.ValueExtendedSecurityBitmask, extendedSecurity)
		}},
		{"key table", func() error { return s.ez.ClearKeyTable(ctx) }},
		{"network", func() error {
			return s.ez.FormNetwork(ctx, ezsp.NetworkParameters{
				ExtendedPANID: uint64(saved.ExtendedPANID),
				PANID:         uint16(saved.PANID),
				TXPower:       txPower,
				Channel:       saved.Channel,
				UpdateID:      saved.UpdateID,
				Channels:      allChannels,
			})
		}},
		{"start", func() error { return s.awaitUp(ctx) }},
		{"link keys", func() error { return s.importLinkKeys(ctx) }},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			return fmt.Errorf("forming the zigbee network (%s): %w", step.name, err)
		}
	}
	_, p, err := s.ez.NetworkParameters(ctx)
	if err != nil {
		return err
	}
	formed := *saved
	formed.PANID, formed.Channel, formed.UpdateID = hexUint16(p.PANID), p.Channel, p.UpdateID
	formed.Coordinator = s.eui64
	return n.adopt(&formed)
}

// newNetwork chooses all that makes a network its own.
func newNetwork(channel uint8) (*savedNetwork, error) {
	n := &savedNetwork{Channel: channel, Formed: time.Now().UTC().Truncate(time.Second)}
	for {
		var b [2 + 8]byte
		rand.Read(b[:]) // never fails
		rand.Read(n.NetworkKey[:])
		rand.Read(n.LinkKey[:])
		n.PANID = hexUint16(binary.LittleEndian.Uint16(b[:]))
		n.ExtendedPANID = hexUint64(binary.LittleEndian.Uint64(b[2:]))
		if isOwn(n) {
			return n, nil
		}
	}
}

// isOwn reports whether nothing about a network is reserved, or a default that
// strangers know.
func isOwn(n *savedNetwork) bool {
	switch n.PANID {
	case 0x0000, 0xFFFE, 0xFFFF, 0x1A62:
		return false
	}
	switch n.ExtendedPANID {
	case 0, 0xFFFFFFFFFFFFFFFF, 0xDDDDDDDDDDDDDDDD:
		return false
	}
	return !isPublicKey(n.NetworkKey) && !isPublicKey(n.LinkKey)
}

// publicKeys are keys that stand in documents and defaults.
var publicKeys = []secret{
	{0x01, 0x03, 0x05, 0x07, 0x09, 0x0B, 0x0D, 0x0F, 0x00, 0x02, 0x04, 0x06, 0x08, 0x0A, 0x0C, 0x0D},
	wellKnownLinkKey,
	{},
}

// wellKnownLinkKey is "ZigBeeAlliance09", with which devices that were never
// told another may join while the network is open.
var wellKnownLinkKey = secret([]byte("ZigBeeAlliance09"))

func isPublicKey(k secret) bool {
	for _, p := range publicKeys {
		if subtle.ConstantTimeCompare(p[:], k[:]) == 1 {
			return true
		}
	}
	return false
}

// resumed checks that the network which the NCP has brought up is ours. It
// changes nothing on the NCP.
func (s *session) resumed(ctx context.Context) error {
	n := s.n
	nodeType, p, err := s.ez.NetworkParameters(ctx)
	if err != nil {
		return err
	}
	const coordinator = 1
	if nodeType != coordinator {
		return &Error{
			Message: "the dongle is a member of another coordinator's network",
			Advice:  "take it out of that network first, or plug in another dongle",
		}
	}
	networkKey, err := s.ez.ExportKey(ctx, ezsp.NetworkKey)
	if err != nil {
		return fmt.Errorf("reading the network key: %w", err)
	}
	n.mu.Lock()
	saved := n.saved
	n.mu.Unlock()
	if saved != nil {
		sameKey := subtle.ConstantTimeCompare(saved.NetworkKey[:], networkKey[:]) == 1
		if uint64(saved.ExtendedPANID) != p.ExtendedPANID || !sameKey {
			if was, err := s.wasReplaced(p.ExtendedPANID, secret(networkKey)); err != nil {
				return err
			} else if was {
				return s.eraseAndCreate(ctx)
			}
			return &Error{
				Message: fmt.Sprintf("the dongle holds another zigbee network (PAN %s, channel %d) than this appliance's (PAN %s, channel %d)",
					hex16(p.PANID), p.Channel, hex16(saved.PANID), saved.Channel),
				Advice: "plug in the dongle that belongs to this appliance, or one that holds no network, onto which this one is restored; to take over the network that this dongle holds, " + n.aside(),
			}
		}
	} else {
		saved = &savedNetwork{NetworkKey: secret(networkKey), Formed: time.Now().UTC().Truncate(time.Second)}
		n.log.Info("the dongle holds a network: it is taken over with its devices", "pan", hex16(p.PANID), "channel", p.Channel)
		if isPublicKey(saved.NetworkKey) {
			n.log.Warn("the network's key is a well-known default: anyone near can read and send in it; form a new network when you can")
		}
	}
	now := *saved
	if now.LinkKey == (secret{}) { // what was imported did not say
		if k, err := s.ez.ExportKey(ctx, ezsp.TrustCenterLinkKey); err == nil {
			now.LinkKey = secret(k)
		} else if s.ez.Err() != nil {
			return err
		}
	}
	now.ExtendedPANID = hexUint64(p.ExtendedPANID)
	// A network may move to another PAN id or channel and stay the same.
	now.PANID, now.Channel, now.UpdateID = hexUint16(p.PANID), p.Channel, p.UpdateID
	now.Coordinator = s.eui64
	return n.adopt(&now)
}

// adopt makes a network that is up the saved one.
func (n *Network) adopt(now *savedNetwork) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.saved == nil || *n.saved != *now {
		if err := n.saveNetwork(now); err != nil {
			return &Error{
				Message: "the network's key cannot be saved",
				Advice:  "check that the data directory is writable and has room",
				Err:     err,
			}
		}
	}
	if n.saved != nil && n.saved.Coordinator != 0 && n.saved.Coordinator != now.Coordinator {
		n.configureAnew()
	}
	if err := n.state.Put(statefile.Replaced, nil); err != nil {
		return err
	}
	n.saved = now
	n.info.PANID, n.info.ExtendedPANID, n.info.Channel = uint16(now.PANID), uint64(now.ExtendedPANID), now.Channel
	return nil
}

// fetchFrameCounter gets the frame counter and saves it, for the day the
// network must be restored on another dongle.
func (n *Network) fetchFrameCounter(ctx context.Context, s *session) error {
	info, err := s.ez.NetworkKeyInfo(ctx)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.saved == nil || n.saved.FrameCounter == info.FrameCounter && n.saved.KeySequence == info.Sequence {
		return nil
	}
	now := *n.saved
	now.FrameCounter, now.KeySequence = info.FrameCounter, info.Sequence
	if err := n.saveNetwork(&now); err != nil {
		return err
	}
	n.saved = &now
	return nil
}
