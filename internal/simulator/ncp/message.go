package ncp

import (
	"slices"

	"github.com/smartcore-ireland/hems/internal/simulator/radio"
)

// maxPayload is what fits one APS frame on a network with security, in bytes;
// APS encryption takes its share.
const (
	maxPayload         = 82
	encryptionOverhead = 9
)

func maximumPayloadLength(_ *NCP, in *reader, out *writer) {
	if !in.bad() {
		out.u8(maxPayload)
	}
}

// check says whether a message may be sent. From which endpoint is not asked: a
// host that has reset its co-processor may send before it has named them again.
func (n *NCP) check(m outgoing) status {
	room := maxPayload
	if m.aps.options&optionEncryption != 0 {
		room -= encryptionOverhead
	}
	switch {
	case !n.up:
		return statusNetworkDown
	case len(m.message) > room:
		return statusTooLong
	case len(m.message) == 0:
		return statusBadArgument
	case n.inFlight >= int(n.config[configInFlight]):
		return statusMaxMessages
	}
	return statusOK
}

// launch gives an accepted message its sequence number.
func (n *NCP) launch(m *outgoing) radio.Frame {
	n.aps++
	m.aps.sequence = n.aps
	n.spend()
	n.count(counterMACSent, counterAPSSent)
	return radio.Frame{
		Destination: m.destination, Profile: m.aps.profile, Cluster: m.aps.cluster,
		SourceEndpoint: m.aps.source, DestinationEndpoint: m.aps.destination,
		Group: m.aps.group, Sequence: m.aps.sequence, Payload: slices.Clone(m.message),
	}
}

func (n *NCP) sent(m outgoing, ok bool) {
	s := statusOK
	if !ok {
		s = statusDeliveryFailed
		n.count(counterAPSFailed)
	}
	n.callback(callbackMessageSent, func(w *writer) { n.speaks.messageSent(w, m, s) })
}

func sendUnicast(n *NCP, in *reader, out *writer) {
	m := n.speaks.unicast(in)
	if in.bad() {
		return
	}
	s := n.check(m)
	if s == statusOK && (m.kind != outDirect || m.destination >= radio.FirstBroadcast) {
		s = statusBadArgument // neither address table nor bindings are kept here
	}
	out.status(s)
	if s != statusOK {
		out.u8(0)
		return
	}
	f := n.launch(&m)
	out.u8(f.Sequence)
	n.inFlight++
	if m.destination == radio.Coordinator {
		n.later(n.air.Delay(), func() {
			n.inFlight--
			n.sent(m, true)
			n.local(f)
		})
		return
	}
	boot := n.boot
	n.air.Down(n.memory.Network.Network, f, func(ok bool) {
		if n.boot == boot {
			n.inFlight--
			n.sent(m, ok)
		}
	})
}

func sendBroadcast(n *NCP, in *reader, out *writer) {
	m := n.speaks.broadcast(in)
	if in.bad() {
		return
	}
	s := n.check(m)
	if s == statusOK && m.destination < radio.FirstBroadcast {
		s = statusBadArgument
	}
	n.spread(m, s, out)
}

func sendMulticast(n *NCP, in *reader, out *writer) {
	m := n.speaks.multicast(in)
	if in.bad() {
		return
	}
	n.spread(m, n.check(m), out)
}

// spread sends a broadcast or multicast.
func (n *NCP) spread(m outgoing, s status, out *writer) {
	out.status(s)
	if s != statusOK {
		out.u8(0)
		return
	}
	f := n.launch(&m)
	out.u8(f.Sequence)
	switch m.kind {
	case outBroadcast:
		n.air.Broadcast(n.memory.Network.Network, f)
	case outMulticast:
		n.air.Multicast(n.memory.Network.Network, f)
	}
	n.followed(f)
	n.later(n.air.Delay(), func() { n.sent(m, true) })
}

func sendManyToOneRouteRequest(n *NCP, in *reader, out *writer) {
	in.u16()
	in.u8()
	if in.bad() {
		return
	}
	if !n.up {
		out.status(statusNetworkDown)
		return
	}
	out.status(statusOK)
}
