package bridge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	model "github.com/smartcore-ireland/hems/internal/zigbee/device"
)

// entity is one thing that Home Assistant can show or switch.
type entity struct {
	component string
	object    string         // of the topic and the unique id: "power", "switch_child_lock"
	doc       map[string]any // what is particular to the entity
	nulls     []field        // keys that a state always has
	endpoint  string         // of the device, when it is about one
	split     bool           // the endpoint's keys are published on a topic of their own
	postfix   string         // of the entity id
}

// describer makes entities of what a device or a group exposes. Which entity an
// expose becomes is by the rules of Zigbee2MQTT 2, in either form.
type describer struct {
	form   Payloads
	topics topics
	name   string // friendly
	group  bool
	all    []model.Expose // of the device, or of all the group's members
}

// bare is a property without its endpoint.
func bare(e model.Expose) string {
	if e.Endpoint == "" {
		return e.Property
	}
	return strings.TrimSuffix(e.Property, "_"+e.Endpoint)
}

// property is the key of a feature in the state of the device or the group.
func (w describer) property(e model.Expose) string {
	if w.group {
		return bare(e)
	}
	return e.Property
}

// set is where a command goes. The empty attribute is all of them.
func (w describer) set(endpoint, attribute string) string {
	topic := w.topics.state(w.name)
	if endpoint != "" {
		topic += "/" + endpoint
	}
	if topic += "/set"; attribute != "" {
		topic += "/" + attribute
	}
	return topic
}

// state is where the state comes from.
func (w describer) state(endpoint string) string {
	if endpoint == "" {
		return w.topics.state(w.name)
	}
	return w.topics.state(w.name) + "/" + endpoint
}

// null is a key that a state has from the beginning, so that templates find it.
func null(key string) []field { return []field{newField(key, nil)} }

// with is a name with the endpoint behind it.
func with(name, endpoint, between string) string {
	if endpoint == "" {
		return name
	}
	return name + between + endpoint
}

// main is the name of the entity that is the device itself, or one of several
// such: nothing, or its endpoint.
func main(endpoint string) any {
	if endpoint == "" {
		return nil
	}
	return strings.ToUpper(endpoint[:1]) + endpoint[1:]
}

// entities are what becomes of exposes: one of a device, or those of a group's
// members that are of one type.
func (w describer) entities(exposes ...model.Expose) []entity {
	e := exposes[0]
	endpoint := e.Endpoint
	if w.group {
		endpoint = ""
	}
	var list []entity
	switch e.Type {
	case model.Switch:
		list = w.switches(e, endpoint)
	case model.Light:
		list = w.light(exposes, endpoint)
	case model.Climate:
		list = w.climate(e, endpoint)
	case "lock":
		list = w.lock(e, endpoint)
	case "cover":
		list = w.cover(exposes, endpoint)
	case model.Binary:
		list = w.binary(e)
	case model.Numeric:
		list = w.numeric(e)
	case model.Enum:
		list = w.enum(e)
	case model.Text, model.List, model.Composite:
		list = w.whole(e)
	}
	for i := range list {
		x := &list[i]
		if x.endpoint = e.Endpoint; e.Category == config || e.Category == diagnostic {
			x.doc["entity_category"] = e.Category
		}
		// What has no input cannot be configured.
		if (x.component == "sensor" || x.component == "binary_sensor") && x.doc["entity_category"] == config {
			x.doc["entity_category"] = diagnostic
		}
		// Home Assistant names an entity of a known kind itself, in its language.
		if x.doc["device_class"] != nil && x.doc["name"] != nil && !numericTraits[e.Name].named && w.form.z2m() {
			delete(x.doc, "name")
		}
	}
	return list
}

// feature is the one of this name; ok is false when there is none.
func feature(e model.Expose, name ...string) (model.Expose, bool) {
	i := slices.IndexFunc(e.Features, func(f model.Expose) bool { return slices.Contains(name, f.Name) })
	if i < 0 {
		return model.Expose{}, false
	}
	return e.Features[i], true
}

