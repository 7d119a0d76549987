package device

import (
	"math"
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
