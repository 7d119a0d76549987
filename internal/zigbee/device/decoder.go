package device

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Decoder turns what one device sends into readings. It remembers what the
// device has said of its scales and counters, and what it is by that. It is
// for one goroutine.
type Decoder struct {
	model *Model
	// slots are the last values of the attributes in model.slots.
	slots    []slot
	counters map[string]*counter // by key
	held     map[string]held     // values that wait, by key
	ends     map[string]time.Time
	on       *bool // what the device last said of its switch
	extra    map[string]any
	special  any // of the models that need it

	options     map[string]any
	calibration map[string]float64
	precision   map[string]int

	readings []Reading
	notes    []Note
}

// slot is a remembered raw value.
type slot struct {
	value float64
	state slotState
}

type slotState uint8

const (
	untold slotState = iota // never heard of
	told
	absent // the device says that it has none
)

// held is a value that is believed when nothing else follows.
type held struct {
	value any
	until time.Time
	// power: the device is slow to say that its power is 0 too.
	power bool
}

// NewDecoder begins with what a decoder of the same device remembered, or with
// nothing. Memory that makes no sense is nothing.
func (m *Model) NewDecoder(memory []byte) *Decoder {
	d := &Decoder{
		model:    m,
		counters: make(map[string]*counter),
		held:     make(map[string]held),
		ends:     make(map[string]time.Time),
		extra:    make(map[string]any),
	}
	d.slots = make([]slot, len(m.slots))
	d.recall(memory)
	d.rebuild()
	return d
}

// Options are the device's options from now on.
func (d *Decoder) Options(options map[string]any) {
	d.options = options
	d.calibration, d.precision = nil, nil
	for key, v := range options {
		n, ok := toFloat(v)
		if !ok || math.IsNaN(n) || math.IsInf(n, 0) {
			continue
		}
		if name, ok := strings.CutSuffix(key, "_calibration"); ok && n != 0 {
			if d.calibration == nil {
				d.calibration = make(map[string]float64)
			}
			d.calibration[name] = n
		}
		if name, ok := strings.CutSuffix(key, "_precision"); ok {
			if d.precision == nil {
				d.precision = make(map[string]int)
			}
			d.precision[name] = int(min(max(n, 0), 9))
		}
	}
}

// option is a yes or no of the device's options.
func (d *Decoder) option(name string) bool {
	b, _ := d.options[name].(bool)
	return b
}

// Model is the model as the device has shown itself since: another one when it
// has told what it measures (its zone type, its phases, its unit), and then
// its exposes and its setup are others too.
func (d *Decoder) Model() *Model { return d.model }

// Decode turns a message into readings. What the model does not use and what
// the device does not support give nothing; what says "unknown" or cannot be
// true gives a note. Both lists are good until the next call.
func (d *Decoder) Decode(in Input) (readings []Reading, notes []Note) {
	d.readings, d.notes = d.readings[:0], d.notes[:0]
	for _, special := range d.model.special {
		if special(d, in) {
			return d.readings, d.notes
		}
	}
	switch {
	case in.Frame.ClusterSpecific && in.Cluster == zcl.ClusterTuya && len(d.model.points) > 0:
		d.datapoints(in)
	case in.Frame.ClusterSpecific && in.Cluster == zcl.ClusterIASZone:
		d.zoneCommand(in)
	default:
		d.attributes(in)
	}
	for _, whole := range d.model.whole {
		whole(d, in)
	}
	return d.readings, d.notes
}

// attributes takes the attributes of a report or of an answer.
func (d *Decoder) attributes(in Input) {
	a := address{endpoint: in.Endpoint, cluster: in.Cluster, manufacturer: in.Frame.Manufacturer}
	learnt := false
	for i := range in.Attributes {
		a.attribute = in.Attributes[i].ID
		mean := d.model.meanings[a]
		if mean == nil {
			continue
		}
		if mean.slot >= 0 && d.remember(mean.slot, &in.Attributes[i]) && d.model.watched[a] != notWatched {
			learnt = true
		}
	}
	if learnt && d.rebuild() {
		d.note(Note{Kind: Learnt, Text: "the device has told more of what it is"})
	}
	if d.spoiled(a, in.Attributes) {
		return
	}
	for i := range in.Attributes {
		if in.Attributes[i].Status != zcl.StatusSuccess {
			continue
		}
		a.attribute = in.Attributes[i].ID
		mean := d.model.meanings[a]
		if mean == nil {
			continue
		}
		for _, b := range mean.bounds {
			d.value(b, in.Attributes[i].Value, in.Time)
		}
		if a.cluster == zcl.ClusterIASZone && a.attribute == attrZoneStatus && a.manufacturer == 0 {
			d.zoneStatus(in.Endpoint, in.Attributes[i].Value)
		}
	}
	if in.Cluster == zcl.ClusterIASZone {
		a.attribute = attrZoneStatus
		if d.model.meanings[a] == nil {
			for i := range in.Attributes {
				if in.Attributes[i].ID == attrZoneStatus && in.Attributes[i].Status == zcl.StatusSuccess && a.manufacturer == 0 {
					d.zoneStatus(in.Endpoint, in.Attributes[i].Value)
				}
			}
		}
	}
}

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

