// Package tasmota reads Tasmota's own discovery: what a device is and where it
// speaks, and an example of what its sensors say. It gives entities the names,
// units and ids of Home Assistant's Tasmota integration. It must never know how
// messages travel, or what becomes of values.
//
// It is a room of its own beside package discovery: the documents are Tasmota's,
// and two of them make one device. What a Tasmota announces with SetOption19, of
// older versions, is Home Assistant's form and package discovery's.
package tasmota

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/smartcore-ireland/hems/internal/discovery"
)

// Limits on what a stranger may have us learn.
const (
	maxDevices  = 500
	maxMessage  = 64 << 10
	maxEntities = 100 // of one device
	maxDepth    = 3   // of a sensor's values: ENERGY.Total.Phase1
	maxName     = 200
)

// Devices are the Tasmotas that were heard. The zero value has heard none. It is
// not safe for several goroutines.
type Devices struct{ byMAC map[string]*device }

// device is what the two documents say.
type device struct {
	config  config
	sensors map[string]any
}

// config is the document tasmota/discovery/<MAC>/config, as far as it matters.
type config struct {
	Name      string   `json:"dn"`
	MAC       string   `json:"mac"`
	Model     string   `json:"md"`
	Online    string   `json:"onln"`
	Offline   string   `json:"ofln"`
	Version   string   `json:"sw"`
	Topic     string   `json:"t"`
	FullTopic string   `json:"ft"`
	Prefixes  []string `json:"tp"` // cmnd, stat, tele
}

// Filters match the topics of the documents, which are retained.
func Filters() []string { return []string{"tasmota/discovery/+/config", "tasmota/discovery/+/sensors"} }

var macForm = regexp.MustCompile(`^[0-9A-Fa-f]{12}$`)

// Hear reads a document. The result is all entities of its device when the
// document changes them; none when an empty one takes them back.
func (d *Devices) Hear(topic string, payload []byte) (c discovery.Config, news bool) {
	rest, ok := strings.CutPrefix(topic, "tasmota/discovery/")
	mac, kind, ok2 := strings.Cut(rest, "/")
	if !ok || !ok2 || !macForm.MatchString(mac) || len(payload) > maxMessage {
		return c, false
	}
	dev := d.byMAC[mac]
	if dev == nil {
		if len(payload) == 0 || len(d.byMAC) >= maxDevices {
			return c, false
		}
		if d.byMAC == nil {
			d.byMAC = map[string]*device{}
		}
		dev = &device{}
		d.byMAC[mac] = dev
	}
	switch kind {
	case "config":
		var cfg config
		if len(payload) > 0 && (json.Unmarshal(payload, &cfg) != nil || !cfg.usable()) {
			return c, false
		}
		dev.config = cfg
	case "sensors":
		var doc struct {
			Sensors map[string]any `json:"sn"`
		}
		if len(payload) > 0 && json.Unmarshal(payload, &doc) != nil {
			return c, false
		}
		dev.sensors = doc.Sensors
	default:
		return c, false
	}
	return dev.entities(mac), true
}

// usable tells whether the device can be found by what it says.
func (c config) usable() bool {
	return c.Topic != "" && len(c.Prefixes) >= 3 && len(c.Name) <= maxName && len(c.telemetry()) <= maxName &&
		!strings.ContainsAny(c.telemetry(), "+#\x00")
}

// telemetry is the topic under which the device speaks of its own accord.
func (c config) telemetry() string {
	full := c.FullTopic
	if full == "" {
		full = "%prefix%/%topic%/"
	}
	full = strings.NewReplacer("%prefix%", c.Prefixes[2], "%topic%", c.Topic, "%hostname%", "", "%id%", c.MAC).Replace(full)
	if !strings.HasSuffix(full, "/") {
		full += "/"
	}
	return full
}

// entities are what the sensors' example promises.
func (dev *device) entities(mac string) discovery.Config {
	c := discovery.Config{ID: "tasmota/" + mac}
	if dev.config.Topic == "" {
		return c
	}
	units := map[string]string{"TempUnit": "C", "PressureUnit": "hPa", "SpeedUnit": "km/h"}
	for key := range units {
		if u, ok := dev.sensors[key].(string); ok {
			units[key] = u
		}
	}
	for _, sensor := range slices.Sorted(maps.Keys(dev.sensors)) {
		if values, ok := dev.sensors[sensor].(map[string]any); ok {
			dev.add(&c, mac, []string{sensor}, values, units)
		}
	}
	return c
}

// add makes entities of values, which may be lists and groups of values.
func (dev *device) add(c *discovery.Config, mac string, path []string, values map[string]any, units map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		at := append(slices.Clone(path), key)
		switch v := values[key].(type) {
		case float64:
			dev.addOne(c, mac, at, units)
		case []any:
			for i := range v {
				dev.addOne(c, mac, append(slices.Clone(at), strconv.Itoa(i)), units)
			}
		case map[string]any:
			if len(at) < maxDepth {
				dev.add(c, mac, at, v, units)
			}
		}
	}
}

func (dev *device) addOne(c *discovery.Config, mac string, path []string, units map[string]string) {
	if len(c.Entities) >= maxEntities {
		return
	}
	for _, step := range path { // what could not be written in a template
		if step == "" || strings.ContainsAny(step, `'"\[]{}`) {
			return
		}
	}
	q := quantityOf(path, units)
	name := strings.Join(path, " ")
	e := discovery.Entity{
		Component: "sensor",
		Key:       strings.Join(path, "_"),
		EntityID:  discovery.EntityID(dev.config.Name, name),
		Document: discovery.Document{
			Name: name, StateTopic: dev.config.telemetry() + "SENSOR",
			ValueTemplate:     fmt.Sprintf("{{ value_json['%s'] }}", strings.Join(path, "']['")),
			UnitOfMeasurement: q.unit, DeviceClass: q.class, StateClass: q.state,
			UniqueID: strings.ToUpper(mac) + "_sensor_sensor_" + strings.Join(path, "_"),
			Device: &discovery.Device{Identifiers: []string{strings.ToUpper(mac)}, Name: dev.config.Name,
				Model: dev.config.Model, Manufacturer: "Tasmota", SWVersion: dev.config.Version},
		},
		Available: []discovery.Availability{{Topic: dev.config.telemetry() + "LWT", Available: or(dev.config.Online, "Online"), NotAvail: or(dev.config.Offline, "Offline")}},
	}
	var err error
	if e.Template, err = discovery.Compile(e.ValueTemplate); err != nil {
		return // a key that cannot be written down
	}
	c.Entities = append(c.Entities, e)
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
