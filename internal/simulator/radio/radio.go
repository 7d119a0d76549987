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
	Multicast                           bool   // meant for the members of Group
	Sequence                            uint8  // APS counter
	Payload                             []byte
	LQI                                 uint8    // as received, 0 to 255
	RSSI                                int8     // as received, dBm
	Relays                              []uint16 // on the way up: the routers it passed, the device's parent first
}

// Join is how a device came to be part of a network.
type Join uint8

// Values as in the Update-Device command (Zigbee specification 4.4.3).
const (
	SecuredRejoin Join = iota
	UnsecuredJoin
	Left
)

// Role is what a device does in a network.
type Role struct {
	Router bool // it carries frames for others
	Sleepy bool // its receiver is off unless it asks its parent for frames
}

// Member is a device that joined, came back or left, and how.
type Member struct {
	EUI64  EUI64
	ID     uint16
	Parent uint16 // who let it in: the coordinator or a router
	Role
	How Join
}

// WellKnownKey is the link key of devices without an install code:
// "ZigBeeAlliance09".
var WellKnownKey = Key([]byte("ZigBeeAlliance09"))

// Hub is the coordinator as devices see it.
type Hub interface {
	EUI64() EUI64
	// Permits returns the network when it is up and lets newcomers associate
	// with the coordinator itself now.
	Permits() (Network, bool)
	// Admit returns the network when it is up and its trust centre gives the
	// network key to a newcomer with that link key, whoever its parent is.
	Admit(eui EUI64, link Key) (Network, bool)
	// Up returns the network when it is up.
	Up() (Network, bool)
	// Member says that a device joined, came back or left.
	Member(Member)
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
	Role() Role
	// Parent returns the short address of the router or coordinator through
	// which the device is reached.
	Parent() uint16
	// Permits says whether newcomers may associate with the device now.
	Permits() bool
	// Silent says that the device has no power: it neither hears nor sends.
	Silent() bool
	// Wakes is how long from now the device asks its parent for frames; 0 for
	// one that hears at once.
	Wakes() time.Duration
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
	held    map[EUI64][]*heldFrame // for sleeping devices, at their parents
	closed  bool
	latency time.Duration
	pending map[*time.Timer]struct{}
}

// New returns an air whose chances follow seed. latency is the mean time a
// frame takes one way, polling of sleepy devices included.
func New(seed uint64, latency time.Duration) *Air {
	return &Air{random: rand.New(rand.NewPCG(seed, 0x616972)), latency: latency,
		held: map[EUI64][]*heldFrame{}, pending: map[*time.Timer]struct{}{}}
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
