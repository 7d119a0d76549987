package bridge

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/smartcore-ireland/hems/internal/discovery"
	model "github.com/smartcore-ireland/hems/internal/zigbee/device"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
)

// device is a device of the network with what is known about its model.
type device struct {
	network.Device
	subject  model.Subject
	model    *model.Model // what its messages mean
	decoder  *model.Decoder
	retained []string // its topics in retained, under its present name
	renamed  int      // how often of late: its descriptions wait
}

func newDevice(d network.Device) *device {
	dev := &device{}
	dev.update(d)
	return dev
}

// update takes what the network says of the device now.
func (d *device) update(n network.Device) {
	d.Device = n
	if s := n.Subject(); d.model == nil || !reflect.DeepEqual(s, d.subject) {
		d.subject, d.model = s, model.For(s)
		var memory []byte
		if d.decoder != nil {
			memory = d.decoder.Memory()
		}
		d.decoder = d.model.NewDecoder(memory)
	}
}

// interviewed reports whether the device has said all about itself.
func (d *device) interviewed() bool { return d.Interview == network.InterviewSuccessful }

// known reports whether there is a definition of the device's model.
func (d *device) known() bool { return d.model.Info().Supported }

// exposes is what a person sees of the device: nothing until it is known what
// it is, the link quality alone when its model has no definition.
func (d *device) exposes() []model.Expose {
	if d.known() || d.interviewed() {
		return d.model.Exposes()
	}
	return nil
}

// shownModel and shownVendor are as people know them, or as the device says.
func (d *device) shownModel() string {
	if d.known() {
		return d.model.Info().Model
	}
	return clean(d.ModelID)
}

func (d *device) shownVendor() string {
	if d.known() {
		return d.model.Info().Vendor
	}
	return clean(d.ManufacturerName)
}

// version is the device's software: its build, else the day it was made.
func (d *device) version() string {
	if v := clean(d.SWBuildID); v != "" {
		return v
	}
	return clean(d.DateCode)
}

// clean is a device's string for people: without the NULs and spaces that
// devices pad with.
func clean(s string) string { return strings.ToValidUTF8(strings.Trim(s, "\x00 "), "\uFFFD") }

// classes are what Home Assistant wants to know of a quantity, by its key.
var classes = map[string]struct{ device, state string }{
	"power":       {"power", "measurement"},
	"energy":      {"energy", "total_increasing"},
	"voltage":     {"voltage", "measurement"},
	"battery":     {"battery", "measurement"},
	"linkquality": {"", "measurement"},
}

// documents are the descriptions of the device's quantities for Home Assistant,
// by topic.
func (b *Bridge) documents(d *device) map[string]discovery.Document {
	name := b.names.name(d.EUI64)
	list := make(map[string]discovery.Document)
	for _, e := range d.exposes() {
		doc := discovery.Document{
			Name:              title(name) + " " + title(e.Property),
			StateTopic:        b.topics.state(name),
			ValueTemplate:     "{{ value_json." + e.Property + " }}",
			UnitOfMeasurement: e.Unit,
			DeviceClass:       classes[e.Property].device,
			StateClass:        classes[e.Property].state,
			UniqueID:          d.EUI64.String() + "_" + e.Property + uniqueIDSuffix,
			AvailabilityTopic: b.topics.availability(name),
			Device: &discovery.Device{
				Identifiers:  []string{"zigbee2mqtt_" + d.EUI64.String()},
				Name:         title(name),
				Model:        d.shownModel(),
				Manufacturer: d.shownVendor(),
			},
		}
		// The contract has the version in this one only.
		if e.Property == "power" {
			doc.Device.SWVersion = d.version()
		}
		list[b.topics.discovery(name, e.Property)] = doc
	}
	return list
}

// uniqueIDSuffix ends the unique ids of our discovery documents.
const uniqueIDSuffix = "_zigbee2mqtt"

// setDevice wants the retained topics of a device as it is now: availability
// and descriptions. Descriptions that it no longer has are cleared.
func (b *Bridge) setDevice(d *device) {
	name := b.names.name(d.EUI64)
	availability := offline
	if d.Available {
		availability = online
	}
	b.retained.set(b.topics.availability(name), []byte(availability), 1)
	topics := []string{b.topics.availability(name)}
	documents := b.documents(d)
	if d.renamed > 0 {
		documents = nil
	}
	for _, topic := range slices.Sorted(maps.Keys(documents)) {
		payload, err := json.Marshal(documents[topic])
		if err != nil { // strings always marshal
			panic(err)
		}
		b.retained.set(topic, payload, 1)
		topics = append(topics, topic)
	}
	for _, topic := range d.retained {
		switch {
		case slices.Contains(topics, topic):
		case d.exposes() == nil && d.renamed == 0: // it is being asked again what it is
			topics = append(topics, topic)
		default:
			b.retained.clear(topic)
		}
	}
	d.retained = topics
}

// clearDevice wants nothing on any topic under the device's present name.
func (b *Bridge) clearDevice(d *device) {
	for _, topic := range d.retained {
		b.retained.clear(topic)
	}
	d.retained = nil
	b.retained.clear(b.topics.state(b.names.name(d.EUI64)))
}

// publishState publishes the last known value of every key of the device.
func (b *Bridge) publishState(d *device, st *state) {
	topic := b.topics.state(b.names.name(d.EUI64))
	b.retained.forget(topic) // a name that was free until now may be to be cleared
	b.send(topic, st.payload(), true)
}

// republishState publishes the state once more, unless it is too old to be
// taken for one of now.
func (b *Bridge) republishState(d *device) {
	st, ok := b.states.of[d.EUI64]
	if !ok || len(st.Values) == 0 {
		return
	}
	if age := b.now().UnixMilli() - st.At; age < staleAfter.Milliseconds() && age > -staleAfter.Milliseconds() {
		b.publishState(d, st)
	}
}

// find is the device with this friendly name or address.
func (b *Bridge) find(id string) (*device, bool) {
	for e, d := range b.devices {
		if b.names.name(e) == id || strings.EqualFold(e.String(), id) {
			return d, true
		}
	}
	return nil, false
}

// sorted is the devices in the order in which they joined.
func (b *Bridge) sorted() []*device {
	return slices.SortedFunc(maps.Values(b.devices), func(x, y *device) int {
		if c := x.Joined.Compare(y.Joined); c != 0 {
			return c
		}
		if x.EUI64 < y.EUI64 {
			return -1
		}
		return 1
	})
}
