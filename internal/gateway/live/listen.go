package live

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/discovery"
	"github.com/smartcore-ireland/hems/internal/health"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// handlers are the subscriptions that every Model makes.
func (m *Model) handlers() iter.Seq2[string, func(mqttclient.Message)] {
	return func(yield func(string, func(mqttclient.Message)) bool) {
		_ = yield(pairingTopic, m.onPairing) && // not retained: the sooner the better
			yield(health.Filter, m.onHealth) &&
			yield(m.o.DiscoveryPrefix+"/#", m.onDiscovery) &&
			yield(m.o.BaseTopic+"/#", m.onZigbee)
	}
}

func (m *Model) underBase(topic string) bool { return strings.HasPrefix(topic, m.o.BaseTopic+"/") }

// tooBig drops and counts what no device of a home would send.
func (m *Model) tooBig(msg mqttclient.Message) bool {
	if len(msg.Payload) <= maxPayload {
		return false
	}
	m.drop(msg.Topic, "the payload is too large")
	return true
}

// drop counts a message that is not kept; the caller does not hold mu.
func (m *Model) drop(topic, why string) {
	m.mu.Lock()
	m.dropped++
	n := m.dropped
	m.mu.Unlock()
	if n&(n-1) == 0 { // the 1st, 2nd, 4th, …: a flood must not fill the log
		m.o.Log.Warn("a message was dropped", "topic", topic, "reason", why, "dropped", n)
	}
}

func (m *Model) onDiscovery(msg mqttclient.Message) {
	c, err := discovery.Parse(m.o.DiscoveryPrefix, msg.Topic, msg.Payload)
	if errors.Is(err, discovery.ErrTopic) {
		return
	}
	if err != nil {
		m.drop(msg.Topic, err.Error())
		return
	}
	full := false
	m.mu.Lock()
	old := map[string]*entity{}
	for key, e := range m.entities {
		if strings.HasPrefix(key, msg.Topic+" ") { // a topic here has no spaces
			old[key] = e
			delete(m.entities, key)
		}
	}
	for _, d := range c.Entities {
		if full = len(m.entities) >= maxEntities; full {
			break
		}
		e := newEntity(d)
		key := msg.Topic + " " + d.Key
		if was := old[key]; was != nil && was.StateTopic == e.StateTopic {
			e.value, e.known, e.at = was.value, was.known, was.at
		} else if s := m.states[e.StateTopic]; s != nil {
			e.update(s.read(), s.at)
		}
		m.entities[key] = e
	}
	m.mu.Unlock()
	if full {
		m.drop(msg.Topic, "there are too many entities")
	}
	m.changed()
}

// onZigbee is everything under Zigbee2MQTT's base topic.
func (m *Model) onZigbee(msg mqttclient.Message) {
	switch rest := strings.TrimPrefix(msg.Topic, m.o.BaseTopic+"/"); {
	case rest == "bridge/state":
		m.mu.Lock()
		m.bridge = onlineText(msg.Payload)
		m.mu.Unlock()
		m.changed()
	case rest == "bridge/info":
		m.onBridgeInfo(msg)
	case rest == "bridge/devices":
		m.onBridgeDevices(msg)
	case strings.HasPrefix(rest, "bridge/"), strings.HasSuffix(rest, "/set"), strings.HasSuffix(rest, "/get"):
	default:
		m.onValue(msg)
	}
}

func (m *Model) onBridgeDevices(msg mqttclient.Message) {
	if m.tooBig(msg) {
		return
	}
	var list []bridgeDevice
	if err := json.Unmarshal(msg.Payload, &list); err != nil {
		m.drop(msg.Topic, "it is not a list of devices: "+err.Error())
		return
	}
	if len(list) > maxDevices {
		m.drop(msg.Topic, "there are too many devices")
		list = slices.Clone(list[:maxDevices]) // the others' memory is given back
	}
	m.mu.Lock()
	m.zigbee = list
	m.mu.Unlock()
	m.changed()
}

// onValue is a device's state or availability.
func (m *Model) onValue(msg mqttclient.Message) {
	if len(msg.Payload) > discovery.MaxState {
		m.drop(msg.Topic, "the state is too large")
		return
	}
	now := m.o.Clock()
	m.mu.Lock()
	available := strings.HasSuffix(msg.Topic, "/availability") && m.underBase(msg.Topic) || m.isAvailability(msg.Topic)
	var fits bool
	if available {
		fits = m.keep(m.avail, msg.Topic, newState(msg, now))
	} else {
		fits = m.take(msg, now)
	}
	m.mu.Unlock()
	if !fits {
		m.drop(msg.Topic, "there is too much to remember already")
		return
	}
	m.changed()
}

func (m *Model) isAvailability(topic string) bool {
	for _, e := range m.entities {
		for _, a := range e.Available {
			if a.Topic == topic {
				return true
			}
		}
	}
	return false
}

// take keeps a state and gives it to the entities that read it; false when
// there are too many. A retained replay of what is known already keeps the time
// at which it arrived first.
func (m *Model) take(msg mqttclient.Message, now time.Time) bool {
	s := newState(msg, now)
	if old := m.states[msg.Topic]; msg.Retain && old != nil && bytes.Equal(old.payload, msg.Payload) {
		s.at = old.at
	}
	fits := m.keep(m.states, msg.Topic, s)
	read := s.read()
	for _, e := range m.entities {
		if e.StateTopic == msg.Topic {
			e.update(read, s.at)
			fits = true // what is wanted of it is kept
		}
	}
	if p, _ := m.meter(); p != nil && p.StateTopic == msg.Topic && !msg.Retain {
		if m.meterKey != p.device() {
			m.meterKey, m.gaps = p.device(), gaps{}
		}
		m.gaps.arrived(now)
	}
	return fits
}

func (m *Model) onHealth(msg mqttclient.Message) {
	parts := strings.Split(msg.Topic, "/")
	if m.tooBig(msg) || len(parts) != 3 {
		return
	}
	var r health.Report
	if len(msg.Payload) > 0 {
		if err := json.Unmarshal(msg.Payload, &r); err != nil {
			m.drop(msg.Topic, "it is not a health report: "+err.Error())
			return
		}
	}
	m.mu.Lock()
	if _, known := m.reports[parts[1]]; known || len(m.reports) < 32 {
		m.reports[parts[1]] = report{r, m.o.Clock()}
	}
	m.mu.Unlock()
	m.changed()
}

// onlineText reads both forms of availability: "online" and {"state":"online"}.
func onlineText(payload []byte) string {
	var o struct {
		State string `json:"state"`
	}
	if json.Unmarshal(payload, &o) == nil && o.State != "" {
		return o.State
	}
	return strings.Trim(string(payload), `" `)
}
