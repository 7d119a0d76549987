package bridge

// setAvailability wants the topic that says whether a device can be reached,
// and gives it; none for a device whose availability is not published.
func (b *Bridge) setAvailability(d *device) []string {
	if d.settings.hermit {
		return nil
	}
	topic := b.topics.availability(b.names.name(d.EUI64))
	b.retained.set(topic, b.opts.Payloads.presence(d.Available), 1)
	return []string{topic}
}