func (w describer) switches(e model.Expose, endpoint string) []entity {
	f, ok := feature(e, "state")
	if !ok {
		return nil
	}
	key := w.property(f)
	x := entity{component: "switch", object: with("switch", endpoint, "_"), nulls: null(key), doc: map[string]any{
		"name":           main(endpoint),
		"payload_off":    f.ValueOff,
		"payload_on":     f.ValueOn,
		"value_template": w.form.value(key),
		"state_topic":    w.state(""),
		"command_topic":  w.set(endpoint, ""),
	}}
	if t, ok := switchTraits[key]; ok {
		x.object = key
		x.doc["name"] = e.Label
		x.doc["command_topic"] = w.set(endpoint, key)
		x.doc["state_off"], x.doc["state_on"] = f.ValueOff, f.ValueOn
		t.put(x.doc)
	}
	return []entity{x}
}

func (w describer) lock(e model.Expose, endpoint string) []entity {
	f, ok := feature(e, "state")
	if !ok {
		return nil
	}
	attribute := ""
	if endpoint != "" {
		attribute = f.Property
	}
	return []entity{{component: "lock", object: with("lock", endpoint, "_"), nulls: null(w.property(f)), doc: map[string]any{
		"name":           main(endpoint),
		"state_topic":    w.state(""),
		"command_topic":  w.set(endpoint, attribute),
		"value_template": w.form.value(w.property(f)),
		"state_locked":   f.ValueOn,
		"state_unlocked": f.ValueOff,
	}}}
}

func (w describer) binary(e model.Expose) []entity {
	label := with(e.Label, e.Endpoint, " ")
	if e.Access&model.AccessSet == 0 {
		doc := map[string]any{
			"name":           label,
			"state_topic":    w.state(""),
			"value_template": w.form.value(e.Property),
			"payload_on":     e.ValueOn,
			"payload_off":    e.ValueOff,
		}
		binaryTraits[e.Name].put(doc)
		if e.Name == "contact" && w.form.z2m() { // the device itself: no "Garage Door Door"
			doc["name"] = nil
		}
		return []entity{{component: "binary_sensor", object: with(e.Name, e.Endpoint, "_"), nulls: null(e.Property), doc: doc}}
	}
	template := w.form.value(e.Property)
	if _, ok := e.ValueOn.(bool); ok { // a template would write True
		template = fmt.Sprintf(`{%% if %s %%}true{%% else %%}false{%% endif %%}`, strings.TrimSuffix(strings.TrimPrefix(template, "{{ "), " }}"))
	}
	doc := map[string]any{
		"name":           label,
		"state_topic":    w.state(""),
		"value_template": template,
		"payload_on":     fmt.Sprint(e.ValueOn),
		"payload_off":    fmt.Sprint(e.ValueOff),
		"command_topic":  w.set(e.Endpoint, e.Property),
	}
	binaryTraits[e.Name].put(doc)
	return []entity{{component: "switch", object: with("switch_"+e.Name, e.Endpoint, "_"), nulls: null(e.Property), doc: doc}}
}

func (w describer) numeric(e model.Expose) []entity {
	doc := map[string]any{
		"name":           with(e.Label, e.Endpoint, " "),
		"state_topic":    w.state(""),
		"value_template": w.form.value(e.Property),
	}
	if e.Unit != "" {
		doc["unit_of_measurement"] = e.Unit
	}
	x := entity{component: "sensor", object: with(e.Name, e.Endpoint, "_"), nulls: null(e.Property), doc: doc}
	t := numericTraits[e.Name]
	if e.Access&model.AccessSet != 0 {
		x.component = "number"
		doc["command_topic"] = w.set(e.Endpoint, e.Property)
		t.put(doc)
		if t.class != "temperature" { // others must have just the unit of the class
			delete(doc, "device_class")
		}
		limits(doc, e, "min", "max", "step")
		return []entity{x}
	}
	if e.Name == "voc" && (e.Unit == "ppb" || e.Unit == "ppm") {
		t = numericTraits["voc_parts"]
	}
	doc["enabled_by_default"] = true
	if mains[e.Name] && e.Access&model.AccessGet != 0 {
		t.category = diagnostic
	}
	t.put(doc)
	unitTraits[e.Unit].put(doc)
	if e.Unit == "" { // a class without a unit is refused
		delete(doc, "device_class")
	}
	return []entity{x}
}

