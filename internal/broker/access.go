package broker

import "strings"

// Access is what a user may do, as MQTT topic filters. What is not in Write is
// not allowed, nor what is in Deny even then.
type Access struct {
	Read  []string
	Write []string
	Deny  []string // taken away from Write
	Local bool     // it signs in on the unix socket alone
	// QueueQoS0 keeps messages of QoS 0 too while its clients are away, and tells
	// those on the unix socket when a message came that had to wait.
	QueueQoS0 bool
}

// DefaultUsers are the appliance's own processes, each with the narrowest list
// that works, and the person, "home", who may act for everything in the house
// but not speak in the name of the broker or of the appliance's processes.
func DefaultUsers() map[string]Access {
	// The readings of any device that announces itself may be anywhere.
	anywhere := []string{"#"}
	return map[string]Access{
		"zigbee": {
			Local: true,
			Read:  []string{"zigbee2mqtt/#", "homeassistant/status", "homeassistant/+/+/+/config"},
			Write: []string{"zigbee2mqtt/#", "homeassistant/+/+/+/config", "hems/zigbee/health", "hems/zigbee/pairing"},
		},
		// Readings are of QoS 0, and a writer that is away for a moment is to have them.
		"metrics": {Local: true, Read: anywhere, Write: []string{"hems/metrics/health"}, QueueQoS0: true},
		"gateway": {Local: true, Read: anywhere, Write: []string{"zigbee2mqtt/bridge/request/#", "hems/gateway/health"}},
		"manager": {
			Local: true,
			Read:  []string{"hems/+/health", "hems/manager/probe", "zigbee2mqtt/#"},
			Write: []string{"hems/manager/health", "hems/manager/probe"},
		},
		"bridge": {Local: true}, // what hems.yaml says of the bridges
		"home":   {Read: []string{"#", "$SYS/#"}, Write: []string{"#"}, Deny: []string{"hems/#"}},
	}
}

// mayWrite tells whether topic, a name without wildcards, may be published to.
// Topics that begin with $ are the broker's own.
func (a Access) mayWrite(topic string) bool {
	return topic != "" && topic[0] != '$' && coversAny(a.Write, topic) && !coversAny(a.Deny, topic)
}

// mayRead tells whether a message of the topic may be delivered or, given a
// filter, whether all that the filter can match may be.
func (a Access) mayRead(filter string) bool { return coversAny(a.Read, unshared(filter)) }

// unshared is the filter of a shared subscription, $share/<group>/<filter>.
func unshared(filter string) string {
	const prefix = "$share/"
	if len(filter) < len(prefix) || !strings.EqualFold(filter[:len(prefix)], prefix) {
		return filter
	}
	_, rest, _ := strings.Cut(filter[len(prefix):], "/")
	return rest
}

func coversAny(patterns []string, filter string) bool {
	for _, p := range patterns {
		if covers(p, filter) {
			return true
		}
	}
	return false
}

// covers tells whether pattern matches every topic that filter matches. A topic
// name is a filter that matches itself. (MQTT 5, 4.7.)
func covers(pattern, filter string) bool {
	if filter == "" {
		return false
	}
	// A first level with $ is not matched by wildcards.
	if filter[0] == '$' && (pattern[0] == '#' || pattern[0] == '+') {
		return false
	}
	for {
		if pattern == "#" {
			return true
		}
		p, pRest, pMore := strings.Cut(pattern, "/")
		f, fRest, fMore := strings.Cut(filter, "/")
		if f == "#" || p != "+" && p != f {
			return false
		}
		switch {
		case !pMore && !fMore:
			return true
		case !fMore:
			return pRest == "#" // a/# covers a
		case !pMore:
			return false
		}
		pattern, filter = pRest, fRest
	}
}
