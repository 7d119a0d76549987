package network

import (
	"context"
	"crypto/aes"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/ezsp"
	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// An install code is printed on a device. It makes a link key that only this
// device and its owner know, with which it may join. Source: Zigbee Base Device
// Behavior 1.0 §10.1.

// maxInstallCodes bounds how many codes wait for their device: dongles have room
// for few keys of devices to come.
const maxInstallCodes = 6

// installCodeFor is how long a code waits for its device.
const installCodeFor = 24 * time.Hour

type installKey struct {
	key   ezsp.Key
	until time.Time
}

// AddInstallCode lets one device join with the key that its install code makes:
// 6, 8, 12 or 16 bytes and a CRC of two more. It is needed once, before the
// network is opened for the device; it is kept, over restarts too, for a day or
// until the device has joined.
func (n *Network) AddInstallCode(ctx context.Context, e zcl.EUI64, code []byte) error {
	if e == zcl.EUI64None || e == zcl.EUI64Any {
		return &Error{Message: fmt.Sprintf("no device has the address %v", e), Advice: "copy the address from the device's label"}
	}
	if err := checkInstallCode(code); err != nil {
		return err
	}
	key, err := installCodeKey(code)
	if err != nil {
		return err
	}
	s, err := n.up()
	if err != nil {
		return err
	}
	n.mu.Lock()
	for other, k := range n.installs {
		if time.Now().After(k.until) {
			delete(n.installs, other)
		}
	}
	if _, again := n.installs[e]; !again && len(n.installs) >= maxInstallCodes {
		n.mu.Unlock()
		return &Error{Message: "too many install codes wait for their devices", Advice: "let those devices join first"}
	}
	if n.installs == nil {
		n.installs = make(map[zcl.EUI64]installKey)
	}
	n.installs[e] = installKey{key, time.Now().Add(installCodeFor)}
	n.mu.Unlock()
	if err := s.ez.ImportTransientKey(ctx, e, key); err != nil {
		n.mu.Lock()
		delete(n.installs, e)
		n.mu.Unlock()
		return fmt.Errorf("giving the dongle the key of the install code: %w", err)
	}
	n.mu.Lock()
	err = n.state.Put(statefile.InstallCodes, n.savedInstalls())
	n.mu.Unlock()
	if err != nil { // it is good until the process ends
		n.log.Error("an install code cannot be saved", "device", e, "err", err)
	}
	n.log.Info("an install code was added", "device", e)
	return nil
}

// savedInstall is one of the section "install_codes".
type savedInstall struct {
	Key   secret    `json:"key"`
	Until time.Time `json:"until"`
}

// savedInstalls is what there is to save, nil for nothing. n.mu is held.
func (n *Network) savedInstalls() any {
	if len(n.installs) == 0 {
		return nil
	}
	saved := make(map[zcl.EUI64]savedInstall)
	for e, k := range n.installs {
		saved[e] = savedInstall{secret(k.key), k.until.UTC()}
	}
	return saved
}

// loadInstalls reads the codes that still wait for their devices.
func (n *Network) loadInstalls() error {
	var saved map[zcl.EUI64]savedInstall
	if _, err := n.state.Get(statefile.InstallCodes, &saved); err != nil {
		return err
	}
	for e, k := range saved {
		if time.Now().After(k.Until) || len(n.installs) >= maxInstallCodes {
			continue
		}
		if n.installs == nil {
			n.installs = make(map[zcl.EUI64]installKey)
		}
		n.installs[e] = installKey{ezsp.Key(k.Key), k.Until}
	}
	return nil
}

// installed forgets the code of a device that has come. n.mu is held.
func (n *Network) installed(e zcl.EUI64) {
	if _, there := n.installs[e]; !there {
		return
	}
	delete(n.installs, e)
	n.state.PutLater(statefile.InstallCodes, n.savedInstalls()) // it ends by itself after a day
}

// importInstallKeys gives the dongle the keys of install codes that wait: it
// forgets them whenever the network closes.
func (n *Network) importInstallKeys(ctx context.Context, s *session) error {
	n.mu.Lock()
	keys := make(map[zcl.EUI64]ezsp.Key, len(n.installs))
	for e, k := range n.installs {
		if time.Now().Before(k.until) {
			keys[e] = k.key
		}
	}
	n.mu.Unlock()
	for e, k := range keys {
		if err := s.ez.ImportTransientKey(ctx, e, k); err != nil {
			return err
		}
	}
	return nil
}

func checkInstallCode(code []byte) error {
	switch len(code) {
	case 8, 10, 14, 18:
	default:
		return &Error{
			Message: fmt.Sprintf("an install code of %d bytes does not exist", len(code)),
			Advice:  "copy the whole code, with the 4 digits at its end: 16, 20, 28 or 36 digits",
		}
	}
	end := len(code) - 2
	if crc := crcX25(code[:end]); crc != binary.LittleEndian.Uint16(code[end:]) {
		return &Error{
			Message: "the install code's check digits do not match: it was copied with a mistake",
			Advice:  "compare each digit with the label; 8 and B, 0 and D look alike",
		}
	}
	return nil
}

// crcX25 is CRC-16/X-25: polynomial 0x1021 reflected, all ones at first, and
// inverted at the end.
func crcX25(b []byte) uint16 {
	crc := uint16(0xFFFF)
	for _, v := range b {
		crc ^= uint16(v)
		for range 8 {
			if crc&1 != 0 {
				crc = crc>>1 ^ 0x8408
			} else {
				crc >>= 1
			}
		}
	}
	return ^crc
}

// installCodeKey is the link key that an install code makes: its
// Matyas-Meyer-Oseas hash with AES-128. Source: Zigbee specification 05-3474,
// annex B.6.
func installCodeKey(code []byte) (ezsp.Key, error) {
	const block = aes.BlockSize
	padded := append(append([]byte(nil), code...), 0x80)
	for len(padded)%block != block-2 {
		padded = append(padded, 0)
	}
	padded = binary.BigEndian.AppendUint16(padded, uint16(8*len(code))) // length in bits
	var hash ezsp.Key
	for ; len(padded) > 0; padded = padded[block:] {
		c, err := aes.NewCipher(hash[:])
		if err != nil {
			return hash, err
		}
		var out [block]byte
		c.Encrypt(out[:], padded[:block])
		for i := range out {
			hash[i] = out[i] ^ padded[i]
		}
	}
	return hash, nil
}
