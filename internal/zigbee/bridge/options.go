package bridge

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	model "github.com/smartcore-ireland/hems/internal/zigbee/device"
	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Limits on what a request can make us keep.
const (
	maxOptions      = 64       // keys of a device or group
	maxOptionsBytes = 16 << 10 // of all of them as JSON
	maxBlocked      = 1000
)

// entityOptions are what a person has set of a device or a group: the keys of
// Zigbee2MQTT, the values as JSON has them (float64, string, bool, []any,
// map[string]any). What is not there has its default.
type entityOptions map[string]any

// flag is an option that is true or false, def when it is not set.
func (o entityOptions) flag(key string, def bool) bool {
	if v, ok := o[key].(bool); ok {
		return v
	}
	return def
}

// text is an option that is a string, empty when it is not set.
func (o entityOptions) text(key string) string {
	s, _ := o[key].(string)
	return s
}

// list is an option that is a list of strings.
func (o entityOptions) list(key string) []string {
	all, _ := o[key].([]any)
	var list []string
	for _, v := range all {
		if s, ok := v.(string); ok {
			list = append(list, s)
		}
	}
	return list
}

// savedOptions is the section "options" of the state file.
type savedOptions struct {
	// Bridge are options of the bridge itself that a request changed, in the
	// form of Zigbee2MQTT's configuration: {"advanced": {"log_level": "debug"}}.
	Bridge map[string]any `json:"bridge,omitempty"`
	// Devices are the options of devices.
	Devices map[zcl.EUI64]entityOptions `json:"devices,omitempty"`
	// Blocklist are devices that may not join.
	Blocklist []zcl.EUI64 `json:"blocklist,omitempty"`
	// Scenes are those that devices remember, by device and endpoint.
	Scenes map[zcl.EUI64]map[uint8][]scene `json:"scenes,omitempty"`
}

// options are savedOptions, and the state file they are a section of.
type options struct {
	state *statefile.File
	savedOptions
}

// loadOptions reads the section; one that is not there is empty.
func loadOptions(state *statefile.File) (*options, error) {
	o := &options{state: state}
	if _, err := state.Get(statefile.Options, &o.savedOptions); err != nil {
		return nil, err
	}
	if o.Bridge == nil {
		o.Bridge = make(map[string]any)
	}
	if o.Devices == nil {
		o.Devices = make(map[zcl.EUI64]entityOptions)
	}
	if o.Scenes == nil {
		o.Scenes = make(map[zcl.EUI64]map[uint8][]scene)
	}
	return o, nil
}

func (o *options) save() error {
	if err := o.state.Put(statefile.Options, o.savedOptions); err != nil {
		return fmt.Errorf("saving the options: %w", err)
	}
	return nil
}

// device gives the options of a device; nil when none was set.
func (o *options) device(e zcl.EUI64) entityOptions { return o.Devices[e] }

// setDevice keeps the options of a device, durably.
func (o *options) setDevice(e zcl.EUI64, v entityOptions) error {
	old := o.Devices[e]
	if len(v) == 0 {
		delete(o.Devices, e)
	} else {
		o.Devices[e] = v
	}
	if err := o.save(); err != nil {
		if o.Devices[e] = old; old == nil {
			delete(o.Devices, e)
		}
		return err
	}
	return nil
}

// forget drops all that was set of a device that was removed, durably.
func (o *options) forget(e zcl.EUI64) error {
	_, set := o.Devices[e]
	_, scenes := o.Scenes[e]
	if !set && !scenes {
		return nil
	}
	delete(o.Devices, e)
	delete(o.Scenes, e)
	return o.save()
}

// blocked reports whether a device may not join.
func (o *options) blocked(e zcl.EUI64) bool { return slices.Contains(o.Blocklist, e) }

// block keeps a device out of the network from now on, durably.
func (o *options) block(e zcl.EUI64) error {
	if o.blocked(e) {
		return nil
	}
	if len(o.Blocklist) >= maxBlocked {
		return fmt.Errorf("no more than %d devices can be blocked", maxBlocked)
	}
	old := o.Blocklist
	o.Blocklist = append(slices.Clone(old), e)
	if err := o.save(); err != nil {
		o.Blocklist = old
		return err
	}
	return nil
}

