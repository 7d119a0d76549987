package device

import (
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Decoder turns what one device sends into readings. It remembers what the
// device has said of its scales and counters, and what it is by that. It is
// for one goroutine.
type Decoder struct {
	model *Model
}

// NewDecoder begins with what a decoder of the same device remembered, or with
// nothing. Memory that makes no sense is nothing.
func (m *Model) NewDecoder(memory []byte) *Decoder { return &Decoder{model: m} }

// Options are the device's options from now on.
func (d *Decoder) Options(options map[string]any) {}

// Model is the model as the device has shown itself since: another one when it
// has told what it measures (its zone type, its phases, its unit), and then
// its exposes and its setup are others too.
func (d *Decoder) Model() *Model { return d.model }

// Memory is what there is to remember, as JSON for people too; nil is nothing.
func (d *Decoder) Memory() []byte { return nil }

// Next is when Tick has something to say although the device says nothing; the
// zero time is never.
func (d *Decoder) Next() time.Time { return time.Time{} }

// Tick gives what is due without a message of the device: values that were held
// back and stand, and those that end by themselves.
func (d *Decoder) Tick(now time.Time) (readings []Reading, notes []Note) { return nil, nil }

// Decode turns a message into readings. What the model does not use and what
// the device does not support give nothing; what says "unknown" or cannot be
// true gives a note.
func (d *Decoder) Decode(in Input) (readings []Reading, notes []Note) {
	for _, a := range in.Attributes {
		if a.Status != zcl.StatusSuccess {
			continue
		}
		for _, s := range d.model.sources {
			if s.Endpoint != in.Endpoint || s.Cluster != in.Cluster ||
				s.Manufacturer != in.Frame.Manufacturer || s.Attribute != a.ID {
				continue
			}
			v, ok := s.value(a.Value)
			if !ok {
				notes = append(notes, Note{Key: s.Quantity.Key, Kind: Unknown, Text: "the device does not know its " + s.Quantity.Key})
				continue
			}
			readings = append(readings, Reading{Key: s.Quantity.Key, Value: v})
		}
	}
	return readings, notes
}
