package node

import (
	"encoding/binary"

	"github.com/smartcore-ireland/hems/internal/simulator/radio"
)

// ZCL statuses (ZCL table 2-12).
const (
	statusSuccess             = 0x00
	statusMalformed           = 0x80
	statusUnsupClusterCommand = 0x81
	statusUnsupGeneralCommand = 0x82
	statusUnsupMfrCommand     = 0x84
	statusInvalidField        = 0x85
	statusUnsupAttribute      = 0x86
	statusInvalidValue        = 0x87
	statusReadOnly            = 0x88
	statusInsufficientSpace   = 0x89
	statusDuplicate           = 0x8A
	statusNotFound            = 0x8B
	statusUnreportable        = 0x8C
	statusInvalidType         = 0x8D
	statusWriteOnly           = 0x8F
	statusUnsupCluster        = 0xC3
)

// General commands (ZCL table 2-3).
const (
	cmdRead               = 0x00
	cmdReadResponse       = 0x01
	cmdWrite              = 0x02
	cmdWriteUndivided     = 0x03
	cmdWriteResponse      = 0x04
	cmdWriteNoResponse    = 0x05
	cmdConfigure          = 0x06
	cmdConfigureResponse  = 0x07
	cmdReadConfig         = 0x08
	cmdReadConfigResponse = 0x09
	cmdReport             = 0x0A
	cmdDefaultResponse    = 0x0B
	cmdDiscover           = 0x0C
	cmdDiscoverResponse   = 0x0D
)

// Bits of the frame control field (ZCL section 2.4.1.1).
const (
	fcTypeMask       = 0x03
	fcClusterCommand = 0x01
	fcManufacturer   = 0x04
	fcFromServer     = 0x08
	fcNoDefault      = 0x10
)

// request is a ZCL frame that came in, with where the answer goes.
type request struct {
	endpoint     *Endpoint
	frame        radio.Frame
	control      uint8
	manufacturer uint16 // 0: none
	tsn, command uint8
	payload      []byte
	unicast      bool
}

func (r request) source() Source {
	return Source{Profile: r.frame.Profile, Endpoint: r.frame.SourceEndpoint, TSN: r.tsn}
}

// parseZCL reads a ZCL header.
func parseZCL(b []byte) (r request, ok bool) {
	if len(b) < 3 {
		return r, false
	}
	r.control, b = b[0], b[1:]
	if r.control&fcTypeMask > fcClusterCommand {
		return r, false
	}
	if r.control&fcManufacturer != 0 {
		if len(b) < 4 {
			return r, false
		}
		r.manufacturer, b = binary.LittleEndian.Uint16(b), b[2:]
	}
	r.tsn, r.command, r.payload = b[0], b[1], b[2:]
	return r, true
}

// steerClear keeps the numbers of the device's own messages away from those of
// what it is asked: a host may take a report for a repeated message whose number
// is that of one of the last few, be it of an answer, and then it is chance
// whether it hears the report.
func (n *Node) steerClear(asked uint8) {
	const near, away = 32, 96
	if d := int8(n.tsn - asked); -near < d && d < near {
		n.tsn += away
	}
}

func (n *Node) receiveZCL(e *Endpoint, f radio.Frame) {
	r, ok := parseZCL(f.Payload)
	if !ok {
		return
	}
	r.endpoint, r.frame = e, f
	n.steerClear(r.tsn)
	r.unicast = f.Destination < radio.FirstBroadcast && f.DestinationEndpoint != 0xFF && !f.Multicast
	if r.control&fcFromServer != 0 {
		n.receiveFromServer(r)
		return
	}
	cluster := e.cluster(f.Cluster)
	general := r.control&fcTypeMask == 0
	switch {
	case cluster == nil:
		n.defaultResponse(r, statusUnsupCluster)
	case r.manufacturer != 0 && r.manufacturer != n.o.Manufacturer:
		n.defaultResponse(r, statusUnsupMfrCommand)
	case general:
		n.general(r, cluster)
	case cluster.Command == nil:
		n.defaultResponse(r, statusUnsupClusterCommand)
	default:
		reply := cluster.Command(Command{ID: r.command, Manufacturer: r.manufacturer, Payload: r.payload, From: r.source()})
		if reply.Respond && r.unicast {
			n.respondWith(r, fcClusterCommand, reply.Command, reply.Payload)
		} else if !reply.Respond {
			n.defaultResponse(r, reply.Status)
		}
		n.Look()
	}
}

// cluster finds a server cluster; those of the simple descriptor that have
// nothing to answer are empty.
func (e *Endpoint) cluster(id uint16) *Cluster {
	for i := range e.Clusters {
		if e.Clusters[i].ID == id {
			return &e.Clusters[i]
		}
	}
	for _, in := range e.In {
		if in == id {
			return &Cluster{ID: id}
		}
	}
	return nil
}

func (c *Cluster) attribute(manufacturer, id uint16) *Attribute {
	for i := range c.Attributes {
		if a := &c.Attributes[i]; a.ID == id && a.Manufacturer == manufacturer {
			return a
		}
	}
	return nil
}