// rule says which values an option takes, in code and as JSON Schema.
type rule struct {
	// why is nil, or what the value must be.
	why    func(v any) error
	schema map[string]any
}

var isFlag = rule{func(v any) error {
	if _, ok := v.(bool); !ok {
		return errors.New("must be true or false")
	}
	return nil
}, map[string]any{"type": "boolean"}}

// maxText is the longest string as an option, in bytes.
const maxText = 1000

var isText = rule{func(v any) error {
	if s, ok := v.(string); !ok || len(s) > maxText {
		return fmt.Errorf("must be a string of at most %d bytes", maxText)
	}
	return nil
}, map[string]any{"type": "string"}}

func isNumber(low, high float64) rule {
	schema := map[string]any{"type": "number"}
	if !math.IsInf(low, 0) {
		schema["minimum"] = low
	}
	if !math.IsInf(high, 0) {
		schema["maximum"] = high
	}
	return rule{func(v any) error {
		n, ok := v.(float64)
		switch {
		case ok && n >= low && n <= high:
			return nil
		case math.IsInf(low, -1) && math.IsInf(high, 1):
			return errors.New("must be a number")
		case math.IsInf(high, 1):
			return fmt.Errorf("must be a number of at least %v", low)
		case math.IsInf(low, -1):
			return fmt.Errorf("must be a number of at most %v", high)
		}
		return fmt.Errorf("must be a number from %v to %v", low, high)
	}, schema}
}

var anyNumber = isNumber(math.Inf(-1), math.Inf(1))

var isQoS = rule{func(v any) error {
	if v != 0.0 && v != 1.0 && v != 2.0 {
		return errors.New("must be 0, 1 or 2")
	}
	return nil
}, map[string]any{"type": "number", "enum": []int{0, 1, 2}}}

func isOneOf(values ...string) rule {
	return rule{func(v any) error {
		if s, ok := v.(string); !ok || !slices.Contains(values, s) {
			return fmt.Errorf("must be one of %s", strings.Join(values, ", "))
		}
		return nil
	}, map[string]any{"type": "string", "enum": values}}
}

var isList = rule{func(v any) error {
	all, ok := v.([]any)
	for _, x := range all {
		if isText.why(x) != nil {
			ok = false
		}
	}
	if !ok || len(all) > maxOptions {
		return fmt.Errorf("must be a list of at most %d strings", maxOptions)
	}
	return nil
}, map[string]any{"type": "array", "items": isText.schema}}

var isObject = rule{func(v any) error {
	if _, ok := v.(map[string]any); !ok {
		return errors.New("must be an object")
	}
	return nil
}, map[string]any{"type": "object"}}

// either takes what one of two rules does.
func either(x, y rule) rule {
	return rule{func(v any) error {
		if x.why(v) == nil {
			return nil
		}
		if _, ok := v.(map[string]any); ok || x.why(v) == nil {
			return y.why(v)
		}
		return fmt.Errorf("%w, or %w", x.why(v), y.why(v))
	}, map[string]any{"oneOf": []any{x.schema, y.schema}}}
}

// object takes an object with some of these members.
func object(members map[string]rule) rule {
	schemas := make(map[string]any)
	for key, r := range members {
		schemas[key] = r.schema
	}
	return rule{func(v any) error {
		o, ok := v.(map[string]any)
		if !ok {
			return errors.New("must be an object")
		}
		for _, key := range slices.Sorted(maps.Keys(o)) {
			r, known := members[key]
			if !known {
				return fmt.Errorf("has no '%.100s'", key)
			}
			if err := r.why(o[key]); err != nil {
				return fmt.Errorf("'%s' %w", key, err)
			}
		}
		return nil
	}, map[string]any{"type": "object", "properties": schemas}}
}

// isAvailability is whether availability is published, or when a device counts
// as gone.
var isAvailability = either(isFlag, object(map[string]rule{
	"timeout":             isNumber(0, 1e6), // minutes
	"max_jitter":          isNumber(0, 1e9), // milliseconds
	"backoff":             isFlag,
	"pause_on_backoff_gt": isNumber(0, 1e9),
}))

