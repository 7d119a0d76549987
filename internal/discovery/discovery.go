// Package discovery knows Home Assistant's MQTT discovery: the documents by
// which devices announce their entities, the ids Home Assistant gives them, and
// the templates that take an entity's value from a state. The bridge writes
// documents, the metrics writer and the dashboard read them. The package must
// never know what kind of device speaks, or what becomes of a value.
package discovery

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// DefaultPrefix is the topic under which documents are published.
const DefaultPrefix = "homeassistant"

// Limits on what a stranger may send.
const (
	// MaxDocument is the size of the longest document read, in bytes. A device
	// document with a hundred components takes about 60 kB.
	MaxDocument = 256 << 10
	// MaxComponents is how many entities one device document may have.
	MaxComponents = 500
	// maxName bounds names, topics, units and ids, in bytes.
	maxName = 512
)

// ErrTopic: the topic is not one of a discovery document. Such messages are
// other devices' own business and are best passed over in silence.
var ErrTopic = errors.New("not the topic of a discovery document")

// ErrUnknown: a template calls what Home Assistant has and this package has
// not.
var ErrUnknown = errors.New("not known here")

// Entity is one entity as a document describes it.
type Entity struct {
	// Document has the keys in their long form, with the base topic `~` put in.
	Document
	// Component is the domain: "sensor", "binary_sensor".
	Component string
	// Key names the entity within its document: the object id of the topic, or
	// the component's key in a device document.
	Key string
	// EntityID is the id Home Assistant would give, without the domain:
	// "frient_blink_counter_power".
	EntityID string
	// Template takes the entity's value from a state; the zero value takes it
	// as it is.
	Template *Template
	// Divisor divides the value's number: of devices that measure in another unit
	// than the entity's. 0: none.
	Divisor float64
	// On and Off are the two values of an entity that is Binary.
	On, Off string
	// Numeric: Home Assistant takes nothing but numbers for its state.
	Numeric bool
	// Options are the texts that its state may be; none: any.
	Options []string
	// Disabled: Home Assistant has no states of it until a person wants them.
	Disabled bool
	// Available says where to look for the entity's availability; empty: it is
	// always available.
	Available []Availability
	// AvailabilityMode is "latest" (default), "all" or "any".
	AvailabilityMode string
	// ExpireAfter is after how many seconds without a state the entity counts
	// as unavailable; 0: never.
	ExpireAfter float64
}

// Availability is a topic and what it says when the entity can be used.
type Availability struct {
	Topic               string
	Available, NotAvail string    // payloads, "online" and "offline" by default
	Template            *Template // takes the payload from the message
}

// Config is the content of one discovery topic.
type Config struct {
	// ID names the announcement: the topic without prefix and "/config".
	ID string
	// Entities are those it announces; none when it takes them back.
	Entities []Entity
	// Faults are entities of a device document that cannot be used, and why.
	Faults []error
}

// The parts of a topic below the prefix.
var topicParts = regexp.MustCompile(`^([a-z0-9_]+)/(?:([a-zA-Z0-9_-]+)/)?([a-zA-Z0-9_-]+)/config$`)

// Parse reads the document published at topic, which begins with prefix
// ("homeassistant"). An empty payload takes the announcement back and gives a
// Config without entities. The error is ErrTopic for topics of other kinds.
func Parse(prefix, topic string, payload []byte) (Config, error) {
	rest, ok := strings.CutPrefix(topic, prefix+"/")
	if !ok || len(topic) > maxName {
		return Config{}, ErrTopic
	}
	m := topicParts.FindStringSubmatch(rest)
	if m == nil {
		return Config{}, ErrTopic
	}
	component, key := m[1], m[3]
	c := Config{ID: strings.TrimSuffix(rest, "/config")}
	if len(payload) == 0 {
		return c, nil
	}
	if len(payload) > MaxDocument {
		return c, fmt.Errorf("discovery document at %s: it has %d bytes, more than %d", topic, len(payload), MaxDocument)
	}
	var o object
	if err := json.Unmarshal(payload, &o); err != nil {
		return c, fmt.Errorf("discovery document at %s: %w", topic, err)
	}
	if o == nil {
		return c, fmt.Errorf("discovery document at %s: it is null, and should be an object; publish an empty message to remove the entity", topic)
	}
	o = o.expand(topLevel)
	if component == "device" {
		if err := c.parseComponents(o); err != nil {
			return c, fmt.Errorf("discovery document at %s: %w", topic, err)
		}
		return c, nil
	}
	o.putBase()
	e, err := parseEntity(component, key, o)
	if err != nil {
		return c, fmt.Errorf("discovery document at %s: %w", topic, err)
	}
	c.Entities = []Entity{e}
	return c, nil
}

// parseComponents reads a document of a whole device: keys that all its
// entities share, and under components what is each one's own.
func (c *Config) parseComponents(o object) error {
	var components map[string]object
	if err := o.get("components", &components); err != nil {
		return err
	}
	if len(components) > MaxComponents {
		return fmt.Errorf("it has %d components, more than %d", len(components), MaxComponents)
	}
	delete(o, "components")
	for _, key := range sortedKeys(components) {
		own := components[key].expand(topLevel)
		component := own.text("platform")
		delete(own, "platform")
		if len(own) == 0 {
			continue // only a platform: the component is taken back
		}
		for k, v := range o {
			if _, ok := own[k]; !ok {
				own[k] = v
			}
		}
		own.putBase()
		e, err := parseEntity(component, key, own)
		if err != nil {
			c.Faults = append(c.Faults, fmt.Errorf("discovery document of %s: component %s: %w", c.ID, key, err))
			continue
		}
		c.Entities = append(c.Entities, e)
	}
	return nil
}

