package network

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// savedNetwork is the section "network" of the state: all that is needed to make
// the same network again on another dongle.
type savedNetwork struct {
	PANID         hexUint16 `json:"pan_id"`
	ExtendedPANID hexUint64 `json:"extended_pan_id"`
	Channel       uint8     `json:"channel"`
	UpdateID      uint8     `json:"update_id"`
	NetworkKey    secret    `json:"network_key"`
	KeySequence   uint8     `json:"network_key_sequence"`
	// FrameCounter was read at times; the real one is higher.
	FrameCounter uint32    `json:"network_key_frame_counter"`
	LinkKey      secret    `json:"trust_centre_link_key"`
	Coordinator  zcl.EUI64 `json:"coordinator"`
	Formed       time.Time `json:"formed"`
}

// savedDevice is one of the section "devices".
type savedDevice struct {
	Device
	Sleepy bool `json:"sleepy"`
}

// load reads what the state says of the network and its devices.
func (n *Network) load() error {
	var network savedNetwork
	there, err := n.state.Get(statefile.Network, &network)
	if err == nil && !there {
		if err = n.placed(); err == nil {
			there, err = n.state.Get(statefile.Network, &network)
		}
	}
	if err == nil && there && !isUsable(&network) {
		err = n.state.Damaged(statefile.Network, errors.New("a value in it is missing or out of range"))
	}
	if err != nil {
		return err
	}
	if there {
		n.saved = &network
		n.info.PANID, n.info.ExtendedPANID = uint16(n.saved.PANID), uint64(n.saved.ExtendedPANID)
		n.info.Channel, n.info.EUI64 = n.saved.Channel, n.saved.Coordinator
	}
	if _, err := n.state.Get(statefile.LinkKeys, &n.linkKeys); err != nil {
		return err
	}
	if err := n.loadInstalls(); err != nil {
		return err
	}
	return n.loadDevices()
}

func isUsable(s *savedNetwork) bool {
	return s.PANID != 0 && s.PANID != 0xFFFF && s.ExtendedPANID != 0 && s.Channel >= 11 && s.Channel <= 26 &&
		s.NetworkKey != secret{}
}

func (n *Network) loadDevices() error {
	var list []savedDevice
	if _, err := n.state.Get(statefile.Devices, &list); err != nil {
		return err
	}
	for _, sd := range list {
		if sd.EUI64 == 0 || len(n.devices) >= maxDevices {
			continue
		}
		d := newDevice(sd.Device, sd.Sleepy)
		if d.Interview == InterviewInProgress { // it was cut
			d.Interview = InterviewPending
		}
		n.devices[d.EUI64] = d
		if d.NodeID != unknownNode {
			n.nodes[d.NodeID] = d
		}
	}
	return nil
}

func (n *Network) saveNetwork(s *savedNetwork) error { return n.state.Put(statefile.Network, s) }

// saveDevices writes the devices if there is anything new about them.
func (n *Network) saveDevices() {
	n.mu.Lock()
	if !n.dirty && !n.touched {
		n.mu.Unlock()
		return
	}
	list := n.takeList()
	n.saving.Lock() // before n.mu is let go: the newest list is written last
	n.mu.Unlock()
	err := n.state.Put(statefile.Devices, list)
	n.saving.Unlock()
	if err != nil {
		n.mu.Lock()
		n.notSaved(err)
		n.mu.Unlock()
	}
}

// saveDevicesNow writes the devices before anything else happens. n.mu is held.
func (n *Network) saveDevicesNow() {
	n.saving.Lock()
	defer n.saving.Unlock()
	if err := n.state.Put(statefile.Devices, n.takeList()); err != nil {
		n.notSaved(err)
	}
}

// takeList is what there is to save now. n.mu is held.
func (n *Network) takeList() []savedDevice {
	n.dirty, n.touched = false, false
	list := []savedDevice{}
	for _, d := range n.devicesLocked() {
		list = append(list, savedDevice{d, n.devices[d.EUI64].sleepy})
	}
	return list
}

// notSaved lets devices be saved again at the next change, or at the end. n.mu
// is held.
func (n *Network) notSaved(err error) {
	n.log.Error("the list of devices cannot be saved", "err", err)
	n.dirty = true
}

// saveDelay gathers changes that come together, as in an interview.
const saveDelay = 300 * time.Millisecond

// saver saves devices when they have changed in substance; what changes with
// every frame (last seen, link quality) only now and then, to spare the SD
// card, and at the end.
func (n *Network) saver(ctx context.Context) {
	tick := time.NewTicker(n.timing.SaveEvery)
	defer tick.Stop()
	for {
		select {
		case <-n.saveWake:
			if sleep(ctx, saveDelay) == nil {
				n.saveDevices()
			}
		case <-tick.C:
			n.saveDevices()
		case <-ctx.Done():
			n.saveDevices()
			return
		}
	}
}

// changed notes a change of substance; n.mu is held.
func (n *Network) changed() {
	n.dirty = true
	select {
	case n.saveWake <- struct{}{}:
	default:
	}
}

// secret is a key. It is written to its file and nowhere else.
type secret [16]byte

// String hides the key.
func (secret) String() string { return "(key)" }

// GoString hides the key.
func (secret) GoString() string { return "(key)" }

// MarshalText writes the key for its file.
func (k secret) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(k[:])), nil }

// UnmarshalText reads what MarshalText writes.
func (k *secret) UnmarshalText(b []byte) error {
	if len(b) != 2*len(k) {
		return fmt.Errorf("a key of %d digits, want %d", len(b), 2*len(k))
	}
	_, err := hex.Decode(k[:], b)
	return err
}

// hexUint16 and hexUint64 are numbers that people know in hexadecimal.
type (
	hexUint16 uint16
	hexUint64 uint64
)

// MarshalText writes "0x1a2b".
func (v hexUint16) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "0x%04x", uint16(v)), nil }

// MarshalText writes "0x0123456789abcdef".
func (v hexUint64) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "0x%016x", uint64(v)), nil }

// UnmarshalText reads what MarshalText writes.
func (v *hexUint16) UnmarshalText(b []byte) error {
	u, err := parseHex(b, 16)
	*v = hexUint16(u)
	return err
}

// UnmarshalText reads what MarshalText writes.
func (v *hexUint64) UnmarshalText(b []byte) error {
	u, err := parseHex(b, 64)
	*v = hexUint64(u)
	return err
}

func parseHex(b []byte, bits int) (uint64, error) {
	digits, ok := strings.CutPrefix(string(b), "0x")
	if !ok {
		return 0, fmt.Errorf("%q does not begin with 0x", b)
	}
	return strconv.ParseUint(digits, 16, bits)
}
