// Package device knows what the clusters of a certain model mean: which
// attribute is the power in watts, what must be set up on the device so that it
// reports, and what a person should see of it. It turns attributes into
// readings.
//
// It must never know how attributes travelled, who asked for them, or where
// readings go.
//
// A Definition is data: a table of sources (attribute to quantity) and of
// setup, one file a family of devices. Adding a device takes no code.
package device

import (
	"math"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Identity is how a device names itself in the Basic cluster. Names are
// compared byte by byte, as the device sends them.
type Identity struct {
	ManufacturerName string
	ModelID          string
	ManufacturerCode uint16 // of the node descriptor
}

// Definition is what is known about a model.
type Definition struct {
	// Model, Vendor and Description are for people.
	Model, Vendor, Description string
	// Exposes is what a person sees of the device, the link quality last.
	Exposes []Expose
	// Setup is done in order once the device is in the network.
	Setup []Setup

	match   []Identity
	sources []Source
}

// Setup is what to do on one cluster of a device: bind it to the coordinator,
// tell it when to report, and read it once. Each step is best effort: a device
// that refuses one attribute still reports the others.
type Setup struct {
	Endpoint  uint8
	Cluster   uint16
	Bind      bool
	Reporting []zcl.ReportConfig
	Read      []ReadGroup
}

// ReadGroup is attributes that may be read in one request: all of them
// standard (Manufacturer 0) or all of one manufacturer, at most four.
type ReadGroup struct {
	Manufacturer uint16
	Attributes   []uint16
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

// Input is what one ZCL message says about attributes of one cluster.
type Input struct {
	Endpoint     uint8
	Cluster      uint16
	Manufacturer uint16
	Attributes   []zcl.Attribute
}

// Reading is one quantity of a device, under the key it is published by.
type Reading struct {
	Key   string
	Value any // float64, int64, bool or string
}

// Find is the definition of a device. One that has not said who made it is
// found by its model alone, so that it is usable after an interview that missed
// a step.
func Find(id Identity) (*Definition, bool) {
	for _, d := range definitions {
		for _, m := range d.match {
			if m.ModelID == id.ModelID && (m.ManufacturerName == id.ManufacturerName || id.ManufacturerName == "") {
				return d, true
			}
		}
	}
	return nil, false
}

// Source is where the quantity with this key comes from; ok is false when
// nothing on the device can be asked for it.
func (d *Definition) Source(key string) (s Source, ok bool) {
	for _, s := range d.sources {
		if s.Quantity.Key == key {
			return s, true
		}
	}
	return Source{}, false
}

// Decode turns the attributes of a message into readings. Attributes that the
// definition does not use, that the device does not support, that say "unknown"
// (a counter of all ones) or that cannot be true give nothing.
func (d *Definition) Decode(in Input) []Reading {
	var list []Reading
	for _, a := range in.Attributes {
		if a.Status != zcl.StatusSuccess {
			continue
		}
		for _, s := range d.sources {
			if s.Endpoint != in.Endpoint || s.Cluster != in.Cluster ||
				s.Manufacturer != in.Manufacturer || s.Attribute != a.ID {
				continue
			}
			if v, ok := s.value(a.Value); ok {
				list = append(list, Reading{Key: s.Quantity.Key, Value: v})
			}
		}
	}
	return list
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
