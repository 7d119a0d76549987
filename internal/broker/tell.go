package broker

import (
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// Tell publishes a retained message of the broker's own, to whomever may read
// its topic. Below $SYS it is kept in memory alone. Before Ready it does nothing.
func (b *Broker) Tell(topic string, payload []byte) {
	select {
	case <-b.ready:
	default:
		return
	}
	b.replay.Lock()
	defer b.replay.Unlock()
	own := b.server.NewClient(nil, mqtt.LocalListener, "hems-broker", true)
	own.Properties.ProtocolVersion = 5
	err := b.server.InjectPacket(own, packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Publish, Retain: true},
		TopicName:   topic, Payload: payload,
	})
	if err != nil {
		b.log.Warn("a message of the broker's own was not published", "topic", topic, "err", err)
	}
}
