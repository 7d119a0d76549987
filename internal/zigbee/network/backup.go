package network

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
	"github.com/smartcore-ireland/hems/internal/zigbee/coordbackup"
	"github.com/smartcore-ireland/hems/internal/zigbee/ezsp"
	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// backupDelay gathers joins that come together before they are backed up.
const backupDelay = 10 * time.Second

// securityLevel of every Zigbee network (specification 4.4.1.2).
const securityLevel = 5

// savedLinkKey is a key that the trust centre shares with one device and that is
// not hashed from its own: of a network that came from another kind of dongle.
// They are the section "link_keys" of the state.
type savedLinkKey struct {
	EUI64    zcl.EUI64 `json:"eui64"`
	Key      secret    `json:"link_key"`
	Outgoing uint32    `json:"outgoing_frame_counter"`
	Incoming uint32    `json:"incoming_frame_counter"`
}

// Backup gives what another coordinator needs to take this one's place: from
// the dongle when the network is up, else as it was last saved. The error is
// ErrDown when nothing is known yet.
func (n *Network) Backup(ctx context.Context) (*coordbackup.Backup, error) {
	n.mu.Lock()
	s := n.session
	n.mu.Unlock()
	if s != nil {
		if err := n.refresh(ctx, s); err != nil && s.ez.Err() == nil {
			return nil, fmt.Errorf("backing up the coordinator: %w", err)
		} // else: as it was saved
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.saved == nil {
		return nil, ErrDown
	}
	return n.backupLocked(), nil
}

// refresh reads from the dongle what changes by itself.
func (n *Network) refresh(ctx context.Context, s *session) error {
	if err := n.fetchFrameCounter(ctx, s); err != nil {
		return err
	}
	keys, err := s.ez.LinkKeys(ctx)
	if err != nil {
		if s.ez.Err() != nil {
			return err
		}
		n.log.Debug("the dongle does not tell its link keys", "err", err)
		return nil
	}
	var read []savedLinkKey
	for _, k := range keys {
		if k.Key != (ezsp.Key{}) && k.EUI64 != zcl.EUI64None && k.EUI64 != s.eui64 {
			read = append(read, savedLinkKey{k.EUI64, secret(k.Key), k.Outgoing, k.Incoming})
		}
	}
	if len(read) > 0 {
		n.mu.Lock()
		n.linkKeys = read
		n.mu.Unlock()
	}
	return nil
}

// backupLocked is the backup of what is known. n.mu is held; n.saved is set.
func (n *Network) backupLocked() *coordbackup.Backup {
	saved := n.saved
	b := &coordbackup.Backup{
		Source: "hems@" + n.opts.Version, Time: time.Now(), EZSPVersion: n.info.EZSPVersion,
		Coordinator: saved.Coordinator, PANID: uint16(saved.PANID), ExtendedPANID: uint64(saved.ExtendedPANID),
		Channel: saved.Channel, SecurityLevel: securityLevel, UpdateID: saved.UpdateID,
		NetworkKey: coordbackup.Key(saved.NetworkKey), KeySequence: saved.KeySequence, FrameCounter: saved.FrameCounter,
		LinkKeySeed: coordbackup.Key(saved.LinkKey),
	}
	for c := uint8(11); c <= 26; c++ {
		b.Channels = append(b.Channels, c)
	}
	keys := make(map[zcl.EUI64]*coordbackup.LinkKey)
	for _, k := range n.linkKeys {
		keys[k.EUI64] = &coordbackup.LinkKey{Key: coordbackup.Key(k.Key), Incoming: k.Incoming, Outgoing: k.Outgoing}
	}
	for e, d := range n.devices {
		b.Devices = append(b.Devices, coordbackup.Device{EUI64: e, NodeID: d.NodeID, LinkKey: keys[e]})
		delete(keys, e)
	}
	for e, k := range keys {
		b.Devices = append(b.Devices, coordbackup.Device{EUI64: e, NodeID: coordbackup.NoNode, LinkKey: k})
	}
	slices.SortFunc(b.Devices, func(a, b coordbackup.Device) int { return cmp.Compare(a.EUI64, b.EUI64) })
	return b
}

// keepBackup writes coordinator_backup.json by itself: at the start, after
// devices have come or gone, and with the frame counter now and then.
func (s *session) keepBackup(ctx context.Context) {
	tick := time.NewTicker(s.n.timing.SaveEvery)
	defer tick.Stop()
	for {
		if err := s.n.writeBackup(ctx, s); err != nil && ctx.Err() == nil {
			s.n.log.Error("the coordinator could not be backed up", "err", err)
		}
		select {
		case <-s.n.backupWake:
			if sleep(ctx, backupDelay) != nil {
				return
			}
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// writeBackup writes coordinator_backup.json, readable by its owner only. With
// no session it is what is known without the dongle.
func (n *Network) writeBackup(ctx context.Context, s *session) error {
	if n.opts.Dir == "" {
		return nil
	}
	if s != nil {
		if err := n.refresh(ctx, s); err != nil {
			return err
		}
	}
	n.mu.Lock()
	if n.saved == nil {
		n.mu.Unlock()
		return nil
	}
	b := n.backupLocked()
	n.mu.Unlock()
	text, err := b.Encode()
	if err != nil {
		return err
	}
	return atomicfile.Write(n.backupPath(), text, 0o600)
}

func (n *Network) backupPath() string { return filepath.Join(n.opts.Dir, coordbackup.Name) }

// placed takes the network from a coordinator_backup.json beside a state that has
// none: somebody has put it there to have it restored, or the state was lost.
func (n *Network) placed() error {
	if n.opts.Dir == "" {
		return nil
	}
	path := n.backupPath()
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var b *coordbackup.Backup
	if err == nil {
		b, err = coordbackup.Parse(bytes.TrimSpace(text))
	}
	if err != nil {
		return &Error{
			Message: path + " cannot be restored",
			Advice:  "replace it by a good one, or move it aside: the network is then taken over from the dongle",
			Err:     err,
		}
	}
	sections, err := ImportSections(b, nil)
	if err != nil {
		return &Error{Message: path + " cannot be restored", Advice: "replace it by a good one, or move it aside", Err: err}
	}
	if err := n.state.PutAll(sections); err != nil {
		return err
	}
	n.log.Warn("the zigbee network is restored from a backup of the coordinator", "file", path, "source", b.Source, "made", b.Time,
		"pan", hex16(hexUint16(b.PANID)), "channel", b.Channel, "devices", len(b.Devices))
	return nil
}

// ImportSections are the sections of the state that belong to this package, made
// of a coordinator's backup and of what is known of its devices; of a device
// that is in the backup alone there is its address, until it speaks. They replace
// what was there.
func ImportSections(b *coordbackup.Backup, devices []ImportedDevice) (map[string]any, error) {
	if err := b.Check(); err != nil {
		return nil, err
	}
	now := time.Now().UTC().Truncate(time.Second)
	saved := savedNetwork{
		PANID: hexUint16(b.PANID), ExtendedPANID: hexUint64(b.ExtendedPANID), Channel: b.Channel, UpdateID: b.UpdateID,
		NetworkKey: secret(b.NetworkKey), KeySequence: b.KeySequence, FrameCounter: b.FrameCounter,
		LinkKey: secret(b.LinkKeySeed), Coordinator: b.Coordinator, Formed: now,
	}
	if !b.Time.IsZero() && b.Time.Before(now) {
		saved.Formed = b.Time.UTC().Truncate(time.Second)
	}
	known := make(map[zcl.EUI64]savedDevice)
	for _, d := range devices {
		switch {
		case d.EUI64 == zcl.EUI64None || d.EUI64 == zcl.EUI64Any:
			return nil, errors.New("a device has no address")
		case known[d.EUI64].EUI64 != 0:
			return nil, fmt.Errorf("device %v is there twice", d.EUI64)
		}
		if d.NodeID == 0 || d.NodeID >= 0xFFF8 {
			d.NodeID = unknownNode
		}
		if d.Interview == "" {
			d.Interview = InterviewPending
		}
		if d.Joined.IsZero() {
			d.Joined = now
		}
		d.Available = false // until it is heard
		known[d.EUI64] = savedDevice(d)
	}
	keys := []savedLinkKey{}
	for _, d := range b.Devices {
		if k := d.LinkKey; k != nil {
			keys = append(keys, savedLinkKey{d.EUI64, secret(k.Key), k.Outgoing, k.Incoming})
		}
		sd, ok := known[d.EUI64]
		if !ok {
			sd.Device = Device{EUI64: d.EUI64, NodeID: unknownNode, Type: TypeUnknown, Interview: InterviewPending, Joined: now}
		}
		if sd.NodeID == unknownNode {
			sd.NodeID = d.NodeID
		}
		known[d.EUI64] = sd
	}
	if len(known) > maxDevices {
		return nil, fmt.Errorf("there are %d devices; a network can have %d", len(known), maxDevices)
	}
	list := []savedDevice{}
	at := make(map[uint16]bool)
	for _, d := range known {
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b savedDevice) int { return byJoining(a.Device, b.Device) })
	for i, d := range list { // of two with the same address, one has it no more
		if d.NodeID != unknownNode && at[d.NodeID] {
			list[i].NodeID = unknownNode
		}
		at[d.NodeID] = true
	}
	sections := map[string]any{statefile.Network: saved, statefile.Devices: list, statefile.LinkKeys: nil}
	if len(keys) > 0 {
		sections[statefile.LinkKeys] = keys
	}
	return sections, nil
}

// ImportedDevice is a device as another program knew it.
type ImportedDevice struct {
	Device
	Sleepy bool // its receiver is off while it is idle
}
