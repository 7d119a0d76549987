package bridge

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"

	model "github.com/smartcore-ireland/hems/internal/zigbee/device"
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
	rounded     map[string]rounding
	disabled    bool
	hermit      bool // availability is not published
	unannounced bool // Home Assistant is not told of it
	overrides   map[string]any
}

// rounding is what becomes of a measured number.
type rounding struct {
	decimals    int
	calibration float64
	percent     bool // the calibration is a part of the value, else it is added
}

func (r rounding) of(v float64) float64 {
	if r.percent {
		v += v * r.calibration / 100
	} else {
		v += r.calibration
	}
	p := math.Pow10(r.decimals)
	if x := math.Floor(v*p+0.5) / p; !math.IsInf(x, 0) && !math.IsNaN(x) {
		return x
	}
	return v
}

// precisions are the decimals of quantities in Zigbee2MQTT 2. What is not here
// is as the device says it.
var precisions = map[string]int{
	"ac_frequency": 2, "temperature": 2, "humidity": 2, "pressure": 1, "pm25": 0,
	"power": 2, "power_phase_b": 2, "power_phase_c": 2,
	"current": 2, "current_phase_b": 2, "current_phase_c": 2, "current_neutral": 2,
	"voltage": 2, "voltage_phase_b": 2, "voltage_phase_c": 2, "energy": 2,
	"device_temperature": 0, "soil_moisture": 2, "co2": 0, "illuminance": 0, "voc": 0, "formaldehyd": 0, "co": 0,
}

// percentual reports whether a quantity is calibrated by a part of itself: what
// measures from zero.
func percentual(name string) bool {
	for _, p := range []string{"current", "energy", "voltage", "power", "illuminance"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// defaultDecimals is the rounding of a quantity that is calibrated and has no
// precision of its own.
const defaultDecimals = 3

// newSettings reads the options of a device or group. What makes no sense, for
// a request that set it would have been refused, is as if it were not there.
func newSettings(options map[string]any, exposes []model.Expose, form Payloads) settings {
	s := settings{retain: !form.z2m(), rounded: make(map[string]rounding)}
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
	s.uncached = newFilter(append(texts(options["filtered_cache"]), momentary...))
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
	s.roundings(options, exposes, form)
	return s
}

func (s *settings) roundings(options map[string]any, exposes []model.Expose, form Payloads) {
	for _, e := range exposes {
		if e.Type != model.Numeric || e.Property == "" {
			continue
		}
		decimals, measured := precisions[e.Name]
		r := rounding{decimals: decimals, percent: percentual(e.Name)}
		round := measured && form.z2m()
		for _, key := range []string{e.Name, e.Property} { // of all endpoints, then of this one
			if v, ok := options[key+"_precision"].(float64); ok && v >= 0 && v <= 9 {
				r.decimals, measured, round = int(v), true, true
			}
			if v, ok := options[key+"_calibration"].(float64); ok && v != 0 {
				r.calibration, round = v, true
			}
		}
		if !measured {
			r.decimals = defaultDecimals
		}
		if round {
			s.rounded[e.Property] = r
		}
	}
}

// momentary are keys of what happens rather than lasts. Source: Zigbee2MQTT 2,
// state cache.
var momentary = []string{
	"action", "action_.*", "button", "button_left", "button_right", "forgotten", "keyerror",
	"step_size", "transition_time", "group_list", "group_capacity", "no_occupancy_since",
	"step_mode", "elapsed", "from_side", "to_side",
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
