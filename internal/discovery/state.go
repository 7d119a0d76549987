package discovery

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// MaxState is the size of the longest state that is looked into, in bytes.
const MaxState = 64 << 10

// State is the payload of a state topic, decoded once for all the entities
// that read it. It must not be used by two goroutines at a time.
type State struct {
	text    string
	decoded bool
	json    any // with json.Number for numbers
	native  any // with int and float64; nil: not made yet
	err     error
}

// NewState returns the state with the given payload, which it copies.
func NewState(payload []byte) *State { return &State{text: string(payload)} }

// value returns the payload as JSON.
func (s *State) value() (any, error) {
	if s.decoded {
		return s.json, s.err
	}
	s.decoded = true
	if len(s.text) > MaxState {
		s.err = fmt.Errorf("the state has %d bytes, more than %d", len(s.text), MaxState)
		return nil, s.err
	}
	d := json.NewDecoder(bytes.NewReader([]byte(s.text)))
	d.UseNumber()
	if s.err = d.Decode(&s.json); s.err == nil {
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			s.json, s.err = nil, errors.New("something follows the JSON value")
		}
	}
	if s.err != nil {
		s.err = fmt.Errorf("the state is not JSON: %w", s.err)
	}
	return s.json, s.err
}

// values is value as Jinja has it. Templates only look at it, so that all share it.
func (s *State) values() (any, error) {
	v, err := s.value()
	if err != nil {
		return nil, err
	}
	if s.native == nil {
		s.native = native(v)
	}
	return s.native, nil
}

// lookup follows a path of keys; ok is false where one is missing.
func lookup(v any, path []string) (any, bool) {
	for _, key := range path {
		switch c := v.(type) {
		case map[string]any:
			next, ok := c[key]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(c) {
				return nil, false
			}
			v = c[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// native turns JSON numbers into int or float64, as Jinja has them. It copies
// what it changes.
func native(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := strconv.Atoi(v.String()); err == nil {
			return i
		}
		f, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return f
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[k] = native(e)
		}
		return m
	case []any:
		l := make([]any, len(v))
		for i, e := range v {
			l[i] = native(e)
		}
		return l
	}
	return v
}
