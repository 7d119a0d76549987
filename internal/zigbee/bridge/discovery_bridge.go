package bridge

import (
	"regexp"
	"strings"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// bridgeID names the bridge's own entities.
func (b *Bridge) bridgeID() string { return "bridge_" + b.net.Info().EUI64.String() }

// bridgeEntities are the coordinator's own, as Zigbee2MQTT 2 has them.
func (b *Bridge) bridgeEntities() []entity {
	info, request := b.topics.bridge("info"), func(name string) string { return b.topics.bridge("request/" + name) }
	return []entity{
		{component: "binary_sensor", object: "connection_state", doc: map[string]any{
			"name": "Connection state", "device_class": "connectivity", "entity_category": diagnostic,
			"state_topic": b.topics.bridge("state"), "value_template": "{{ value_json.state }}",
			"payload_on": online, "payload_off": offline,
		}},
		{component: "binary_sensor", object: "restart_required", doc: map[string]any{
			"name": "Restart required", "device_class": "problem", "entity_category": diagnostic, "enabled_by_default": false,
			"state_topic": info, "value_template": "{{ value_json.restart_required }}",
			"payload_on": true, "payload_off": false,
		}},
		{component: "button", object: "restart", doc: map[string]any{
			"name": "Restart", "device_class": "restart", "command_topic": request("restart"), "payload_press": "",
		}},
		{component: "select", object: "log_level", doc: map[string]any{
			"name": "Log level", "entity_category": config,
			"state_topic": info, "value_template": "{{ value_json.log_level | lower }}",
			"command_topic":    request("options"),
			"command_template": `{"options": {"advanced": {"log_level": "{{ value }}" } } }`,
			"options":          []string{"error", "warning", "info", "debug"},
		}},
		{component: "sensor", object: "version", doc: map[string]any{
			"name": "Version", "icon": "mdi:zigbee", "entity_category": diagnostic,
			"state_topic": info, "value_template": "{{ value_json.version }}",
		}},
		{component: "sensor", object: "coordinator_version", doc: map[string]any{
			"name": "Coordinator version", "icon": "mdi:chip", "entity_category": diagnostic, "enabled_by_default": false,
			"state_topic": info, "value_template": "{{ value_json.coordinator.meta.revision }}",
		}},
		{component: "sensor", object: "network_map", doc: map[string]any{
			"name": "Network map", "entity_category": diagnostic, "enabled_by_default": false,
			"state_topic":              b.topics.response("networkmap"),
			"value_template":           "{{ now().strftime('%Y-%m-%d %H:%M:%S') }}",
			"json_attributes_topic":    b.topics.response("networkmap"),
			"json_attributes_template": "{{ value_json.data.value | tojson }}",
		}},
		{component: "switch", object: "permit_join", doc: map[string]any{
			"name": "Permit join", "icon": "mdi:human-greeting-proximity",
			"state_topic": info, "value_template": "{{ value_json.permit_join | lower }}",
			"command_topic": request("permit_join"),
			"state_on":      "true", "state_off": "false",
			"payload_on": `{"time": 254}`, "payload_off": `{"time": 0}`,
		}},
	}
}

var buildNumber = regexp.MustCompile(` build \d+`)

// setBridge wants the descriptions of the bridge's own entities: in the forms
// of Zigbee2MQTT 2, and once it is known which dongle it is.
func (b *Bridge) setBridge() {
	n := b.net.Info()
	if !b.z2m2() || n.EUI64 == zcl.EUI64None {
		return
	}
	s := subject{
		node:      b.topics.node(n.EUI64.String()),
		id:        b.bridgeID(),
		name:      "Zigbee2MQTT Bridge",
		available: []string{b.topics.bridge("state")},
		device: map[string]any{
			"hw_version":   strings.TrimSpace("EmberZNet " + buildNumber.ReplaceAllString(n.Firmware, "")),
			"identifiers":  []string{b.bridgeIdentifier()},
			"manufacturer": "Zigbee2MQTT",
			"model":        "Bridge",
			"name":         "Zigbee2MQTT Bridge",
			"sw_version":   b.shownVersion(),
		},
	}
	topics := make(map[string]bool)
	for _, e := range b.bridgeEntities() {
		whose := s
		if e.object == "connection_state" { // it is what the others' availability is
			whose.available = nil
		}
		topic, doc := b.document(whose, e)
		b.retained.set(topic, marshal(doc), 1)
		topics[topic] = true
	}
	for topic := range b.own { // of another dongle
		if !topics[topic] {
			b.retained.clear(topic)
		}
	}
	b.own = topics
}
