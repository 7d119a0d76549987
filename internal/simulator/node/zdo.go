package node

import (
	"encoding/binary"
	"slices"

	"github.com/smartcore-ireland/hems/internal/simulator/radio"
	"github.com/smartcore-ireland/hems/internal/simulator/zdo"
)

const leaveRejoin = 0x80 // flag of Mgmt_Leave_req: come back afterwards

func (n *Node) receiveZDO(f radio.Frame) {
	if len(f.Payload) < 1 || f.Cluster&zdo.Response != 0 {
		return
	}
	unicast := f.Destination < radio.FirstBroadcast
	answer, ok := n.self().Answer(f.Cluster, f.Payload)
	if !ok && unicast {
		answer, ok = n.manage(f.Cluster, f.Payload[0], f.Payload[1:])
	}
	if ok {
		n.send(radio.Frame{Cluster: f.Cluster | zdo.Response, Payload: answer})
	}
}

// manage answers the requests that change or list something.
func (n *Node) manage(cluster uint16, seq uint8, q []byte) ([]byte, bool) {
	status := func(s zdo.Status) ([]byte, bool) { return []byte{seq, byte(s)}, true }
	switch cluster {
	case zdo.DeviceAnnounce, zdo.NetworkAddress, zdo.MatchDesc:
		return nil, false
	case zdo.Bind, zdo.Unbind:
		return status(n.bind(cluster == zdo.Bind, q))
	case zdo.MgmtBind:
		if len(q) != 1 {
			return status(zdo.InvalidRequest)
		}
		return n.listBindings(seq, int(q[0])), true
	case zdo.MgmtLeave:
		if len(q) != 9 {
			return status(zdo.InvalidRequest)
		}
		if who := radio.EUI64(binary.LittleEndian.Uint64(q)); who != 0 && who != n.o.EUI64 {
			return status(zdo.DeviceNotFound)
		}
		after := n.leave
		if q[8]&leaveRejoin != 0 {
			after = n.announce
		}
		n.o.Air.After(leaveTime, after)
		return status(zdo.Success)
	}
	return status(zdo.NotSupported)
}

// bind adds or removes an entry. q is the request after its sequence byte.
func (n *Node) bind(add bool, q []byte) zdo.Status {
	const unicastMode = 0x03
	if len(q) < 12 || q[11] == unicastMode && len(q) != 21 {
		return zdo.InvalidRequest
	}
	if radio.EUI64(binary.LittleEndian.Uint64(q)) != n.o.EUI64 {
		return zdo.DeviceNotFound
	}
	if q[11] != unicastMode {
		return zdo.NotSupported // group bindings: the device has no groups cluster
	}
	b := Binding{Endpoint: q[8], Cluster: binary.LittleEndian.Uint16(q[9:]),
		Target: radio.EUI64(binary.LittleEndian.Uint64(q[12:])), TargetEndpoint: q[20]}
	if !slices.ContainsFunc(n.o.Endpoints, func(e Endpoint) bool { return e.ID == b.Endpoint }) {
		return zdo.InvalidEndpoint
	}
	i := slices.Index(n.memory.Bindings, b)
	switch {
	case add && i >= 0:
		return zdo.Success
	case add && len(n.memory.Bindings) >= maxBindings:
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
		b = append(b, 0x03)
		b = binary.LittleEndian.AppendUint64(b, uint64(e.Target))
		b = append(b, e.TargetEndpoint)
	}
	return b
}
