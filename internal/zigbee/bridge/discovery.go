package bridge

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// subject is what entities belong to: a device, a group or the bridge.
type subject struct {
	node      string // of the discovery topics
	id        string // of the unique ids
	name      string // for people
	device    map[string]any
	available []string // topics that say whether it can be used, all of them
	disabled  bool
	overrides map[string]any // what a person wants to be told otherwise
}

// origin is who speaks, as Zigbee2MQTT 2 says it: what reads these documents
// by it is made for that.
func (b *Bridge) origin() map[string]any {
	return map[string]any{"name": "Zigbee2MQTT", "sw": b.shownVersion(), "url": "https://www.zigbee2mqtt.io"}
}

// deviceSubject is a device as the owner of its entities.
func (b *Bridge) deviceSubject(d *device) subject {
	name := b.names.name(d.EUI64)
	s := subject{
		node:      name,
		id:        d.EUI64.String(),
		name:      name,
		disabled:  d.settings.disabled,
		overrides: d.settings.overrides,
	}
	if b.z2m2() {
		s.node = s.id
		s.available = append(s.available, b.topics.bridge("state"))
	}
	if !d.settings.hermit {
		s.available = append(s.available, b.topics.availability(name))
	}
	if v, ok := s.overrides["name"].(string); ok {
		s.name = v
	}
	if !b.z2m2() {
		s.device = map[string]any{
			"identifiers": []string{"zigbee2mqtt_" + s.id}, "name": title(s.name),
			"model": d.shownModel(), "manufacturer": d.shownVendor(),
		}
		return s
	}
	s.device = map[string]any{
		"identifiers": []string{"zigbee2mqtt_" + s.id}, "name": s.name,
		"model": d.shownModel(), "manufacturer": d.shownVendor(),
		"via_device": b.bridgeIdentifier(),
	}
	if info := d.model.Info(); info.Description != "" {
		s.device["model"], s.device["model_id"] = info.Description, d.shownModel()
	}
	if v := clean(d.SWBuildID); v != "" {
		s.device["sw_version"] = v
	}
	if d.HWVersion != nil {
		s.device["hw_version"] = *d.HWVersion
	}
	return s
}

// bridgeIdentifier is what devices are connected through.
func (b *Bridge) bridgeIdentifier() string {
	return "zigbee2mqtt_bridge_" + b.net.Info().EUI64.String()
}

// document is the description of an entity and its topic.
func (b *Bridge) document(s subject, e entity) (topic string, doc map[string]any) {
	// A person may choose another kind of entity, or another id of it.
	own, _ := s.overrides[e.object].(map[string]any)
	object := e.object
	if v, ok := own["object_id"].(string); ok && v != "" {
		object = v
	}
	if v, ok := own["type"].(string); ok && nodeID(v) == v && v != "" {
		e.component = v
	}
	doc = maps.Clone(e.doc)
	doc["unique_id"] = b.opts.Payloads.uniqueID(s.id, object, b.topics)
	doc["device"] = maps.Clone(s.device)
	if b.z2m2() {
		b.finish(doc, s, e, object)
	} else {
		b.finishReference(doc, s, e)
	}
	override(doc, s.overrides, true)
	override(doc, own, false)
	return b.topics.discovery(e.component, s.node, object), doc
}

// finish adds what Zigbee2MQTT 2 says in every document.
func (b *Bridge) finish(doc map[string]any, s subject, e entity, object string) {
	id := strings.ToLower(strings.Join(strings.Fields(s.name), "_"))
	if _, rest, ok := strings.Cut(object, "_"); ok && strings.HasPrefix(object, e.component) {
		id += "_" + rest
	} else if !strings.HasPrefix(object, e.component) {
		id += "_" + object
	}
	id += e.postfix
	doc["object_id"], doc["default_entity_id"] = id, e.component+"."+id
	doc["origin"] = b.origin()
	if len(s.available) == 0 {
		return
	}
	template := "{{ value_json.state }}"
	if s.disabled {
		template = `{{ "offline" }}`
	}
	var list []map[string]any
	for _, topic := range s.available {
		list = append(list, map[string]any{"topic": topic, "value_template": template})
	}
	doc["availability"] = list
	if len(list) > 1 || s.id == b.bridgeID() {
		doc["availability_mode"] = "all"
	}
}

