package node

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator/radio"
	"github.com/smartcore-ireland/hems/internal/simulator/zdo"
)

// Flags of Mgmt_Leave_req: come back afterwards.
const leaveRejoin = 0x80

func (n *Node) receiveZDO(f radio.Frame) {
	if len(f.Payload) < 1 || f.Cluster&zdo.Response != 0 {
		return
	}
	unicast := f.Destination < radio.FirstBroadcast
	answer, ok := n.self().Answer(f.Cluster, f.Payload)
	if !ok {
		answer, ok = n.manage(f.Cluster, f.Payload[0], f.Payload[1:], unicast)
		ok = ok && unicast
	}
	if ok {
		n.send(radio.Frame{Cluster: f.Cluster | zdo.Response, Payload: answer})
	}
}

// manage answers the requests that change or list something. A broadcast is
// obeyed only where the specification broadcasts.
func (n *Node) manage(cluster uint16, seq uint8, q []byte, unicast bool) ([]byte, bool) {
	status := func(s zdo.Status) ([]byte, bool) { return []byte{seq, byte(s)}, true }
	router := n.Role().Router
	switch cluster {
	case zdo.DeviceAnnounce, zdo.NetworkAddress, zdo.MatchDesc:
		return nil, false
	case zdo.MgmtPermit:
		if !router {
			return status(zdo.NotSupported)
		}
		if len(q) != 2 {
			return status(zdo.InvalidRequest)
		}
		n.permit(q[0])
		return status(zdo.Success)
	case zdo.MgmtUpdate:
		return n.update(seq, q)
	}
	if !unicast {
		return nil, false
	}
	switch cluster {
	case zdo.Bind, zdo.Unbind:
		return status(n.bind(cluster == zdo.Bind, q))
	case zdo.MgmtBind:
		if len(q) != 1 {
			return status(zdo.InvalidRequest)
		}
		return n.listBindings(seq, int(q[0])), true
	case zdo.MgmtLqi, zdo.MgmtRtg:
		if !router {
			return status(zdo.NotSupported)
		}
		if len(q) != 1 {
			return status(zdo.InvalidRequest)
		}
		if cluster == zdo.MgmtRtg {
			return zdo.Routes(seq, int(q[0]), n.routes()), true
		}
		net := n.memory.Network
		return zdo.Neighbours(seq, int(q[0]), net.Extended, n.o.Air.Neighbours(net, n.memory.ID)), true
	case zdo.MgmtLeave:
		if len(q) != 9 {
			return status(zdo.InvalidRequest)
		}
		if who := radio.EUI64(binary.LittleEndian.Uint64(q)); who != 0 && who != n.o.EUI64 {
			return status(zdo.DeviceNotFound)
		}
		after := n.leave
		if q[8]&leaveRejoin != 0 {
			after = func() { n.Rejoin() }
		}
		n.o.Air.After(leaveTime, after)
		return status(zdo.Success)
	}
	return status(zdo.NotSupported)
}

// routes is what a router's routing table has: the way to the concentrator.
func (n *Node) routes() []zdo.Route {
	return []zdo.Route{{Destination: radio.Coordinator, NextHop: n.memory.Parent, ManyToOne: true}}
}

// permit opens the router for newcomers for a number of seconds: 0 closes it,
// 255 leaves it open.
func (n *Node) permit(seconds uint8) {
	const always = 0xFF
	d := time.Duration(seconds) * time.Second
	if seconds == always {
		d = 100 * 365 * 24 * time.Hour
	}
	n.permits = time.Now().Add(d)
	if seconds != 0 {
		n.o.Air.Changed()
	}
}

// Permits implements radio.Device.
func (n *Node) Permits() bool { return time.Now().Before(n.permits) }

// update obeys Mgmt_NWK_Update_req (Zigbee specification 2.4.3.3.9): a change
// of channel is followed, and a router scans for energy.
func (n *Node) update(seq uint8, q []byte) ([]byte, bool) {
	const changeChannel, changeManager, longestScan = 0xFE, 0xFF, 5
	if len(q) < 5 {
		return []byte{seq, byte(zdo.InvalidRequest)}, true
	}
	mask, duration := binary.LittleEndian.Uint32(q), q[4]
	switch {
	case duration == changeChannel:
		for c := uint8(11); c <= 26; c++ {
			if mask == 1<<c {
				n.o.Air.After(leaveTime, func() { n.follow(c) })
			}
		}
		return nil, false
	case duration == changeManager:
		return nil, false
	case duration > longestScan:
		return []byte{seq, byte(zdo.InvalidRequest)}, true
	case !n.Role().Router:
		return []byte{seq, byte(zdo.NotSupported)}, true
	}
	return n.scan(seq, mask), true
}

