package ash

import (
	"errors"
	"fmt"
)

// ResetCode says why an NCP has reset, or why it has given up (UG101 table 3).
type ResetCode uint8

// The codes that EmberZNet gives.
const (
	ResetUnknown    ResetCode = 0x00
	ResetExternal   ResetCode = 0x01
	ResetPowerOn    ResetCode = 0x02
	ResetWatchdog   ResetCode = 0x03
	ResetAssert     ResetCode = 0x06
	ResetBootloader ResetCode = 0x09
	ResetSoftware   ResetCode = 0x0B
	CodeTimeouts    ResetCode = 0x51
	CodeChipError   ResetCode = 0x80
)

var resetNames = map[ResetCode]string{
	ResetUnknown:    "unknown reason",
	ResetExternal:   "reset pin",
	ResetPowerOn:    "power on",
	ResetWatchdog:   "watchdog",
	ResetAssert:     "firmware assertion",
	ResetBootloader: "bootloader",
	ResetSoftware:   "software",
	CodeTimeouts:    "it had no acknowledgement from us for too long",
	CodeChipError:   "chip error",
}

func (c ResetCode) String() string {
	if s, ok := resetNames[c]; ok {
		return fmt.Sprintf("%s (0x%02X)", s, uint8(c))
	}
	return fmt.Sprintf("code 0x%02X", uint8(c))
}

// Why a link ends, beside what the line itself says.
var (
	// ErrClosed is what a link says after Close.
	ErrClosed = errors.New("the link to the dongle is closed")
	// ErrTooManyTimeouts ends a link whose frames are no longer acknowledged.
	ErrTooManyTimeouts = errors.New("the dongle has stopped acknowledging what it is sent")
	// ErrLineStuck ends a link whose line takes no more bytes.
	ErrLineStuck = errors.New("the line to the dongle takes no more bytes")
)

// ErrReset ends a link whose NCP has reset by itself. All that was under way
// in it is lost.
type ErrReset struct{ Code ResetCode }

func (e ErrReset) Error() string {
	return fmt.Sprintf("the dongle has restarted by itself: %v", e.Code)
}

// ErrFailed ends a link whose NCP says that it has failed and waits for a
// reset.
type ErrFailed struct{ Code ResetCode }

func (e ErrFailed) Error() string {
	return fmt.Sprintf("the dongle has given up: %v", e.Code)
}

// ErrNoAnswer says that a reset was asked for and nothing that is ASH came
// back.
type ErrNoAnswer struct {
	Tries int
	// Bytes that came instead of an answer: 0 says that the line is silent, many
	// that something else is at its other end, or another speed.
	Bytes uint64
}

func (e ErrNoAnswer) Error() string {
	if e.Bytes == 0 {
		return fmt.Sprintf("the dongle does not answer (%d resets sent, the line is silent)", e.Tries)
	}
	return fmt.Sprintf("the dongle does not answer as one with EmberZNet would (%d resets sent, %d other bytes came back)", e.Tries, e.Bytes)
}

// Hint says what to do.
func (e ErrNoAnswer) Hint() string {
	if e.Bytes == 0 {
		return "unplug the dongle and plug it in again; if that does not help, check that the port is the dongle's and that its firmware is EmberZNet (EZSP)"
	}
	return "check that the port is the dongle's, that no other program uses it, and that its firmware is EmberZNet (EZSP) at this speed"
}

// ErrVersion says that the NCP speaks another version of ASH than 2, the only
// one there is.
type ErrVersion struct{ Version uint8 }

func (e ErrVersion) Error() string {
	return fmt.Sprintf("the dongle speaks version %d of its serial protocol; only version 2 is known", e.Version)
}

// errLineClosed is what the end of a stream means here.
var errLineClosed = errors.New("the line was closed at its other end")
