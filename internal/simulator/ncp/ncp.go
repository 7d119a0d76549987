// Package ncp is an EmberZNet network co-processor as its host sees it through
// the EmberZNet Serial Protocol (Silicon Labs UG100): commands and callbacks,
// the coordinator's network, its keys, children and endpoints. It knows EZSP's
// wire format and must never know how frames get over the serial line, nor what
// devices say to each other.
package ncp

import (
	"encoding/hex"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator/radio"
	"github.com/smartcore-ireland/hems/internal/simulator/zdo"
)

// Host is the way back to whoever drives the co-processor.
type Host interface {
	// Send queues an EZSP frame; callbacks may be held back behind responses.
	Send(frame []byte, callback bool) error
}

// Options of a co-processor.
type Options struct {
	EUI64   radio.EUI64
	Version uint8 // EZSP version it speaks, one of Versions or a later one; 0 means 13
	Air     *radio.Air
	Memory  Memory
	Changed func() // the memory changed and must be kept
	Log     *slog.Logger
}

// NCP is a co-processor. Frame, Reset, Attach and Detach may be called from
// anywhere; everything else must be called in the world (radio.Air.Do).
type NCP struct {
	o       Options
	air     *radio.Air
	log     *slog.Logger
	speaks  *dialect
	random  *rand.Rand
	memory  Memory
	host    Host
	counter uint32 // outgoing network frame counter; the memory is ahead of it
	stats   Stats
	tally   [counterCount]uint16 // the stack's own counters
	session
}

// session is what a reset forgets.
type session struct {
	eui          radio.EUI64
	agreed       bool // the host knows our version
	sequence     uint8
	initialized  bool // the stack's tables are laid out: no more configuration
	up           bool
	config       map[uint8]uint16
	policy       map[uint8]uint8
	values       map[uint8][]byte
	endpoints    []zdo.Endpoint
	multicast    map[uint8]multicastEntry
	initial      *securityState
	transient    []transientKey
	permitted    bool
	permitEnds   time.Time // zero: does not end by itself
	closePermit  func()
	addresses    map[uint8]address
	concentrator bool
	scanning     func() // ends the scan that runs
	maker        uint16 // manufacturer code
	inFlight     int
	aps          uint8
	boot         uint64 // tells timers of an earlier session
}

// Stats count what the co-processor refused or lost; they only grow.
type Stats struct {
	Commands  uint64 `json:"commands"`
	Refused   uint64 `json:"refused"`   // answered by invalidCommand
	Malformed uint64 `json:"malformed"` // too short to be answered at all
	Surplus   uint64 `json:"surplus"`   // with more parameters than the command has
	Callbacks uint64 `json:"callbacks"`
	Lost      uint64 `json:"lost"` // callbacks that no host took
	Boots     uint64 `json:"boots"`
}

// New returns a co-processor that has just been powered, and makes it the
// air's coordinator.
func New(o Options) *NCP {
	n := &NCP{o: o, air: o.Air, log: o.Log, memory: o.Memory, speaks: dialectOf(o.Version)}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	if n.o.Changed == nil {
		n.o.Changed = func() {}
	}
	n.air.Do(func() {
		n.random = n.air.Random()
		if n.memory.Network != nil {
			n.counter = n.memory.Network.FrameCounter
		}
		n.restart()
		n.air.SetHub(n)
	})
	return n
}

// Attach names the host that gets responses and callbacks from now on.
func (n *NCP) Attach(h Host) { n.air.Do(func() { n.host = h }) }

// Detach forgets a host, unless another one has taken its place.
func (n *NCP) Detach(h Host) {
	n.air.Do(func() {
		if n.host == h {
			n.host = nil
		}
	})
}

// Reset restarts the co-processor: the network stays in its memory but is down
// until the host asks for it.
func (n *NCP) Reset() { n.air.Do(n.restart) }

func (n *NCP) restart() {
	if n.closePermit != nil {
		n.closePermit()
	}
	if n.scanning != nil {
		n.scanning()
	}
	n.stats.Boots++
	n.session = session{
		eui:       n.own(),
		boot:      n.session.boot + 1,
		config:    defaultConfig(),
		policy:    map[uint8]uint8{},
		values:    map[uint8][]byte{},
		multicast: map[uint8]multicastEntry{},
		addresses: map[uint8]address{},
	}
}

