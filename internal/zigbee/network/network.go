// Package network is the coordinator: it forms a Zigbee network on a dongle
// once and resumes it ever after, lets devices in, interviews, binds and
// configures them, asks and answers their questions, notices who has fallen
// silent, and finds its way back whenever the dongle goes away.
//
// It knows the stack behind EZSP and the devices in it. It must never know
// MQTT, the names people give to devices, or what a reading means.
package network

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// DefaultChannel is the radio channel of a new network when none is asked for.
const DefaultChannel = 11

// Options configure a Network.
type Options struct {
	// Dial opens the line to the dongle. It is called again after every
	// failure, so it should look for the dongle afresh each time. Its error is
	// shown to the person; one with a method Hint() string also says what to do.
	Dial func(ctx context.Context) (io.ReadWriteCloser, error)
	// State holds the network's keys and what is known of its devices, in its
	// sections "network" and "devices". nil: zigbee.json in Dir, which nobody else
	// may have open then.
	State *statefile.File
	// Dir is where the coordinator's files are: coordinator_backup.json, which is
	// written by itself, and restored when the state has no network. It is made
	// when it does not exist.
	Dir string
	// Version is the program's, for the backups.
	Version string
	// Channel is the radio channel (11 to 26) of a network formed by this
	// process; 0 means DefaultChannel. A network that exists keeps its own.
	Channel uint8
	// Log receives what happens; nil discards it. Keys are never logged.
	Log *slog.Logger
	// Timing replaces the times the specifications and habits suggest; the
	// zero value is right for everyone but tests and benchmarks.
	Timing Timing
}

// Network is a coordinator with its network and devices. All methods may be
// called from any goroutine.
type Network struct {
	opts   Options
	log    *slog.Logger
	timing Timing
	events *eventQueue
	state  *statefile.File

	mu      sync.Mutex
	info    Info
	saved   *savedNetwork // nil: no network was ever formed here
	devices map[zcl.EUI64]*member
	nodes   map[uint16]*member // by network address, a subset of devices
	session *session           // nil unless Up
	dirty   bool               // devices differ from what is saved in substance
	touched bool               // devices differ from what is saved only in LastSeen and the like
	running bool

	saveWake   chan struct{}
	backupWake chan struct{}  // devices have come or gone; has room for one
	linkKeys   []savedLinkKey // as last read from the dongle, or as saved
	takenFrom  zcl.EUI64      // the dongle that was last given the address of the one before it

	saving  sync.Mutex  // held while devices are written; taken after mu
	closing *time.Timer // ends the time the network is open

	installs map[zcl.EUI64]installKey // install codes whose device has not come yet

	backUp chan struct{} // closed when the network comes up the next time

	// How availability is judged: by default, and of single devices.
	judging      AvailabilityDefaults
	availability map[zcl.EUI64]AvailabilityOptions

	options    map[zcl.EUI64]map[string]any // of devices, that a person has chosen
	pollWake   chan struct{}                // what is polled has changed; has room for one
	permitting chan struct{}                // a token while the network is being opened or closed

	stats counters
	noise noise
}

// New loads what is remembered in o.State. It does not touch the line. An error
// means that the state cannot be read or makes no sense; nothing is
// changed then.
func New(o Options) (*Network, error) {
	if o.Dial == nil {
		return nil, fmt.Errorf("network: no Dial given")
	}
	if o.Channel == 0 {
		o.Channel = DefaultChannel
	}
	if o.Channel < 11 || o.Channel > 26 {
		return nil, &Error{
			Message: fmt.Sprintf("zigbee channel %d does not exist", o.Channel),
			Advice:  "choose a channel from 11 to 26; 11, 15, 20 and 25 keep clear of most Wi-Fi",
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	n := &Network{
		opts:    o,
		log:     o.Log,
		timing:  o.Timing.withDefaults(),
		events:  newEventQueue(),
		state:   o.State,
		devices: make(map[zcl.EUI64]*member),
		nodes:   make(map[uint16]*member),

		saveWake:   make(chan struct{}, 1),
		backUp:     make(chan struct{}),
		pollWake:   make(chan struct{}, 1),
		permitting: make(chan struct{}, 1),

		backupWake: make(chan struct{}, 1),
	}
	if n.state == nil {
		state, err := statefile.Open(filepath.Join(o.Dir, statefile.Name))
		if err != nil {
			return nil, err
		}
		for _, note := range state.Notes() {
			n.log.Warn(note)
		}
		n.state = state
	}
	if err := n.load(); err != nil {
		return nil, err
	}
	return n, nil
}

// Events gives what happens, in order. It is bounded: a reader that is slow
// loses only MessageReceived events, which are counted (Info.Dropped). The
// channel is never closed.
func (n *Network) Events() <-chan Event { return n.events.ch }

// Info says how the network is now.
func (n *Network) Info() Info {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.infoLocked()
}

func (n *Network) infoLocked() Info {
	i := n.info
	i.Dropped = n.events.dropped.Load()
	if !i.PermitUntil.IsZero() && !time.Now().Before(i.PermitUntil) {
		i.PermitUntil = time.Time{}
	}
	return i
}

// Devices lists every device of the network except the coordinator, in the
// order in which they joined.
func (n *Network) Devices() []Device {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.devicesLocked()
}

// Device gives a copy of one device.
func (n *Network) Device(e zcl.EUI64) (Device, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	d, ok := n.devices[e]
	if !ok {
		return Device{}, false
	}
	return d.snapshot(), true
}
