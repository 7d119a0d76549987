package metrics

import (
	"errors"
	"math"
	"time"

	"github.com/smartcore-ireland/hems/internal/discovery"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/store"
)

// restAfter is how long the states of an entity are passed over after its template
// was cut off, or took too long to fail.
const (
	restAfter = time.Minute
	tooLong   = 50 * time.Millisecond
)

// documentFilters match the topics of discovery documents. Below the prefix there
// may be much that is none.
func (w *Writer) documentFilters() []string {
	return []string{w.o.DiscoveryPrefix + "/+/+/config", w.o.DiscoveryPrefix + "/+/+/+/config"}
}

// learnFrom learns entities from a discovery document, retained or new, which is
// acknowledged at once: it is retained. It needs mu.
func (w *Writer) learnFrom(m mqttclient.Message) {
	defer m.Ack()
	c, err := discovery.Parse(w.o.DiscoveryPrefix, m.Topic, m.Payload)
	if errors.Is(err, discovery.ErrTopic) {
		return
	}
	if isText(err) {
		w.troubles.add(document(m.Topic), trouble{Kind: "document", Topic: m.Topic, Error: err.Error()}, w.o.Now())
		return
	}
	if err != nil {
		// What was announced here before goes on: a device that publishes
		// nonsense once should not lose its readings.
		w.badDocument("a discovery document cannot be used", m.Topic, err)
		return
	}
	w.troubles.well(document(m.Topic))
	for _, fault := range c.Faults {
		if isText(fault) {
			continue
		}
		w.badDocument("an entity of a discovery document cannot be used", m.Topic, fault)
	}
	w.remember(m.Topic, m.Payload, w.learn(m.Topic, c))
}

// learn takes the entities that were announced at topic; false: there are none. It
// needs mu.
func (w *Writer) learn(topic string, c discovery.Config) bool {
	before := w.entities.len()
	learnt, err := w.entities.apply(c)
	if err != nil {
		w.badDocument("an entity is not taken", topic, err)
	}
	for _, e := range learnt {
		device := ""
		if e.Device != nil {
			device = e.Device.Name
		}
		_, err := w.store.Register(store.Series{
			Entity: e.series, Unit: e.UnitOfMeasurement, DeviceClass: e.DeviceClass, StateClass: e.StateClass,
			Device: device, Key: e.Key, UniqueID: e.UniqueID, Domain: e.Component,
		})
		if err != nil {
			w.log.Error("an entity's readings cannot be stored", "entity", e.series, "err", err)
		}
	}
	if now := w.entities.len(); now != before {
		w.log.Info("entities changed", "by", topic, "entities", now)
	}
	w.topics.changed()
	w.retryEarly()
	return len(learnt) > 0
}

// isText reports whether an entity cannot be read here, and measures nothing
// anyway.
func isText(err error) bool {
	var t *discovery.TemplateError
	return errors.As(err, &t) && !t.Measures && errors.Is(err, discovery.ErrUnknown)
}

// repeatAfter is when a value that has not changed is stored again, of what has
// only two: devices tell them with everything else they say.
const repeatAfter = 5 * time.Minute

// badDocument counts, and logs the first ones and then the 64th, 128th and so
// on: a flood must not fill the log. It needs mu.
func (w *Writer) badDocument(what, topic string, err error) {
	w.counts.BadDocuments++
	w.troubles.add(document(topic), trouble{Kind: "document", Topic: topic, Error: err.Error()}, w.o.Now())
	if n := w.counts.BadDocuments; n <= 32 || n&(n-1) == 0 {
		w.log.Warn(what, "topic", topic, "err", err, "bad_documents", n)
	}
}

// wantedTopics are the states that entities read.
func (w *Writer) wantedTopics() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	wanted := make(map[string]bool, len(w.entities.byTopic))
	for t := range w.entities.byTopic {
		if !w.heardAnyway(t) {
			wanted[t] = true
		}
	}
	return wanted
}

// takeState stores the readings in a state. A retained one, sent again because
// we subscribed, is of unknown age and gives none.
func (w *Writer) takeState(m mqttclient.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.read(m)
}

// read is takeState; it needs mu.
func (w *Writer) read(m mqttclient.Message) {
	switch {
	case m.Retain:
		m.Ack()
		return
	case w.stored(m):
		w.counts.Repeated++
		w.acknowledge(m)
		return
	}
	when := w.momentOf(m)
	state := discovery.NewState(m.Payload)
	var readings []reading
	for _, e := range w.entities.byTopic[m.Topic] {
		if r, ok := w.valueOf(e, state, when); ok {
			readings = append(readings, r)
		}
	}
	switch {
	case w.hold != nil:
		w.keep(m, when, readings)
	default:
		w.storeReadings(m, when.at, readings)
	}
}

// valueOf is an entity's value in a state; false: it has none that is to be
// stored. It needs mu.
func (w *Writer) valueOf(e *entity, state *discovery.State, when moment) (reading, bool) {
	if w.o.Elapsed() < e.rests {
		return reading{}, false
	}
	began := w.o.Elapsed()
	v, text, err := e.Value(state)
	var word discovery.NotANumber
	switch {
	case err == nil:
		w.healthy(e)
		// What has few values is told again and again, with everything else.
		if (e.Binary() || text != "") && v == e.value && text == e.text && e.since(when) < repeatAfter {
			return reading{}, false
		}
		e.value, e.text = v, text
		return reading{entity: e, value: v, text: text}, true
	case errors.Is(err, discovery.ErrNoValue):
	case errors.As(err, &word):
		w.counts.NotNumbers++
	default:
		w.counts.BadStates++
		w.ill(e, err)
		if errors.Is(err, discovery.ErrTooCostly) || w.o.Elapsed()-began > tooLong { // others are not to wait for it each time
			e.rests = w.o.Elapsed() + restAfter
		}
	}
	return reading{}, false
}

// since is how long before a moment the entity's latest reading was; as long as
// can be when there is none, or none of before.
func (e *entity) since(when moment) time.Duration {
	if d := when.at.Sub(e.last); !e.last.IsZero() && d >= 0 {
		return d
	}
	return math.MaxInt64
}
