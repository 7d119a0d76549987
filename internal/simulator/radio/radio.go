// Package radio is the air between simulated Zigbee nodes: it carries APS
// frames between a coordinator and its devices, lets devices join a network
// that is open, and orders everything that happens. It knows addresses, network
// keys and delays. It must never know what a frame's payload means, nor that
// the coordinator is driven over a serial line.
package radio

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"
)

// EUI64 is a node's extended address. It travels low byte first.
type EUI64 uint64

// String is the address as Zigbee software writes it: 0x and 16 digits.
func (e EUI64) String() string { return fmt.Sprintf("0x%016x", uint64(e)) }

// MarshalText implements encoding.TextMarshaler.
func (e EUI64) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (e *EUI64) UnmarshalText(b []byte) error {
	v, err := strconv.ParseUint(strings.TrimPrefix(string(b), "0x"), 16, 64)
	if err != nil {
		return fmt.Errorf("%q is not an extended address", b)
	}
	*e = EUI64(v)
	return nil
}

// Network is what makes two nodes able to hear each other.
type Network struct {
	PAN      uint16 `json:"pan"`
	Extended uint64 `json:"extended_pan"` // as a number, low byte first on the wire
	Channel  uint8  `json:"channel"`
	Key      Key    `json:"key"`
}

// Key is an AES-128 key. In JSON it is 32 hexadecimal digits.
type Key [16]byte

// MarshalText implements encoding.TextMarshaler.
func (k Key) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(k[:])), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *Key) UnmarshalText(b []byte) error {
	if len(b) != 2*len(k) {
		return fmt.Errorf("a key has %d hexadecimal digits, not %d", 2*len(k), len(b))
	}
	_, err := hex.Decode(k[:], b)
	return err
}

// Short addresses with a meaning (Zigbee specification, table 3-69).
const (
	Coordinator     = 0x0000
	FirstBroadcast  = 0xFFF8
	BroadcastAll    = 0xFFFF
	BroadcastAwake  = 0xFFFD // receiver always on
	BroadcastRouter = 0xFFFC
)

// Frame is one APS frame.
type Frame struct {
	Source, Destination                 uint16
	Profile, Cluster                    uint16
	SourceEndpoint, DestinationEndpoint uint8
	Group                               uint16 // with DestinationEndpoint 0xFF in a multicast
	Sequence                            uint8  // APS counter
	Payload                             []byte
	LQI                                 uint8 // as received, 0 to 255
	RSSI                                int8  // as received, dBm
}

// Join is how a device came to be part of a network.
type Join uint8

// Values as in the Update-Device command (Zigbee specification 4.4.3).
const (
	SecuredRejoin Join = iota
	UnsecuredJoin
	Left
)

// Hub is the coordinator as devices see it.
type Hub interface {
	EUI64() EUI64
	// Open returns the network when it is up and lets newcomers in now.
	Open() (Network, bool)
	// Up returns the network when it is up.
	Up() (Network, bool)
	// Member says that a device joined, came back or left.
	Member(eui EUI64, id uint16, how Join, sleepy bool)
	// Knows says whether a device is a child of this hub.
	Knows(eui EUI64, id uint16) bool
	// Receive takes a frame from a device. It reports whether it was passed on.
	Receive(Frame) bool
}

// Device is an end of the air that is not the coordinator.
type Device interface {
	EUI64() EUI64
	// Address returns the short address and the network the device is part of.
	Address() (id uint16, of Network, joined bool)
	// Receive takes a frame that reached the device.
	Receive(Frame)
	// NetworkChanged tells that the hub's network went up, down, open or closed.
	NetworkChanged()
}

// Air carries frames. Everything that happens in the simulated world happens
// while its lock is held: Do and After are the only ways in.
type Air struct {
	mu      sync.Mutex
	random  *rand.Rand
	hub     Hub
	devices []Device
	closed  bool
	latency time.Duration
	pending map[*time.Timer]struct{}
}

// New returns an air whose chances follow seed. latency is the mean time a
// frame takes one way, polling of sleepy devices included.
func New(seed uint64, latency time.Duration) *Air {
	return &Air{random: rand.New(rand.NewPCG(seed, 0x616972)), latency: latency, pending: map[*time.Timer]struct{}{}}
}

// Do runs f alone in the world.
func (a *Air) Do(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

// After runs f alone in the world, d from now, unless the returned function
// was called (in the world) before or the air was closed.
func (a *Air) After(d time.Duration, f func()) (cancel func()) {
	live := true
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.pending, t)
		if live && !a.closed {
			f()
		}
	})
	a.pending[t] = struct{}{}
	return func() {
		live = false
		t.Stop()
		delete(a.pending, t)
	}
}

// Close stops everything that After still holds.
func (a *Air) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	for t := range a.pending {
		t.Stop()
	}
	clear(a.pending)
}

// SetHub names the coordinator.
func (a *Air) SetHub(h Hub) { a.hub = h }

// Hub returns the coordinator.
func (a *Air) Hub() Hub { return a.hub }

// Add puts a device into the air.
func (a *Air) Add(d Device) { a.devices = append(a.devices, d) }

// Random is the world's source of chances.
func (a *Air) Random() *rand.Rand { return a.random }

// Changed tells every device that the hub's network changed.
func (a *Air) Changed() {
	for _, d := range a.devices {
		a.After(0, d.NetworkChanged)
	}
}

// Delay is the time the next frame takes one way: the mean, more or less.
func (a *Air) Delay() time.Duration {
	if a.latency <= 0 {
		return 0
	}
	return a.latency/2 + time.Duration(a.random.Int64N(int64(a.latency)+1))
}

// Down carries a frame from the hub to one device. sent is called with whether
// the device acknowledged it: a device that is not there, or does not have the
// network's key, does not.
func (a *Air) Down(of Network, f Frame, sent func(ok bool)) {
	a.After(a.Delay(), func() {
		d := a.find(of, f.Destination)
		sent(d != nil)
		if d != nil {
			d.Receive(f)
		}
	})
}

// Broadcast carries a frame from the hub to every device of the network.
// Sleepy devices do not hear those meant for nodes that are awake.
func (a *Air) Broadcast(of Network, f Frame) {
	if f.Destination != BroadcastAll {
		return // every simulated device sleeps
	}
	for _, d := range a.devices {
		a.After(a.Delay(), func() {
			if _, n, joined := d.Address(); joined && n == of {
				d.Receive(f)
			}
		})
	}
}

// Up carries a frame from a device to the hub. It reports whether the hub
// heard it and its host was there to take it.
func (a *Air) Up(d Device, f Frame) bool {
	id, mine, joined := d.Address()
	if a.hub == nil || !joined {
		return false
	}
	if n, up := a.hub.Up(); !up || n != mine {
		return false
	}
	f.Source = id
	f.LQI, f.RSSI = a.quality()
	return a.hub.Receive(f)
}

// quality varies a little around a good link.
func (a *Air) quality() (lqi uint8, rssi int8) {
	swing := a.random.IntN(13) - 6
	return uint8(200 + 2*swing), int8(-50 + swing/2)
}

func (a *Air) find(of Network, id uint16) Device {
	for _, d := range a.devices {
		if got, n, joined := d.Address(); joined && got == id && n == of {
			return d
		}
	}
	return nil
}