// finishReference gives a document the form of the contract: a whole name, one
// topic of availability, and of a sensor nothing but what it measures.
func (b *Bridge) finishReference(doc map[string]any, s subject, e entity) {
	name := title(s.name)
	if label, ok := doc["name"].(string); ok && label != "" {
		name += " " + title(label)
	}
	doc["name"] = name
	if e.component == "sensor" {
		for _, key := range []string{"enabled_by_default", "entity_category", "icon"} {
			delete(doc, key)
		}
	}
	if len(s.available) > 0 {
		doc["availability_topic"] = s.available[0]
	}
}

// override writes what a person wants an entity's document to say: values of
// their own, null for nothing, and keys of the device's description.
func override(doc, own map[string]any, general bool) {
	for key, v := range own {
		if key == "type" || key == "object_id" || general && key == "name" {
			continue
		}
		switch v := v.(type) {
		case nil:
			delete(doc, key)
		case string, float64, bool, []any:
			doc[key] = v
		case map[string]any:
			if device, ok := doc["device"].(map[string]any); ok && key == "device" {
				maps.Copy(device, v)
			}
		}
	}
}

// entities are the device's, in the order in which it exposes them.
func (b *Bridge) entities(d *device) []entity {
	name := b.names.name(d.EUI64)
	exposes := d.exposes()
	w := describer{form: b.opts.Payloads, topics: b.topics, name: name, all: exposes}
	var list []entity
	for _, e := range exposes {
		list = append(list, w.entities(e)...)
	}
	if exposes != nil && b.opts.LastSeen != LastSeenDisable {
		list = append(list, w.lastSeen(b.opts.LastSeen))
	}
	if exposes != nil && b.z2m2() && d.model.Info().SupportsOTA {
		list = append(list, b.update(w, d))
	}
	list = append(list, b.sceneEntities(d, w)...)
	// Null takes an entity away.
	return slices.DeleteFunc(list, func(e entity) bool {
		v, there := d.settings.overrides[e.object]
		return there && v == nil
	})
}

func (w describer) lastSeen(form LastSeen) entity {
	doc := map[string]any{
		"name":               "Last seen",
		"state_topic":        w.state(""),
		"value_template":     "{{ value_json.last_seen }}",
		"icon":               "mdi:clock",
		"enabled_by_default": false,
		"entity_category":    diagnostic,
	}
	if form != LastSeenEpoch {
		doc["device_class"] = "timestamp"
	}
	return entity{component: "sensor", object: "last_seen", nulls: null("last_seen"), doc: doc}
}

// update tells of the device's firmware. There is none to install here, and
// the state says so as Zigbee2MQTT 2 does before it has looked.
func (b *Bridge) update(w describer, d *device) entity {
	none := map[string]any{"installed_version": -1, "latest_version": -1, "state": nil}
	return entity{component: "update", object: "update", nulls: []field{newField("update", none)}, doc: map[string]any{
		"name":            nil,
		"state_topic":     w.state(""),
		"device_class":    "firmware",
		"entity_category": config,
		"entity_picture":  "https://github.com/Koenkk/zigbee2mqtt/raw/master/images/logo.png",
		"command_topic":   b.topics.bridge("request/device/ota_update/update"),
		"payload_install": fmt.Sprintf(`{"id": "%s"}`, d.EUI64),
		"value_template": `{"latest_version":"{{ value_json['update']['latest_version'] }}",` +
			`"installed_version":"{{ value_json['update']['installed_version'] }}",` +
			`"update_percentage":{{ value_json['update'].get('progress', 'null') }},` +
			`"in_progress":{{ (value_json['update']['state'] == 'updating')|lower }}}`,
	}}
}

