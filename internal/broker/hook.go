package broker

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/smartcore-ireland/hems/internal/broker/retained"
)

// signInDelay is the shortest pause before wrong credentials are answered; up to
// as much again is added by chance.
const signInDelay = 250 * time.Millisecond

// maxKeepAlive is the largest keep-alive, in seconds, whose one and a half fits
// the server's 16 bits. A larger one is as good as none.
const maxKeepAlive = 43690

// hook is the one place where the server asks us. The server takes a yes of any
// hook for a yes, so there must be no second one.
type hook struct {
	mqtt.HookBase
	b *Broker
}

func (h *hook) ID() string { return "hems" }

func (h *hook) Provides(what byte) bool {
	return bytes.IndexByte([]byte{
		mqtt.OnConnect, mqtt.OnConnectAuthenticate, mqtt.OnACLCheck,
		mqtt.OnSessionEstablish, mqtt.OnSessionEstablished, mqtt.OnClientExpired,
		mqtt.OnPacketRead, mqtt.OnPacketEncode, mqtt.OnPacketProcessed, mqtt.OnSubscribe, mqtt.OnWill,
		mqtt.OnPublish, mqtt.OnPublishDropped, mqtt.OnRetainMessage, mqtt.OnRetainedExpired,
	}, what) >= 0
}

// OnConnect refuses what the server would let pass: a foreign client id, a will
// against the access list, an authentication method.
func (h *hook) OnConnect(cl *mqtt.Client, pk packets.Packet) error {
	if code := h.admit(cl, pk); code != packets.CodeSuccess {
		_ = h.b.server.SendConnack(cl, code, false, nil)
		return code
	}
	// No topic aliases to clients: the server counts one as known that it dropped.
	cl.Properties.Props.TopicAliasMaximum = 0
	cl.State.TopicAliases.Outbound = mqtt.NewOutboundTopicAliases(0)
	if cl.State.Keepalive > maxKeepAlive {
		cl.State.Keepalive = 0
	}
	return nil
}

func (h *hook) admit(cl *mqtt.Client, pk packets.Packet) packets.Code {
	user := string(pk.Connect.Username)
	old := pk.ProtocolVersion < 5
	notAuthorized := packets.ErrNotAuthorized
	if old {
		notAuthorized = packets.Err3NotAuthorized
	}
	if !pk.Connect.UsernameFlag || !h.b.signedIn(user, pk.Connect.Password) {
		h.b.counts.signIns.Add(1)
		if missed, ok := h.b.signInLog.allow(); ok {
			h.b.log.Warn("an MQTT sign-in was refused: wrong or missing user name or password",
				"user", clip(user), "client", clip(cl.ID), "remote", cl.Net.Remote, "not_logged", missed)
		}
		time.Sleep(signInDelay + rand.N(signInDelay))
		if old {
			return packets.Err3NotAuthorized
		}
		return packets.ErrBadUsernameOrPassword
	}
	if pk.Properties.AuthenticationMethod != "" {
		return packets.ErrBadAuthenticationMethod
	}
	if other, ok := h.b.server.Clients.Get(cl.ID); ok && !bytes.Equal(other.Properties.Username, pk.Connect.Username) {
		h.refused("an MQTT client id belongs to another user", "user", user, "client", clip(cl.ID))
		return notAuthorized
	}
	if pk.Connect.WillFlag && !h.b.opt.Users[user].mayWrite(pk.Connect.WillTopic) {
		h.refused("an MQTT will is against the access list", "user", user, "topic", clip(pk.Connect.WillTopic))
		return notAuthorized
	}
	return packets.CodeSuccess
}

// refused counts and logs what the access list forbids.
func (h *hook) refused(what string, args ...any) {
	h.b.counts.access.Add(1)
	if missed, ok := h.b.refuseLog.allow(); ok {
		h.b.log.Warn(what, append(args, "not_logged", missed)...)
	}
}

// clip keeps a stranger's text short in the log.
func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}

