package device

import (
	"math"
	"reflect"
	"slices"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// remember keeps the value of a slot, and reports whether it is another.
func (d *Decoder) remember(i int, a *zcl.Attribute) bool {
	old := d.slots[i]
	if a.Status != zcl.StatusSuccess {
		if old.state == untold {
			d.slots[i] = slot{state: absent}
			return true
		}
		return false
	}
	v, ok := numberOf(a.Value)
	if !ok {
		if old.state == untold {
			d.slots[i] = slot{state: absent}
		}
		return false
	}
	if d.model.watched[d.model.slots[i]] == itsPresence {
		if v == 0 && old.state == told {
			return false // it was there
		}
		v = min(math.Abs(v), 1)
		if v != 0 {
			v = 1
		}
	}
	d.slots[i] = slot{v, told}
	return old != d.slots[i]
}

// numberOf is a value as the number that it is remembered as.
func numberOf(v zcl.Value) (float64, bool) {
	if b, ok := v.Bool(); ok {
		if b {
			return 1, true
		}
		return 0, true
	}
	if s, ok := v.Text(); ok {
		return textCode(s), true
	}
	return v.Float()
}

// rebuild makes the model anew by what the device has told of what it is, and
// reports whether it is another.
func (d *Decoder) rebuild() bool {
	if len(d.model.watched) == 0 {
		return false
	}
	learnt := make(map[address]float64)
	for _, t := range d.model.subject.Told {
		learnt[address{t.Endpoint, t.Cluster, t.Manufacturer, t.Attribute}] = t.Value
	}
	for i, a := range d.model.slots {
		if d.slots[i].state != told {
			continue
		}
		switch d.model.watched[a] {
		case theValue:
			learnt[a] = d.slots[i].value
		case itsPresence:
			if d.slots[i].value != 0 {
				learnt[a] = 1
			}
		}
	}
	m := modelOf(d.model.subject, learnt)
	same := func(a, b *bound) bool {
		return a.key == b.key && a.address == b.address && a.scale.factor == b.scale.factor && a.unit == b.unit
	}
	if slices.EqualFunc(m.bounds, d.model.bounds, same) && reflect.DeepEqual(m.exposes, d.model.exposes) {
		return false
	}
	slots := make([]slot, len(m.slots))
	for i, a := range m.slots {
		if mean := d.model.meanings[a]; mean != nil && mean.slot >= 0 {
			slots[i] = d.slots[mean.slot]
		}
	}
	d.model, d.slots = m, slots
	return true
}

// Learn is what the attributes of a message say of what the device is, beside
// what is told: told itself when that is nothing new. What has been told of one
// attribute is replaced, and the list is another one.
func (m *Model) Learn(told []Told, endpoint uint8, cluster, manufacturer uint16, list []zcl.Attribute) []Told {
	if len(m.watched) == 0 {
		return told
	}
	own := false
	for i := range list {
		a := address{endpoint, cluster, manufacturer, list[i].ID}
		kind := m.watched[a]
		if kind == notWatched || list[i].Status != zcl.StatusSuccess {
			continue
		}
		v, ok := numberOf(list[i].Value)
		if !ok || kind == itsPresence && v == 0 {
			continue
		}
		if kind == itsPresence {
			v = 1
		}
		at := slices.IndexFunc(told, func(t Told) bool {
			return t.Endpoint == endpoint && t.Cluster == cluster && t.Manufacturer == manufacturer && t.Attribute == a.attribute
		})
		if at >= 0 && told[at].Value == v {
			continue
		}
		if !own {
			told, own = slices.Clone(told), true
		}
		t := Told{endpoint, cluster, manufacturer, a.attribute, v}
		if at >= 0 {
			told[at] = t
		} else {
			told = append(told, t)
		}
	}
	return told
}
