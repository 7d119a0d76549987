package discovery

// Document is one entity as Home Assistant's MQTT discovery describes it, in
// the long form of the keys. The bridge writes it and Parse reads it, both the
// long and the abbreviated form. Source: Home Assistant, MQTT integration,
// "MQTT discovery" and "MQTT sensor".
//
// The order of the fields is the order of the keys on the wire.
type Document struct {
	Name              string  `json:"name,omitempty"`
	StateTopic        string  `json:"state_topic,omitempty"`
	ValueTemplate     string  `json:"value_template,omitempty"`
	UnitOfMeasurement string  `json:"unit_of_measurement,omitempty"`
	DeviceClass       string  `json:"device_class,omitempty"`
	StateClass        string  `json:"state_class,omitempty"`
	UniqueID          string  `json:"unique_id,omitempty"`
	AvailabilityTopic string  `json:"availability_topic,omitempty"`
	Device            *Device `json:"device,omitempty"`
}

// Device is the device an entity belongs to.
type Device struct {
	Identifiers  []string `json:"identifiers,omitempty"`
	Name         string   `json:"name,omitempty"`
	Model        string   `json:"model,omitempty"`
	Manufacturer string   `json:"manufacturer,omitempty"`
	SWVersion    string   `json:"sw_version,omitempty"`
}
