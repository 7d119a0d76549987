package roster

import (
	"maps"
	"slices"
	"strings"
)

// roles are what most users need, so that nobody has to know topics.
var roles = map[string]struct {
	What  string
	rules func(name string) []Rule
}{
	"device": {"its own topics alone, as Shelly, Tasmota, ESPHome and Zigbee2MQTT's kind name them, and its announcement", func(name string) []Rule {
		return []Rule{
			{"readwrite", name + "/#"},
			{"readwrite", "cmnd/" + name + "/#"},
			{"readwrite", "stat/" + name + "/#"},
			{"readwrite", "tele/" + name + "/#"},
			{"write", "homeassistant/+/" + name + "/+/config"},
			{"write", "homeassistant/+/" + name + "/config"},
			{"write", "tasmota/discovery/#"},
			{"read", "homeassistant/status"},
		}
	}},
	"reader": {"everything, to read", func(string) []Rule {
		return []Rule{{"read", "#"}, {"read", "$SYS/#"}}
	}},
	"home": {"everything, to read and write, but what the appliance's own processes say", func(string) []Rule {
		return []Rule{{"readwrite", "#"}, {"read", "$SYS/#"}}
	}},
}

// Role is the access of a user with that role.
func Role(role, name string) ([]Rule, error) {
	r, ok := roles[role]
	if !ok {
		return nil, refuse("unknown_role", "give one of "+strings.Join(Roles(), ", "), "there is no role %.40q", role)
	}
	return r.rules(name), nil
}

// Roles are their names.
func Roles() []string { return slices.Sorted(maps.Keys(roles)) }
