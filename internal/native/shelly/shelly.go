// Package shelly learns Shelly devices of the second generation and later from
// what they publish anyway: their notifications and states. They announce
// nothing; Home Assistant asks them over HTTP. It knows the form of these
// messages, and gives entities the names, units and ids of Home Assistant's
// Shelly integration. It must never know how messages travel, or what becomes of
// values.
//
// It is a room of its own beside package discovery, whose documents it does not
// read: what a Shelly measures follows from the names in its messages, which are
// Shelly's alone.
package shelly

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/smartcore-ireland/hems/internal/discovery"
)

// Limits on what a stranger may have us learn.
const (
	maxDevices    = 500
	maxComponents = 64 // of one device
	maxMessage    = 64 << 10
	maxPrefix     = 200
)

// Devices are the Shellys that were heard. The zero value has heard none. It is
// not safe for several goroutines.
type Devices struct {
	byPrefix map[string]*device
}

// device is one Shelly.
type device struct {
	id     string // "shellyplus1pm-a8032ab636ec"
	prefix string // of its topics; the id, unless somebody has chosen another
	parts  map[string]part
}

// part is what is known of a component.
type part struct {
	fields map[string]bool // "apower", "aenergy.total"
	status bool            // it has a topic of its own, with all its fields each time
}

var (
	idForm  = regexp.MustCompile(`^shelly[a-z0-9]*-[0-9a-f]{6,12}$`)
	keyForm = regexp.MustCompile(`^([a-z][a-z0-9]*):([0-9]{1,3})$`)
)

// Filters match the topics on which Shellys are heard, also those of devices
// whose prefix has two levels.
func Filters() []string {
	return []string{"+/events/rpc", "+/+/events/rpc", "+/status/+", "+/+/status/+"}
}

// notification is what is published to <prefix>/events/rpc.
type notification struct {
	Source string                     `json:"src"`
	Method string                     `json:"method"`
	Params map[string]json.RawMessage `json:"params"`
}

// Hear learns from a message. The result is all entities of its device, when
// there are others than before; they read the topics that Filters match.
func (d *Devices) Hear(topic string, payload []byte) (c discovery.Config, news bool) {
	if len(payload) > maxMessage || len(topic) > maxPrefix {
		return c, false
	}
	if prefix, ok := strings.CutSuffix(topic, "/events/rpc"); ok {
		return d.hearNotification(prefix, payload)
	}
	prefix, key, ok := strings.Cut(topic, "/status/")
	if !ok || !keyForm.MatchString(key) {
		return c, false
	}
	return d.hearStatus(prefix, key, payload)
}

func (d *Devices) hearNotification(prefix string, payload []byte) (c discovery.Config, news bool) {
	var n notification
	if json.Unmarshal(payload, &n) != nil || !idForm.MatchString(n.Source) || n.Method != "NotifyStatus" && n.Method != "NotifyFullStatus" {
		return c, false
	}
	dev := d.device(prefix, n.Source)
	if dev == nil {
		return c, false
	}
	for _, key := range slices.Sorted(maps.Keys(n.Params)) {
		if keyForm.MatchString(key) && dev.learn(key, n.Params[key], false) {
			news = true
		}
	}
	if !news {
		return c, false
	}
	return dev.config(), true
}

func (d *Devices) hearStatus(prefix, key string, payload []byte) (c discovery.Config, news bool) {
	id := prefix[strings.LastIndexByte(prefix, '/')+1:]
	known := d.byPrefix[prefix]
	if known != nil {
		id = known.id
	}
	// Others may have such topics too; a Shelly's state says which of its
	// components it is of.
	var state struct {
		ID *int `json:"id"`
	}
	if json.Unmarshal(payload, &state) != nil || state.ID == nil || known == nil && !strings.HasPrefix(id, "shelly") {
		return c, false
	}
	dev := d.device(prefix, id)
	if dev == nil || !dev.learn(key, payload, true) {
		return c, false
	}
	return dev.config(), true
}

// device finds or makes a device; nil when there are too many. Who has another
// id under the same prefix is another device that took its place.
func (d *Devices) device(prefix, id string) *device {
	if dev := d.byPrefix[prefix]; dev != nil && dev.id == id {
		return dev
	}
	if d.byPrefix == nil {
		d.byPrefix = map[string]*device{}
	}
	if len(d.byPrefix) >= maxDevices && d.byPrefix[prefix] == nil {
		return nil
	}
	dev := &device{id: id, prefix: prefix, parts: map[string]part{}}
	d.byPrefix[prefix] = dev
	return dev
}

