package bridge

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// foundForm is what of a discovery document shows whose it is.
type foundForm struct {
	StateTopic        string          `json:"state_topic"`
	UniqueID          string          `json:"unique_id"`
	AvailabilityTopic string          `json:"availability_topic"` // the contract's form
	Availability      json.RawMessage `json:"availability"`       // Zigbee2MQTT 2's
	Topic             string          `json:"topic"`              // of a trigger
	Subtype           string          `json:"subtype"`
	Device            struct {
		Identifiers []string `json:"identifiers"`
	} `json:"device"`
}

// foundDocument is a discovery document that the broker holds. One of ours that
// is no longer true is cleared, with the topics it names: of a device that is
// no more or has another name now (it left while the broker was away, or the
// names were edited), or in the other form. One of a trigger is taken over: it
// is all that is known of the actions a device has.
func (b *Bridge) foundDocument(m mqttclient.Message) {
	if !m.Retain || len(m.Payload) == 0 || len(m.Payload) > maxPayload || b.retained.has(m.Topic) {
		return
	}
	levels := strings.Split(strings.TrimPrefix(m.Topic, b.topics.prefix+"/"), "/")
	var doc foundForm
	if len(levels) != 4 || json.Unmarshal(m.Payload, &doc) != nil {
		return
	}
	old, known, name := false, false, ""
	if levels[0] == "device_automation" {
		name, _ = strings.CutSuffix(strings.TrimPrefix(doc.Topic, b.topics.base+"/"), "/action")
		if !strings.HasPrefix(doc.Topic, b.topics.base+"/") || len(doc.Device.Identifiers) != 1 {
			return
		}
		address, ok := strings.CutPrefix(doc.Device.Identifiers[0], "zigbee2mqtt_")
		e, err := zcl.ParseEUI64(address)
		if !ok || err != nil {
			return
		}
		if old, known = b.isOld(e, name); known && b.adopt(b.devices[e], m.Topic, doc.Subtype) {
			return
		}
		old = old && (known || b.z2m2() || levels[1] != address)
	} else {
		var mine bool
		if mine, old, known, name = b.ownership(levels, m.Topic, doc); !mine {
			return
		}
	}
	if !old {
		return // to be published soon
	}
	b.log.Info("an old discovery document is cleared", "topic", m.Topic)
	b.retained.clear(m.Topic)
	if name == "" {
		return
	}
	if _, taken := b.find(name); !taken {
		b.retained.clear(b.topics.availability(name))
		b.retained.clear(b.topics.state(name))
	} else if known && doc.AvailabilityTopic != "" && b.z2m2() {
		b.forgetState(name)
	}
}

// ownership is whose document this is: mine when it is of this bridge in either
// form, old when it is not to be published soon, known when its device is in
// the network; name is the device's, if the document says it.
func (b *Bridge) ownership(levels []string, topic string, doc foundForm) (mine, old, known bool, name string) {
	if doc.AvailabilityTopic != "" { // the contract's form
		address, ok := strings.CutSuffix(doc.UniqueID, uniqueIDSuffix)
		address, object, _ := strings.Cut(address, "_")
		e, err := zcl.ParseEUI64(address)
		name, found := strings.CutPrefix(strings.TrimSuffix(doc.AvailabilityTopic, "/availability"), b.topics.base+"/")
		mine = ok && err == nil && found && checkName(name) == nil &&
			doc.AvailabilityTopic == b.topics.availability(name) && topic == b.topics.discovery(levels[0], name, object)
		old, known = b.isOld(e, name)
		return mine, old || b.z2m2(), known, name
	}
	var list []struct {
		Topic string `json:"topic"`
	}
	if json.Unmarshal(doc.Availability, &list) != nil || len(list) == 0 || !strings.HasPrefix(list[0].Topic, b.topics.base+"/") {
		// The bridge's own connection has no availability.
		mine = doc.StateTopic == b.topics.bridge("state") && levels[1] == b.topics.node(b.net.Info().EUI64.String())
		return mine, !b.z2m2(), true, ""
	}
	if len(list) > 1 {
		name = strings.TrimSuffix(strings.TrimPrefix(list[1].Topic, b.topics.base+"/"), "/availability")
	}
	if id, ok := strings.CutPrefix(levels[1], b.topics.node("")); ok { // a group's or a bridge's
		known = id == b.net.Info().EUI64.String() || b.isGroup(id)
		// In the contract's form another bridge may run beside this one.
		return known || b.z2m2(), !known || !b.z2m2(), known, ""
	}
	e, err := zcl.ParseEUI64(levels[1])
	if err != nil {
		return false, false, false, ""
	}
	old, known = b.isOld(e, b.names.name(e)) // whatever it was called
	return known || b.z2m2(), old || !b.z2m2(), known, name
}

// isOld reports whether a document of a device under a name is not to be
// published soon.
func (b *Bridge) isOld(e zcl.EUI64, name string) (old, known bool) {
	d, known := b.devices[e]
	return !known || b.names.name(e) != name || d.renamed == 0 && d.exposes() != nil, known
}

// adopt takes a trigger over that was announced in an earlier run.
func (b *Bridge) adopt(d *device, topic, action string) bool {
	if action == "" || d.renamed > 0 || len(d.triggers) >= maxTriggers || nodeID(action) != action {
		return false
	}
	want, _ := b.trigger(b.deviceSubject(d), b.names.name(d.EUI64), action)
	if topic != want {
		return false
	}
	if d.triggers == nil {
		d.triggers = make(map[string]bool)
	}
	d.triggers[action] = true
	b.setDevice(d)
	return true
}

// forgetState clears a state that was retained when all states were.
func (b *Bridge) forgetState(name string) {
	if d, ok := b.find(name); ok && !d.settings.retain {
		b.retained.clear(b.topics.state(name))
	}
}

// isGroup reports whether a group has this number.
func (b *Bridge) isGroup(id string) bool {
	n, err := strconv.ParseUint(id, 10, 16)
	return err == nil && b.groups.of[uint16(n)] != nil
}
