package device

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// setter is how something is set: it adds to the wish what is to be done.
type setter func(w *wish) error

// wish is one key of a message on its way to the device.
type wish struct {
	model    *Model
	key      string // without the endpoint's name
	endpoint uint8
	suffix   string
	value    any
	message  map[string]any // all of it
	state    map[string]any // what the device last said
	options  map[string]any
	actions  []Action
	now      map[string]any
}

// Set is what to do on the device for a message of its /set topic, in order,
// and the state that may be published once it has been done. endpoint is the
// last part of a topic like <name>/l1/set, or empty; state is what the device
// last said. There is an error for each key that cannot be set, a sentence of
// which the device is the subject ("has nothing called 'x' that can be set");
// the others are done.
func (m *Model) Set(message map[string]any, endpoint string, state map[string]any) (list []Action, now map[string]any, errs []error) {
	return m.SetWith(message, endpoint, state, nil)
}

// SetWith is Set under the device's options.
func (m *Model) SetWith(message map[string]any, endpoint string, state, options map[string]any) (list []Action, now map[string]any, errs []error) {
	now = make(map[string]any)
	if len(message) > maxKeys {
		return nil, nil, []error{fmt.Errorf("was told %d things at once: %d is the most", len(message), maxKeys)}
	}
	taken := make(map[string]bool)
	for _, key := range slices.SortedFunc(maps.Keys(message), settingOrder) {
		if taken[key] {
			continue
		}
		w := &wish{model: m, key: key, value: message[key], message: message, state: state, options: options, now: now}
		set, ok := lookup(m.settings, key, endpoint)
		var err error
		switch {
		case ok:
			w.key, w.endpoint, w.suffix = set.name, set.endpoint, set.suffix
			for _, also := range set.also {
				taken[also] = true
			}
			err = set.set(w)
		case isOwner(m.settings, key, message, endpoint): // on_time and the like
			continue
		default:
			if err, ok = w.general(endpoint); !ok {
				err = fmt.Errorf("has nothing called '%.100s' that can be set%s", key, m.whichEndpoint(key))
			}
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		list = append(list, w.actions...)
	}
	return list, now, errs
}

// maxKeys bounds a message.
const maxKeys = 100

// settingOrder puts what must come first first: the state before what needs it.
func settingOrder(a, b string) int {
	rank := func(k string) int {
		if k == "state" || strings.HasPrefix(k, "state_") {
			return 0
		}
		return 1
	}
	if d := rank(a) - rank(b); d != 0 {
		return d
	}
	return strings.Compare(a, b)
}

// isOwner reports whether a key belongs to another of the message.
func isOwner(settings map[string]boundItem, key string, message map[string]any, endpoint string) bool {
	for other := range message {
		if set, ok := lookup(settings, other, endpoint); ok && slices.Contains(set.also, key) {
			return true
		}
	}
	return false
}

// say is what the device will have once it has obeyed.
func (w *wish) say(key string, v any) { w.now[joined(key, w.suffix)] = v }

func (w *wish) do(cluster, manufacturer uint16, command uint8, payload ...byte) {
	w.actions = append(w.actions, Action{Kind: Command, Endpoint: w.endpoint, Cluster: cluster, Manufacturer: manufacturer, Command: command, Payload: payload})
}

func (w *wish) write(cluster, manufacturer, id uint16, v zcl.Value) {
	w.actions = append(w.actions, Action{Kind: Write, Endpoint: w.endpoint, Cluster: cluster, Manufacturer: manufacturer,
		Attributes: []zcl.Attribute{{ID: id, Value: v}}})
}

func (w *wish) read(cluster, manufacturer uint16, ids ...uint16) {
	for chunk := range slices.Chunk(ids, maxRead) {
		w.actions = append(w.actions, Action{Kind: Read, Endpoint: w.endpoint, Cluster: cluster, Manufacturer: manufacturer, IDs: chunk})
	}
}

// toFloat is the number of a JSON value.
func toFloat(v any) (float64, bool) {
	switch n := v.(type) {
	case float64:
		return n, true
	case float32:
		return float64(n), true
	case int:
		return float64(n), true
	case int64:
		return float64(n), true
	case uint64:
		return float64(n), true
	case json.Number:
		f, err := n.Float64()
		return f, err == nil
	case string:
		f, err := json.Number(strings.TrimSpace(n)).Float64()
		return f, err == nil
	}
	return 0, false
}

// number is the value as a number within a range.
func (w *wish) number(low, high float64) (float64, error) {
	v, ok := toFloat(w.value)
	if !ok || math.IsNaN(v) || v < low || v > high {
		return 0, fmt.Errorf("cannot have %s set to %s: it is a number from %s to %s", w.key, shown(w.value), plain(low), plain(high))
	}
	return v, nil
}

// plain is a number without an exponent.
func plain(v float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.6f", v), "0"), ".")
}

// shown is a value for a message to a person.
func shown(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "that"
	}
	const most = 60
	if len(b) > most {
		return strings.ToValidUTF8(string(b[:most]), "") + "…"
	}
	return string(b)
}

// word is the value as one of these words, whatever their case.
func (w *wish) word(words []string) (int, error) {
	s, ok := w.value.(string)
	if !ok {
		if n, isNumber := toFloat(w.value); isNumber {
			s, ok = plain(n), true
		}
	}
	if ok {
		for i, word := range words {
			if strings.EqualFold(s, word) {
				return i, nil
			}
		}
	}
	return 0, fmt.Errorf("cannot have %s set to %s: it is %s", w.key, shown(w.value), orList(words))
}

// orList is "a, b or c".
func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// either is the value as one of two.
func (w *wish) either(on, off any) (bool, error) {
	same := func(v any) bool {
		if s, ok := v.(string); ok {
			if given, is := w.value.(string); is {
				return strings.EqualFold(s, given)
			}
			return false
		}
		return v == w.value
	}
	switch {
	case same(on):
		return true, nil
	case same(off):
		return false, nil
	}
	if b, ok := w.value.(bool); ok { // what it is meant to be
		return b, nil
	}
	return false, fmt.Errorf("cannot have %s set to %s: it is %s or %s", w.key, shown(w.value), shown(on), shown(off))
}

// object is the value as an object.
func (w *wish) object() (map[string]any, error) {
	m, ok := w.value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("cannot have %s set to %s: it is an object", w.key, shown(w.value))
	}
	return m, nil
}

// errNoEndpoint is for what a device of this kind does not have.
var errNoEndpoint = errors.New("has no endpoint for that")