// learn adds the fields of a component's state; true when some are new, or when
// the component turns out to have a topic of its own.
func (dev *device) learn(key string, state json.RawMessage, status bool) (news bool) {
	kind, _, _ := strings.Cut(key, ":")
	table := measured[kind]
	if table == nil {
		return false
	}
	var fields map[string]any
	if json.Unmarshal(state, &fields) != nil {
		return false
	}
	p, known := dev.parts[key]
	if !known {
		if len(dev.parts) >= maxComponents {
			return false
		}
		p.fields = map[string]bool{}
	}
	for _, q := range table {
		if _, ok := find(fields, q.field); ok && !p.fields[q.field] {
			p.fields[q.field], news = true, true
		}
	}
	if status && !p.status {
		p.status, news = true, news || len(p.fields) > 0
	}
	if len(p.fields) > 0 {
		dev.parts[key] = p
	}
	return news
}

// find follows a path of keys; null is nothing.
func find(fields map[string]any, path string) (any, bool) {
	first, rest, more := strings.Cut(path, ".")
	v := fields[first]
	if !more {
		return v, v != nil
	}
	below, ok := v.(map[string]any)
	if !ok {
		return nil, false
	}
	return find(below, rest)
}

// config is the device's entities.
func (dev *device) config() discovery.Config {
	c := discovery.Config{ID: "shelly/" + dev.id}
	for _, key := range slices.Sorted(maps.Keys(dev.parts)) {
		p := dev.parts[key]
		kind, number, _ := strings.Cut(key, ":")
		for _, q := range measured[kind] {
			if p.fields[q.field] {
				c.Entities = append(c.Entities, dev.entity(kind, number, p, q))
			}
		}
	}
	return c
}

func (dev *device) entity(kind, number string, p part, q quantity) discovery.Entity {
	model, mac, _ := strings.Cut(dev.id, "-")
	key := kind + ":" + number
	path := "value_json"
	topic := dev.prefix + "/status/" + key
	if !p.status {
		topic = dev.prefix + "/events/rpc"
		path += fmt.Sprintf(".params['%s']", key)
	}
	e := discovery.Entity{
		Component: "sensor",
		Key:       key + "-" + q.attribute,
		EntityID:  discovery.EntityID(dev.name(kind, number, q.phase), q.name),
		Divisor:   q.divisor,
		Document: discovery.Document{
			Name: q.name, StateTopic: topic, ValueTemplate: "{{ " + path + "." + q.field + " }}",
			UnitOfMeasurement: q.unit, DeviceClass: q.class, StateClass: q.state,
			UniqueID: strings.ToUpper(mac) + "-" + key + "-" + q.attribute,
			Device:   &discovery.Device{Identifiers: []string{strings.ToUpper(mac)}, Name: dev.id, Model: model, Manufacturer: "Shelly"},
		},
		Available: []discovery.Availability{{Topic: dev.prefix + "/online", Available: "true", NotAvail: "false"}},
	}
	if q.binary {
		e.Component, e.On, e.Off = "switch", "True", "False"
		e.UniqueID = strings.ToUpper(mac) + "-" + key
	}
	var err error
	if e.Template, err = discovery.Compile(e.ValueTemplate); err != nil {
		panic(err) // it is of our own making
	}
	return e
}

// name is that of the device, or where it has several of the kind, of the part
// of it: "<id> Switch 1", "<id> Phase A".
func (dev *device) name(kind, number, phase string) string {
	kind = strings.TrimSuffix(kind, "data")
	switch {
	case phase != "":
		return dev.id + " Phase " + phase
	case kind == "em":
		return dev.id
	case kind == "em1" && dev.several(kind):
		return dev.id + " Energy Meter " + number
	case dev.several(kind):
		return dev.id + " " + strings.ToUpper(kind[:1]) + kind[1:] + " " + number
	}
	return dev.id
}

// several tells whether the device has more than one of the kind: some of them
// may not have been heard yet, and names should not change.
func (dev *device) several(kind string) bool {
	n := 0
	for key := range dev.parts {
		if k, number, _ := strings.Cut(key, ":"); strings.TrimSuffix(k, "data") == kind {
			if number != "0" {
				return true
			}
			n++
		}
	}
	model, _, _ := strings.Cut(dev.id, "-")
	return n > 0 && multiple.MatchString(model) && slices.Contains([]string{"switch", "light", "em1", "input"}, kind)
}

// multiple are the models with several channels: shellyplus2pm, shellypro4pm,
// shelly2pmg3, shellypro2, shellypro3, shellyproem50, shellyemg3.
var multiple = regexp.MustCompile(`^shelly(plus|pro)?([2-9](pm|l|cover)?|em50|em|emmini)(g[3-9])?$`)
