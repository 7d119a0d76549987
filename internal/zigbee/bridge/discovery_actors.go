package bridge

import (
	"slices"
	"strconv"
	"strings"

	model "github.com/smartcore-ireland/hems/internal/zigbee/device"
)

func (w describer) light(exposes []model.Expose, endpoint string) []entity {
	state, ok := feature(exposes[0], "state")
	if !ok {
		return nil
	}
	var xy, hs, brightness, hueFirst bool
	var temps []model.Expose
	for _, e := range exposes {
		at := func(name string) int {
			return slices.IndexFunc(e.Features, func(f model.Expose) bool { return f.Name == name })
		}
		x, h := at("color_xy"), at("color_hs")
		xy, hs = xy || x >= 0, hs || h >= 0
		hueFirst = hueFirst || h >= 0 && x >= 0 && h < x
		brightness = brightness || at("brightness") >= 0
		if f, ok := feature(e, "color_temp"); ok {
			temps = append(temps, f)
		}
	}
	doc := map[string]any{
		"name":             main(endpoint),
		"brightness":       brightness,
		"brightness_scale": 254,
		"schema":           "json",
		"state_topic":      w.state(endpoint),
		"command_topic":    w.set(endpoint, ""),
	}
	var modes []string
	if xy && !hueFirst {
		modes = append(modes, "xy")
	} else if hs {
		modes = append(modes, "hs")
	}
	if len(temps) > 0 {
		modes = append(modes, "color_temp")
		for _, t := range temps {
			if t.ValueMax != nil && (doc["max_mireds"] == nil || *t.ValueMax < doc["max_mireds"].(float64)) {
				doc["max_mireds"] = *t.ValueMax
			}
			if t.ValueMin != nil && (doc["min_mireds"] == nil || *t.ValueMin > doc["min_mireds"].(float64)) {
				doc["min_mireds"] = *t.ValueMin
			}
		}
	}
	if modes == nil {
		modes = []string{"brightness"} // which goes with no other
	}
	doc["supported_color_modes"] = modes
	var effects []string
	for _, e := range w.all {
		if e.Type == model.Enum && e.Name == "effect" {
			for _, v := range e.Values {
				if !slices.Contains(effects, v) {
					effects = append(effects, v)
				}
			}
		}
	}
	if len(effects) > 0 {
		doc["effect"], doc["effect_list"] = true, effects
	}
	return []entity{{component: "light", object: with("light", endpoint, "_"), nulls: null(state.Property), split: endpoint != "", doc: doc}}
}

// one is the first expose of a name and one of these types.
func one(list []model.Expose, typ string, access int, name ...string) (model.Expose, bool) {
	for _, e := range list {
		if e.Type == typ && e.Access&access == access && slices.Contains(name, e.Name) {
			return e, true
		}
	}
	return model.Expose{}, false
}

// ofAny is the first feature of a name in any of the exposes.
func ofAny(exposes []model.Expose, name string) (model.Expose, bool) {
	for _, e := range exposes {
		if f, ok := feature(e, name); ok {
			return f, true
		}
	}
	return model.Expose{}, false
}

func (w describer) cover(exposes []model.Expose, endpoint string) []entity {
	state, ok := ofAny(exposes, "state")
	if !ok {
		return nil
	}
	position, hasPosition := ofAny(exposes, "position")
	tilt, hasTilt := ofAny(exposes, "tilt")
	doc := map[string]any{
		"name":          main(endpoint),
		"state_topic":   w.state(endpoint),
		"command_topic": w.set(endpoint, ""),
	}
	if motor, ok := one(w.all, model.Enum, model.AccessState, "motor_state", "moving"); ok {
		w.motor(doc, motor, bare(state), bare(position), hasPosition)
	}
	if doc["value_template"] == nil {
		doc["value_template"] = w.form.value(bare(state))
		doc["state_open"], doc["state_closed"], doc["state_stopped"] = "OPEN", "CLOSE", "STOP"
	}
	if !hasPosition && !hasTilt {
		doc["optimistic"] = true
	}
	if hasPosition {
		doc["position_topic"] = w.state(endpoint)
		doc["position_template"] = w.form.value(bare(position))
		doc["set_position_topic"] = w.set(endpoint, "")
		doc["set_position_template"] = `{ "` + w.property(position) + `": {{ position }} }`
	}
	if hasTilt {
		doc["tilt_command_topic"] = w.set(endpoint, "tilt")
		doc["tilt_status_topic"] = w.state(endpoint)
		doc["tilt_status_template"] = w.form.value(bare(tilt))
	}
	return []entity{{component: "cover", object: with("cover", endpoint, "_"), nulls: null(state.Property), split: endpoint != "", doc: doc}}
}

