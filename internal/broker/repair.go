package broker

import (
	"strings"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// The parts of hook that mend what is known to be wrong in the server.

func (h *hook) OnSessionEstablish(cl *mqtt.Client, _ packets.Packet) {
	if c, ok := cl.Net.Conn.(*conn); ok {
		c.quota.begin(cl.Properties.Props.ReceiveMaximum)
		h.b.makeRoom(cl)
		h.b.sessions.establish(cl, c)
		c.client = cl
	}
}

func (h *hook) OnSessionEstablished(cl *mqtt.Client, _ packets.Packet) {
	cl.State.Inflight.ResetSendQuota(0) // none: see quota
	if c, ok := cl.Net.Conn.(*conn); ok {
		h.b.endBacklog(c.old)
		h.b.countBacklog(cl, &c.backlog)
		h.b.sessions.handOver(cl, c)
		h.b.sessions.release(c)
	}
}

func (h *hook) OnQosDropped(cl *mqtt.Client, pk packets.Packet) {
	h.b.doneBacklog(cl, pk)
	h.b.sessions.dropped(cl, pk)
}

// OnClientExpired takes the subscriptions of an expired session away, which the
// server would give to the next client with its id.
func (h *hook) OnClientExpired(cl *mqtt.Client) { h.b.forget(cl) }

// OnPacketRead mends two things, and frees the quota. The server keeps what it sends and what it
// receives in one table by packet id, though each side counts its own ids from
// 1: a subscription could be refused, or a message forgotten, because one the
// other way has the same number. Ids that clients chose are therefore negated
// inside, and again on the way out. And it drops what is published to $SYS
// without an answer: under another name that is forbidden too, it is refused as
// everything else is.
func (h *hook) OnPacketRead(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	switch pk.FixedHeader.Type {
	case packets.Publish:
		pk.PacketID = -pk.PacketID // 0, of QoS 0, stays 0
		if len(pk.TopicName) >= 4 && strings.EqualFold(pk.TopicName[:4], "$SYS") {
			pk.TopicName = "$" + pk.TopicName[4:]
		}
	case packets.Subscribe, packets.Unsubscribe, packets.Pubrel:
		pk.PacketID = -pk.PacketID
	case packets.Puback, packets.Pubcomp, packets.Pubrec:
		done := pk.FixedHeader.Type != packets.Pubrec || pk.ReasonCode >= packets.ErrUnspecifiedError.Code
		if c, ok := cl.Net.Conn.(*conn); ok && done {
			c.quota.give(pk.PacketID)
		}
		if sent, ok := cl.State.Inflight.Get(pk.PacketID); ok && pk.FixedHeader.Type != packets.Pubcomp {
			h.b.doneBacklog(cl, sent)
		}
	}
	return pk, nil
}

// OnPacketEncode negates ids back, tells MQTT 5 clients the largest packet, and
// sends no more messages than the client takes.
func (h *hook) OnPacketEncode(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	switch pk.FixedHeader.Type {
	case packets.Publish:
		if pk.FixedHeader.Qos == 0 {
			h.b.doneBacklog(cl, pk)
		} else if c, ok := cl.Net.Conn.(*conn); ok {
			h.b.awaitQuota(cl, c, pk)
		}
	case packets.Puback, packets.Pubrec, packets.Pubcomp, packets.Unsuback:
		pk.PacketID = -pk.PacketID
	case packets.Suback:
		pk.PacketID = -pk.PacketID
		if c, ok := cl.Net.Conn.(*conn); ok {
			c.replaying.Store(true) // what comes next, until the packet is processed
		}
	case packets.Connack:
		if cl.Properties.ProtocolVersion == 5 && pk.ReasonCode == 0 {
			pk.Properties.MaximumPacketSize = maxPacket
		}
	}
	return pk
}