// deviceRules are the options every device has, groupRules those of groups.
// Source: Zigbee2MQTT 2, settings.schema.json and types/api.ts.
var deviceRules = map[string]rule{
	"availability":                   isAvailability,
	"debounce":                       isNumber(0, 86400),
	"debounce_ignore":                isList,
	"description":                    isText,
	"disable_automatic_update_check": isFlag,
	"disabled":                       isFlag,
	"filtered_attributes":            isList,
	"filtered_cache":                 isList,
	"filtered_optimistic":            isList,
	"homeassistant":                  either(isFlag, isObject),
	"icon":                           isText,
	"optimistic":                     isFlag,
	"qos":                            isQoS,
	"retain":                         isFlag,
	"retention":                      isNumber(0, math.MaxUint32),
	"throttle":                       isNumber(0, 86400),
	"transition":                     isNumber(0, 6553),
}

var groupRules = map[string]rule{
	"description":         isText,
	"filtered_attributes": isList,
	"filtered_cache":      isList,
	"filtered_optimistic": isList,
	"homeassistant":       either(isFlag, isObject),
	"off_state":           isOneOf("all_members_off", "last_member_state"),
	"optimistic":          isFlag,
	"qos":                 isQoS,
	"retain":              isFlag,
	"transition":          isNumber(0, 6553),
}

// modelRules are the options of a device's model. A quantity may always be
// calibrated and rounded, whether the model lists that or not.
func modelRules(exposes, list []model.Expose) map[string]rule {
	rules := make(map[string]rule)
	for _, key := range properties(exposes) {
		rules[key+"_calibration"] = anyNumber
		rules[key+"_precision"] = isNumber(0, 9)
	}
	for _, e := range list {
		if e.Property != "" {
			rules[e.Property] = exposeRule(e)
		}
	}
	return rules
}

// changeOptions gives the options after a change: objects are merged, null
// takes a key away, all else replaces it. Nothing of it is kept yet.
func changeOptions(old entityOptions, change map[string]any, rules ...map[string]rule) (entityOptions, error) {
	to := entityOptions(merge(old, change))
	if v, ok := change["homeassistant"].(map[string]any); ok { // there null says that something is not wanted
		before, _ := old["homeassistant"].(map[string]any)
		to["homeassistant"] = overlay(before, v)
	}
	for _, key := range slices.Sorted(maps.Keys(change)) {
		v, left := to[key]
		if !left {
			continue
		}
		known := false
		for _, set := range rules {
			r, ok := set[key]
			if !ok {
				continue
			}
			known = true
			if err := r.why(v); err != nil {
				return nil, invalid("option '%s' %v", key, err)
			}
		}
		if !known {
			return nil, invalid("the option '%.100s' is not known", key)
		}
	}
	if len(to) > maxOptions {
		return nil, invalid("there are more than %d options", maxOptions)
	}
	if b, err := json.Marshal(to); err != nil || len(b) > maxOptionsBytes {
		return nil, invalid("the options have more than %d bytes", maxOptionsBytes)
	}
	return to, nil
}

// overlay is merge with null as a value like any other.
func overlay(old, change map[string]any) map[string]any {
	to := merge(old, nil)
	for k, v := range change {
		if m, ok := v.(map[string]any); ok {
			before, _ := to[k].(map[string]any)
			v = overlay(before, m)
		}
		to[k] = v
	}
	return to
}

// merge is a deep copy of old with what change says; null takes a key away.
func merge(old, change map[string]any) map[string]any {
	to := make(map[string]any, len(old)+len(change))
	for k, v := range old {
		if m, ok := v.(map[string]any); ok {
			v = merge(m, nil)
		}
		to[k] = v
	}
	for k, v := range change {
		m, isMap := v.(map[string]any)
		switch {
		case v == nil:
			delete(to, k)
		case isMap:
			before, _ := to[k].(map[string]any)
			to[k] = merge(before, m)
		default:
			to[k] = v
		}
	}
	return to
}
