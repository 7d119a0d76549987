package device

import (
	"cmp"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// Model is everything that a device means. It does not change.
type Model struct {
	subject Subject
	info    Info
	exposes []Expose
	options []Expose
	setup   []Setup
	polls   []boundPoll

	meanings map[address]*meaning
	bounds   []*bound             // all sources
	slots    []address            // attributes whose last value is remembered
	watched  map[address]watching // those that tell what the device is
	settings map[string]boundItem
	gets     map[string][]address
	zones    map[uint8]zone // IAS zones by endpoint
	points   map[uint8][]*boundPoint
	special  []func(d *Decoder, in Input) bool
	whole    []func(d *Decoder, in Input)
	ticks    []func(d *Decoder, now time.Time)
	tuya     uint8 // the endpoint with datapoints
	scenes   uint8 // the endpoint with scenes
	names    map[uint8]string
}

// watching is what is looked at of an attribute that tells what a device is: its
// value, or that it has one at all.
type watching uint8

const (
	notWatched watching = iota
	theValue
	itsPresence
)

// meaning is what one attribute is good for.
type meaning struct {
	slot   int // -1: it is not remembered
	bounds []*bound
}

// bound is a source of one device.
type bound struct {
	source
	index    int
	key      string // as published
	mul, div int    // slots, -1: none
	by       int
	decimals int // in the Subject's form; -1 is as it is
}

// boundItem is an item of one device that can be set.
type boundItem struct {
	item
	endpoint uint8
	suffix   string
}

type boundPoll struct {
	poll
	endpoint uint8
}

// For is the model of a device, never nil: its definition, or what its
// clusters say, or nothing for a device that has told nothing yet. Equal subjects
// have one model.
func For(s Subject) *Model {
	return shared(s.key(), func() *Model { return s.compile() })
}

func (s Subject) compile() *Model {
	var learnt map[address]float64
	for _, t := range s.Told {
		if learnt == nil {
			learnt = make(map[address]float64)
		}
		learnt[address{t.Endpoint, t.Cluster, t.Manufacturer, t.Attribute}] = t.Value
	}
	return modelOf(s, learnt)
}

// modelOf is For with what the device has shown itself to be.
func modelOf(s Subject, learnt map[address]float64) *Model {
	if d, ok := definitionOf(s); ok {
		return compile(s, d, Info{Supported: true, Source: "native", SupportsOTA: d.OTA, ForgetsSetup: d.ForgetsSetup, CountsFrom2000: d.CountsFrom2000,
			Version: cmp.Or(d.Version, firstVersion), PowerSource: d.PowerSource}, learnt)
	}
	return generated(s, learnt)
}

// firstVersion is that of a definition that was never changed.
const firstVersion = "0.0.0"

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
func (m *Model) Poll(options map[string]any) (list []Poll) {
	for _, p := range m.polls {
		every := p.every
		if v, ok := toFloat(options[p.option]); ok && p.option != "" {
			if v <= 0 {
				continue
			}
			every = time.Duration(max(v, 1) * float64(time.Second))
		}
		var do []Action
		if p.query {
			do = append(do, Action{Kind: Command, Endpoint: p.endpoint, Cluster: zcl.ClusterTuya, Command: tuyaQuery})
		}
		for ids := range slices.Chunk(p.ids, maxRead) {
			do = append(do, Action{Kind: Read, Endpoint: p.endpoint, Cluster: p.cluster, IDs: ids})
		}
		list = append(list, Poll{Every: every, Do: do})
	}
	return list
}

// maxRead is how many attributes one request asks for; some devices fail on
// more.
const maxRead = 4

// decimals is how exactly something is published in the Subject's form.
func (m *Model) decimals(name, unit string, own int) int {
	if m.subject.Form == Z2M2 {
		if p, ok := precisions[name]; ok {
			return p
		}
		if own > 0 {
			return own
		}
		return -1
	}
	return decimals(name, unit)
}

func (m *Model) meaning(a address) *meaning {
	mean, ok := m.meanings[a]
	if !ok {
		mean = &meaning{slot: -1}
		m.meanings[a] = mean
	}
	return mean
}

// slot is where the last raw value of an attribute is remembered.
func (m *Model) slot(a address) int {
	mean := m.meaning(a)
	if mean.slot < 0 {
		mean.slot = len(m.slots)
		m.slots = append(m.slots, a)
	}
	return mean.slot
}

// noAttribute stands for a multiplier that there is none of.
const noAttribute = 0xffff

func joined(name, suffix string) string {
	if suffix == "" {
		return name
	}
	return name + "_" + suffix
}
