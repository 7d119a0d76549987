// Package zdo answers the Zigbee device objects' questions about one node from
// its descriptors (Zigbee specification, section 2.4.4). Coordinator and meter
// share it. It must never know about networks, joining or time.
package zdo

import (
	"encoding/binary"
	"slices"

	"github.com/smartcore-ireland/hems/internal/simulator/radio"
)

// Request clusters. The answer to one has the Response bit set.
const (
	NetworkAddress = 0x0000
	IEEEAddress    = 0x0001
	NodeDesc       = 0x0002
	PowerDesc      = 0x0003
	SimpleDesc     = 0x0004
	ActiveEP       = 0x0005
	MatchDesc      = 0x0006
	DeviceAnnounce = 0x0013
	Bind           = 0x0021
	Unbind         = 0x0022
	MgmtLqi        = 0x0031
	MgmtRtg        = 0x0032
	MgmtBind       = 0x0033
	MgmtLeave      = 0x0034
	MgmtPermit     = 0x0036
	MgmtUpdate     = 0x0038
	Response       = 0x8000
)

// Status of an answer (Zigbee specification, table 2-129).
type Status uint8

// The statuses that simulated nodes give.
const (
	Success           Status = 0x00
	InvalidRequest    Status = 0x80
	DeviceNotFound    Status = 0x81
	InvalidEndpoint   Status = 0x82
	NotActive         Status = 0x83
	NotSupported      Status = 0x84
	NoEntry           Status = 0x88
	TableFull         Status = 0x8C
	maxListedClusters        = 16
)

// Endpoint is a simple descriptor.
type Endpoint struct {
	ID              uint8
	Profile, Device uint16
	Version         uint8 // 0 to 15
	In, Out         []uint16
}

// Self is what a node knows about itself.
type Self struct {
	EUI64     radio.EUI64
	ID        uint16
	Node      [13]byte // node descriptor without status and address
	Power     uint16   // power descriptor
	Endpoints []Endpoint
}

// Answer returns the answer to a request, sequence byte first in both. answered
// is false when the request is not one about descriptors or addresses, or when
// it is too short to be one.
func (s Self) Answer(cluster uint16, request []byte) (answer []byte, answered bool) {
	if len(request) < 1 {
		return nil, false
	}
	seq, q := request[0], request[1:]
	if cluster == NetworkAddress {
		if len(q) < 10 || radio.EUI64(binary.LittleEndian.Uint64(q)) != s.EUI64 {
			return nil, false // not us: others may answer
		}
		return s.addresses(seq, q[8]), true
	}
	if len(q) < 2 {
		return nil, false
	}
	of := binary.LittleEndian.Uint16(q)
	status := Success
	if of != s.ID {
		status = DeviceNotFound
	}
	head := func(status Status) []byte {
		return binary.LittleEndian.AppendUint16([]byte{seq, byte(status)}, of)
	}
	switch cluster {
	case IEEEAddress:
		if len(q) < 4 {
			return nil, false
		}
		if status != Success {
			return s.address(seq, status), true
		}
		return s.addresses(seq, q[2]), true
	case NodeDesc:
		b := head(status)
		if status == Success {
			b = append(b, s.Node[:]...)
		}
		return b, true
	case PowerDesc:
		b := head(status)
		if status == Success {
			b = binary.LittleEndian.AppendUint16(b, s.Power)
		}
		return b, true
	case ActiveEP:
		b := head(status)
		if status != Success {
			return append(b, 0), true
		}
		b = append(b, byte(len(s.Endpoints)))
		for _, e := range s.Endpoints {
			b = append(b, e.ID)
		}
		return b, true
	case SimpleDesc:
		if len(q) < 3 {
			return nil, false
		}
		return s.simple(head, status, q[2]), true
	case MatchDesc:
		return s.match(head, status, q[2:])
	}
	return nil, false
}

func (s Self) address(seq uint8, status Status) []byte {
	b := binary.LittleEndian.AppendUint64([]byte{seq, byte(status)}, uint64(s.EUI64))
	return binary.LittleEndian.AppendUint16(b, s.ID)
}

// addresses answers a request for one address by the other. An extended
// answer lists associated devices; end devices and this coordinator name none.
func (s Self) addresses(seq, kind uint8) []byte {
	switch kind {
	case 0:
		return s.address(seq, Success)
	case 1:
		return append(s.address(seq, Success), 0, 0)
	}
	return s.address(seq, InvalidRequest)
}

func (s Self) simple(head func(Status) []byte, status Status, id uint8) []byte {
	i := slices.IndexFunc(s.Endpoints, func(e Endpoint) bool { return e.ID == id })
	switch {
	case status != Success:
	case id == 0 || id > 254:
		status = InvalidEndpoint
	case i < 0:
		status = NotActive
	}
	if status != Success {
		return append(head(status), 0)
	}
	d := s.Endpoints[i].append(nil)
	return append(append(head(Success), byte(len(d))), d...)
}

func (e Endpoint) append(b []byte) []byte {
	b = append(b, e.ID)
	b = binary.LittleEndian.AppendUint16(b, e.Profile)
	b = binary.LittleEndian.AppendUint16(b, e.Device)
	b = append(b, e.Version&0x0F)
	for _, list := range [][]uint16{e.In, e.Out} {
		b = append(b, byte(len(list)))
		for _, c := range list {
			b = binary.LittleEndian.AppendUint16(b, c)
		}
	}
	return b
}

// match answers Match_Desc_req: which endpoints of a profile share a cluster
// with the two lists. A node without any keeps silent.
func (s Self) match(head func(Status) []byte, status Status, q []byte) ([]byte, bool) {
	if len(q) < 3 || status != Success {
		return nil, false
	}
	profile := binary.LittleEndian.Uint16(q)
	in, rest, ok := clusters(q[2:])
	if !ok {
		return nil, false
	}
	out, _, ok := clusters(rest)
	if !ok {
		return nil, false
	}
	var found []byte
	for _, e := range s.Endpoints {
		if e.Profile == profile && (shared(e.In, in) || shared(e.Out, out)) {
			found = append(found, e.ID)
		}
	}
	if len(found) == 0 {
		return nil, false
	}
	return append(append(head(Success), byte(len(found))), found...), true
}

func clusters(b []byte) (list []uint16, rest []byte, ok bool) {
	if len(b) < 1 || b[0] > maxListedClusters || len(b) < 1+2*int(b[0]) {
		return nil, nil, false
	}
	for i := range int(b[0]) {
		list = append(list, binary.LittleEndian.Uint16(b[1+2*i:]))
	}
	return list, b[1+2*int(b[0]):], true
}

func shared(a, b []uint16) bool {
	return slices.ContainsFunc(a, func(c uint16) bool { return slices.Contains(b, c) })
}
