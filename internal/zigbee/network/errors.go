package network

import (
	"errors"
	"fmt"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Error is a fault with a sentence for a person and what to do about it.
type Error struct {
	Message string
	Advice  string
	Err     error // what was behind it, if anything
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Message
	}
	return e.Message + ": " + e.Err.Error()
}

// Hint says what to do.
func (e *Error) Hint() string { return e.Advice }

func (e *Error) Unwrap() error { return e.Err }

// hinted is an error that says enough by itself, with advice added.
type hinted struct {
	error
	advice string
}

func (h hinted) Hint() string { return h.advice }

func (h hinted) Unwrap() error { return h.error }

// Hint gives the advice that err or an error in it carries, or "".
func Hint(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// Householder gives the words that err or an error in it has for somebody who
// knows no ports and addresses: what is wrong and what to do; or "".
func Householder(err error) (message, advice string) {
	var h interface{ Householder() (string, string) }
	if errors.As(err, &h) {
		return h.Householder()
	}
	return "", ""
}

// Errors that callers tell apart.
var (
	// ErrDown: the network is not up, or has gone down meanwhile.
	ErrDown = errors.New("the zigbee network is down")
	// ErrTimeout: a device has not answered in time.
	ErrTimeout = errors.New("the device did not answer in time")
	// ErrNotDelivered: the dongle could not bring a message to a device.
	ErrNotDelivered = errors.New("the message did not reach the device")
)

// ErrUnknownDevice says that no such device is in the network.
type ErrUnknownDevice struct{ EUI64 zcl.EUI64 }

func (e ErrUnknownDevice) Error() string {
	return fmt.Sprintf("no device %v in the network", e.EUI64)
}
