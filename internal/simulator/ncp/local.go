package ncp

import (
	"encoding/binary"

	"github.com/smartcore-ireland/hems/internal/simulator/radio"
	"github.com/smartcore-ireland/hems/internal/simulator/zdo"
)

// local takes a message that the coordinator sent to itself: its stack answers
// for the device objects, anything else comes back to the host.
func (n *NCP) local(f radio.Frame) {
	if !n.up {
		return
	}
	f.LQI, f.RSSI = 255, -30
	if f.Profile != 0 || f.DestinationEndpoint != 0 {
		n.incoming(inUnicast, f)
		return
	}
	if f.Cluster&zdo.Response != 0 {
		return
	}
	answer, ok := n.self().Answer(f.Cluster, f.Payload)
	if !ok {
		answer = n.manage(f.Cluster, f.Payload)
	}
	n.later(n.air.Delay(), func() {
		n.aps++
		n.incoming(inUnicast, radio.Frame{Cluster: f.Cluster | zdo.Response, Sequence: n.aps, Payload: answer, LQI: 255, RSSI: -30})
	})
}

func (n *NCP) self() zdo.Self {
	s := zdo.Self{EUI64: n.eui, Power: 0xC110, Endpoints: n.endpoints,
		// Coordinator in the 2.4 GHz band, mains powered, receiver always on,
		// trust centre of a revision 22 stack.
		Node: [13]byte{0x00, 0x40, 0x8F, 0, 0, 0x52, 0x80, 0x00, 0x41, 0x2C, 0x80, 0x00, 0x00}}
	binary.LittleEndian.PutUint16(s.Node[3:], n.maker)
	return s
}

// manage answers management requests. request is not empty.
func (n *NCP) manage(cluster uint16, request []byte) []byte {
	seq := request[0]
	start := 0
	if len(request) > 1 {
		start = int(request[1])
	}
	switch cluster {
	case zdo.MgmtLqi:
		return n.neighbours(seq, start)
	case zdo.MgmtUpdate:
		return n.networkUpdate(request)
	case zdo.MgmtRtg:
		return []byte{seq, byte(zdo.Success), 0, byte(start), 0}
	}
	return []byte{seq, byte(zdo.NotSupported)}
}

// neighbours lists children and routers, three at a time (Mgmt_Lqi_rsp).
func (n *NCP) neighbours(seq uint8, start int) []byte {
	return zdo.Neighbours(seq, start, n.memory.Network.Extended, n.inReach())
}
