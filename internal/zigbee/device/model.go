package device

import (
	"fmt"
	"math"
	"slices"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Model is everything that a device means. It does not change.
type Model struct {
	info    Info
	exposes []Expose
	options []Expose
	setup   []Setup
	sources []Source
}

// For is the model of a device, never nil: its definition, or what its
// clusters say, or nothing for a device that has told nothing yet.
func For(s Subject) *Model {
	if d, ok := Find(s.Identity); ok {
		return &Model{
			info: Info{Model: d.Model, Vendor: d.Vendor, Description: d.Description,
				Supported: true, Source: "native"},
			exposes: d.Exposes, setup: d.Setup, sources: d.sources,
		}
	}
	m := &Model{info: Info{Model: s.ModelID, Vendor: s.ManufacturerName, Description: "Automatically generated definition", Source: "generated"}}
	if s.ModelID != "" || len(s.Endpoints) > 0 {
		m.exposes = Unsupported()
	}
	return m
}

// Info is what people are told of the model.
func (m *Model) Info() Info { return m.info }

// Exposes is what a person sees of the device, the link quality last; nothing
// of a device that has told nothing yet. The list must not be changed.
func (m *Model) Exposes() []Expose { return m.exposes }

// Options is what can be chosen for the device, by name, beside what can be
// chosen for every device. The list must not be changed.
func (m *Model) Options() []Expose { return m.options }

// Setup is done in order once the device is in the network. The list must not
// be changed.
func (m *Model) Setup() []Setup { return m.setup }

// Poll is what must be asked regularly under the device's options.
func (m *Model) Poll(options map[string]any) []Poll { return nil }

// Set is what to do on the device for a message of its /set topic, in order,
// and the state that may be published once it has been done. endpoint is the
// last part of a topic like <name>/l1/set, or empty; state is what the device
// last said. There is an error for each key that cannot be set, a sentence of
// which the device is the subject ("has nothing called 'x' that can be set");
// the others are done.
func (m *Model) Set(message map[string]any, endpoint string, state map[string]any) (list []Action, now map[string]any, errs []error) {
	for key := range message {
		errs = append(errs, fmt.Errorf("has nothing called '%.100s' that can be set", key))
	}
	return nil, nil, errs
}

// Get is what to read from the device for these keys, and an error for each
// key it cannot be asked for, as those of Set.
func (m *Model) Get(keys []string, endpoint string) (list []Action, errs []error) {
	for _, key := range keys {
		s, ok := m.source(key)
		if !ok {
			errs = append(errs, fmt.Errorf("cannot be asked for '%.100s'", key))
			continue
		}
		i := slices.IndexFunc(list, func(a Action) bool {
			return a.Endpoint == s.Endpoint && a.Cluster == s.Cluster && a.Manufacturer == s.Manufacturer && len(a.IDs) < maxRead
		})
		if i < 0 {
			i = len(list)
			list = append(list, Action{Kind: Read, Endpoint: s.Endpoint, Cluster: s.Cluster, Manufacturer: s.Manufacturer})
		}
		list[i].IDs = append(list[i].IDs, s.Attribute)
	}
	return list, errs
}

// maxRead is how many attributes one request asks for; some devices fail on
// more.
const maxRead = 4

func (m *Model) source(key string) (s Source, ok bool) {
	for _, s := range m.sources {
		if s.Quantity.Key == key {
			return s, true
		}
	}
	return Source{}, false
}

// Source is where a quantity comes from and how its raw value becomes the
// quantity: the published number is raw / Divisor.
type Source struct {
	Quantity Quantity
	Endpoint uint8
	Cluster  uint16
	// Manufacturer is the code the attribute must come with, 0 for a standard
	// attribute. Manufacturers reuse the numbers of standard attributes.
	Manufacturer uint16
	Attribute    uint16
	// Divisor is fixed here and never read from the device.
	Divisor float64
	// Max is the largest raw value that can be true; 0 is no limit.
	Max float64
}

// value is the quantity for a raw value.
func (s Source) value(v zcl.Value) (float64, bool) {
	raw, ok := v.Float()
	if !ok || math.IsInf(raw, 0) || s.Max != 0 && raw > s.Max {
		return 0, false
	}
	// Dividing an integer by a power of ten gives the float64 nearest to the
	// decimal number, and that is written with no more digits than it has.
	return round(raw/s.Divisor, s.Quantity.Decimals), true
}

func round(v float64, decimals int) float64 {
	p := math.Pow10(decimals)
	if r := math.Round(v*p) / p; !math.IsInf(r, 0) {
		return r
	}
	return v
}
