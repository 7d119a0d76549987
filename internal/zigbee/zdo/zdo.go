// Package zdo knows the messages of the Zigbee device objects, profile 0,
// endpoint 0: who a device is, what endpoints it has, bindings, leaving,
// permission to join, neighbours. Source: Zigbee specification 05-3474,
// chapter 2.4 (device profile).
//
// It must never know who sends a message, over which stack it travels, or what
// a device is used for.
//
// A message on the air is a transaction sequence number and a body. Append and
// Parse go both ways for each of them, so that a test can play either side.
package zdo

import (
	"errors"
	"fmt"
)

// Cluster numbers. A response has its request's number with the top bit set.
const (
	ClusterNWKAddrRequest  uint16 = 0x0000
	ClusterIEEEAddrRequest uint16 = 0x0001
	ClusterNodeDescRequest uint16 = 0x0002
	ClusterSimpleDesc      uint16 = 0x0004
	ClusterActiveEndpoints uint16 = 0x0005
	ClusterDeviceAnnounce  uint16 = 0x0013
	ClusterBind            uint16 = 0x0021
	ClusterUnbind          uint16 = 0x0022
	ClusterMgmtLqi         uint16 = 0x0031
	ClusterMgmtRtg         uint16 = 0x0032
	ClusterMgmtBind        uint16 = 0x0033
	ClusterMgmtLeave       uint16 = 0x0034
	ClusterPermitJoining   uint16 = 0x0036
	ClusterNWKUpdate       uint16 = 0x0038
	responseBit            uint16 = 0x8000
)

// Errors every Parse error wraps one of.
var (
	ErrShort    = errors.New("message ends too early")
	ErrUnknown  = errors.New("cluster is not known")
	ErrBadField = errors.New("field has a value outside its range")
)

// Message is one ZDO message: one of the request and response types of this
// package.
type Message interface {
	// Cluster is the cluster number the message travels under.
	Cluster() uint16
	appendBody(b []byte) []byte
}

// Response is a Message that says how a request to a device has ended.
type Response interface {
	Message
	Result() Status
}

// ResponseTo is the cluster number of the answer to a request.
func ResponseTo(request uint16) uint16 { return request | responseBit }

// IsResponse reports whether messages of the cluster answer a request.
func IsResponse(cluster uint16) bool { return cluster&responseBit != 0 }

// Append appends the message with its sequence number to b.
func Append(b []byte, seq uint8, m Message) []byte {
	return m.appendBody(append(b, seq))
}

// Parse reads a message of the given cluster. Octets after the message are
// ignored: newer revisions of the specification add fields at the end. In a
// response that is not a success, fields a device leaves out are zero.
func Parse(cluster uint16, b []byte) (seq uint8, m Message, err error) {
	if len(b) == 0 {
		return 0, nil, fmt.Errorf("parsing zdo message 0x%04x: %w", cluster, ErrShort)
	}
	parse, ok := parsers[cluster]
	if !ok {
		return b[0], nil, fmt.Errorf("parsing zdo message 0x%04x: %w", cluster, ErrUnknown)
	}
	r := reader{b: b[1:]}
	m = parse(&r)
	if r.err != nil {
		return b[0], nil, fmt.Errorf("parsing zdo message 0x%04x of %d bytes: %w", cluster, len(b), r.err)
	}
	return b[0], m, nil
}

