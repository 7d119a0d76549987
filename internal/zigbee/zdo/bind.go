package zdo

import (
	"encoding/binary"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Binding sends what a device's endpoint says on a cluster to a destination: a
// device's endpoint, or a group when Group is set. Source: §2.4.3.2.2.
type Binding struct {
	Source         zcl.EUI64
	SourceEndpoint uint8
	ClusterID      uint16
	// Destination and DestinationEndpoint, unless ToGroup.
	Destination         zcl.EUI64
	DestinationEndpoint uint8
	ToGroup             bool
	Group               uint16
}

// BindRequest asks the source device to make the binding.
type BindRequest struct{ Binding }

// UnbindRequest asks the source device to forget the binding.
type UnbindRequest struct{ Binding }

// BindResponse answers BindRequest.
type BindResponse struct{ Status Status }

// UnbindResponse answers UnbindRequest.
type UnbindResponse struct{ Status Status }

// Destination address modes.
const (
	addressModeGroup  = 0x01
	addressModeDevice = 0x03
)

// Cluster implements Message.
func (BindRequest) Cluster() uint16    { return ClusterBind }
func (UnbindRequest) Cluster() uint16  { return ClusterUnbind }
func (BindResponse) Cluster() uint16   { return ResponseTo(ClusterBind) }
func (UnbindResponse) Cluster() uint16 { return ResponseTo(ClusterUnbind) }

func (m BindResponse) Result() Status   { return m.Status }
func (m UnbindResponse) Result() Status { return m.Status }

func (m BindResponse) appendBody(b []byte) []byte   { return append(b, byte(m.Status)) }
func (m UnbindResponse) appendBody(b []byte) []byte { return append(b, byte(m.Status)) }

func (m Binding) appendBody(b []byte) []byte {
	b = append(m.Source.Append(b), m.SourceEndpoint)
	b = binary.LittleEndian.AppendUint16(b, m.ClusterID)
	if m.ToGroup {
		return binary.LittleEndian.AppendUint16(append(b, addressModeGroup), m.Group)
	}
	return append(m.Destination.Append(append(b, addressModeDevice)), m.DestinationEndpoint)
}

func parseBinding(r *reader) Binding {
	m := Binding{Source: r.eui64(), SourceEndpoint: r.u8(), ClusterID: r.u16()}
	switch r.u8() {
	case addressModeGroup:
		m.ToGroup, m.Group = true, r.u16()
	case addressModeDevice:
		m.Destination, m.DestinationEndpoint = r.eui64(), r.u8()
	default:
		r.fail()
	}
	return m
}
