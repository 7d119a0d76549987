package zcl

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The general commands. Source: ZCL8 §2.5, table 2-3.
const (
	CommandRead                        = 0x00
	CommandReadResponse                = 0x01
	CommandWrite                       = 0x02
	CommandWriteUndivided              = 0x03
	CommandWriteResponse               = 0x04
	CommandWriteNoResponse             = 0x05
	CommandConfigureReporting          = 0x06
	CommandConfigureReportingResponse  = 0x07
	CommandReadReportingConfig         = 0x08
	CommandReadReportingConfigResponse = 0x09
	CommandReport                      = 0x0a
	CommandDefaultResponse             = 0x0b
	CommandDiscover                    = 0x0c
	CommandDiscoverResponse            = 0x0d
)

// Attribute is one attribute in a report, a read response or a write.
type Attribute struct {
	ID uint16
	// Status is StatusSuccess when Value is there; only read responses carry
	// others.
	Status Status
	Value  Value
}

// AttributeStatus is the result for one attribute of a write. AllAttributes
// says the device gave one result for the whole request.
type AttributeStatus struct {
	ID     uint16
	Status Status
}

// AllAttributes stands for every attribute of a request.
const AllAttributes = 0xffff

// request is a general command from client to server. The default response is
// disabled, as every request here has an answer of its own. The sender fills
// in Seq, and Manufacturer where the attributes are a manufacturer's.
func request(command uint8, payload []byte) Frame {
	return Frame{DisableDefaultResponse: true, Command: command, Payload: payload}
}

// ReadAttributes asks for the values of attributes. Some devices fail on more
// than four in one request.
func ReadAttributes(ids ...uint16) Frame {
	var p []byte
	for _, id := range ids {
		p = binary.LittleEndian.AppendUint16(p, id)
	}
	return request(CommandRead, p)
}

// ParseReadAttributes reads the payload of a read: the ids asked for.
func ParseReadAttributes(p []byte) ([]uint16, error) {
	if len(p)%2 != 0 {
		return nil, fmt.Errorf("parsing read attributes of %d bytes: %w", len(p), ErrShort)
	}
	var ids []uint16
	for ; len(p) > 0; p = p[2:] {
		ids = append(ids, binary.LittleEndian.Uint16(p))
	}
	return ids, nil
}

// ReadResponse answers the read q with the given attributes.
func ReadResponse(q Frame, attributes []Attribute) Frame {
	f := answer(q, CommandReadResponse)
	for _, a := range attributes {
		f.Payload = binary.LittleEndian.AppendUint16(f.Payload, a.ID)
		f.Payload = append(f.Payload, byte(a.Status))
		if a.Status == StatusSuccess {
			f.Payload = a.Value.Append(append(f.Payload, byte(a.Value.Type)))
		}
	}
	return f
}

// ParseReadResponse reads the payload of a read response. With an error it
// returns the attributes before the fault too: they are as good as any.
func ParseReadResponse(p []byte) ([]Attribute, error) {
	var list []Attribute
	for len(p) > 0 {
		if len(p) < 3 {
			return list, fmt.Errorf("parsing read response: %w", ErrShort)
		}
		a := Attribute{ID: binary.LittleEndian.Uint16(p), Status: Status(p[2])}
		p = p[3:]
		if a.Status == StatusSuccess {
			var err error
			if a.Value, p, err = decodeTyped(p); err != nil {
				return list, fmt.Errorf("parsing attribute 0x%04x of read response: %w", a.ID, err)
			}
		}
		list = append(list, a)
	}
	return list, nil
}

// Report is what a server sends by itself: attributes with their values.
func Report(attributes []Attribute) Frame {
	return Frame{FromServer: true, DisableDefaultResponse: true, Command: CommandReport, Payload: appendAttributes(nil, attributes)}
}

// ParseReport reads the payload of a report, and of a write, which has the
// same form. With an error it returns the attributes before the fault too.
func ParseReport(p []byte) ([]Attribute, error) {
	var list []Attribute
	for len(p) > 0 {
		if len(p) < 2 {
			return list, fmt.Errorf("parsing report: %w", ErrShort)
		}
		a := Attribute{ID: binary.LittleEndian.Uint16(p)}
		var err error
		if a.Value, p, err = decodeTyped(p[2:]); err != nil {
			return list, fmt.Errorf("parsing attribute 0x%04x of report: %w", a.ID, err)
		}
		list = append(list, a)
	}
	return list, nil
}

// WriteAttributes sets attributes.
func WriteAttributes(attributes []Attribute) Frame {
	return request(CommandWrite, appendAttributes(nil, attributes))
}

// ParseWriteResponse reads the payload of a write response: nothing when all
// attributes were written, else one entry for each that was not.
func ParseWriteResponse(p []byte) ([]AttributeStatus, error) {
	if len(p) == 1 {
		if p[0] == 0 {
			return nil, nil
		}
		return []AttributeStatus{{ID: AllAttributes, Status: Status(p[0])}}, nil
	}
	if len(p)%3 != 0 || len(p) == 0 {
		return nil, fmt.Errorf("parsing write response of %d bytes: %w", len(p), ErrShort)
	}
	var list []AttributeStatus
	for ; len(p) > 0; p = p[3:] {
		if s := Status(p[0]); s != StatusSuccess {
			list = append(list, AttributeStatus{ID: binary.LittleEndian.Uint16(p[1:]), Status: s})
		}
	}
	return list, nil
}

// DefaultResponse answers q with a status when there is nothing else to say.
func DefaultResponse(q Frame, s Status) Frame {
	f := answer(q, CommandDefaultResponse)
	f.Payload = []byte{q.Command, byte(s)}
	return f
}

// ParseDefaultResponse reads the payload of a default response: the command it
// is about and its result.
func ParseDefaultResponse(p []byte) (command uint8, s Status, err error) {
	if len(p) < 2 {
		return 0, 0, fmt.Errorf("parsing default response of %d bytes: %w", len(p), ErrShort)
	}
	return p[0], Status(p[1]), nil
}

// answer is the header of a general command that goes back to the sender of q.
func answer(q Frame, command uint8) Frame {
	return Frame{
		FromServer:             !q.FromServer,
		DisableDefaultResponse: true,
		Manufacturer:           q.Manufacturer,
		Seq:                    q.Seq,
		Command:                command,
	}
}

func appendAttributes(p []byte, attributes []Attribute) []byte {
	for _, a := range attributes {
		p = binary.LittleEndian.AppendUint16(p, a.ID)
		p = a.Value.Append(append(p, byte(a.Value.Type)))
	}
	return p
}

// decodeTyped reads a type and a value of it.
func decodeTyped(p []byte) (Value, []byte, error) {
	if len(p) == 0 {
		return Value{}, nil, errors.Join(errors.New("no data type"), ErrShort)
	}
	return DecodeValue(DataType(p[0]), p[1:])
}
