package zdo

import "encoding/binary"

// NodeDescRequest asks a device what kind of node it is. Source: §2.4.3.1.3.
type NodeDescRequest struct{ NWKAddr uint16 }

// NodeDescResponse answers it. Source: §2.4.4.1.3.
type NodeDescResponse struct {
	Status     Status
	NWKAddr    uint16
	Descriptor NodeDescriptor // zero unless Status is success
}

// LogicalType is what a node is in the network.
type LogicalType uint8

// The logical types.
const (
	Coordinator LogicalType = 0
	Router      LogicalType = 1
	EndDevice   LogicalType = 2
)

// MAC capability bits. Source: table 2.33.
const (
	CapabilityFullFunction = 0x02
	CapabilityMains        = 0x04
	CapabilityRxOnWhenIdle = 0x08
	CapabilityAllocate     = 0x80
)

// NodeDescriptor is 13 octets about a node. Source: §2.3.2.3.
type NodeDescriptor struct {
	Type LogicalType
	// Flags is the rest of the first octet, bits 3 to 7: complex and user
	// descriptor available, fragmentation.
	Flags uint8
	// Band holds the APS flags (bits 0 to 2) and the frequency bands.
	Band             uint8
	Capability       uint8
	ManufacturerCode uint16
	MaxBuffer        uint8 // octets
	MaxIncoming      uint16
	ServerMask       uint16
	MaxOutgoing      uint16
	DescCapability   uint8
}

// Sleepy reports whether the node's receiver is off while it is idle, so that
// it hears a message only when it polls its parent.
func (d NodeDescriptor) Sleepy() bool {
	return d.Type == EndDevice && d.Capability&CapabilityRxOnWhenIdle == 0
}

// ActiveEndpointsRequest asks for a device's endpoints. Source: §2.4.3.1.5.
type ActiveEndpointsRequest struct{ NWKAddr uint16 }

// ActiveEndpointsResponse answers it. Source: §2.4.4.1.5.
type ActiveEndpointsResponse struct {
	Status    Status
	NWKAddr   uint16
	Endpoints []uint8
}

// SimpleDescRequest asks what an endpoint is. Source: §2.4.3.1.4.
type SimpleDescRequest struct {
	NWKAddr  uint16
	Endpoint uint8
}

// SimpleDescResponse answers it. Source: §2.4.4.1.4.
type SimpleDescResponse struct {
	Status     Status
	NWKAddr    uint16
	Descriptor SimpleDescriptor // zero unless Status is success
}

// SimpleDescriptor is what an endpoint is. Source: §2.3.2.5.
type SimpleDescriptor struct {
	Endpoint uint8
	Profile  uint16
	DeviceID uint16
	Version  uint8 // 4 bits
	In, Out  []uint16
}

// Cluster implements Message.
func (NodeDescRequest) Cluster() uint16         { return ClusterNodeDescRequest }
func (NodeDescResponse) Cluster() uint16        { return ResponseTo(ClusterNodeDescRequest) }
func (ActiveEndpointsRequest) Cluster() uint16  { return ClusterActiveEndpoints }
func (ActiveEndpointsResponse) Cluster() uint16 { return ResponseTo(ClusterActiveEndpoints) }
func (SimpleDescRequest) Cluster() uint16       { return ClusterSimpleDesc }
func (SimpleDescResponse) Cluster() uint16      { return ResponseTo(ClusterSimpleDesc) }

func (m NodeDescResponse) Result() Status        { return m.Status }
func (m ActiveEndpointsResponse) Result() Status { return m.Status }
func (m SimpleDescResponse) Result() Status      { return m.Status }

func (m NodeDescRequest) appendBody(b []byte) []byte {
	return binary.LittleEndian.AppendUint16(b, m.NWKAddr)
}

func (m ActiveEndpointsRequest) appendBody(b []byte) []byte {
	return binary.LittleEndian.AppendUint16(b, m.NWKAddr)
}

func (m SimpleDescRequest) appendBody(b []byte) []byte {
	return append(binary.LittleEndian.AppendUint16(b, m.NWKAddr), m.Endpoint)
}

