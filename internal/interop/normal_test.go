//go:build interop

package interop

import (
	"fmt"
	"strings"
)

// compared says what a live message is compared as: by its topic and, of an
// event, by its kind too, for the order of events of several devices is chance.
// What a person sent, and the log, are not compared.
func compared(m heard) (what string, value any, ok bool) {
	device := strings.HasPrefix(m.topic, "zigbee2mqtt/") && !strings.HasPrefix(m.topic, "zigbee2mqtt/bridge/")
	switch {
	case strings.HasPrefix(m.topic, "zigbee2mqtt/bridge/request/"),
		m.topic == "zigbee2mqtt/bridge/logging",
		m.topic == "homeassistant/status",
		device && (strings.Contains(m.topic, "/set") || strings.HasSuffix(m.topic, "/get")):
		return "", nil, false
	}
	value = normal(m.topic, decode(m.payload))
	what = m.topic
	if event, isObject := value.(map[string]any); isObject && m.topic == "zigbee2mqtt/bridge/event" {
		data, _ := event["data"].(map[string]any)
		for _, part := range []any{event["type"], data["ieee_address"], data["status"]} {
			if part != nil {
				what += fmt.Sprintf(" %v", part)
			}
		}
	}
	return what, value, true
}

// byNature are values that differ from run to run, or from machine to machine,
// by topic: each is replaced by its kind, so that it must be there still.
var byNature = map[string][][]string{
	"zigbee2mqtt/bridge/info": {
		{"permit_join_end"}, {"version"}, {"commit"}, {"os"}, {"zigbee_herdsman"}, {"zigbee_herdsman_converters"},
		{"mqtt", "server"}, {"config", "mqtt", "server"}, {"config", "serial", "port"},
	},
	"zigbee2mqtt/bridge/response/backup": {{"data", "zip"}},
	"zigbee2mqtt/bridge/health":          {{"response_time"}, {"os"}, {"process"}},
}

// normal replaces what differs by nature.
func normal(topic string, v any) any {
	for _, path := range byNature[topic] {
		replace(v, path)
	}
	addresses(v)
	if strings.HasPrefix(topic, "zigbee2mqtt/") && !strings.HasPrefix(topic, "zigbee2mqtt/bridge/") {
		if state, ok := v.(map[string]any); ok {
			if n, ok := state["linkquality"].(float64); ok && n > 0 && n <= 255 {
				state["linkquality"] = "(measured by the radio)"
			}
		}
	}
	return v
}

// addresses replaces the short addresses that devices have by chance.
func addresses(v any) {
	switch v := v.(type) {
	case []any:
		for _, inner := range v {
			addresses(inner)
		}
	case map[string]any:
		for key, inner := range v {
			switch key {
			case "network_address", "networkAddress", "sourceNwkAddr":
				if n, ok := inner.(float64); ok && n != 0 {
					v[key] = "(by chance)"
				}
			default:
				addresses(inner)
			}
		}
	}
}

func replace(v any, path []string) {
	object, ok := v.(map[string]any)
	if !ok {
		return
	}
	inner, there := object[path[0]]
	switch {
	case !there:
	case len(path) > 1:
		replace(inner, path[1:])
	default:
		object[path[0]] = fmt.Sprintf("(%T)", inner)
	}
}
