package broker

// Tell publishes a retained message of the broker's own, to whomever may read
// its topic. Below $SYS it is kept in memory alone. Before Ready it does nothing.
func (b *Broker) Tell(topic string, payload []byte) {
	select {
	case <-b.ready:
		b.server.Load().Tell(topic, payload)
	default:
	}
}
