package broker

import (
	"strings"
	"sync/atomic"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/smartcore-ireland/hems/internal/broker/retained"
)

// The parts of hook that keep retained messages.

// OnPublish: a message beyond the limits of the store is delivered, but not kept.
func (h *hook) OnPublish(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	if pk.FixedHeader.Retain && len(pk.Payload) > 0 && !h.b.store.Load().Admit(pk.TopicName, len(pk.Payload)) {
		pk.FixedHeader.Retain = false
		if missed, ok := h.b.refuseLog.allow(); ok {
			h.b.log.Warn("an MQTT message was delivered but not retained: the store is full",
				"topic", clip(pk.TopicName), "client", clip(cl.ID), "topics_limit", maxRetained, "bytes_limit", maxRetainedBytes, "not_logged", missed)
		}
	}
	c, ok := cl.Net.Conn.(*conn)
	if ok && len(pk.Payload) > 0 {
		h.b.publishing.begin(pk)
		c.publishing = pk.TopicName
	}
	if ok && pk.FixedHeader.Retain {
		c.lock(h.b.replay.Lock, h.b.replay.Unlock) // until OnRetainMessage
	}
	return pk, nil
}

// OnWill locks as OnPublish does. A delayed will is sent, and retained, later.
func (h *hook) OnWill(cl *mqtt.Client, will mqtt.Will) (mqtt.Will, error) {
	c, ok := cl.Net.Conn.(*conn)
	if ok && will.WillDelayInterval == 0 && len(will.Payload) > 0 {
		h.b.publishing.begin(packets.Packet{FixedHeader: packets.FixedHeader{Qos: will.Qos}, TopicName: will.TopicName, Payload: will.Payload})
		c.publishing = will.TopicName // until the connection's end
	}
	if ok && will.Retain && will.WillDelayInterval == 0 {
		c.lock(h.b.replay.Lock, h.b.replay.Unlock)
	}
	return will, nil
}

func (h *hook) OnPacketProcessed(cl *mqtt.Client, pk packets.Packet, _ error) {
	c, ok := cl.Net.Conn.(*conn)
	if !ok {
		return
	}
	switch pk.FixedHeader.Type {
	case packets.Subscribe:
		c.replaying.Store(false)
		c.release()
	case packets.Publish:
		h.b.published(c)
	}
}

func (h *hook) OnPublishDropped(cl *mqtt.Client, pk packets.Packet) {
	h.b.doneBacklog(cl, pk)
	h.b.counts.messages.Add(1)
	if missed, ok := h.b.dropLog.allow(); ok {
		h.b.log.Warn("MQTT messages were dropped: a client reads too slowly",
			"client", clip(cl.ID), "topic", clip(pk.TopicName), "not_logged", missed)
	}
}

// OnRetainMessage is called before the publication is acknowledged.
func (h *hook) OnRetainMessage(cl *mqtt.Client, pk packets.Packet, _ int64) {
	if !strings.HasPrefix(pk.TopicName, "$SYS/") { // which is of this run
		h.b.store.Load().Put(messageOf(pk))
	}
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
