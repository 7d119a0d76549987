// Package coordbackup reads, checks and writes backups of a Zigbee coordinator:
// the open coordinator backup format ("zigpy/open-coordinator-backup" version 1,
// the coordinator_backup.json of Zigbee2MQTT and what ZHA lets people download),
// and the form in which zigpy keeps its own (zha.go).
//
// It knows the files and what is possible in them. It must never know a dongle,
// or what is done with a backup.
package coordbackup

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Key is a 128-bit key. It never prints itself.
type Key [16]byte

// String hides the key from logs and errors.
func (Key) String() string { return "(key)" }

// GoString hides the key from %#v.
func (Key) GoString() string { return "(key)" }

// IsZero reports whether there is no key.
func (k Key) IsZero() bool { return k == Key{} }

// WellKnownLinkKey is "ZigBeeAlliance09", with which devices join that were
// given no other.
var WellKnownLinkKey = Key([]byte("ZigBeeAlliance09"))

// NoNode is the network address of a device whose address is not known.
const NoNode uint16 = 0xFFFE

// Backup is a coordinator with its network.
type Backup struct {
	// Source is the program that made the backup, "zigbee-herdsman@10.9.2".
	Source string
	// Time is when it was made; zero when that is not said.
	Time time.Time
	// EZSPVersion is that of the dongle it was made from; 0 when it is another
	// kind of dongle, or is not said.
	EZSPVersion uint8

	Coordinator   zcl.EUI64
	PANID         uint16
	ExtendedPANID uint64
	Channel       uint8   // 11 to 26
	Channels      []uint8 // on which it may be formed
	SecurityLevel uint8   // 5: encrypted, with a MIC of 4 bytes
	UpdateID      uint8   // of network parameters

	NetworkKey   Key
	KeySequence  uint8
	FrameCounter uint32 // of what is sent with NetworkKey; the real one is higher

	// LinkKeySeed is the trust centre's key from which EmberZNet hashes each
	// device's link key (stack_specific.ezsp.hashed_tclk). Zero: there is none,
	// and a device's link key is the one in Devices, or the well-known one.
	LinkKeySeed Key
	// ZStackSeed is what Z-Stack makes link keys from, in a way of its own; the
	// keys that it has made are in Devices.
	ZStackSeed Key

	Devices []Device
}

// Device is a device of the network as a coordinator sees it.
type Device struct {
	EUI64   zcl.EUI64
	NodeID  uint16 // network address, or NoNode
	IsChild bool   // of the coordinator itself
	LinkKey *LinkKey
}

// LinkKey is the key that the trust centre shares with one device, with its
// frame counters.
type LinkKey struct {
	Key      Key
	Incoming uint32
	Outgoing uint32
}

// maxDevices bounds what is taken from a file.
const maxDevices = 10_000

// Check is why no network can be made of the backup, or nil.
func (b *Backup) Check() error {
	switch {
	case b.Coordinator == zcl.EUI64None || b.Coordinator == zcl.EUI64Any:
		return errors.New("the coordinator's address is missing")
	case b.PANID == 0 || b.PANID >= 0xFFFE:
		return fmt.Errorf("PAN id 0x%04x is reserved", b.PANID)
	case b.ExtendedPANID == 0 || b.ExtendedPANID == 0xFFFFFFFFFFFFFFFF:
		return fmt.Errorf("extended PAN id 0x%016x is reserved", b.ExtendedPANID)
	case b.Channel < 11 || b.Channel > 26:
		return fmt.Errorf("channel %d does not exist: it is 11 to 26", b.Channel)
	case b.SecurityLevel != securityLevel:
		return fmt.Errorf("security level %d is not that of Zigbee, which is %d", b.SecurityLevel, securityLevel)
	case b.NetworkKey.IsZero() || b.NetworkKey == blank:
		return errors.New("the network key is missing")
	case b.FrameCounter == 0xFFFFFFFF:
		return errors.New("the frame counter is at its end: no device would hear this network any more")
	case len(b.Devices) > maxDevices:
		return fmt.Errorf("it has %d devices, at most %d make sense", len(b.Devices), maxDevices)
	}
	for _, c := range b.Channels {
		if c < 11 || c > 26 {
			return fmt.Errorf("channel %d in the channel mask does not exist: they are 11 to 26", c)
		}
	}
	seen := make(map[zcl.EUI64]bool)
	for _, d := range b.Devices {
		switch {
		case d.EUI64 == zcl.EUI64None || d.EUI64 == zcl.EUI64Any:
			return errors.New("a device has no address")
		case d.EUI64 == b.Coordinator:
			return fmt.Errorf("device %v has the coordinator's address", d.EUI64)
		case seen[d.EUI64]:
			return fmt.Errorf("device %v is in it twice", d.EUI64)
		case d.LinkKey != nil && d.LinkKey.Key.IsZero():
			return fmt.Errorf("the link key of device %v is empty", d.EUI64)
		}
		seen[d.EUI64] = true
	}
	return nil
}

// securityLevel is the only one that Zigbee networks have (Zigbee specification
// 4.4.1.2: nwkSecurityLevel 0x05).
const securityLevel = 5

// blank is what dongles that cannot tell their key say.
var blank = Key{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}

// SameNetwork reports whether two backups are of one network: what its devices
// know it by.
func (b *Backup) SameNetwork(o *Backup) bool {
	return b.ExtendedPANID == o.ExtendedPANID && b.NetworkKey == o.NetworkKey
}

// parseKey reads 32 hexadecimal digits. The error does not show them.
func parseKey(s string) (k Key, err error) {
	if len(s) != 2*len(k) {
		return k, fmt.Errorf("it has %d hexadecimal digits, want %d", len(s), 2*len(k))
	}
	if _, err := hex.Decode(k[:], []byte(s)); err != nil {
		return Key{}, errors.New("it has something else than hexadecimal digits")
	}
	return k, nil
}
