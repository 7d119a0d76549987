package bridge

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
)

// topics are the places of everything on MQTT.
type topics struct{ base, prefix string }

// Topic of the pairing's steps, our own beside the contract.
const pairingTopic = "hems/zigbee/pairing"

// maxLevels is how many levels a device's name may have ("kitchen/meter": 2).
const maxLevels = 6

func (t topics) bridge(name string) string       { return t.base + "/bridge/" + name }
func (t topics) response(name string) string     { return t.bridge("response/" + name) }
func (t topics) state(name string) string        { return t.base + "/" + name }
func (t topics) availability(name string) string { return t.base + "/" + name + "/availability" }
func (t topics) homeAssistant() string           { return t.prefix + "/status" }

// discovery is where Home Assistant looks for the description of one entity of
// a node: a device, a group or the bridge.
func (t topics) discovery(component, node, object string) string {
	return t.prefix + "/" + component + "/" + nodeID(node) + "/" + nodeID(object) + "/config"
}

// node is the node of what has no address of its own, a group or the bridge:
// the characters of the base topic as numbers, and its id.
func (t topics) node(id string) string {
	var n strings.Builder
	for _, r := range utf16.Encode([]rune(t.base)) {
		n.WriteString(strconv.Itoa(int(r)))
	}
	return n.String() + "_" + id
}

// filters are the subscriptions. All of the base topic would be shorter, and
// would bring back every message of our own.
func (t topics) filters() []string {
	list := []string{t.bridge("request/#"), t.homeAssistant(), t.prefix + "/+/+/+/config"}
	device := t.base
	for range maxLevels {
		device += "/+"
		list = append(list, device+"/set", device+"/set/+", device+"/get", device+"/get/+")
	}
	return list
}

// command splits the topic of a device's command into the device's name, "get"
// or "set", and the attribute when the topic has one.
func (t topics) command(topic string) (name, verb, attribute string, ok bool) {
	rest, ok := strings.CutPrefix(topic, t.base+"/")
	if !ok {
		return "", "", "", false
	}
	levels := strings.Split(rest, "/")
	for i := len(levels) - 1; i >= max(1, len(levels)-2); i-- {
		if v := levels[i]; v == "get" || v == "set" {
			return strings.Join(levels[:i], "/"), v, strings.Join(levels[i+1:], "/"), true
		}
	}
	return "", "", "", false
}

// nodeID is a name with every character that a discovery topic may not hold
// replaced. Source: Home Assistant, MQTT discovery: [a-zA-Z0-9_-].
func nodeID(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		}
		return '_'
	}, name)
}

// title is a name as people write it: "frient_blink_counter" is "Frient Blink
// Counter". Only the first letter of a word changes.
func title(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool {
		return r == '_' || r == '-' || r == '/' || unicode.IsSpace(r)
	})
	for i, w := range words {
		r := []rune(w)
		r[0] = unicode.ToUpper(r[0])
		words[i] = string(r)
	}
	if len(words) == 0 {
		return name
	}
	return strings.Join(words, " ")
}
