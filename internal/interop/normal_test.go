//go:build interop

package interop

import (
	"fmt"
	"regexp"
	"strings"
)

// What a live message is.
const (
	aState   = iota + 1 // of a device or a group
	anAnswer            // to a request, or an event
)

// compared says what a live message is compared as, and by which name: states,
// answers and events, the rest being retained. An event is known by its kind
// too, for the order of events of several devices is chance.
func compared(m heard) (name string, value any, kind int) {
	inner, ours := strings.CutPrefix(m.topic, "zigbee2mqtt/")
	bridge := strings.HasPrefix(inner, "bridge/")
	switch {
	case !ours:
		return "", nil, 0
	case !bridge && (strings.Contains(inner, "/set") || strings.Contains(inner, "/get") || strings.HasSuffix(inner, "/availability")):
		return "", nil, 0
	case !bridge:
		return m.topic, normal(m.topic, decode(m.payload)), aState
	case strings.HasPrefix(inner, "bridge/response/"):
		return m.topic, normal(m.topic, decode(m.payload)), anAnswer
	case inner != "bridge/event":
		return "", nil, 0
	}
	name, value = m.topic, normal(m.topic, decode(m.payload))
	if event, isObject := value.(map[string]any); isObject {
		data, _ := event["data"].(map[string]any)
		for _, part := range []any{event["type"], data["ieee_address"], data["status"]} {
			if part != nil {
				name += fmt.Sprintf(" %v", part)
			}
		}
	}
	return name, value, anAnswer
}

// byNature are values that differ from run to run, from machine to machine or
// from version to version, by topic: each is replaced by its kind, so that it
// must be there still.
var byNature = map[string][][]string{
	"zigbee2mqtt/bridge/info": {
		{"permit_join_end"}, {"os"}, {"zigbee_herdsman"}, {"zigbee_herdsman_converters"},
		{"mqtt", "server"}, {"config", "mqtt", "server"}, {"config", "serial", "port"}, {"config", "advanced", "log_directory"},
	},
	"zigbee2mqtt/bridge/response/backup": {{"data", "zip"}},
}

// normal replaces what differs by nature.
func normal(topic string, v any) any {
	for _, path := range byNature[topic] {
		replace(v, path)
	}
	chance(v)
	return v
}

// ownVersion is what follows Zigbee2MQTT's version in ours: it differs from build
// to build. A moment differs from run to run.
var (
	ownVersion = regexp.MustCompile(`\+hems\.[0-9A-Za-z.-]+`)
	aMoment    = regexp.MustCompile(`^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$`)
)

// chance replaces what the radio has chosen or measured, and when.
func chance(v any) {
	switch v := v.(type) {
	case []any:
		for _, inner := range v {
			chance(inner)
		}
	case map[string]any:
		for key, inner := range v {
			n, isNumber := inner.(float64)
			text, isText := inner.(string)
			switch {
			case isText && aMoment.MatchString(text):
				v[key] = "(a moment)"
			case isText:
				v[key] = ownVersion.ReplaceAllString(text, "+hems.(ours)")
			case !isNumber:
				chance(inner)
			case (key == "network_address" || key == "networkAddress" || key == "sourceNwkAddr") && n != 0,
				(key == "linkquality" || key == "lqi") && n > 0 && n <= 255,
				key == "lastSeen" && n > 1e12:
				v[key] = "(by chance)"
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
