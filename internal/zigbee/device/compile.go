package device

import (
	"slices"
	"strconv"
	"strings"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

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
	if sw := m.subject.SWBuildID; p.newer != "" && !(compareBuilds(sw, p.newer) > 0) ||
		p.from != "" && !(compareBuilds(sw, p.from) >= 0) || p.until != "" && compareBuilds(sw, p.until) >= 0 {
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

// compareBuilds compares firmware builds like 3.4.0, of three numbers; one that
// is something else is before all.
func compareBuilds(a, b string) int {
	numbers := func(s string) []int {
		parts := strings.Split(trimmed(s), ".")
		list := make([]int, 3)
		if len(parts) != len(list) {
			return []int{-1}
		}
		for i, p := range parts {
			n, err := strconv.Atoi(p)
			if err != nil || n < 0 {
				return []int{-1}
			}
			list[i] = n
		}
		return list
	}
	return slices.Compare(numbers(a), numbers(b))
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