func (m NodeDescResponse) appendBody(b []byte) []byte {
	b = binary.LittleEndian.AppendUint16(append(b, byte(m.Status)), m.NWKAddr)
	if m.Status != StatusSuccess {
		return b
	}
	d := m.Descriptor
	b = append(b, byte(d.Type)&0x07|d.Flags<<3, d.Band, d.Capability)
	b = binary.LittleEndian.AppendUint16(b, d.ManufacturerCode)
	b = append(b, d.MaxBuffer)
	b = binary.LittleEndian.AppendUint16(b, d.MaxIncoming)
	b = binary.LittleEndian.AppendUint16(b, d.ServerMask)
	b = binary.LittleEndian.AppendUint16(b, d.MaxOutgoing)
	return append(b, d.DescCapability)
}

func parseNodeDescResponse(r *reader) NodeDescResponse {
	m := NodeDescResponse{Status: Status(r.u8())}
	if m.Status != StatusSuccess {
		if r.err == nil {
			m.NWKAddr = r.u16()
			r.optional()
		}
		return m
	}
	m.NWKAddr = r.u16()
	first := r.u8()
	m.Descriptor = NodeDescriptor{
		Type:             LogicalType(first & 0x07),
		Flags:            first >> 3,
		Band:             r.u8(),
		Capability:       r.u8(),
		ManufacturerCode: r.u16(),
		MaxBuffer:        r.u8(),
		MaxIncoming:      r.u16(),
		ServerMask:       r.u16(),
		MaxOutgoing:      r.u16(),
		DescCapability:   r.u8(),
	}
	return m
}

func (m ActiveEndpointsResponse) appendBody(b []byte) []byte {
	b = binary.LittleEndian.AppendUint16(append(b, byte(m.Status)), m.NWKAddr)
	n := min(len(m.Endpoints), 0xff)
	return append(append(b, byte(n)), m.Endpoints[:n]...)
}

func parseActiveEndpointsResponse(r *reader) ActiveEndpointsResponse {
	m := ActiveEndpointsResponse{Status: Status(r.u8())}
	if r.err != nil {
		return m
	}
	m.NWKAddr = r.u16()
	list := r.take(int(r.u8()))
	if r.err == nil && len(list) > 0 {
		m.Endpoints = append(m.Endpoints, list...)
	}
	if m.Status != StatusSuccess {
		r.optional()
	}
	return m
}

func (m SimpleDescResponse) appendBody(b []byte) []byte {
	b = binary.LittleEndian.AppendUint16(append(b, byte(m.Status)), m.NWKAddr)
	if m.Status != StatusSuccess {
		return append(b, 0) // length of the descriptor
	}
	d := m.Descriptor
	in := d.In[:min(len(d.In), maxClusters)]
	out := d.Out[:min(len(d.Out), maxClusters-len(in))]
	b = append(b, byte(8+2*len(in)+2*len(out)), d.Endpoint)
	b = binary.LittleEndian.AppendUint16(b, d.Profile)
	b = binary.LittleEndian.AppendUint16(b, d.DeviceID)
	b = append(b, d.Version&0x0f, byte(len(in)))
	b = appendU16s(b, in)
	b = append(b, byte(len(out)))
	return appendU16s(b, out)
}

// maxClusters is how many clusters fit a descriptor whose length is one octet.
const maxClusters = (0xff - 8) / 2

func parseSimpleDescResponse(r *reader) SimpleDescResponse {
	m := SimpleDescResponse{Status: Status(r.u8())}
	if m.Status != StatusSuccess {
		if r.err == nil {
			m.NWKAddr = r.u16()
			r.optional()
		}
		return m
	}
	m.NWKAddr = r.u16()
	r.u8() // length: the counts inside say the same
	d := &m.Descriptor
	d.Endpoint = r.u8()
	d.Profile = r.u16()
	d.DeviceID = r.u16()
	d.Version = r.u8() & 0x0f
	d.In = r.u16s(int(r.u8()))
	d.Out = r.u16s(int(r.u8()))
	if len(d.In)+len(d.Out) > maxClusters {
		r.fail()
	}
	return m
}
