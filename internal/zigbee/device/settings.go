package device

import (
	"math"
	"slices"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// place is the attribute of a setting.
type place struct {
	cluster, manufacturer, attribute uint16
	typ                              zcl.DataType
}

func (p place) address() address {
	return address{cluster: p.cluster, manufacturer: p.manufacturer, attribute: p.attribute}
}

// setting is an attribute that a person may set.
type setting struct {
	place
	expose Expose
	source source
	encode func(w *wish) (zcl.Value, any, error)
}

// part is the setting as a part.
func (s setting) part() Part {
	s.source.name, s.source.unit, s.source.address, s.source.typ = s.expose.Name, s.expose.Unit, s.place.address(), s.typ
	s.source.first = s.expose.Access&AccessGet != 0
	it := item{name: s.expose.Name, expose: &s.expose}
	if s.expose.Access&(AccessState|AccessGet) != 0 {
		it.sources = []source{s.source}
	} else {
		it.get = []address{}
	}
	if s.expose.Access&AccessSet != 0 {
		place, encode := s.place, s.encode
		it.set = func(w *wish) error {
			v, said, err := encode(w)
			if err != nil {
				return err
			}
			if w.endpoint == 0 {
				return errNoEndpoint
			}
			w.write(place.cluster, place.manufacturer, place.attribute, v)
			w.say(w.key, said)
			return nil
		}
	}
	return Part{items: []item{it}}
}

// option is a word of a choice and its number on the wire.
type option struct {
	word  string
	value int64
}

// choiceSetting is a setting that is one of several words.
func choiceSetting(p place, e Expose, options ...option) Part {
	words := make(map[int64]string, len(options))
	names := make([]string, len(options))
	for i, o := range options {
		words[o.value], names[i] = o.word, o.word
	}
	if e.Values == nil {
		e.Values = append(e.Values, names...)
	}
	e.Type = Enum
	return setting{place: p, expose: e, source: source{as: asWord, words: words},
		encode: func(w *wish) (zcl.Value, any, error) {
			i, err := w.word(names)
			if err != nil {
				return zcl.Value{}, nil, err
			}
			return zcl.Number(p.typ, uint64(options[i].value)), options[i].word, nil
		}}.part()
}

// numberSetting is a setting that is a number: the attribute holds it times
// per, so that 10 is one decimal.
func numberSetting(p place, e Expose, per float64) Part {
	low, high := 0.0, math.Pow(2, float64(8*max(p.typ.Size(), 1)))-1
	if e.ValueMin != nil {
		low = *e.ValueMin
	}
	if e.ValueMax != nil {
		high = *e.ValueMax
	}
	return setting{place: p, expose: e, source: source{scale: scale{div: per}},
		encode: func(w *wish) (zcl.Value, any, error) {
			v, err := w.number(low, high)
			if err != nil {
				return zcl.Value{}, nil, err
			}
			if p.typ == zcl.SingleFloat {
				return zcl.Number(p.typ, uint64(math.Float32bits(float32(v*per)))), number(v), nil
			}
			return zcl.Number(p.typ, uint64(int64(math.Round(v*per)))), number(v), nil
		}}.part()
}

// switchSetting is a setting that is one of two, which are not 0 and 0 on the
// wire unless on and off say otherwise.
func switchSetting(p place, e Expose) Part { return switchSettingOf(p, e, 1, 0) }

func switchSettingOf(p place, e Expose, on, off uint64) Part {
	s := source{as: asBool, on: e.ValueOn, off: e.ValueOff}
	if on == 0 { // the wire says the opposite
		s.not = true
	}
	return setting{place: p, expose: e, source: s,
		encode: func(w *wish) (zcl.Value, any, error) {
			set, err := w.either(e.ValueOn, e.ValueOff)
			if err != nil {
				return zcl.Value{}, nil, err
			}
			if set {
				return zcl.Number(p.typ, on), e.ValueOn, nil
			}
			return zcl.Number(p.typ, off), e.ValueOff, nil
		}}.part()
}

// button is something that is done once: a choice of one word and a command.
func button(name, word, description string, do func(w *wish)) Part {
	e := choice(name, description, AccessSet, word)
	it := item{name: name, expose: &e, get: []address{}, set: func(w *wish) error {
		if _, err := w.word([]string{word}); err != nil {
			return err
		}
		do(w)
		return nil
	}}
	return Part{items: []item{it}}
}

// together is parts as one.
func together(parts ...Part) Part {
	var p Part
	for _, q := range parts {
		p.items = append(p.items, q.items...)
		p.zones = append(p.zones, q.zones...)
		p.points = append(p.points, q.points...)
		p.setup = append(p.setup, q.setup...)
		p.bind = append(p.bind, q.bind...)
		p.polls = append(p.polls, q.polls...)
		p.options = append(p.options, q.options...)
		p.watch = append(p.watch, q.watch...)
	}
	return p
}

// among is the part with its exposes in a category.
func (p Part) among(category string) Part {
	p.items = slices.Clone(p.items)
	for i := range p.items {
		if p.items[i].expose != nil {
			e := p.items[i].expose.of(category)
			p.items[i].expose = &e
		}
	}
	return p
}