func (n *Node) general(r request, c *Cluster) {
	var answer []byte
	ok := true
	command := uint8(0)
	switch r.command {
	case cmdRead:
		command = cmdReadResponse
		answer, ok = readAttributes(c, r)
	case cmdWrite, cmdWriteUndivided, cmdWriteNoResponse:
		command = cmdWriteResponse
		answer, ok = writeAttributes(c, r)
	case cmdConfigure:
		command = cmdConfigureResponse
		answer, ok = n.configure(c, r)
	case cmdReadConfig:
		command = cmdReadConfigResponse
		answer, ok = n.readConfiguration(c, r)
	case cmdDiscover:
		command = cmdDiscoverResponse
		answer, ok = discover(c, r)
	case cmdDefaultResponse:
		return
	default:
		n.defaultResponse(r, statusUnsupGeneralCommand)
		return
	}
	switch {
	case !ok:
		n.defaultResponse(r, statusMalformed)
	case r.unicast && r.command != cmdWriteNoResponse:
		n.respond(r, command, answer)
	}
}

// defaultResponse answers r by a status. A success is told only to those who
// asked for it, and nobody is told anything after a broadcast.
func (n *Node) defaultResponse(r request, status uint8) {
	isDefault := r.control&fcTypeMask == 0 && r.command == cmdDefaultResponse
	if !r.unicast || isDefault || status == statusSuccess && r.control&fcNoDefault != 0 {
		return
	}
	n.respond(r, cmdDefaultResponse, []byte{r.command, status})
}

func (n *Node) respond(r request, command uint8, payload []byte) {
	n.respondWith(r, 0, command, payload)
}

// respondWith answers by a general (frame type 0) or cluster command.
func (n *Node) respondWith(r request, frameType, command uint8, payload []byte) {
	b := zclFrame(r.manufacturer, r.tsn, command, payload)
	b[0] |= frameType
	if r.control&fcFromServer != 0 { // this is the client's side
		b[0] &^= fcFromServer
	}
	n.send(radio.Frame{
		Profile: r.frame.Profile, Cluster: r.frame.Cluster,
		SourceEndpoint: r.endpoint.ID, DestinationEndpoint: r.frame.SourceEndpoint,
		Payload: b,
	})
}

// zclFrame builds a general command from server to client that wants no
// default response.
func zclFrame(manufacturer uint16, tsn, command uint8, payload []byte) []byte {
	b := []byte{fcFromServer | fcNoDefault}
	if manufacturer != 0 {
		b[0] |= fcManufacturer
		b = binary.LittleEndian.AppendUint16(b, manufacturer)
	}
	return append(append(b, tsn, command), payload...)
}

func readAttributes(c *Cluster, r request) ([]byte, bool) {
	if len(r.payload) == 0 || len(r.payload)%2 != 0 {
		return nil, false
	}
	var b []byte
	for p := r.payload; len(p) > 0; p = p[2:] {
		id := binary.LittleEndian.Uint16(p)
		record := binary.LittleEndian.AppendUint16(nil, id)
		switch a := c.attribute(r.manufacturer, id); {
		case a == nil:
			record = append(record, statusUnsupAttribute)
		case a.Get == nil:
			record = append(record, statusWriteOnly)
		default:
			record = appendValue(append(record, statusSuccess, a.Type), a.Type, a.Get())
		}
		if len(b)+len(record) > maxPayload-5 {
			break // the client asks again for those that are missing
		}
		b = append(b, record...)
	}
	return b, true
}

func writeAttributes(c *Cluster, r request) ([]byte, bool) {
	type change struct {
		a *Attribute
		v Value
	}
	var changes []change
	var failed []byte
	for p := r.payload; len(p) > 0; {
		if len(p) < 3 {
			return nil, false
		}
		id, t := binary.LittleEndian.Uint16(p), p[2]
		v, rest, ok := parseValue(t, p[3:])
		if !ok {
			return nil, false
		}
		p = rest
		status := uint8(statusSuccess)
		a := c.attribute(r.manufacturer, id)
		switch {
		case a == nil:
			status = statusUnsupAttribute
		case a.Set == nil:
			status = statusReadOnly
		case a.Type != t:
			status = statusInvalidType
		}
		if status != statusSuccess {
			failed = binary.LittleEndian.AppendUint16(append(failed, status), id)
			continue
		}
		changes = append(changes, change{a, v})
	}
	if len(r.payload) == 0 {
		return nil, false
	}
	if r.command == cmdWriteUndivided && failed != nil {
		return failed, true
	}
	for _, ch := range changes {
		if !ch.a.Set(ch.v) {
			failed = binary.LittleEndian.AppendUint16(append(failed, statusInvalidValue), ch.a.ID)
		}
	}
	if failed == nil {
		return []byte{statusSuccess}, true
	}
	return failed, true
}

func discover(c *Cluster, r request) ([]byte, bool) {
	if len(r.payload) != 3 {
		return nil, false
	}
	start, most := binary.LittleEndian.Uint16(r.payload), int(r.payload[2])
	b := []byte{1} // complete
	for _, a := range c.Attributes {
		if a.Manufacturer != r.manufacturer || a.ID < start {
			continue
		}
		if len(b)/3 >= most || len(b)+3 > maxPayload-5 {
			b[0] = 0
			break
		}
		b = append(binary.LittleEndian.AppendUint16(b, a.ID), a.Type)
	}
	return b, true
}