// Frame takes one EZSP frame from the host. Whatever it holds, it is answered
// or counted.
func (n *NCP) Frame(b []byte) { n.air.Do(func() { n.command(b) }) }

func (n *NCP) command(b []byte) {
	n.stats.Commands++
	h, params, ok := parseHeader(b)
	if !ok {
		n.stats.Malformed++
		n.log.Debug("frame without a header", "length", len(b))
		return
	}
	n.sequence = h.sequence
	if reason := n.refuse(h, len(b)); reason != ezspSuccess {
		n.invalid(h, reason)
		return
	}
	c, known := n.lookup(h.id)
	if !known {
		n.invalid(h, errorInvalidFrameID)
		return
	}
	in := &reader{rest: params}
	out := &writer{dialect: n.speaks}
	c.run(n, in, out)
	if in.err != ezspSuccess {
		n.invalid(h, in.err)
		return
	}
	if len(in.rest) > 0 {
		n.stats.Surplus++
		n.log.Debug("more parameters than the command has", "name", c.name, "bytes", len(in.rest))
	}
	if secret[h.id] {
		n.log.Debug("command", "name", c.name)
	} else {
		n.log.Debug("command", "name", c.name, "params", hex.EncodeToString(params), "answer", hex.EncodeToString(out.b))
	}
	n.respond(h, h.id, out.b)
}

// maxFrame is the longest EZSP frame in bytes, either way.
const maxFrame = 220

// refuse says why a command is not even looked at.
func (n *NCP) refuse(h header, length int) uint8 {
	switch {
	case length > maxFrame:
		return errorOverflow
	case h.control&responseBit != 0:
		return errorWrongDirection
	case h.extended && h.format&^0x03 != 0:
		return errorUnsupportedControl // secure frames and padding
	case h.id == cmdVersion:
		return ezspSuccess
	case !h.extended:
		return errorUnsupportedControl // EZSP 8 and later: only version may be short
	case !n.agreed:
		return errorVersionNotSet
	}
	return ezspSuccess
}

func (n *NCP) invalid(h header, reason uint8) {
	n.stats.Refused++
	n.log.Debug("command refused", "id", h.id, "reason", reason)
	params := []byte{reason}
	if n.speaks.has(slStatuses) { // hosts look at the first byte
		params = append(params, 0, 0, 0)
	}
	n.respond(h, cmdInvalidCommand, params)
}

func (n *NCP) respond(h header, id uint16, params []byte) {
	if n.host == nil {
		return
	}
	h.control, h.id = responseBit, id
	if err := n.host.Send(append(h.append(nil), params...), false); err != nil {
		n.log.Warn("response lost", "id", id, "problem", err)
	}
}

// callback sends an asynchronous callback. It reports whether the host will
// get it.
func (n *NCP) callback(id uint16, fill func(*writer)) bool {
	if n.host == nil || !n.agreed {
		n.stats.Lost++
		return false
	}
	w := &writer{dialect: n.speaks}
	fill(w)
	h := header{sequence: n.sequence, control: responseBit | asyncBit, extended: true, id: id}
	if err := n.host.Send(append(h.append(nil), w.b...), true); err != nil {
		n.stats.Lost++
		n.log.Debug("callback lost", "id", id, "problem", err)
		return false
	}
	n.stats.Callbacks++
	return true
}

// later runs f after d unless the co-processor was reset in between.
func (n *NCP) later(d time.Duration, f func()) (cancel func()) {
	boot := n.boot
	return n.air.After(d, func() {
		if n.boot == boot {
			f()
		}
	})
}

// Stats returns the counters.
func (n *NCP) Stats() Stats { return n.stats }

// Memory returns a copy of what survives without power.
func (n *NCP) Memory() Memory {
	m := n.memory
	if m.Network != nil {
		stored := *m.Network
		m.Network = &stored
	}
	m.Children = slices.Clone(m.Children)
	m.Keys = slices.Clone(m.Keys)
	return m
}
