package bridge

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"
)

// settings are a device's options as the way of its readings needs them.
type settings struct {
	retain    bool
	qos       byte
	retention uint32 // seconds for which the broker keeps a state; 0: for ever

	debounce, throttle time.Duration
	debounceIgnore     map[string]bool

	hidden      filter // keys that are not published
	uncached    filter // keys that are published once
	pessimist   bool   // what was asked for is not published before it is heard
	unclaimed   filter // keys of what was asked for that are not
	disabled    bool
	hermit      bool // availability is not published
	unannounced bool // Home Assistant is not told of it
	overrides   map[string]any
}

// newSettings reads the options of a device or group. What makes no sense, for
// a request that set it would have been refused, is as if it were not there.
func newSettings(options map[string]any, form Payloads) settings {
	s := settings{retain: !form.z2m()}
	if v, ok := options["retain"].(bool); ok {
		s.retain = v
	}
	if v, ok := options["qos"].(float64); ok && v >= 0 && v <= 2 {
		s.qos = byte(v)
	}
	if v, ok := options["retention"].(float64); ok && v > 0 && v < math.MaxUint32 {
		s.retention = uint32(v)
	}
	s.debounce, s.throttle = seconds(options["debounce"]), seconds(options["throttle"])
	s.debounceIgnore = make(map[string]bool)
	for _, key := range texts(options["debounce_ignore"]) {
		s.debounceIgnore[key] = true
	}
	s.hidden = newFilter(texts(options["filtered_attributes"]))
	s.uncached = newFilter(texts(options["filtered_cache"]))
	s.unclaimed = newFilter(texts(options["filtered_optimistic"]))
	if v, ok := options["optimistic"].(bool); ok {
		s.pessimist = !v
	}
	s.disabled, _ = options["disabled"].(bool)
	if v, ok := options["availability"].(bool); ok {
		s.hermit = !v
	}
	s.hermit = s.hermit || s.disabled
	switch v := options["homeassistant"].(type) {
	case bool:
		s.unannounced = !v
	case map[string]any:
		s.overrides = v
	}
	return s
}

// momentary are keys of what happens rather than lasts, beside those that begin
// with "action_". Source: Zigbee2MQTT 2, state cache.
var momentary = map[string]bool{
	"action": true, "button": true, "button_left": true, "button_right": true, "forgotten": true, "keyerror": true,
	"step_size": true, "transition_time": true, "group_list": true, "group_capacity": true, "no_occupancy_since": true,
	"step_mode": true, "elapsed": true, "from_side": true, "to_side": true,
}

// passing reports whether a key is published once and not remembered.
func (s *settings) passing(key string) bool {
	return momentary[key] || strings.HasPrefix(key, "action_") || s.uncached.has(key)
}

func seconds(v any) time.Duration {
	if n, ok := v.(float64); ok && n > 0 && n <= 86400 {
		return time.Duration(n * float64(time.Second))
	}
	return 0
}

func texts(v any) []string {
	all, _ := v.([]any)
	var list []string
	for _, x := range all {
		if s, ok := x.(string); ok {
			list = append(list, s)
		}
	}
	return list
}

// filter is a set of keys, as patterns. The zero value has none.
type filter struct {
	pattern *regexp.Regexp
	known   map[string]bool // answers given before
}

// maxFilter bounds the patterns of a filter together, in bytes.
const maxFilter = 4 << 10

// newFilter takes each pattern that can be read.
func newFilter(patterns []string) filter {
	var good []string
	size := 0
	for _, p := range patterns {
		if size += len(p); size > maxFilter {
			break
		}
		if _, err := regexp.Compile(p); err == nil {
			good = append(good, p)
		}
	}
	if len(good) == 0 {
		return filter{}
	}
	whole, err := regexp.Compile(fmt.Sprintf("^(?:%s)$", strings.Join(good, "|")))
	if err != nil { // each for itself can be read, all together are too much
		return filter{}
	}
	return filter{whole, make(map[string]bool)}
}

// has reports whether a key is in the set.
func (f filter) has(key string) bool {
	if f.pattern == nil {
		return false
	}
	in, seen := f.known[key]
	if !seen {
		in = f.pattern.MatchString(key)
		if len(f.known) < maxStateKeys {
			f.known[key] = in
		}
	}
	return in
}

// maxStateKeys is how many keys a device's state may have.
const maxStateKeys = 500