// spoiled reports whether something in the message says that all of it is
// wrong.
func (d *Decoder) spoiled(a address, list []zcl.Attribute) bool {
	for i := range list {
		a.attribute = list[i].ID
		mean := d.model.meanings[a]
		if mean == nil || list[i].Status != zcl.StatusSuccess {
			continue
		}
		for _, b := range mean.bounds {
			if !b.spoils {
				continue
			}
			v, ok := list[i].Value.Float()
			if !ok {
				d.note(Note{Key: b.key, Kind: Unknown, Text: "the device does not know its " + b.key + ": the whole message is dropped"})
				return true
			}
			if v == 0 && b.noZero {
				d.note(Note{Key: b.key, Kind: WentBack, Text: "the device says that its " + b.key + " is 0: the whole message is dropped"})
				return true
			}
		}
	}
	return false
}

// value takes one value for one meaning.
func (d *Decoder) value(b *bound, v zcl.Value, now time.Time) {
	if b.as == asNumber {
		d.number(b, v, now)
		return
	}
	switch b.as {
	case asRaw:
		if n, ok := v.Float(); ok {
			d.emit(b.key, number(n))
		}
	case asBool, asOnOff, asBit:
		n, ok := v.Float()
		if flag, is := v.Bool(); is {
			n, ok = 0, true
			if flag {
				n = 1
			}
		}
		if !ok {
			d.unknown(b.key)
			return
		}
		set := n != 0
		if b.as == asBit {
			set = uint64(n)>>b.bit&1 == 1
		}
		d.flag(b, set != b.not)
	case asWord:
		n, ok := v.Int()
		if flag, is := v.Bool(); is {
			n, ok = 0, true
			if flag {
				n = 1
			}
		}
		if !ok && (v.Type == zcl.Enum8 || v.Type == zcl.Enum16) { // all ones may be a word
			n, ok = int64(v.Raw()), true
		}
		word, known := b.words[n]
		switch {
		case known:
			d.emit(b.key, word)
		case ok:
			d.note(Note{Key: b.key, Kind: Impossible, Text: fmt.Sprintf("the device says %d for its %s, which has no meaning", n, b.key)})
		}
	case asText:
		if s, ok := v.Text(); ok {
			d.emit(b.key, clean(s))
		} else if o, ok := v.Bytes(); ok {
			d.emit(b.key, clean(string(o)))
		} else if n, ok := v.Float(); ok {
			d.emit(b.key, number(n))
		}
	case asExactlyOne:
		if n, ok := v.Float(); ok {
			d.emit(b.key, n == 1)
		}
	case asHex:
		if n, ok := v.Uint(); ok {
			d.emit(b.key, fmt.Sprintf("%x", n))
		}
	}
}

// flag takes a yes or no.
func (d *Decoder) flag(b *bound, set bool) {
	switch {
	case b.as == asOnOff:
		word := "OFF"
		if set {
			word = "ON"
		}
		d.on = &set
		d.emit(b.key, word)
		if d.option("state_action") {
			d.emit("action", joined(strings.ToLower(word), d.model.names[b.endpoint]))
		}
	case b.on != nil && set:
		d.emit(b.key, b.on)
	case b.on != nil:
		d.emit(b.key, b.off)
	default:
		d.emit(b.key, set)
	}
}

// number takes a measured value.
func (d *Decoder) number(b *bound, value zcl.Value, now time.Time) {
	raw, ok := value.Float()
	if !ok {
		if value.IsInvalid() {
			d.unknown(b.key)
		}
		return
	}
	mul, div, ok := d.scaleOf(b, now)
	if !ok {
		return
	}
	v := raw * (mul / div) * or1(b.scale.factor)
	if b.logarithmic {
		d.measured(b.key, b.name, lux(raw), 0)
		return
	}
	if d.model.subject.Form == Reference {
		// One division of whole numbers gives the float64 nearest to the decimal
		// number, and that is written with no more digits than it has.
		v = raw * mul * or1(b.scale.factor) / div
	}
	if math.IsInf(v, 0) || math.IsNaN(v) || b.low != b.high && (v < b.low || v > b.high) {
		d.note(Note{Key: b.key, Kind: Impossible, Text: fmt.Sprintf("%s cannot be %v", b.key, v)})
		return
	}
	if b.noZero && raw == 0 {
		d.note(Note{Key: b.key, Kind: WentBack, Text: "the device says that its " + b.key + " is 0"})
		return
	}
	if b.counter && !d.counts(b.key, v, or1(b.scale.factor)*mul/div*span(value.Type), b.perHour, now) {
		return
	}
	if b.hold > 0 {
		if v == 0 {
			if _, waits := d.held[b.key]; !waits {
				d.held[b.key] = held{value: 0.0, until: now.Add(b.hold), power: b.name == "current"}
			}
			return
		}
		delete(d.held, b.key)
	}
	decimals := b.decimals
	if p, ok := d.precision[b.unit]; ok && b.precise > 0 {
		decimals = p
	}
	d.measured(b.key, b.name, v, decimals)
	if b.full > 0 { // a battery
		d.emit("battery", charge(raw*100, b.empty, b.full))
	}
}