// motor describes a cover by what its motor does. At either end, what the motor
// did last no longer counts.
func (w describer) motor(doc map[string]any, motor model.Expose, state, position string, hasPosition bool) {
	find := func(words ...string) string {
		for _, v := range motor.Values {
			if slices.Contains(words, strings.ToLower(v)) {
				return v
			}
		}
		return ""
	}
	opening := find("opening", "open", "forward", "up", "rising")
	closing := find("closing", "close", "backward", "back", "reverse", "down", "declining")
	stopped := find("stopped", "stop", "pause", "paused")
	if opening == "" || closing == "" || stopped == "" {
		return
	}
	doc["state_opening"], doc["state_closing"], doc["state_stopped"] = opening, closing, stopped
	doc["state_open"], doc["state_closed"] = "OPEN", "CLOSE"
	is := func(key, value string) string {
		return `"` + key + `" in value_json and value_json["` + key + `"] == ` + value
	}
	type branch struct{ when, then string }
	moves := bare(motor)
	list := []branch{
		{is(moves, strconv.Quote(opening)), opening},
		{is(moves, strconv.Quote(closing)), closing},
	}
	if hasPosition {
		list = append([]branch{
			{is(position, "0") + " and " + is(state, `"CLOSE"`), "CLOSE"},
			{is(position, "100") + " and " + is(state, `"OPEN"`), "OPEN"},
		}, list...)
		list = append(list, branch{is(moves, strconv.Quote(stopped)) + ` and "` + position + `" in value_json`,
			`{% if value_json["` + position + `"] == 0 %}CLOSE{% else %}OPEN{% endif %}`})
	}
	list = append(list, branch{is(state, `"OPEN"`), "OPEN"}, branch{is(state, `"CLOSE"`), "CLOSE"})
	var t strings.Builder
	for i, b := range list {
		word := "elif"
		if i == 0 {
			word = "if"
		}
		t.WriteString("{% " + word + " " + b.when + " %}" + b.then)
	}
	doc["value_template"] = t.String() + "{% else %}" + stopped + "{% endif %}"
}

// climate is a thermostat, with sensors for what Home Assistant's has no place
// for.
func (w describer) climate(e model.Expose, endpoint string) []entity {
	heating, heats := feature(e, "occupied_heating_setpoint", "current_heating_setpoint")
	cooling, cools := feature(e, "occupied_cooling_setpoint")
	first := heating
	if !heats {
		first = cooling
	}
	temperature, ok := feature(e, "local_temperature")
	if !ok || !heats && !cools || first.ValueMin == nil || first.ValueMax == nil {
		return nil
	}
	state := w.state("")
	doc := map[string]any{
		"name":                         main(endpoint),
		"temperature_unit":             "C",
		"min_temp":                     string(appendJSON(nil, *first.ValueMin)),
		"max_temp":                     string(appendJSON(nil, *first.ValueMax)),
		"current_temperature_topic":    state,
		"current_temperature_template": w.form.value(temperature.Property),
	}
	if first.ValueStep != nil {
		doc["temp_step"] = *first.ValueStep
	}
	setpoint := func(prefix string, f model.Expose) {
		doc[prefix+"command_topic"] = w.set(endpoint, f.Name)
		doc[prefix+"state_topic"] = state
		doc[prefix+"state_template"] = w.form.value(f.Property)
	}
	if heats && cools {
		setpoint("temperature_low_", heating)
		setpoint("temperature_high_", cooling)
	} else {
		setpoint("temperature_", first)
	}
	choice := func(name, values, prefix, template string) {
		f, ok := feature(e, name)
		if !ok {
			return
		}
		doc[values] = slices.DeleteFunc(slices.Clone(f.Values), func(v string) bool { return name == "system_mode" && v == "sleep" })
		doc[prefix+"command_topic"] = w.set(endpoint, name)
		doc[prefix+"state_topic"] = state
		doc[template] = w.form.value(f.Property)
	}
	choice("system_mode", "modes", "mode_", "mode_state_template")
	choice("fan_mode", "fan_modes", "fan_mode_", "fan_mode_state_template")
	choice("swing_mode", "swing_modes", "swing_mode_", "swing_mode_state_template")
	choice("preset", "preset_modes", "preset_mode_", "preset_mode_value_template")
	x := entity{component: "climate", object: with("climate", endpoint, "_"), doc: doc}
	if f, ok := feature(e, "running_state"); ok {
		x.nulls = null(f.Property)
		doc["action_topic"] = state
		doc["action_template"] = `{% set values = {None:None,'idle':'idle','heat':'heating','cool':'cooling','fan_only':'fan'} %}` +
			`{{ values[value_json["` + f.Property + `"]] }}`
	}
	if h, ok := one(w.all, model.Numeric, model.AccessState, "humidity"); ok {
		doc["current_humidity_topic"], doc["current_humidity_template"] = state, w.form.value(h.Property)
	}
	return append(w.besideClimate(e), x)
}

// besideClimate is what a thermostat measures and can be corrected by.
func (w describer) besideClimate(e model.Expose) (list []entity) {
	for _, f := range e.Features {
		doc := map[string]any{
			"name":           with(f.Label, e.Endpoint, " "),
			"state_topic":    w.state(""),
			"value_template": w.form.value(f.Property),
		}
		if f.Unit != "" {
			doc["unit_of_measurement"] = f.Unit
		}
		x := entity{component: "sensor", object: with(f.Name, e.Endpoint, "_"), nulls: null(f.Property), doc: doc}
		switch f.Name {
		case "local_temperature_calibration":
			x.component = "number"
			doc["command_topic"] = w.set(e.Endpoint, f.Property)
			doc["device_class"], doc["entity_category"] = "temperature_delta", config
			limits(doc, f, "min", "max", "step")
		case "pi_heating_demand":
			if doc["icon"] = "mdi:radiator"; f.Access&model.AccessSet != 0 {
				x.component = "number"
				doc["command_topic"] = w.set(e.Endpoint, f.Property)
				limits(doc, f, "min", "max", "")
			} else {
				doc["entity_category"] = diagnostic
			}
		case "pi_cooling_demand":
			doc["icon"], doc["entity_category"] = "mdi:air-conditioner", diagnostic
		case "local_temperature":
			if _, ok := one(w.all, model.Numeric, model.AccessState, "temperature", "local_temperature"); ok {
				continue
			}
			numericTraits["local_temperature"].put(doc)
		default:
			continue
		}
		list = append(list, x)
	}
	return list
}
