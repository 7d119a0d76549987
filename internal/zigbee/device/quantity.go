package device

// Quantity is something devices measure, independent of the device: its key in
// a state message, its unit, and how people see it.
type Quantity struct {
	Key         string
	Label       string
	Description string
	Unit        string
	// Decimals is the resolution of the published number. Energy has three,
	// the full resolution of a counter of watt hours: a half hour's cost is
	// made of differences, and two decimals would lose 10 Wh in each.
	Decimals int
	// Diagnostic marks what is about the device and not about the home.
	Diagnostic bool
	// Min and Max are the range shown to people, when Max is not 0.
	Min, Max float64
}

// The quantities.
var (
	Power = Quantity{
		Key: "power", Label: "Power", Unit: "W", Decimals: 2,
		Description: "Power drawn at this moment",
	}
	Energy = Quantity{
		Key: "energy", Label: "Energy", Unit: "kWh", Decimals: 3,
		Description: "Energy consumed, as the device has counted it",
	}
	Battery = Quantity{
		Key: "battery", Label: "Battery", Unit: "%", Decimals: 1, Diagnostic: true, Max: 100,
		Description: "Charge left in the battery",
	}
	BatteryVoltage = Quantity{
		Key: "voltage", Label: "Voltage", Unit: "V", Decimals: 1, Diagnostic: true,
		Description: "Voltage of the battery",
	}
	LinkQuality = Quantity{
		Key: "linkquality", Label: "Linkquality", Unit: "lqi", Diagnostic: true, Max: 255,
		Description: "Strength of the radio link, 0 to 255",
	}
)

// expose is the quantity as a person sees it.
func (q Quantity) expose(access int) Expose {
	e := Expose{
		Access:      access,
		Description: q.Description,
		Label:       q.Label,
		Name:        q.Key,
		Property:    q.Key,
		Type:        "numeric",
		Unit:        q.Unit,
	}
	if q.Diagnostic {
		e.Category = "diagnostic"
	}
	if q.Max != 0 {
		e.ValueMin, e.ValueMax = &q.Min, &q.Max
	}
	return e
}

// Unsupported is what a person sees of a device without a definition.
func Unsupported() []Expose { return []Expose{LinkQuality.expose(AccessState)} }