// lux is the light for a raw value of the cluster. Source: ZCL8 §4.2.2.2.1.
func lux(raw float64) float64 {
	if raw == 0 {
		return 0
	}
	return math.Pow(10, (raw-1)/10000)
}

// charge is the charge in per cent of a battery of so many millivolts.
func charge(v, empty, full float64) float64 {
	return round((min(max(v, empty), full)-empty)/(full-empty)*100, 0)
}

// span is how far a counter of a type can count, 0 when it does not matter.
func span(t zcl.DataType) float64 {
	if size := t.Size(); size > 0 && size < 8 {
		return math.Pow(2, float64(8*size))
	}
	return 0
}

// scaleOf is the multiplier and divisor of a source now. Without a scale a
// counter would jump when it comes, so counters wait for it.
func (d *Decoder) scaleOf(b *bound, now time.Time) (mul, div float64, ok bool) {
	mul, div = or1(b.scale.mul), or1(b.scale.div)
	if b.by >= 0 {
		if s := d.slots[b.by]; s.state == told {
			if v, known := b.scale.by[int64(s.value)]; known {
				div = v
			}
		}
		return mul, div, true
	}
	if !b.scale.read {
		return mul, div, true
	}
	mul, div = 1, 1
	if b.mul >= 0 && d.slots[b.mul].state == told && d.slots[b.mul].value > 0 {
		mul = d.slots[b.mul].value
	}
	s := d.slots[b.div]
	if s.state == told && s.value > 0 {
		div = s.value
	}
	if b.counter && s.state == untold {
		ask := appendRead(nil, d.model.slots[b.div])
		if b.mul >= 0 {
			ask = appendRead(ask, d.model.slots[b.mul])
		}
		d.note(Note{Key: b.key, Kind: Held, Text: b.key + " waits until the device has told its divisor", Ask: ask})
		return 0, 0, false
	}
	return mul, div, true
}

// measured publishes a number under the device's options.
func (d *Decoder) measured(key, name string, v float64, decimals int) {
	if c, ok := d.calibration[name]; ok {
		if percentual(name) {
			c = v * c / 100
		}
		v += c
	}
	if p, ok := d.precision[name]; ok && decimals >= 0 {
		decimals = p
	}
	d.emit(key, round(v, decimals))
}

// number is a whole number as one.
func number(v float64) any {
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return int64(v)
	}
	return v
}

// round is a number to so many decimals, halves up as JavaScript does it.
func round(v float64, decimals int) float64 {
	if decimals >= 0 {
		p := math.Pow10(decimals)
		if r := math.Floor(v*p+0.5) / p; !math.IsInf(r, 0) && !math.IsNaN(r) {
			v = r
		}
	}
	if v == 0 {
		return 0 // and not -0
	}
	return v
}

func (d *Decoder) emit(key string, v any) {
	d.readings = append(d.readings, Reading{Key: key, Value: v})
}

func (d *Decoder) unknown(key string) {
	d.note(Note{Key: key, Kind: Unknown, Text: "the device does not know its " + key})
}

// maxNotes bounds the notes of one message.
const maxNotes = 32

func (d *Decoder) note(n Note) {
	if len(d.notes) < maxNotes {
		d.notes = append(d.notes, n)
	}
}

// has reports whether the message has given a reading of this key.
func (d *Decoder) has(key string) (any, bool) {
	for i := range d.readings {
		if d.readings[i].Key == key {
			return d.readings[i].Value, true
		}
	}
	return nil, false
}

// Next is when Tick has something to say although the device says nothing; the
// zero time is never.
func (d *Decoder) Next() (next time.Time) {
	for _, h := range d.held {
		if next.IsZero() || h.until.Before(next) {
			next = h.until
		}
	}
	for _, t := range d.ends {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	return next
}

// Tick gives what is due without a message of the device: values that were held
// back and stand, and those that end by themselves.
func (d *Decoder) Tick(now time.Time) (readings []Reading, notes []Note) {
	d.readings, d.notes = d.readings[:0], d.notes[:0]
	for key, h := range d.held {
		if h.until.After(now) {
			continue
		}
		delete(d.held, key)
		d.emit(key, h.value)
		if h.power {
			d.emit(strings.Replace(key, "current", "power", 1), 0.0)
		}
	}
	for key, t := range d.ends {
		if !t.After(now) {
			delete(d.ends, key)
			d.emit(key, false)
		}
	}
	for _, tick := range d.model.ticks {
		tick(d, now)
	}
	return d.readings, d.notes
}

// clean is a device's string for people: without what devices pad with, and of
// a length that can be shown.
func clean(s string) string {
	s = strings.ToValidUTF8(trimmed(s), "\uFFFD")
	const most = 255
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
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
