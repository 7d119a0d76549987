package metrics

import (
	"slices"

	"github.com/smartcore-ireland/hems/internal/discovery"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/native/shelly"
	"github.com/smartcore-ireland/hems/internal/native/tasmota"
)

// native are devices that announce themselves in a form of their own, or not at
// all. What is heard under one of the filters is given to hear; states that the
// entities read there need no subscription of their own.
type native struct {
	filters []string
	hear    func(topic string, payload []byte) (discovery.Config, bool)
}

// natives are those that are known. Each Writer has its own.
func natives() []native {
	return []native{
		{shelly.Filters(), new(shelly.Devices).Hear},
		{tasmota.Filters(), new(tasmota.Devices).Hear},
	}
}

// hear is learnFrom and read for the messages of such devices. It needs mu.
func (w *Writer) hear(hear func(string, []byte) (discovery.Config, bool), m mqttclient.Message) {
	if c, news := hear(m.Topic, m.Payload); news {
		w.remember(m.Topic, m.Payload, w.learn(m.Topic, c) || len(m.Payload) > 0)
	}
	w.read(m)
}

// heardAnyway tells whether a topic is one of natives' own.
func (w *Writer) heardAnyway(topic string) bool {
	return slices.ContainsFunc(w.natives, func(n native) bool { return matches(n.filters, topic) })
}