// parseEntity reads the keys of one entity.
func parseEntity(component, key string, o object) (Entity, error) {
	e := Entity{Component: component, Key: key}
	e.Document = Document{
		Name:              o.text("name"),
		StateTopic:        o.text("state_topic"),
		ValueTemplate:     o.text("value_template"),
		UnitOfMeasurement: printable(o.text("unit_of_measurement")),
		DeviceClass:       o.text("device_class"),
		StateClass:        o.text("state_class"),
		UniqueID:          o.text("unique_id"),
		AvailabilityTopic: o.text("availability_topic"),
	}
	if component == "" {
		return e, errors.New("it does not say what platform it is")
	}
	if err := e.checkLimits(); err != nil {
		return e, err
	}
	e.Device = parseDevice(o)
	var err error
	source := e.ValueTemplate
	if component == "light" {
		source = lightTemplate(o)
	}
	if e.Template, err = Compile(source); err != nil {
		return e, &TemplateError{Measures: e.UnitOfMeasurement != "" || e.StateClass != "", err: err}
	}
	e.On, e.Off = o.word("payload_on", "ON"), o.word("payload_off", "OFF")
	switch {
	case component == "switch":
		e.On, e.Off = o.word("state_on", e.On), o.word("state_off", e.Off)
	case component == "light" && o.text("schema") == "template":
		e.On, e.Off = "on", "off"
	}
	e.parseStates(o)
	if err := e.parseAvailability(o); err != nil {
		return e, err
	}
	_ = o.get("expire_after", &e.ExpireAfter) // of a wrong type: never
	e.EntityID = e.entityID(o)
	return e, nil
}

// TemplateError: the template of an entity's value cannot be understood.
type TemplateError struct {
	// Measures: the entity is a quantity, with a unit or a state class. Others
	// are texts for people.
	Measures bool
	err      error
}

func (e *TemplateError) Error() string { return "value_template: " + e.err.Error() }

// Unwrap is what is wrong with the template.
func (e *TemplateError) Unwrap() error { return e.err }

func (e *Entity) checkLimits() error {
	for key, v := range map[string]string{
		"name": e.Name, "state_topic": e.StateTopic, "unit_of_measurement": e.UnitOfMeasurement,
		"device_class": e.DeviceClass, "state_class": e.StateClass, "unique_id": e.UniqueID,
	} {
		if len(v) > maxName {
			return fmt.Errorf("%s has %d bytes, more than %d", key, len(v), maxName)
		}
	}
	if strings.ContainsAny(e.StateTopic, "+#\x00") {
		return fmt.Errorf("state_topic %q has a wildcard; it should name one topic", e.StateTopic)
	}
	return nil
}

func parseDevice(o object) *Device {
	var d object
	if o.get("device", &d) != nil || d == nil {
		return nil
	}
	d = d.expand(deviceLevel)
	return &Device{
		Identifiers:  d.texts("identifiers"),
		Name:         clip(d.text("name")),
		Model:        clip(d.text("model")),
		Manufacturer: clip(d.text("manufacturer")),
		SWVersion:    clip(d.text("sw_version")),
	}
}

// parseAvailability reads the two ways of saying where availability is: one
// topic, or a list of topics; both may have a template.
func (e *Entity) parseAvailability(o object) error {
	e.AvailabilityMode = "latest"
	if m := o.text("availability_mode"); m == "all" || m == "any" {
		e.AvailabilityMode = m
	}
	var list []object
	if err := o.get("availability", &list); err != nil {
		// Home Assistant takes a single object for a list of one.
		var one object
		if o.get("availability", &one) != nil {
			return fmt.Errorf("availability: %w", err)
		}
		list = []object{one}
	}
	if e.AvailabilityTopic != "" {
		list = append(list, object{
			"topic":                 o["availability_topic"],
			"value_template":        o["availability_template"],
			"payload_available":     o["payload_available"],
			"payload_not_available": o["payload_not_available"],
		})
	}
	for _, a := range list {
		a = a.expand(availabilityLevel)
		v := Availability{Topic: a.text("topic"), Available: a.textOr("payload_available", "online"), NotAvail: a.textOr("payload_not_available", "offline")}
		if v.Topic == "" || len(v.Topic) > maxName || strings.ContainsAny(v.Topic, "+#\x00") {
			return fmt.Errorf("availability: %q is not the name of a topic", clip(v.Topic))
		}
		var err error
		if v.Template, err = Compile(a.text("value_template")); err != nil {
			return fmt.Errorf("availability: value_template: %w", err)
		}
		e.Available = append(e.Available, v)
	}
	return nil
}

// printable leaves out what no unit has: a line of a database ends with a newline.
func printable(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s))
}

// clip cuts what is only shown to a bearable length, between characters.
func clip(s string) string {
	if len(s) <= maxName {
		return s
	}
	return strings.ToValidUTF8(s[:maxName], "")
}
