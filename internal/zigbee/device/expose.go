package device

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
	ItemType    *Expose  `json:"item_type,omitempty"` // of a list
	Label       string   `json:"label,omitempty"`
	Name        string   `json:"name,omitempty"`
	Presets     []Preset `json:"presets,omitempty"`
	Property    string   `json:"property,omitempty"`
	Type        string   `json:"type"`
	Unit        string   `json:"unit,omitempty"`
	ValueMax    *float64 `json:"value_max,omitempty"`
	ValueMin    *float64 `json:"value_min,omitempty"`
	ValueOff    any      `json:"value_off,omitempty"` // of a binary: a string or a boolean
	ValueOn     any      `json:"value_on,omitempty"`
	ValueStep   *float64 `json:"value_step,omitempty"`
	ValueToggle any      `json:"value_toggle,omitempty"`
	Values      []string `json:"values,omitempty"` // of an enum
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
