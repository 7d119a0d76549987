package broker

import (
	"bytes"
	"math/rand/v2"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
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
		mqtt.OnSessionEstablish, mqtt.OnSessionEstablished, mqtt.OnQosDropped, mqtt.OnClientExpired,
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
	if !write {
		h.b.sessions.await(cl)
	}
	access := h.b.opt.Users[string(cl.Properties.Username)]
	if write && access.mayWrite(topic) {
		return true
	}
	if !write && access.mayRead(topic) {
		return h.b.admitBacklog(cl, topic)
	}
	if write {
		h.refused("an MQTT publication is against the access list", "user", string(cl.Properties.Username), "topic", clip(topic))
	}
	return false
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