// documents are the descriptions of the device's entities for Home Assistant,
// by topic, and of what it does at a moment: the triggers seen so far.
func (b *Bridge) documents(d *device) map[string]map[string]any {
	list := make(map[string]map[string]any)
	if d.settings.unannounced {
		return list
	}
	s := b.deviceSubject(d)
	for _, e := range d.entities {
		topic, doc := b.document(s, e)
		// The contract has the version in this one only.
		if device, ok := doc["device"].(map[string]any); ok && !b.z2m2() && e.object == "power" && d.version() != "" {
			device["sw_version"] = d.version()
		}
		list[topic] = doc
	}
	if v, there := s.overrides["device_automation"]; there && v == nil {
		return list
	}
	for value := range d.triggers {
		topic, doc := b.trigger(s, b.names.name(d.EUI64), value)
		list[topic] = doc
	}
	return list
}

// trigger is something a device does, for automations: a button was pressed.
func (b *Bridge) trigger(s subject, name, value string) (string, map[string]any) {
	doc := map[string]any{
		"automation_type": "trigger",
		"type":            "action",
		"subtype":         value,
		"payload":         value,
		"topic":           b.topics.state(name) + "/action",
		"device":          maps.Clone(s.device),
	}
	if b.z2m2() {
		doc["origin"] = b.origin()
	}
	return b.topics.discovery("device_automation", s.node, "action_"+value), doc
}

// maxTriggers is how many different actions of a device are announced.
const maxTriggers = 200

// setDevice wants the retained topics of a device as it is now: availability
// and descriptions. Descriptions that it no longer has are cleared.
func (b *Bridge) setDevice(d *device) {
	b.settle(d)
	topics := b.setAvailability(d)
	var documents map[string]map[string]any
	if d.renamed == 0 {
		documents = b.documents(d)
	}
	for _, topic := range slices.Sorted(maps.Keys(documents)) {
		b.retained.set(topic, marshal(documents[topic]), 1)
		topics = append(topics, topic)
	}
	for _, topic := range d.retained {
		switch {
		case slices.Contains(topics, topic):
		case d.exposes() == nil && d.renamed == 0 && strings.HasPrefix(topic, b.topics.prefix+"/"): // it is being asked again what it is
			topics = append(topics, topic)
		default:
			b.retained.clear(topic)
		}
	}
	d.retained = topics
	for _, g := range b.groups.sorted() {
		if g.hasDevice(d.EUI64) {
			b.setGroup(g)
		}
	}
}

// settle takes over the device's options and what it exposes.
func (b *Bridge) settle(d *device) {
	options := b.options.device(d.EUI64)
	d.settings = newSettings(options, b.opts.Payloads)
	d.decoder.Options(options)
	d.entities = b.entities(d)
	d.nulls, d.splits = nil, nil
	for _, e := range d.entities {
		if b.z2m2() && !d.settings.unannounced {
			d.nulls = append(d.nulls, e.nulls...)
		}
		if e.split {
			d.splits = append(d.splits, e.endpoint)
		}
	}
	d.nulls = sortFields(d.nulls)
}

// clearDevice wants nothing on any topic under the device's present name.
func (b *Bridge) clearDevice(d *device) {
	for _, topic := range d.retained {
		b.retained.clear(topic)
	}
	d.retained = nil
	b.clearState(d, b.names.name(d.EUI64))
	d.topic = ""
}

// clearState wants no state of the device under a name.
func (b *Bridge) clearState(d *device, name string) {
	topic := b.topics.state(name)
	b.retained.clear(topic)
	if st, ok := b.states.of[d.EUI64]; ok && b.opts.Output != OutputJSON && d.settings.retain {
		for key := range st.Values {
			b.retained.clear(topic + "/" + key)
		}
	}
}
