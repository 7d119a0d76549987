package network

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// The state files and the version of their form.
const (
	networkFile = "network.json"
	devicesFile = "devices.json"
	fileVersion = 1
)

// stateFiles are network.json and devices.json in a directory. Both are
// readable by their owner only: one has the network key in it, the other says
// who lives here.
type stateFiles struct{ dir string }

func (f stateFiles) path(name string) string { return filepath.Join(f.dir, name) }

// savedNetwork is network.json: all that is needed to make the same network
// again on another dongle.
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

// savedDevice is a device in devices.json.
type savedDevice struct {
	Device
	Sleepy bool `json:"sleepy"`
}

// load reads the state files.
func (n *Network) load() error {
	if err := os.MkdirAll(n.files.dir, 0o700); err != nil {
		return &Error{Message: "the zigbee data directory cannot be made", Advice: "check its permissions", Err: err}
	}
	var network struct {
		Version int `json:"version"`
		savedNetwork
	}
	path := n.files.path(networkFile)
	switch err := readJSON(path, &network); {
	case errors.Is(err, fs.ErrNotExist):
	case err == nil && network.Version != fileVersion:
		return &Error{
			Message: fmt.Sprintf("%s has form %d; this version of hems knows form %d", path, network.Version, fileVersion),
			Advice:  "run the version of hems that wrote it",
		}
	case err == nil && !isUsable(&network.savedNetwork):
		err = errors.New("a value in it is missing or out of range")
		fallthrough
	case err != nil:
		return &Error{
			Message: path + " cannot be read",
			Advice:  "restore it from a backup, or move it aside: the network is then taken over from the dongle",
			Err:     err,
		}
	default:
		n.saved = &network.savedNetwork
		n.info.PANID, n.info.ExtendedPANID = uint16(n.saved.PANID), uint64(n.saved.ExtendedPANID)
		n.info.Channel, n.info.EUI64 = n.saved.Channel, n.saved.Coordinator
	}
	return n.loadDevices()
}

func isUsable(s *savedNetwork) bool {
	return s.PANID != 0 && s.PANID != 0xFFFF && s.ExtendedPANID != 0 && s.Channel >= 11 && s.Channel <= 26 &&
		s.NetworkKey != secret{}
}

// loadDevices reads devices.json. When it cannot be read it is put aside: every
// device is found again when it next speaks.
func (n *Network) loadDevices() error {
	var list deviceList
	path := n.files.path(devicesFile)
	err := readJSON(path, &list)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && list.Version != fileVersion {
		return &Error{
			Message: fmt.Sprintf("%s has form %d; this version of hems knows form %d", path, list.Version, fileVersion),
			Advice:  "run the version of hems that wrote it",
		}
	}
	if err != nil {
		aside := path + ".unreadable"
		n.log.Error("the list of devices cannot be read and is put aside; devices are found again when they speak",
			"err", err, "kept", aside)
		if err := os.Rename(path, aside); err != nil {
			return &Error{Message: path + " cannot be read or moved", Advice: "check its permissions", Err: err}
		}
		return nil
	}
	for _, sd := range list.Devices {
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

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

func (f stateFiles) save(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(f.path(name), append(b, '\n'), 0o600)
}

func (f stateFiles) saveNetwork(s *savedNetwork) error {
	return f.save(networkFile, struct {
		Version int `json:"version"`
		*savedNetwork
	}{fileVersion, s})
}

// saveDevices writes devices.json if there is anything new in it.
func (n *Network) saveDevices() {
	n.mu.Lock()
	if !n.dirty && !n.touched {
		n.mu.Unlock()
		return
	}
	list := n.takeList()
	n.saving.Lock() // before n.mu is let go: the newest list is written last
	n.mu.Unlock()
	err := n.files.save(devicesFile, list)
	n.saving.Unlock()
	if err != nil {
		n.mu.Lock()
		n.notSaved(err)
		n.mu.Unlock()
	}
}

// saveDevicesNow writes devices.json before anything else happens. n.mu is
// held.
func (n *Network) saveDevicesNow() {
	n.saving.Lock()
	defer n.saving.Unlock()
	if err := n.files.save(devicesFile, n.takeList()); err != nil {
		n.notSaved(err)
	}
}

// deviceList is devices.json.
type deviceList struct {
	Version int           `json:"version"`
	Devices []savedDevice `json:"devices"`
}

// takeList is what there is to save now. n.mu is held.
func (n *Network) takeList() deviceList {
	n.dirty, n.touched = false, false
	list := deviceList{fileVersion, []savedDevice{}}
	for _, d := range n.devicesLocked() {
		list.Devices = append(list.Devices, savedDevice{d, n.devices[d.EUI64].sleepy})
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
