package discovery

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// object is a JSON object whose values are read one by one, so that one value
// of an unexpected type does not spoil the others.
type object map[string]json.RawMessage

// expand returns the object with long keys in place of abbreviated ones. A
// long key that is there already wins.
func (o object) expand(abbreviations map[string]string) object {
	long := make(object, len(o))
	for _, k := range sortedKeys(o) {
		name, short := abbreviations[k]
		if !short {
			name = k
		}
		if _, taken := o[name]; short && taken {
			continue
		}
		long[name] = o[k]
	}
	return long
}

// get decodes a value into v; it leaves v alone when the key is absent or null.
func (o object) get(key string, v any) error {
	raw, ok := o[key]
	if !ok || string(raw) == "null" {
		return nil
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

// text returns a value as text: numbers and truth values as they are written,
// everything else that is no string as nothing.
func (o object) text(key string) string { return o.textOr(key, "") }

func (o object) textOr(key, otherwise string) string {
	raw := o[key]
	if len(raw) == 0 || string(raw) == "null" || raw[0] == '{' || raw[0] == '[' {
		return otherwise
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return string(raw)
	}
	return s
}

// word is a value as a template would write it: Python's truth values have
// capitals.
func (o object) word(key, otherwise string) string {
	switch string(o[key]) {
	case "true":
		return "True"
	case "false":
		return "False"
	}
	return clip(o.textOr(key, otherwise))
}

// isNull reports whether the key is there and null.
func (o object) isNull(key string) bool { return string(o[key]) == "null" }

// texts returns a value that is one string or a list of them.
func (o object) texts(key string) []string {
	var many []string
	if json.Unmarshal(o[key], &many) == nil {
		return many
	}
	if one := o.text(key); one != "" {
		return []string{one}
	}
	return nil
}

// putBase puts the base topic `~` in its place: at the beginning or end of
// every value whose key ends with "topic".
func (o object) putBase() {
	base := o.text("~")
	if base == "" {
		return
	}
	delete(o, "~")
	for key := range o {
		if strings.HasSuffix(key, "topic") {
			o.putBaseInto(key, base)
		}
	}
	var list []object
	if o.get("availability", &list) != nil || list == nil {
		return
	}
	for i, a := range list {
		list[i] = a.expand(availabilityLevel)
		list[i].putBaseInto("topic", base)
	}
	o["availability"], _ = json.Marshal(list) // raw messages marshal as they came
}

func (o object) putBaseInto(key, base string) {
	var s string
	if o.get(key, &s) != nil || s == "" {
		return
	}
	put := s
	if strings.HasSuffix(put, "~") {
		put = put[:len(put)-1] + base
	}
	if strings.HasPrefix(s, "~") && len(s) > 1 {
		put = base + put[1:]
	}
	o[key], _ = json.Marshal(put) // strings always marshal
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}

// The abbreviations of the keys that are read here. Source: Home Assistant,
// MQTT integration, "Supported abbreviations in MQTT discovery messages".
var (
	topLevel = map[string]string{
		"avty":         "availability",
		"avty_mode":    "availability_mode",
		"avty_t":       "availability_topic",
		"avty_tpl":     "availability_template",
		"cmps":         "components",
		"def_ent_id":   "default_entity_id",
		"dev":          "device",
		"dev_cla":      "device_class",
		"en":           "enabled_by_default",
		"exp_aft":      "expire_after",
		"obj_id":       "object_id",
		"o":            "origin",
		"ops":          "options",
		"p":            "platform",
		"pl_avail":     "payload_available",
		"pl_not_avail": "payload_not_available",
		"pl_off":       "payload_off",
		"pl_on":        "payload_on",
		"stat_cla":     "state_class",
		"stat_off":     "state_off",
		"stat_on":      "state_on",
		"stat_t":       "state_topic",
		"stat_tpl":     "state_template",
		"stat_val_tpl": "state_value_template",
		"sug_dsp_prc":  "suggested_display_precision",
		"uniq_id":      "unique_id",
		"unit_of_meas": "unit_of_measurement",
		"val_tpl":      "value_template",
	}
	deviceLevel = map[string]string{
		"cns":    "connections",
		"ids":    "identifiers",
		"mf":     "manufacturer",
		"mdl":    "model",
		"mdl_id": "model_id",
		"hw":     "hw_version",
		"sa":     "suggested_area",
		"sn":     "serial_number",
		"sw":     "sw_version",
	}
	availabilityLevel = map[string]string{
		"t":            "topic",
		"pl_avail":     "payload_available",
		"pl_not_avail": "payload_not_available",
		"val_tpl":      "value_template",
	}
)
