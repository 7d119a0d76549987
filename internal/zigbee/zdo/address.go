package zdo

import (
	"encoding/binary"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// NWKAddrRequest asks, by broadcast, which short address a device has.
// Source: §2.4.3.1.1.
type NWKAddrRequest struct {
	EUI64 zcl.EUI64
	// Extended asks for the addresses of the device's children too, from Start.
	Extended bool
	Start    uint8
}

// IEEEAddrRequest asks a short address for its EUI64. Source: §2.4.3.1.2.
type IEEEAddrRequest struct {
	NWKAddr  uint16
	Extended bool
	Start    uint8
}

// Address is the pair of addresses in the answer to both requests. Source:
// §2.4.4.1.1 and §2.4.4.1.2.
type Address struct {
	Status  Status
	EUI64   zcl.EUI64
	NWKAddr uint16
	// Children are the short addresses of an extended answer, from Start on.
	Start    uint8
	Children []uint16
}

// NWKAddrResponse answers NWKAddrRequest.
type NWKAddrResponse struct{ Address }

// IEEEAddrResponse answers IEEEAddrRequest.
type IEEEAddrResponse struct{ Address }

// DeviceAnnounce is what a device broadcasts when it has joined or come back,
// perhaps with another short address. Source: §2.4.3.1.11.
type DeviceAnnounce struct {
	NWKAddr    uint16
	EUI64      zcl.EUI64
	Capability uint8 // MAC capability bits
}

// Cluster implements Message.
func (NWKAddrRequest) Cluster() uint16   { return ClusterNWKAddrRequest }
func (IEEEAddrRequest) Cluster() uint16  { return ClusterIEEEAddrRequest }
func (NWKAddrResponse) Cluster() uint16  { return ResponseTo(ClusterNWKAddrRequest) }
func (IEEEAddrResponse) Cluster() uint16 { return ResponseTo(ClusterIEEEAddrRequest) }
func (DeviceAnnounce) Cluster() uint16   { return ClusterDeviceAnnounce }

func requestType(extended bool) byte {
	if extended {
		return 1
	}
	return 0
}

func (m NWKAddrRequest) appendBody(b []byte) []byte {
	return append(m.EUI64.Append(b), requestType(m.Extended), m.Start)
}

func (m IEEEAddrRequest) appendBody(b []byte) []byte {
	return append(binary.LittleEndian.AppendUint16(b, m.NWKAddr), requestType(m.Extended), m.Start)
}

func parseNWKAddrRequest(r *reader) NWKAddrRequest {
	return NWKAddrRequest{EUI64: r.eui64(), Extended: parseRequestType(r), Start: r.u8()}
}

func parseIEEEAddrRequest(r *reader) IEEEAddrRequest {
	return IEEEAddrRequest{NWKAddr: r.u16(), Extended: parseRequestType(r), Start: r.u8()}
}

func parseRequestType(r *reader) (extended bool) {
	switch r.u8() {
	case 0:
		return false
	case 1:
		return true
	}
	r.fail()
	return false
}

func (m Address) appendBody(b []byte) []byte {
	b = m.EUI64.Append(append(b, byte(m.Status)))
	b = binary.LittleEndian.AppendUint16(b, m.NWKAddr)
	if len(m.Children) == 0 {
		return b
	}
	n := min(len(m.Children), 0xff)
	return appendU16s(append(b, byte(n), m.Start), m.Children[:n])
}

func parseAddress(r *reader) Address {
	a := Address{Status: Status(r.u8())}
	if r.err != nil {
		return a
	}
	a.EUI64, a.NWKAddr = r.eui64(), r.u16()
	if a.Status != StatusSuccess {
		r.optional()
		return a
	}
	if r.err != nil || len(r.b) == 0 { // a single device's answer ends here
		return a
	}
	n := int(r.u8())
	if n == 0 { // then the start index is left out or means nothing
		return a
	}
	a.Start = r.u8()
	a.Children = r.u16s(n)
	return a
}

func (m DeviceAnnounce) appendBody(b []byte) []byte {
	return append(m.EUI64.Append(binary.LittleEndian.AppendUint16(b, m.NWKAddr)), m.Capability)
}

func parseDeviceAnnounce(r *reader) DeviceAnnounce {
	return DeviceAnnounce{NWKAddr: r.u16(), EUI64: r.eui64(), Capability: r.u8()}
}
