package metrics

import (
	"errors"
	"os"
	"time"

	"github.com/smartcore-ireland/hems/internal/discovery"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/store"
)

// takeDocument learns entities from a discovery document, retained or new.
func (w *Writer) takeDocument(m mqttclient.Message) {
	c, err := discovery.Parse(w.o.DiscoveryPrefix, m.Topic, m.Payload)
	if errors.Is(err, discovery.ErrTopic) || isText(err) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		// What was announced here before goes on: a device that publishes
		// nonsense once should not lose its readings.
		w.badDocument("a discovery document cannot be used", "err", err)
		return
	}
	for _, fault := range c.Faults {
		if isText(fault) {
			continue
		}
		w.badDocument("an entity of a discovery document cannot be used", "err", fault)
	}
	w.learn(m.Topic, c)
}

// learn takes the entities that were announced at topic. It needs mu.
func (w *Writer) learn(topic string, c discovery.Config) {
	before := w.entities.len()
	learnt, err := w.entities.apply(c)
	if err != nil {
		w.badDocument("an entity is not taken", "topic", topic, "err", err)
	}
	for _, e := range learnt {
		device := ""
		if e.Device != nil {
			device = e.Device.Name
		}
		_, err := w.store.Register(store.Series{
			Entity: e.series, Unit: e.UnitOfMeasurement, DeviceClass: e.DeviceClass, StateClass: e.StateClass,
			Device: device, Key: e.Key, UniqueID: e.UniqueID,
		})
		if err != nil {
			w.log.Error("an entity's readings cannot be stored", "entity", e.series, "err", err)
		}
	}
	if now := w.entities.len(); now != before {
		w.log.Info("entities changed", "by", topic, "entities", now)
	}
	w.topics.changed()
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
func (w *Writer) badDocument(what string, args ...any) {
	w.counts.BadDocuments++
	if n := w.counts.BadDocuments; n <= 32 || n&(n-1) == 0 {
		w.log.Warn(what, append(args, "bad_documents", n)...)
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
	if m.Retain {
		return
	}
	now := w.o.Now()
	state := discovery.NewState(m.Payload)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.entities.byTopic[m.Topic] {
		v, err := e.Number(state)
		var text discovery.NotANumber
		switch {
		case err == nil:
			e.faulty = false
			if since := now.Sub(e.last); e.Binary() && v == e.value && !e.last.IsZero() && since >= 0 && since < repeatAfter {
				continue
			}
			e.value = v
			if w.hold != nil {
				w.keep(e, v)
			} else {
				w.storeReading(e, now, v)
			}
		case errors.Is(err, discovery.ErrNoValue):
		case errors.As(err, &text):
			w.counts.NotNumbers++
		default:
			w.counts.BadStates++
			if !e.faulty { // once, until it is well again
				e.faulty = true
				w.log.Warn("a state cannot be read", "entity", e.series, "topic", m.Topic, "err", err)
			}
		}
	}
}

// storeReading gives a reading to the store, each of a series at a
// millisecond of its own.
func (w *Writer) storeReading(e *entity, now time.Time, v float64) {
	at := now.Truncate(time.Millisecond)
	// A clock that was set back by more than this is believed.
	const near = time.Second
	if ahead := e.last.Sub(at); ahead >= 0 && ahead < near {
		at = e.last.Add(time.Millisecond)
	}
	err := w.store.Append(store.Reading{Entity: e.series, Time: at, Value: v})
	if errors.Is(err, os.ErrClosed) {
		return // the process is ending
	}
	if err != nil {
		w.counts.Dropped++
		if n := w.counts.Dropped; n&(n-1) == 0 { // the 1st, 2nd, 4th, 8th…
			w.log.Error("readings were lost", "dropped", n, "err", err)
			w.lookAtHealth()
		}
		return
	}
	e.last = at
	w.counts.Readings++
}
