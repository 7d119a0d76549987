package discovery

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// MaxText is how many characters a state may have. Source: Home Assistant, which
// leaves a state as it was when a longer one comes.
const MaxText = 255

// maxOptions is how many options of a state are remembered.
const maxOptions = 200

// parseStates reads what the entity's state may be.
func (e *Entity) parseStates(o object) {
	switch e.Component {
	case "sensor":
		words := e.DeviceClass == "enum" || e.DeviceClass == "timestamp" || e.DeviceClass == "date"
		e.Numeric = !words && (e.UnitOfMeasurement != "" || e.StateClass != "" || e.DeviceClass != "" || o.text("suggested_display_precision") != "")
	case "number":
		e.Numeric = true
	}
	if e.Component == "select" || e.DeviceClass == "enum" {
		for _, option := range o.texts("options") {
			if len(e.Options) < maxOptions {
				e.Options = append(e.Options, clip(option))
			}
		}
	}
	e.Disabled = string(o["enabled_by_default"]) == "false"
}

// lightTemplate takes "ON" or "OFF" from the state of a light, of whichever of the
// three schemas its document follows.
func lightTemplate(o object) string {
	switch o.text("schema") {
	case "json":
		return "{{ value_json.state }}"
	case "template":
		return o.text("state_template")
	}
	return o.text("state_value_template")
}

// Binary reports whether the entity has two values, On and Off.
func (e *Entity) Binary() bool {
	return e.Component == "binary_sensor" || e.Component == "switch" || e.Component == "light"
}

// Number is the entity's value in a state as a number: 1 and 0 for On and Off.
// Errors: those of Template.Number.
func (e *Entity) Number(s *State) (float64, error) {
	if !e.Binary() {
		v, err := e.Template.Number(s)
		if err == nil && e.Divisor != 0 {
			v /= e.Divisor
		}
		return v, err
	}
	text, err := e.Template.Text(s)
	switch {
	case err != nil:
		return 0, err
	case text == e.On:
		return 1, nil
	case text == e.Off:
		return 0, nil
	}
	return 0, NotANumber{text}
}

// Value is the entity's state in a state's payload as Home Assistant has it: a
// number, or else a text. Errors: those of Number; NotANumber is one where the
// entity has no texts.
func (e *Entity) Value(s *State) (number float64, text string, err error) {
	if e.Component == "select" || e.Component == "text" {
		text, err = e.Template.Text(s)
	} else {
		number, err = e.Number(s)
		var other NotANumber
		if !errors.As(err, &other) || e.Numeric || e.Binary() {
			return number, "", err
		}
		text = other.Text
	}
	switch {
	case err != nil && text == "":
		return 0, "", err
	case e.Disabled:
		return 0, "", ErrNoValue
	case notFinite(text):
		return 0, "", NotANumber{text}
	case !utf8.ValidString(text):
		return 0, "", fmt.Errorf("the value %.40q is not UTF-8", text)
	case utf8.RuneCountInString(text) > MaxText:
		return 0, "", fmt.Errorf("the value has %d characters, more than %d", utf8.RuneCountInString(text), MaxText)
	case len(e.Options) > 0 && !slices.Contains(e.Options, text):
		return 0, "", fmt.Errorf("the value %.40q is none of the %d options", text, len(e.Options))
	}
	return 0, text, nil
}

// notFinite tells a number that no database takes, "nan" or "-inf", from a word.
func notFinite(text string) bool {
	v, err := strconv.ParseFloat(text, 64)
	return err == nil && (v != v || v-v != 0) || errors.Is(err, strconv.ErrRange)
}
