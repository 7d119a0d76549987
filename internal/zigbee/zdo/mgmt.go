package zdo

import (
	"encoding/binary"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// LeaveRequest asks a device to leave the network. Source: §2.4.3.3.5.
type LeaveRequest struct {
	// EUI64 is the device that is to leave: a child of the receiver, or the
	// receiver itself (its own address or zero).
	EUI64          zcl.EUI64
	RemoveChildren bool
	Rejoin         bool
}

// LeaveResponse answers it.
type LeaveResponse struct{ Status Status }

// PermitJoiningRequest opens or closes a router, or by broadcast all of them,
// to new devices. Source: §2.4.3.3.7.
type PermitJoiningRequest struct {
	Duration uint8 // seconds; 0 closes, 255 is for ever
	// TrustCenter is whether the trust centre's policy changes too; the
	// specification wants it true.
	TrustCenter bool
}

// PermitJoiningResponse answers it.
type PermitJoiningResponse struct{ Status Status }

// LqiRequest asks for a device's neighbour table from an index. Source:
// §2.4.3.3.2.
type LqiRequest struct{ Start uint8 }

// LqiResponse is a part of a neighbour table. Source: §2.4.4.3.2.
type LqiResponse struct {
	Status     Status
	Total      uint8 // entries in the whole table
	Start      uint8
	Neighbours []Neighbour
}

// Neighbour is one entry of a neighbour table. Source: table 2.127.
type Neighbour struct {
	ExtendedPANID uint64
	EUI64         zcl.EUI64
	NWKAddr       uint16
	Type          uint8 // 0 coordinator, 1 router, 2 end device, 3 unknown
	RxOnWhenIdle  uint8 // 0 no, 1 yes, 2 unknown
	Relationship  uint8 // 0 parent, 1 child, 2 sibling, 3 none, 4 former child
	PermitJoining uint8 // 0 no, 1 yes, 2 unknown
	Depth         uint8
	LQI           uint8
}

// Cluster implements Message.
func (LeaveRequest) Cluster() uint16          { return ClusterMgmtLeave }
func (LeaveResponse) Cluster() uint16         { return ResponseTo(ClusterMgmtLeave) }
func (PermitJoiningRequest) Cluster() uint16  { return ClusterPermitJoining }
func (PermitJoiningResponse) Cluster() uint16 { return ResponseTo(ClusterPermitJoining) }
func (LqiRequest) Cluster() uint16            { return ClusterMgmtLqi }
func (LqiResponse) Cluster() uint16           { return ResponseTo(ClusterMgmtLqi) }

// Flags of a leave request.
const (
	leaveRemoveChildren = 0x40
	leaveRejoin         = 0x80
)

func (m LeaveRequest) appendBody(b []byte) []byte {
	var flags byte
	if m.RemoveChildren {
		flags |= leaveRemoveChildren
	}
	if m.Rejoin {
		flags |= leaveRejoin
	}
	return append(m.EUI64.Append(b), flags)
}

func parseLeaveRequest(r *reader) LeaveRequest {
	m := LeaveRequest{EUI64: r.eui64()}
	flags := r.u8()
	m.RemoveChildren = flags&leaveRemoveChildren != 0
	m.Rejoin = flags&leaveRejoin != 0
	return m
}

func (m LeaveResponse) Result() Status         { return m.Status }
func (m PermitJoiningResponse) Result() Status { return m.Status }
func (m LqiResponse) Result() Status           { return m.Status }

func (m LeaveResponse) appendBody(b []byte) []byte         { return append(b, byte(m.Status)) }
func (m PermitJoiningResponse) appendBody(b []byte) []byte { return append(b, byte(m.Status)) }

func (m PermitJoiningRequest) appendBody(b []byte) []byte {
	return append(b, m.Duration, requestType(m.TrustCenter))
}

func parsePermitJoining(r *reader) PermitJoiningRequest {
	return PermitJoiningRequest{Duration: r.u8(), TrustCenter: r.u8() != 0}
}

func (m LqiRequest) appendBody(b []byte) []byte { return append(b, m.Start) }

func (m LqiResponse) appendBody(b []byte) []byte {
	if m.Status != StatusSuccess {
		return append(b, byte(m.Status))
	}
	n := min(len(m.Neighbours), 0xff)
	b = append(b, byte(m.Status), m.Total, m.Start, byte(n))
	for _, e := range m.Neighbours[:n] {
		b = binary.LittleEndian.AppendUint64(b, e.ExtendedPANID)
		b = binary.LittleEndian.AppendUint16(e.EUI64.Append(b), e.NWKAddr)
		b = append(b, e.Type&0x03|e.RxOnWhenIdle&0x03<<2|e.Relationship&0x07<<4, e.PermitJoining&0x03, e.Depth, e.LQI)
	}
	return b
}

func parseLqiResponse(r *reader) LqiResponse {
	m := LqiResponse{Status: Status(r.u8())}
	if m.Status != StatusSuccess {
		return m
	}
	m.Total, m.Start = r.u8(), r.u8()
	for range r.u8() {
		e := Neighbour{ExtendedPANID: r.u64(), EUI64: r.eui64(), NWKAddr: r.u16()}
		flags := r.u8()
		e.Type, e.RxOnWhenIdle, e.Relationship = flags&0x03, flags>>2&0x03, flags>>4&0x07
		e.PermitJoining = r.u8() & 0x03
		e.Depth, e.LQI = r.u8(), r.u8()
		if r.err != nil {
			break
		}
		m.Neighbours = append(m.Neighbours, e)
	}
	return m
}
