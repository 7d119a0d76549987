package bridge

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	model "github.com/smartcore-ireland/hems/internal/zigbee/device"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
)

// device is a device of the network with what is known about its model.
type device struct {
	network.Device
	form     model.Form
	subject  model.Subject
	model    *model.Model // what its messages mean
	decoder  *model.Decoder
	memory   []byte   // of the decoder before it
	settings settings // its options
	entities []entity // what Home Assistant is told of it
	nulls    []field  // keys that its state always has, by key
	splits   []string // endpoints that have a topic of their own
	triggers map[string]bool
	retained []string // its topics in retained, under its present name
	renamed  int      // how often of late: its descriptions wait
	removing bool     // a person asked for it: its departure is no news

	topic     string          // of its state, as last published
	debounce  *time.Timer     // its state is held back until then
	held      map[string]bool // what has changed meanwhile
	moment    []field         // what has happened meanwhile
	published time.Time       // when it was last, for a device that is held back
}

// newDevice is a device with what its decoder remembers of it, if anything.
func (b *Bridge) newDevice(n network.Device) *device {
	d := &device{form: model.Reference}
	if b.z2m2() {
		d.form = model.Z2M2
	}
	if st, ok := b.states.of[n.EUI64]; ok {
		d.memory = st.Decoder
	}
	d.update(n)
	b.settle(d)
	return d
}

// update takes what the network says of the device now.
func (d *device) update(n network.Device) {
	d.Device = n
	s := n.Subject()
	s.Form = d.form
	if d.model == nil || !reflect.DeepEqual(s, d.subject) {
		d.subject, d.model = s, model.For(s)
		if d.decoder != nil {
			d.memory = d.decoder.Memory()
		}
		d.decoder = d.model.NewDecoder(d.memory)
		d.model = d.decoder.Model()
		d.memory = nil
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
