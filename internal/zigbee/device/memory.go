package device

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
)

// memory is what a decoder remembers, as it is kept.
type memory struct {
	// Attributes are scales and modes by endpoint/cluster/manufacturer/attribute,
	// in hexadecimal but for the endpoint; null is one that the device does not
	// have.
	Attributes map[string]*float64 `json:"attributes,omitempty"`
	Counters   map[string]*counter `json:"counters,omitempty"`
	On         *bool               `json:"on,omitempty"`
	Extra      map[string]any      `json:"extra,omitempty"`
}

func (a address) String() string {
	return fmt.Sprintf("%d/%04x/%04x/%04x", a.endpoint, a.cluster, a.manufacturer, a.attribute)
}

// Memory is what there is to remember, as JSON for people too; nil is nothing.
func (d *Decoder) Memory() []byte {
	m := memory{On: d.on, Counters: d.counters, Extra: d.extra}
	for i, a := range d.model.slots {
		switch s := d.slots[i]; s.state {
		case told:
			if m.Attributes == nil {
				m.Attributes = make(map[string]*float64)
			}
			m.Attributes[a.String()] = &s.value
		case absent:
			if m.Attributes == nil {
				m.Attributes = make(map[string]*float64)
			}
			m.Attributes[a.String()] = nil
		}
	}
	if len(m.Attributes) == 0 && len(m.Counters) == 0 && m.On == nil && len(m.Extra) == 0 {
		return nil
	}
	b, err := json.Marshal(m)
	if err != nil { // numbers are finite, the rest is text
		return nil
	}
	return b
}

// maxMemory bounds what is read of a memory.
const maxMemory = 64 << 10

// recall takes what was remembered, as far as it fits the model.
func (d *Decoder) recall(b []byte) {
	var m memory
	if len(b) == 0 || len(b) > maxMemory || json.Unmarshal(b, &m) != nil {
		return
	}
	d.on = m.On
	if m.Extra != nil {
		d.extra = m.Extra
	}
	for key, c := range m.Counters {
		if c != nil && !math.IsNaN(c.Value) && d.model.counts(key) {
			d.counters[key] = c
		}
	}
	for i, a := range d.model.slots {
		v, ok := m.Attributes[a.String()]
		switch {
		case ok && v == nil:
			d.slots[i] = slot{state: absent}
		case ok:
			d.slots[i] = slot{*v, told}
		}
	}
}

// counts reports whether the model has a counter of this key.
func (m *Model) counts(key string) bool {
	if m.info.Source == "generated" && len(key) < 64 {
		return true
	}
	for _, e := range m.exposes {
		if e.Property == key {
			return true
		}
	}
	// Some are taken and listed nowhere: the ZLinky's other lines.
	return slices.ContainsFunc(m.bounds, func(b *bound) bool { return b.counter && b.key == key })
}
