package bridge

import (
	"fmt"
	"strings"
)

// Payloads is the form of the messages: both say the same of the same devices.
type Payloads string

// The two forms. Reference is the appliance's own contract: plain words for
// availability, states retained, discovery under the friendly names. Z2M2 is
// what Zigbee2MQTT 2 publishes.
const (
	Reference Payloads = "reference"
	Z2M2      Payloads = "z2m2"
)

// Output is what a device's state is published as.
type Output string

// One JSON message, a topic for each key, or both.
const (
	OutputJSON      Output = "json"
	OutputAttribute Output = "attribute"
	OutputBoth      Output = "attribute_and_json"
)

// What availability and the bridge's state say.
const (
	online  = "online"
	offline = "offline"
)

// is reports whether the forms are those of Zigbee2MQTT 2.
func (p Payloads) z2m() bool { return p == Z2M2 }

// presence is the payload of availability and of the bridge's state.
func (p Payloads) presence(there bool) []byte {
	word := offline
	if there {
		word = online
	}
	if p.z2m() {
		word = `{"state":"` + word + `"}`
	}
	return []byte(word)
}

// value is the template that takes a key out of a state.
func (p Payloads) value(key string) string {
	if p.z2m() {
		return `{{ value_json["` + key + `"] }}`
	}
	return "{{ value_json." + key + " }}"
}

// uniqueID names an entity for ever. The contract has one ending, Zigbee2MQTT
// the base topic.
func (p Payloads) uniqueID(owner, object string, t topics) string {
	if p.z2m() {
		return owner + "_" + object + "_" + t.base
	}
	return owner + "_" + object + uniqueIDSuffix
}

// uniqueIDSuffix ends the unique ids of our discovery documents.
const uniqueIDSuffix = "_zigbee2mqtt"

// check is why these options make no sense, or nil.
func (o Options) check() error {
	switch o.Payloads {
	case Reference, Z2M2:
	default:
		return fmt.Errorf("bridge: payloads are %q; they can be %s or %s", o.Payloads, Reference, Z2M2)
	}
	switch o.Output {
	case OutputJSON, OutputAttribute, OutputBoth:
	default:
		return fmt.Errorf("bridge: output is %q; it can be %s, %s or %s", o.Output, OutputJSON, OutputAttribute, OutputBoth)
	}
	switch o.LastSeen {
	case LastSeenDisable, LastSeenISO, LastSeenLocal, LastSeenEpoch:
	default:
		return fmt.Errorf("bridge: last_seen is %q; it can be %s", o.LastSeen,
			strings.Join([]string{string(LastSeenDisable), string(LastSeenISO), string(LastSeenLocal), string(LastSeenEpoch)}, ", "))
	}
	return nil
}