// follow moves to another channel.
func (n *Node) follow(channel uint8) {
	if !n.memory.Joined || n.memory.Network.Channel == channel {
		return
	}
	n.memory.Network.Channel = channel
	n.o.Changed()
	n.log.Info("device changed its channel", "eui64", n.o.EUI64, "channel", channel)
}

// scan answers with the energy on each channel, as 0 to 255.
func (n *Node) scan(seq uint8, mask uint32) []byte {
	mask &= 0x07FFF800 // the channels of the 2.4 GHz band
	var energy []byte
	for c := range 32 {
		if mask&(1<<c) != 0 {
			energy = append(energy, n.o.Air.Energy(uint8(c)))
		}
	}
	b := binary.LittleEndian.AppendUint32([]byte{seq, byte(zdo.Success)}, mask)
	b = binary.LittleEndian.AppendUint16(b, 120) // transmissions
	b = binary.LittleEndian.AppendUint16(b, 2)   // failures
	return append(append(b, byte(len(energy))), energy...)
}

// bind adds or removes an entry. q is the request after its sequence byte.
func (n *Node) bind(add bool, q []byte) zdo.Status {
	const groupMode, unicastMode = 0x01, 0x03
	if len(q) < 12 || q[11] == unicastMode && len(q) != 21 || q[11] == groupMode && len(q) != 14 {
		return zdo.InvalidRequest
	}
	if radio.EUI64(binary.LittleEndian.Uint64(q)) != n.o.EUI64 {
		return zdo.DeviceNotFound
	}
	b := Binding{Endpoint: q[8], Cluster: binary.LittleEndian.Uint16(q[9:])}
	switch q[11] {
	case unicastMode:
		b.Target, b.TargetEndpoint = radio.EUI64(binary.LittleEndian.Uint64(q[12:])), q[20]
	case groupMode:
		b.Group = binary.LittleEndian.Uint16(q[12:])
	default:
		return zdo.NotSupported
	}
	if !slices.ContainsFunc(n.o.Endpoints, func(e Endpoint) bool { return e.ID == b.Endpoint }) {
		return zdo.InvalidEndpoint
	}
	i := slices.Index(n.memory.Bindings, b)
	switch {
	case add && i >= 0:
		return zdo.Success
	case add && n.full(b.Endpoint):
		return zdo.TableFull
	case add:
		n.memory.Bindings = append(n.memory.Bindings, b)
	case i < 0:
		return zdo.NoEntry
	default:
		n.memory.Bindings = slices.Delete(n.memory.Bindings, i, i+1)
	}
	n.o.Changed()
	return zdo.Success
}

// full says whether the binding table takes no more of an endpoint.
func (n *Node) full(endpoint uint8) bool {
	mine := 0
	for _, b := range n.memory.Bindings {
		if b.Endpoint == endpoint {
			mine++
		}
	}
	return len(n.memory.Bindings) >= maxBindings || n.o.Bindings > 0 && mine >= n.o.Bindings
}

// listBindings answers Mgmt_Bind_req, three entries at a time.
func (n *Node) listBindings(seq uint8, start int) []byte {
	all := n.memory.Bindings
	from := min(start, len(all))
	part := all[from:min(from+3, len(all))]
	b := []byte{seq, byte(zdo.Success), byte(len(all)), byte(start), byte(len(part))}
	for _, e := range part {
		b = binary.LittleEndian.AppendUint64(b, uint64(n.o.EUI64))
		b = append(b, e.Endpoint)
		b = binary.LittleEndian.AppendUint16(b, e.Cluster)
		if e.Target == 0 {
			b = binary.LittleEndian.AppendUint16(append(b, 0x01), e.Group)
			continue
		}
		b = append(b, 0x03)
		b = binary.LittleEndian.AppendUint64(b, uint64(e.Target))
		b = append(b, e.TargetEndpoint)
	}
	return b
}
