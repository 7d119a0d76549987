// Package ash is the dongle's end of the serial line: Asynchronous Serial Host
// protocol version 2 as an EmberZNet network co-processor speaks it (Silicon
// Labs UG101). It knows frames, sequence numbers, acknowledgements and timers.
// It must never know what the frames carry, nor how the host's end is written.
package ash

import (
	"errors"
	"time"
)

// Version is the protocol version that RSTACK and ERROR frames carry.
const Version = 2

// Sizes of the data field of a DATA frame, in bytes (UG101 table 2; the upper
// limit is the longest EZSP frame of EZSP 13).
const (
	MinData = 3
	MaxData = 220
)

// Times of the NCP's end (UG101 section 5).
const (
	ackTimeInit     = 1600 * time.Millisecond
	ackTimeMin      = 400 * time.Millisecond
	ackTimeMax      = 3200 * time.Millisecond
	remoteNotReady  = time.Second
	maxAckTimeouts  = 4
	defaultWindow   = 5
	maxWindow       = 7
	maxQueue        = 64 // frames waiting for the window, each way of ordering
	resetSoftware   = 0x0B
	errorAckTimeout = 0x51
)

// Reset codes that a co-processor reports about itself (UG101 table 4).
const (
	ResetPowerOn  = 0x02
	ResetWatchdog = 0x03
	ResetAssert   = 0x06
	ResetSoftware = resetSoftware
)

// Errors of Send.
var (
	// ErrNotConnected: the host has not reset the link yet, or the link failed.
	ErrNotConnected = errors.New("no host is connected: it has to send RST first")
	// ErrQueueFull: the host does not take what waits for it.
	ErrQueueFull = errors.New("too many frames wait for the host")
	// ErrSize: the data field must be MinData to MaxData bytes long.
	ErrSize = errors.New("data field of a wrong size")
)

// Handler is what a link serves: the co-processor behind it. Its methods are
// called one at a time from the link's reading goroutine and may call Send.
type Handler interface {
	// Reset is called when the host sent RST, before RSTACK answers it.
	Reset()
	// Frame is called with the data field of each DATA frame, in order, once.
	Frame(data []byte)
}

// Counters say what a link has seen; they only grow.
type Counters struct {
	DataReceived  uint64 `json:"data_received"` // accepted in sequence
	DataSent      uint64 `json:"data_sent"`     // first transmissions
	Retransmitted uint64 `json:"retransmitted"` // further transmissions
	Duplicates    uint64 `json:"duplicates"`    // retransmissions already known
	OutOfSequence uint64 `json:"out_of_sequence"`
	BadFrames     uint64 `json:"bad_frames"` // checksum, length, control, escape
	BadAcks       uint64 `json:"bad_acks"`   // acknowledged what was never sent
	NaksSent      uint64 `json:"naks_sent"`
	NaksReceived  uint64 `json:"naks_received"`
	Timeouts      uint64 `json:"timeouts"`
	Resets        uint64 `json:"resets"`   // RST frames
	Failures      uint64 `json:"failures"` // link given up with ERROR
	Dropped       uint64 `json:"dropped"`  // frames Send refused
}