// OnConnectAuthenticate: OnConnect, which comes first, has asked for the password.
func (h *hook) OnConnectAuthenticate(*mqtt.Client, packets.Packet) bool { return true }

// OnACLCheck is asked for each publication, subscription and delivery.
func (h *hook) OnACLCheck(cl *mqtt.Client, topic string, write bool) bool {
	access := h.b.opt.Users[string(cl.Properties.Username)]
	if write && access.mayWrite(topic) || !write && access.mayRead(topic) {
		return true
	}
	if write {
		h.refused("an MQTT publication is against the access list", "user", string(cl.Properties.Username), "topic", clip(topic))
	}
	return false
}

func (h *hook) OnSessionEstablish(cl *mqtt.Client, _ packets.Packet) {
	if c, ok := cl.Net.Conn.(*conn); ok {
		h.b.sessions.establish(cl, c)
	}
}

func (h *hook) OnSessionEstablished(cl *mqtt.Client, _ packets.Packet) {
	// A client that can take as much as we keep for it needs no send quota. With
	// one, the server can lock itself while it looks for the next message.
	if cl.Properties.Props.ReceiveMaximum >= maxQueued {
		cl.State.Inflight.ResetSendQuota(0)
	}
	if c, ok := cl.Net.Conn.(*conn); ok {
		h.b.sessions.release(c)
	}
}

// OnClientExpired takes the subscriptions of an expired session away, which the
// server would give to the next client with its id.
func (h *hook) OnClientExpired(cl *mqtt.Client) {
	h.b.server.UnsubscribeClient(cl)
	cl.ClearInflights()
}

// OnPacketRead mends two things. The server forgets some messages when it sends
// them and would never give their send quota back, until nothing is sent any
// more. And it drops what is published to $SYS without an answer: under another
// name that is forbidden too, it is refused as everything else is.
func (h *hook) OnPacketRead(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	if pk.FixedHeader.Type == packets.Puback {
		if _, waiting := cl.State.Inflight.Get(pk.PacketID); !waiting {
			cl.State.Inflight.IncreaseSendQuota()
		}
	}
	if pk.FixedHeader.Type == packets.Publish && len(pk.TopicName) >= 4 && strings.EqualFold(pk.TopicName[:4], "$SYS") {
		pk.TopicName = "$" + pk.TopicName[4:]
	}
	return pk, nil
}

// OnPacketEncode tells MQTT 5 clients the largest packet.
func (h *hook) OnPacketEncode(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	if pk.FixedHeader.Type == packets.Connack && cl.Properties.ProtocolVersion == 5 && pk.ReasonCode == 0 {
		pk.Properties.MaximumPacketSize = maxPacket
	}
	return pk
}

// OnSubscribe refuses subscriptions beyond the limit: the server answers an
// empty filter with "invalid".
func (h *hook) OnSubscribe(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	// Until the packet is processed: the server replays retained messages without
	// a lock against their being changed.
	if c, ok := cl.Net.Conn.(*conn); ok {
		c.lock(h.b.replay.RLock, h.b.replay.RUnlock)
	}
	n := cl.State.Subscriptions.Len()
	access := h.b.opt.Users[string(cl.Properties.Username)]
	for i, f := range pk.Filters {
		if !access.mayRead(f.Filter) {
			h.refused("an MQTT subscription is against the access list", "user", string(cl.Properties.Username), "filter", clip(f.Filter))
			continue
		}
		if _, known := cl.State.Subscriptions.Get(f.Filter); known {
			continue
		}
		if n++; n > maxSubscriptions {
			pk.Filters[i].Filter = ""
			h.refused("an MQTT client has too many subscriptions", "client", clip(cl.ID), "limit", maxSubscriptions)
		}
	}
	return pk
}

