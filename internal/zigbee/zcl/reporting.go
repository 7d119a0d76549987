package zcl

import (
	"encoding/binary"
	"fmt"
)

// ReportConfig is when a device reports an attribute by itself. Source: ZCL8
// §2.5.7.
type ReportConfig struct {
	Attribute uint16
	Type      DataType
	// Min and Max are the shortest and longest time between reports, in
	// seconds. Max 0xffff stops the reports; Max 0 with Min 0xffff goes back
	// to the device's default.
	Min, Max uint16
	// Change is the least change worth a report before Max is over, in raw
	// units of the attribute; for types that are not analog it is not sent.
	Change uint64
}

// direction of a reporting configuration: 0 for reports sent by the receiver
// of the command, 1 for reports it is to expect.
const directionSend = 0x00

// ConfigureReporting tells a device when to report.
func ConfigureReporting(list []ReportConfig) Frame {
	var p []byte
	for _, c := range list {
		p = append(p, directionSend)
		p = binary.LittleEndian.AppendUint16(p, c.Attribute)
		p = append(p, byte(c.Type))
		p = binary.LittleEndian.AppendUint16(p, c.Min)
		p = binary.LittleEndian.AppendUint16(p, c.Max)
		if c.Type.Analog() {
			p = appendBits(p, c.Change, types[c.Type].size)
		}
	}
	return request(CommandConfigureReporting, p)
}

// ParseConfigureReporting reads the payload of a configure reporting command
// of direction 0.
func ParseConfigureReporting(p []byte) ([]ReportConfig, error) {
	var list []ReportConfig
	for len(p) > 0 {
		if len(p) < 3 {
			return list, fmt.Errorf("parsing configure reporting: %w", ErrShort)
		}
		if p[0] != directionSend {
			return list, fmt.Errorf("parsing configure reporting: direction %d is not supported", p[0])
		}
		c, rest, err := parseConfig(p[1:])
		if err != nil {
			return list, fmt.Errorf("parsing configure reporting: %w", err)
		}
		list, p = append(list, c), rest
	}
	return list, nil
}

// parseConfig reads an attribute, its type, the intervals and the change.
func parseConfig(p []byte) (c ReportConfig, rest []byte, err error) {
	if len(p) < 7 {
		return c, nil, ErrShort
	}
	c = ReportConfig{
		Attribute: binary.LittleEndian.Uint16(p),
		Type:      DataType(p[2]),
		Min:       binary.LittleEndian.Uint16(p[3:]),
		Max:       binary.LittleEndian.Uint16(p[5:]),
	}
	p = p[7:]
	if !c.Type.Known() {
		return c, nil, fmt.Errorf("attribute 0x%04x: %v has no known size", c.Attribute, c.Type)
	}
	if c.Type.Analog() {
		change, rest, err := DecodeValue(c.Type, p)
		if err != nil {
			return c, nil, fmt.Errorf("attribute 0x%04x: %w", c.Attribute, err)
		}
		c.Change, p = change.Raw(), rest
	}
	return c, p, nil
}

// ParseConfigureReportingResponse reads the payload of a configure reporting
// response: nothing when all was accepted, else one entry for each attribute
// that was not. A device that answers with a single bad status means all.
func ParseConfigureReportingResponse(p []byte) ([]AttributeStatus, error) {
	if len(p) == 1 {
		if p[0] == 0 {
			return nil, nil
		}
		return []AttributeStatus{{ID: AllAttributes, Status: Status(p[0])}}, nil
	}
	if len(p)%4 != 0 || len(p) == 0 {
		return nil, fmt.Errorf("parsing configure reporting response of %d bytes: %w", len(p), ErrShort)
	}
	var list []AttributeStatus
	for ; len(p) > 0; p = p[4:] {
		if s := Status(p[0]); s != StatusSuccess {
			list = append(list, AttributeStatus{ID: binary.LittleEndian.Uint16(p[2:]), Status: s})
		}
	}
	return list, nil
}

// ReadReportingConfig asks when a device reports the attributes.
func ReadReportingConfig(ids ...uint16) Frame {
	var p []byte
	for _, id := range ids {
		p = append(p, directionSend)
		p = binary.LittleEndian.AppendUint16(p, id)
	}
	return request(CommandReadReportingConfig, p)
}

// ReportingState is a device's answer about one attribute: its configuration
// when Status is StatusSuccess, else only the attribute's id.
type ReportingState struct {
	Status Status
	Config ReportConfig
}

// ParseReadReportingConfigResponse reads the payload of a read reporting
// configuration response of direction 0. With an error it returns the entries
// before the fault too.
func ParseReadReportingConfigResponse(p []byte) ([]ReportingState, error) {
	var list []ReportingState
	for len(p) > 0 {
		if len(p) < 4 {
			return list, fmt.Errorf("parsing read reporting configuration response: %w", ErrShort)
		}
		s := ReportingState{Status: Status(p[0])}
		if p[1] != directionSend {
			return list, fmt.Errorf("parsing read reporting configuration response: direction %d is not supported", p[1])
		}
		if s.Status != StatusSuccess {
			s.Config.Attribute = binary.LittleEndian.Uint16(p[2:])
			list, p = append(list, s), p[4:]
			continue
		}
		c, rest, err := parseConfig(p[2:])
		if err != nil {
			return list, fmt.Errorf("parsing read reporting configuration response: %w", err)
		}
		s.Config = c
		list, p = append(list, s), rest
	}
	return list, nil
}