// limits writes the range of a number and its step under these keys.
func limits(doc map[string]any, e model.Expose, low, high, step string) {
	for key, v := range map[string]*float64{low: e.ValueMin, high: e.ValueMax, step: e.ValueStep} {
		if v != nil && key != "" && (key != step || *v != 0) {
			doc[key] = *v
		}
	}
}

func (w describer) enum(e model.Expose) []entity {
	if e.Property == "action" {
		return nil // triggers are announced as they happen
	}
	doc := map[string]any{"name": with(e.Label, e.Endpoint, " ")}
	x := entity{object: e.Property, nulls: null(e.Property), doc: doc}
	readable, settable := e.Access&model.AccessState != 0, e.Access&model.AccessSet != 0
	if readable && (!settable || len(e.Values) != 1) {
		doc["state_topic"] = w.state("")
		doc["value_template"] = w.form.value(e.Property)
	}
	switch {
	case settable && len(e.Values) == 1:
		x.component = "button"
		doc["payload_press"] = e.Values[0]
	case settable:
		x.component = "select"
		doc["options"] = e.Values
	case readable:
		x.component = "sensor"
	default:
		return nil
	}
	if settable {
		doc["command_topic"] = w.set(e.Endpoint, e.Property)
	}
	enumTraits[e.Name].put(doc)
	return []entity{x}
}

// whole is what has no value that Home Assistant understands: a text, or
// something with parts, which is shown as text.
func (w describer) whole(e model.Expose) []entity {
	settable := e.Access&model.AccessSet != 0
	if e.Type == model.Composite && e.Name == "warning" && settable {
		return w.siren(e)
	}
	doc := map[string]any{"name": with(e.Label, e.Endpoint, " ")}
	x := entity{object: e.Property, nulls: null(e.Property), doc: doc}
	switch {
	case e.Type == model.Text && settable:
		x.component = "text"
		doc["value_template"] = w.form.value(e.Property)
		doc["command_topic"] = w.set(e.Endpoint, e.Property)
	case e.Access&model.AccessState != 0:
		x.component = "sensor"
		template := strings.TrimSuffix(w.form.value(e.Property), " }}")
		doc["value_template"] = template + ` | default('',True) | string | truncate(254, True, '', 0) }}`
	default:
		return nil
	}
	if e.Access&model.AccessState != 0 {
		doc["state_topic"] = w.state("")
	}
	wholeTraits[e.Name].put(doc)
	return []entity{x}
}

// siren is a warning device.
func (w describer) siren(e model.Expose) []entity {
	doc := map[string]any{
		"name":          main(e.Endpoint),
		"command_topic": w.set(e.Endpoint, ""),
		"optimistic":    true,
	}
	if f, ok := feature(e, "mode"); ok {
		if tones := slices.DeleteFunc(slices.Clone(f.Values), func(v string) bool { return v == "stop" }); len(tones) > 0 {
			doc["available_tones"] = tones
		}
	}
	if _, ok := feature(e, "level"); ok {
		doc["support_volume_set"] = true
	}
	if _, ok := feature(e, "duration"); ok {
		doc["support_duration"] = true
	}
	level := "{% if volume_level is defined %}{% if volume_level | float <= 0.25 %}low" +
		"{% elif volume_level | float <= 0.5 %}medium{% elif volume_level | float <= 0.75 %}high" +
		"{% else %}very_high{% endif %}{% else %}medium{% endif %}"
	doc["command_template"] = `{"warning": {"mode": "{{ tone | default('emergency') }}", "level": "` + level +
		`", "duration": {{ duration | default(10) }}}}`
	doc["command_off_template"] = `{"warning": {"mode": "stop"}}`
	return []entity{{component: "siren", object: with("siren", e.Endpoint, "_"), nulls: null(e.Property), doc: doc}}
}

// sortFields puts fields in order and takes each key once.
func sortFields(list []field) []field {
	slices.SortStableFunc(list, func(a, b field) int { return cmp.Compare(a.key, b.key) })
	return slices.CompactFunc(list, func(a, b field) bool { return a.key == b.key })
}
