package zdo

import "encoding/binary"

// NWKUpdateRequest measures the noise around a node, moves the network to
// another channel, or changes the network manager: Duration says which. Source:
// §2.4.3.3.9.
type NWKUpdateRequest struct {
	Channels uint32 // a bit for each: 1<<11 is channel 11
	// Duration is 0 to 5 for a scan of 2^Duration+1 times 15.36 ms each channel,
	// or UpdateChannel or UpdateManager.
	Duration uint8
	Count    uint8  // scans, 0 to 5; only for a scan
	UpdateID uint8  // of the network, one more than before; only for a change
	Manager  uint16 // of the network; only with UpdateManager
}

// Durations that mean something else.
const (
	UpdateChannel uint8 = 0xfe
	UpdateManager uint8 = 0xff
)

// NWKUpdateNotify is what a node has measured. Source: §2.4.4.3.9.
type NWKUpdateNotify struct {
	Status        Status
	Channels      uint32
	Transmissions uint16 // in all
	Failures      uint16
	Energy        []uint8 // of each channel in Channels: 0 quiet, 255 loud
}

// Cluster implements Message.
func (NWKUpdateRequest) Cluster() uint16 { return ClusterNWKUpdate }
func (NWKUpdateNotify) Cluster() uint16  { return ResponseTo(ClusterNWKUpdate) }

func (m NWKUpdateNotify) Result() Status { return m.Status }

const longestScan = 5

func (m NWKUpdateRequest) appendBody(b []byte) []byte {
	b = append(binary.LittleEndian.AppendUint32(b, m.Channels), m.Duration)
	switch {
	case m.Duration <= longestScan:
		b = append(b, m.Count)
	case m.Duration == UpdateChannel:
		b = append(b, m.UpdateID)
	case m.Duration == UpdateManager:
		b = binary.LittleEndian.AppendUint16(append(b, m.UpdateID), m.Manager)
	}
	return b
}

func parseNWKUpdate(r *reader) NWKUpdateRequest {
	m := NWKUpdateRequest{Channels: r.u32(), Duration: r.u8()}
	switch {
	case m.Duration <= longestScan:
		m.Count = r.u8()
	case m.Duration == UpdateChannel:
		m.UpdateID = r.u8()
	case m.Duration == UpdateManager:
		m.UpdateID, m.Manager = r.u8(), r.u16()
	default:
		r.fail()
	}
	return m
}

func (m NWKUpdateNotify) appendBody(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(append(b, byte(m.Status)), m.Channels)
	b = binary.LittleEndian.AppendUint16(b, m.Transmissions)
	b = binary.LittleEndian.AppendUint16(b, m.Failures)
	n := min(len(m.Energy), 0xff)
	return append(append(b, byte(n)), m.Energy[:n]...)
}

func parseNWKUpdateNotify(r *reader) NWKUpdateNotify {
	m := NWKUpdateNotify{Status: Status(r.u8())}
	m.Channels = r.u32()
	m.Transmissions, m.Failures = r.u16(), r.u16()
	if n := int(r.u8()); n > 0 && r.err == nil {
		if e := r.take(n); r.err == nil {
			m.Energy = append([]uint8(nil), e...)
		}
	}
	if m.Status != StatusSuccess {
		r.optional()
	}
	return m
}