// OnPublish: a message beyond the limits of the store is delivered, but not kept.
func (h *hook) OnPublish(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	if pk.FixedHeader.Retain && len(pk.Payload) > 0 && !h.b.store.Load().Admit(pk.TopicName, len(pk.Payload)) {
		pk.FixedHeader.Retain = false
		if missed, ok := h.b.refuseLog.allow(); ok {
			h.b.log.Warn("an MQTT message was delivered but not retained: the store is full",
				"topic", clip(pk.TopicName), "client", clip(cl.ID), "topics_limit", maxRetained, "bytes_limit", maxRetainedBytes, "not_logged", missed)
		}
	}
	if c, ok := cl.Net.Conn.(*conn); ok && pk.FixedHeader.Retain {
		c.lock(h.b.replay.Lock, h.b.replay.Unlock) // until OnRetainMessage
	}
	return pk, nil
}

// OnWill locks as OnPublish does. A delayed will is sent, and retained, later.
func (h *hook) OnWill(cl *mqtt.Client, will mqtt.Will) (mqtt.Will, error) {
	if c, ok := cl.Net.Conn.(*conn); ok && will.Retain && will.WillDelayInterval == 0 {
		c.lock(h.b.replay.Lock, h.b.replay.Unlock)
	}
	return will, nil
}

func (h *hook) OnPacketProcessed(cl *mqtt.Client, pk packets.Packet, _ error) {
	if c, ok := cl.Net.Conn.(*conn); ok && pk.FixedHeader.Type == packets.Subscribe {
		c.release()
	}
}

func (h *hook) OnPublishDropped(cl *mqtt.Client, pk packets.Packet) {
	h.b.counts.messages.Add(1)
	if missed, ok := h.b.dropLog.allow(); ok {
		h.b.log.Warn("MQTT messages were dropped: a client reads too slowly",
			"client", clip(cl.ID), "topic", clip(pk.TopicName), "not_logged", missed)
	}
}

// OnRetainMessage is called before the publication is acknowledged.
func (h *hook) OnRetainMessage(cl *mqtt.Client, pk packets.Packet, _ int64) {
	h.b.store.Load().Put(messageOf(pk))
	delayedWill := pk.Connect.WillProperties.WillDelayInterval > 0 // not the connection's goroutine
	if c, ok := cl.Net.Conn.(*conn); ok && !delayedWill {
		c.release()
	}
}

func (h *hook) OnRetainedExpired(topic string) {
	h.b.store.Load().Delete(topic)
	atomic.StoreInt64(&h.b.server.Info.Retained, int64(h.b.server.Topics.Retained.Len()))
}

func messageOf(pk packets.Packet) retained.Message {
	p := pk.Properties
	m := retained.Message{
		Topic: pk.TopicName, Payload: pk.Payload, QoS: pk.FixedHeader.Qos, Expires: pk.Expiry,
		Properties: retained.Properties{
			Text:        p.PayloadFormatFlag && p.PayloadFormat == 1,
			ContentType: p.ContentType, ResponseTopic: p.ResponseTopic, Correlation: p.CorrelationData,
		},
	}
	if pk.Connect.WillProperties.WillDelayInterval > 0 {
		m.Expires = 0 // of a delayed will it is the time to send it
	}
	for _, u := range p.User {
		m.Properties.User = append(m.Properties.User, retained.UserProperty{Key: u.Key, Value: u.Val})
	}
	return m
}

func packetOf(m retained.Message) packets.Packet {
	pk := packets.Packet{
		FixedHeader:     packets.FixedHeader{Type: packets.Publish, Qos: m.QoS, Retain: true},
		ProtocolVersion: 5, // expiries are those of MQTT 5
		TopicName:       m.Topic, Payload: m.Payload,
		Created: time.Now().Unix(), Expiry: m.Expires,
		Properties: packets.Properties{
			ContentType: m.Properties.ContentType, ResponseTopic: m.Properties.ResponseTopic,
			CorrelationData: m.Properties.Correlation,
		},
	}
	if m.Properties.Text {
		pk.Properties.PayloadFormat, pk.Properties.PayloadFormatFlag = 1, true
	}
	for _, u := range m.Properties.User {
		pk.Properties.User = append(pk.Properties.User, packets.UserProperty{Key: u.Key, Val: u.Value})
	}
	return pk
}
