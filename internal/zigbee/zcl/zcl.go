// Package zcl knows the frames of the Zigbee Cluster Library (ZCL8, document
// 07-5123-08): the frame header, the general commands that read, write and
// report attributes, and every data type with its size and its value for
// "unknown". It turns bytes into Go values and back.
//
// It must never know who sends a frame, over which network it travels, or what
// an attribute of a certain device means to a householder.
//
// Every decoder checks bounds before it reads: whatever the radio brings is
// either a value or an error, never a panic.
package zcl

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrShort is wrapped by every error about a frame that ends too early.
var ErrShort = errors.New("frame ends too early")

// Frame is one ZCL frame. Source: ZCL8 §2.4.1.
type Frame struct {
	// ClusterSpecific is the frame type: false for a general (profile-wide)
	// command, true for a command of the cluster.
	ClusterSpecific bool
	// FromServer is the direction bit: true from the server of a cluster (a
	// meter's reports) to its client.
	FromServer bool
	// DisableDefaultResponse asks the receiver to answer only with an error.
	DisableDefaultResponse bool
	// Manufacturer is the manufacturer code, 0 for none. Attributes and
	// commands of a manufacturer share their numbers with standard ones, so
	// this belongs to every key.
	Manufacturer uint16
	// Seq is the transaction sequence number; an answer repeats it.
	Seq     uint8
	Command uint8
	// Payload is what follows the header. Parse does not copy it.
	Payload []byte
}

// Bits of the frame control byte. Source: ZCL8 §2.4.1.1.
const (
	controlTypeMask     = 0x03
	controlTypeGeneral  = 0x00
	controlTypeCluster  = 0x01
	controlManufacturer = 0x04
	controlFromServer   = 0x08
	controlNoDefault    = 0x10
)

// Parse reads a frame. The payload is a part of b. Reserved bits of the frame
// control are ignored, a reserved frame type is an error, and so is the
// manufacturer code 0, which would let a private attribute pass for a standard
// one.
func Parse(b []byte) (Frame, error) {
	if len(b) < 3 {
		return Frame{}, fmt.Errorf("parsing zcl header of %d bytes: %w", len(b), ErrShort)
	}
	control := b[0]
	f := Frame{
		FromServer:             control&controlFromServer != 0,
		DisableDefaultResponse: control&controlNoDefault != 0,
	}
	switch control & controlTypeMask {
	case controlTypeGeneral:
	case controlTypeCluster:
		f.ClusterSpecific = true
	default:
		return Frame{}, fmt.Errorf("parsing zcl header: frame type %d is reserved", control&controlTypeMask)
	}
	b = b[1:]
	if control&controlManufacturer != 0 {
		if len(b) < 4 {
			return Frame{}, fmt.Errorf("parsing zcl header with a manufacturer code: %w", ErrShort)
		}
		f.Manufacturer = binary.LittleEndian.Uint16(b)
		if f.Manufacturer == 0 {
			return Frame{}, errors.New("parsing zcl header: manufacturer code 0 is not assigned")
		}
		b = b[2:]
	}
	f.Seq, f.Command, f.Payload = b[0], b[1], b[2:]
	return f, nil
}

// Append appends the frame's bytes to b.
func (f Frame) Append(b []byte) []byte {
	control := byte(controlTypeGeneral)
	if f.ClusterSpecific {
		control = controlTypeCluster
	}
	if f.Manufacturer != 0 {
		control |= controlManufacturer
	}
	if f.FromServer {
		control |= controlFromServer
	}
	if f.DisableDefaultResponse {
		control |= controlNoDefault
	}
	b = append(b, control)
	if f.Manufacturer != 0 {
		b = binary.LittleEndian.AppendUint16(b, f.Manufacturer)
	}
	b = append(b, f.Seq, f.Command)
	return append(b, f.Payload...)
}

// IsAnswerTo reports whether f answers the request q: the same sequence
// number, the opposite direction and the same manufacturer code. A default
// response may leave the manufacturer code out, as some devices do.
func (f Frame) IsAnswerTo(q Frame) bool {
	if f.Seq != q.Seq || f.FromServer == q.FromServer {
		return false
	}
	if !f.ClusterSpecific && f.Command == CommandDefaultResponse {
		return true
	}
	return f.Manufacturer == q.Manufacturer
}

// WantsDefaultResponse reports whether the sender of f, received by unicast,
// expects a default response when nothing else is sent back. Source: ZCL8
// §2.5.12.2.
func (f Frame) WantsDefaultResponse() bool {
	if f.DisableDefaultResponse {
		return false
	}
	if f.ClusterSpecific {
		return true
	}
	switch f.Command {
	case CommandDefaultResponse, CommandReadResponse, CommandWriteResponse,
		CommandConfigureReportingResponse, CommandReadReportingConfigResponse:
		return false
	}
	return true
}