// parsers is the table of the messages this package knows.
var parsers = map[uint16]func(*reader) Message{
	ClusterNWKAddrRequest:              func(r *reader) Message { return parseNWKAddrRequest(r) },
	ClusterIEEEAddrRequest:             func(r *reader) Message { return parseIEEEAddrRequest(r) },
	ClusterNodeDescRequest:             func(r *reader) Message { return NodeDescRequest{NWKAddr: r.u16()} },
	ClusterActiveEndpoints:             func(r *reader) Message { return ActiveEndpointsRequest{NWKAddr: r.u16()} },
	ClusterSimpleDesc:                  func(r *reader) Message { return SimpleDescRequest{NWKAddr: r.u16(), Endpoint: r.u8()} },
	ClusterDeviceAnnounce:              func(r *reader) Message { return parseDeviceAnnounce(r) },
	ClusterBind:                        func(r *reader) Message { return BindRequest{parseBinding(r)} },
	ClusterUnbind:                      func(r *reader) Message { return UnbindRequest{parseBinding(r)} },
	ClusterMgmtLqi:                     func(r *reader) Message { return LqiRequest{Start: r.u8()} },
	ClusterMgmtRtg:                     func(r *reader) Message { return RtgRequest{Start: r.u8()} },
	ClusterMgmtBind:                    func(r *reader) Message { return BindTableRequest{Start: r.u8()} },
	ClusterNWKUpdate:                   func(r *reader) Message { return parseNWKUpdate(r) },
	ResponseTo(ClusterMgmtRtg):         func(r *reader) Message { return parseRtgResponse(r) },
	ResponseTo(ClusterMgmtBind):        func(r *reader) Message { return parseBindTableResponse(r) },
	ResponseTo(ClusterNWKUpdate):       func(r *reader) Message { return parseNWKUpdateNotify(r) },
	ClusterMgmtLeave:                   func(r *reader) Message { return parseLeaveRequest(r) },
	ClusterPermitJoining:               func(r *reader) Message { return parsePermitJoining(r) },
	ResponseTo(ClusterNWKAddrRequest):  func(r *reader) Message { return NWKAddrResponse{parseAddress(r)} },
	ResponseTo(ClusterIEEEAddrRequest): func(r *reader) Message { return IEEEAddrResponse{parseAddress(r)} },
	ResponseTo(ClusterNodeDescRequest): func(r *reader) Message { return parseNodeDescResponse(r) },
	ResponseTo(ClusterActiveEndpoints): func(r *reader) Message { return parseActiveEndpointsResponse(r) },
	ResponseTo(ClusterSimpleDesc):      func(r *reader) Message { return parseSimpleDescResponse(r) },
	ResponseTo(ClusterBind):            func(r *reader) Message { return BindResponse{Status(r.u8())} },
	ResponseTo(ClusterUnbind):          func(r *reader) Message { return UnbindResponse{Status(r.u8())} },
	ResponseTo(ClusterMgmtLqi):         func(r *reader) Message { return parseLqiResponse(r) },
	ResponseTo(ClusterMgmtLeave):       func(r *reader) Message { return LeaveResponse{Status(r.u8())} },
	ResponseTo(ClusterPermitJoining):   func(r *reader) Message { return PermitJoiningResponse{Status(r.u8())} },
}

// Status is the result in a response. Source: Zigbee specification §2.4.5,
// table 2.138.
type Status uint8

// The statuses a response can have.
const (
	StatusSuccess           Status = 0x00
	StatusInvalidRequest    Status = 0x80
	StatusDeviceNotFound    Status = 0x81
	StatusInvalidEndpoint   Status = 0x82
	StatusNotActive         Status = 0x83
	StatusNotSupported      Status = 0x84
	StatusTimeout           Status = 0x85
	StatusNoMatch           Status = 0x86
	StatusNoEntry           Status = 0x88
	StatusNoDescriptor      Status = 0x89
	StatusInsufficientSpace Status = 0x8a
	StatusNotPermitted      Status = 0x8b
	StatusTableFull         Status = 0x8c
	StatusNotAuthorized     Status = 0x8d
)

var statusNames = map[Status]string{
	StatusSuccess:           "success",
	StatusInvalidRequest:    "invalid request type",
	StatusDeviceNotFound:    "device not found",
	StatusInvalidEndpoint:   "invalid endpoint",
	StatusNotActive:         "endpoint not active",
	StatusNotSupported:      "not supported",
	StatusTimeout:           "timeout",
	StatusNoMatch:           "no match",
	StatusNoEntry:           "no entry",
	StatusNoDescriptor:      "no descriptor",
	StatusInsufficientSpace: "insufficient space",
	StatusNotPermitted:      "not permitted",
	StatusTableFull:         "table full",
	StatusNotAuthorized:     "not authorised",
}

// String is the status in words, or its number.
func (s Status) String() string {
	if name, ok := statusNames[s]; ok {
		return name
	}
	return fmt.Sprintf("status 0x%02x", uint8(s))
}

// Err is nil for success, else an error that says the status in words.
func (s Status) Err() error {
	if s == StatusSuccess {
		return nil
	}
	return statusError(s)
}

type statusError Status

func (e statusError) Error() string { return "device answered " + Status(e).String() }
