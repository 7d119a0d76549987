package device

import (
	"fmt"
	"slices"
	"strings"
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
// clusters say, or nothing for a device that has told nothing yet.
func For(s Subject) *Model {
	var learnt map[address]float64
	for _, t := range s.Told {
		if learnt == nil {
			learnt = make(map[address]float64)
		}
		learnt[address{t.Endpoint, t.Cluster, t.Manufacturer, t.Attribute}] = t.Value
	}
	return modelOf(s, learnt)
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

// modelOf is For with what the device has shown itself to be.
func modelOf(s Subject, learnt map[address]float64) *Model {
	if d, ok := definitionOf(s); ok {
		return compile(s, d, Info{Supported: true, Source: "native", SupportsOTA: d.OTA, ForgetsSetup: d.ForgetsSetup}, learnt)
	}
	return generated(s, learnt)
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

// compile makes the model of a device from a definition.
func compile(s Subject, d *Definition, info Info, learnt map[address]float64) *Model {
	info.Model, info.Vendor, info.Description = d.label(s.ManufacturerName)
	m := &Model{
		subject:  s,
		info:     info,
		meanings: make(map[address]*meaning),
		watched:  make(map[address]watching),
		settings: make(map[string]boundItem),
		gets:     make(map[string][]address),
		zones:    make(map[uint8]zone),
		points:   make(map[uint8][]*boundPoint),
		names:    d.Names,
	}
	for _, p := range d.Parts {
		m.add(d, p)
	}
	if d.Learn != nil {
		for _, p := range d.Learn(learnt) {
			m.add(d, p)
		}
	}
	have := make(map[string]bool)
	var options []Expose
	for _, o := range m.options {
		if !have[o.Name] {
			have[o.Name] = true
			options = append(options, o)
		}
	}
	m.options = append(options, resolutionOptions(m.exposes, have)...)
	m.exposes = append(m.exposes, linkQuality())
	m.setup = tidy(s, m.setup)
	for _, e := range s.Endpoints {
		if m.scenes == 0 && slices.Contains(e.In, zcl.ClusterScenes) && e.Profile != profileDevelco {
			m.scenes = e.ID
		}
	}
	return m
}

// profileDevelco is the profile of the maker's own endpoint of frient devices.
const profileDevelco = 0xc0c9

// endpointFor is where a part's cluster is.
func (m *Model) endpointFor(d *Definition, cluster uint16) uint8 {
	if d.Endpoint != 0 {
		return d.Endpoint
	}
	for _, e := range m.subject.Endpoints {
		if slices.Contains(e.In, cluster) && e.Profile != profileDevelco {
			return e.ID
		}
	}
	for _, e := range m.subject.Endpoints {
		if e.Profile == zcl.ProfileHomeAutomation {
			return e.ID
		}
	}
	return 1
}

// add makes a part of the model.
func (m *Model) add(d *Definition, p Part) {
	if p.form == ours && m.subject.Form != Reference || p.form == theirs && m.subject.Form != Z2M2 {
		return
	}
	endpoints := p.on
	if len(endpoints) == 0 {
		endpoints = []uint8{0}
	}
	at := func(endpoint uint8, cluster uint16) uint8 {
		if endpoint != 0 {
			return endpoint
		}
		return m.endpointFor(d, cluster)
	}
	suffix := func(id uint8) string {
		if p.plain {
			return ""
		}
		return d.Names[id]
	}
	if p.battery != nil {
		if it, ok := p.battery.voltageItem(m.subject.Form); ok {
			p.items = append(slices.Clone(p.items), it)
		}
	}
	if p.voltageLine {
		e := batteryVoltage(m.subject.Form).expose(AccessState)
		p.items = []item{{name: "voltage", expose: &e, get: []address{}}}
	}
	for _, it := range p.items {
		for _, on := range endpoints {
			m.addItem(it, on, at, suffix)
		}
	}
	for _, on := range endpoints {
		for _, cluster := range p.bind {
			m.setup = append(m.setup, Setup{Endpoint: at(on, cluster), Cluster: cluster, Bind: true, Optional: true})
		}
		for _, it := range p.items {
			m.addReports(it, on, at)
		}
		for _, s := range p.setup {
			s.Endpoint = at(max(s.Endpoint, on), s.Cluster)
			s.Actions = slices.Clone(s.Actions)
			for i := range s.Actions {
				if s.Actions[i].Endpoint == 0 {
					s.Actions[i].Endpoint = s.Endpoint
				}
			}
			m.setup = append(m.setup, s)
		}
		for _, a := range p.watch {
			a.endpoint = at(max(a.endpoint, on), a.cluster)
			m.watched[a] = theValue
			m.slot(a)
		}
		for _, a := range p.presence {
			a.endpoint = at(max(a.endpoint, on), a.cluster)
			m.watched[a] = itsPresence
			m.slot(a)
		}
		for _, z := range p.zones {
			z.suffix = suffix(on)
			m.zones[at(on, zcl.ClusterIASZone)] = z
		}
		for _, q := range p.polls {
			m.polls = append(m.polls, boundPoll{q, at(on, q.cluster)})
		}
	}
	for _, q := range p.points {
		m.tuya = at(0, zcl.ClusterTuya)
		m.points[q.dp] = append(m.points[q.dp], m.bindPoint(q))
	}
	m.options = append(m.options, p.options...)
	if p.special != nil {
		m.special = append(m.special, p.special)
	}
	if p.whole != nil {
		m.whole = append(m.whole, p.whole)
	}
	if p.tick != nil {
		m.ticks = append(m.ticks, p.tick)
	}
}

func (m *Model) addItem(it item, on uint8, at func(uint8, uint16) uint8, suffix func(uint8) string) {
	endpoint := on
	for i, src := range it.sources {
		src.endpoint = at(max(src.endpoint, on), src.cluster)
		if i == 0 {
			endpoint = src.endpoint
		}
		m.bind(src, suffix(src.endpoint))
	}
	if len(it.sources) == 0 && len(it.get) > 0 {
		endpoint = at(max(it.get[0].endpoint, on), it.get[0].cluster)
	}
	if endpoint == 0 {
		endpoint = at(0, it.cluster())
	}
	ending := suffix(endpoint)
	key := joined(it.name, ending)
	if it.expose != nil {
		m.exposes = append(m.exposes, it.expose.withEndpoint(ending))
	}
	if it.set != nil {
		m.settings[key] = boundItem{it, endpoint, ending}
	}
	reads := it.get
	if reads == nil && it.expose != nil && len(it.sources) > 0 {
		reads = []address{it.sources[0].address}
	}
	for _, a := range reads {
		a.endpoint = endpoint
		m.gets[key] = append(m.gets[key], a)
	}
}

// cluster is the cluster of an item that has neither sources nor reads.
func (it item) cluster() uint16 {
	if it.name == "identify" {
		return zcl.ClusterIdentify
	}
	return zcl.ClusterOnOff
}

// bind makes a source of one device.
func (m *Model) bind(src source, suffix string) *bound {
	b := &bound{source: src, index: len(m.bounds), key: joined(src.name, suffix), mul: -1, div: -1, by: -1}
	if src.scale.read {
		a := src.address
		a.manufacturer = 0
		if src.scale.mulAttr != noAttribute {
			a.attribute = src.scale.mulAttr
			b.mul = m.slot(a)
		}
		a.attribute = src.scale.divAttr
		b.div = m.slot(a)
	}
	if src.scale.by != nil {
		a := src.scale.on
		a.endpoint = src.endpoint
		b.by = m.slot(a)
	}
	b.decimals = m.decimals(src.name, src.unit, src.precise)
	m.bounds = append(m.bounds, b)
	mean := m.meaning(src.address)
	mean.bounds = append(mean.bounds, b)
	return b
}

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

// lookup finds a key of a message, with the endpoint of the topic if there is
// one, among those of a map.
func lookup[V any](of map[string]V, key, endpoint string) (v V, ok bool) {
	if endpoint != "" {
		if v, ok = of[joined(key, endpoint)]; ok {
			return v, true
		}
	}
	v, ok = of[key]
	return v, ok
}

// Get is what to read from the device for these keys, and an error for each
// key it cannot be asked for, as those of Set.
func (m *Model) Get(keys []string, endpoint string) (list []Action, errs []error) {
	for _, key := range keys {
		reads, ok := lookup(m.gets, key, endpoint)
		if !ok {
			errs = append(errs, fmt.Errorf("cannot be asked for '%.100s'%s", key, m.whichEndpoint(key)))
			continue
		}
		for _, a := range reads {
			list = appendRead(list, a)
		}
	}
	return list, errs
}

// whichEndpoint helps with a key that exists only with the name of an
// endpoint.
func (m *Model) whichEndpoint(key string) string {
	var like []string
	for property := range m.gets {
		if strings.HasPrefix(property, key+"_") {
			like = append(like, property)
		}
	}
	for property := range m.settings {
		if strings.HasPrefix(property, key+"_") && !slices.Contains(like, property) {
			like = append(like, property)
		}
	}
	if len(like) == 0 || len(like) > 4 {
		return ""
	}
	slices.Sort(like)
	return ": there are " + strings.Join(like, ", ")
}

// appendRead adds an attribute to the reads of its cluster.
func appendRead(list []Action, a address) []Action {
	i := slices.IndexFunc(list, func(r Action) bool {
		return r.Kind == Read && r.Endpoint == a.endpoint && r.Cluster == a.cluster && r.Manufacturer == a.manufacturer && len(r.IDs) < maxRead
	})
	if i < 0 {
		i = len(list)
		list = append(list, Action{Kind: Read, Endpoint: a.endpoint, Cluster: a.cluster, Manufacturer: a.manufacturer})
	}
	if !slices.Contains(list[i].IDs, a.attribute) {
		list[i].IDs = append(list[i].IDs, a.attribute)
	}
	return list
}
