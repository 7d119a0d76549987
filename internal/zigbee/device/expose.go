package device

import "strings"

// Bits of Expose.Access.
const (
	AccessState = 1 // it is in the device's state messages
	AccessSet   = 2 // it can be set
	AccessGet   = 4 // it can be asked for
)

// Expose is one quantity, setting or option as Zigbee2MQTT 2 lists it in
// definition.exposes and definition.options. The keys are in the order it has
// them. Type is numeric, binary, enum, text, list, composite, or a specific one
// (switch, light, climate, …) that has Features instead of a value of its own.
type Expose struct {
	Access      int      `json:"access,omitempty"`
	Category    string   `json:"category,omitempty"` // "", config, diagnostic
	Description string   `json:"description,omitempty"`
	Endpoint    string   `json:"endpoint,omitempty"`
	Features    []Expose `json:"features,omitempty"`
	// HomeAssistant is what Zigbee2MQTT tells its own discovery of an expose.
	HomeAssistant map[string]any `json:"homeassistant,omitempty"`
	ItemType      *Expose        `json:"item_type,omitempty"` // of a list
	Label         string         `json:"label,omitempty"`
	Name          string         `json:"name,omitempty"`
	Presets       []Preset       `json:"presets,omitempty"`
	Property      string         `json:"property,omitempty"`
	Type          string         `json:"type"`
	Unit          string         `json:"unit,omitempty"`
	ValueMax      *float64       `json:"value_max,omitempty"`
	ValueMin      *float64       `json:"value_min,omitempty"`
	ValueOff      any            `json:"value_off,omitempty"` // of a binary: a string or a boolean
	ValueOn       any            `json:"value_on,omitempty"`
	ValueStep     *float64       `json:"value_step,omitempty"`
	ValueToggle   any            `json:"value_toggle,omitempty"`
	Values        []string       `json:"values,omitempty"` // of an enum
}

// Preset is a value with a name.
type Preset struct {
	Description string `json:"description"`
	Name        string `json:"name"`
	Value       any    `json:"value"`
}

// Numeric, Binary and so on are the types of Expose.
const (
	Numeric   = "numeric"
	Binary    = "binary"
	Enum      = "enum"
	Text      = "text"
	List      = "list"
	Composite = "composite"
	Switch    = "switch"
	Light     = "light"
	Climate   = "climate"
)

// withEndpoint is the expose on an endpoint of this name.
func (e Expose) withEndpoint(name string) Expose {
	if name == "" {
		return e
	}
	e.Endpoint = name
	if e.Property != "" {
		e.Property += "_" + name
	}
	features := make([]Expose, len(e.Features))
	for i, f := range e.Features {
		if e.Type == Composite { // the properties of its value
			features[i] = f
			continue
		}
		features[i] = f.withEndpoint(name)
	}
	if len(features) > 0 {
		e.Features = features
	}
	return e
}

// numeric, flag and choice make the exposes of settings and options.
func numeric(name, description, unit string, access int) Expose {
	return Expose{Type: Numeric, Name: name, Property: name, Label: label(name), Description: description, Unit: unit, Access: access}
}

func (e Expose) between(low, high float64) Expose {
	e.ValueMin, e.ValueMax = &low, &high
	return e
}

func (e Expose) atLeast(low float64) Expose {
	e.ValueMin = &low
	return e
}

func (e Expose) step(v float64) Expose {
	e.ValueStep = &v
	return e
}

func (e Expose) of(category string) Expose {
	e.Category = category
	return e
}

func (e Expose) called(label string) Expose {
	e.Label = label
	return e
}

func flag(name, description string, access int) Expose {
	return eitherOf(name, description, true, false, access)
}

func eitherOf(name, description string, on, off any, access int) Expose {
	return Expose{Type: Binary, Name: name, Property: name, Label: label(name), Description: description, ValueOn: on, ValueOff: off, Access: access}
}

func choice(name, description string, access int, values ...string) Expose {
	e := Expose{Type: Enum, Name: name, Property: name, Label: label(name), Description: description, Access: access}
	e.Values = append(e.Values, values...)
	return e
}

func text(name, description string, access int) Expose {
	return Expose{Type: Text, Name: name, Property: name, Label: label(name), Description: description, Access: access}
}

// label is how people read a name: "power_factor" is "Power factor".
func label(name string) string {
	s := strings.ReplaceAll(name, "_", " ")
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
