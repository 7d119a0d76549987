package zdo

import "encoding/binary"

// RtgRequest asks for a router's routing table from an index. Source:
// §2.4.3.3.3.
type RtgRequest struct{ Start uint8 }

// RtgResponse is a part of a routing table. Source: §2.4.4.3.3.
type RtgResponse struct {
	Status Status
	Total  uint8 // entries in the whole table
	Start  uint8
	Routes []Route
}

// Route is one entry of a routing table. Source: table 2.130.
type Route struct {
	Destination uint16
	State       RouteState
	// MemoryConstrained, ManyToOne and RouteRecord are about routes to a
	// concentrator.
	MemoryConstrained, ManyToOne, RouteRecord bool
	NextHop                                   uint16
}

// RouteState is what has become of a route.
type RouteState uint8

// The states of a route.
const (
	RouteActive             RouteState = 0
	RouteDiscoveryUnderway  RouteState = 1
	RouteDiscoveryFailed    RouteState = 2
	RouteInactive           RouteState = 3
	RouteValidationUnderway RouteState = 4
)

// BindTableRequest asks for a device's bindings from an index. Source:
// §2.4.3.3.4.
type BindTableRequest struct{ Start uint8 }

// BindTableResponse is a part of a binding table. Source: §2.4.4.3.4.
type BindTableResponse struct {
	Status   Status
	Total    uint8 // entries in the whole table
	Start    uint8
	Bindings []Binding
}

// Cluster implements Message.
func (RtgRequest) Cluster() uint16        { return ClusterMgmtRtg }
func (RtgResponse) Cluster() uint16       { return ResponseTo(ClusterMgmtRtg) }
func (BindTableRequest) Cluster() uint16  { return ClusterMgmtBind }
func (BindTableResponse) Cluster() uint16 { return ResponseTo(ClusterMgmtBind) }

func (m RtgResponse) Result() Status       { return m.Status }
func (m BindTableResponse) Result() Status { return m.Status }

func (m RtgRequest) appendBody(b []byte) []byte       { return append(b, m.Start) }
func (m BindTableRequest) appendBody(b []byte) []byte { return append(b, m.Start) }

// Bits of a route's flags.
const (
	routeStateMask         = 0x07
	routeMemoryConstrained = 0x08
	routeManyToOne         = 0x10
	routeRecordNeeded      = 0x20
)

func (m RtgResponse) appendBody(b []byte) []byte {
	if m.Status != StatusSuccess {
		return append(b, byte(m.Status))
	}
	n := min(len(m.Routes), 0xff)
	b = append(b, byte(m.Status), m.Total, m.Start, byte(n))
	for _, e := range m.Routes[:n] {
		flags := byte(e.State) & routeStateMask
		if e.MemoryConstrained {
			flags |= routeMemoryConstrained
		}
		if e.ManyToOne {
			flags |= routeManyToOne
		}
		if e.RouteRecord {
			flags |= routeRecordNeeded
		}
		b = append(binary.LittleEndian.AppendUint16(b, e.Destination), flags)
		b = binary.LittleEndian.AppendUint16(b, e.NextHop)
	}
	return b
}

func parseRtgResponse(r *reader) RtgResponse {
	m := RtgResponse{Status: Status(r.u8())}
	if m.Status != StatusSuccess {
		return m
	}
	m.Total, m.Start = r.u8(), r.u8()
	for range r.u8() {
		e := Route{Destination: r.u16()}
		flags := r.u8()
		e.NextHop = r.u16()
		if r.err != nil {
			break
		}
		e.State = RouteState(flags & routeStateMask)
		e.MemoryConstrained = flags&routeMemoryConstrained != 0
		e.ManyToOne = flags&routeManyToOne != 0
		e.RouteRecord = flags&routeRecordNeeded != 0
		m.Routes = append(m.Routes, e)
	}
	return m
}

func (m BindTableResponse) appendBody(b []byte) []byte {
	if m.Status != StatusSuccess {
		return append(b, byte(m.Status))
	}
	n := min(len(m.Bindings), 0xff)
	b = append(b, byte(m.Status), m.Total, m.Start, byte(n))
	for _, e := range m.Bindings[:n] {
		b = e.appendBody(b)
	}
	return b
}

func parseBindTableResponse(r *reader) BindTableResponse {
	m := BindTableResponse{Status: Status(r.u8())}
	if m.Status != StatusSuccess {
		return m
	}
	m.Total, m.Start = r.u8(), r.u8()
	for range r.u8() {
		e := parseBinding(r)
		if r.err != nil {
			break
		}
		m.Bindings = append(m.Bindings, e)
	}
	return m
}
