// Package jsondiff says where two JSON documents differ, by path and by value.
// It knows JSON and which member of an object in a list is its name; it must
// never know what the documents are about.
//
// A path is written as a person would: "definition.exposes[power].unit". An
// element of a list of objects is named by a member that tells it from the
// others (see keys), and by its index when there is none. A list of anything
// else is one value. The root is "".
package jsondiff

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Difference is one place where two documents differ. Missing stands for a
// member or an element that one of them does not have; what is below it is not
// listed.
type Difference struct {
	Path string
	A, B any
}

// Missing is the value of what is not there.
var Missing any = missing{}

type missing struct{}

func (missing) MarshalJSON() ([]byte, error) { return []byte(`"(missing)"`), nil }

// String shows the difference in one line, long values cut.
func (d Difference) String() string {
	return fmt.Sprintf("%s: %s | %s", d.Path, short(d.A), short(d.B))
}

func short(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	const most = 200
	if len(b) > most {
		return string(b[:most]) + "…"
	}
	return string(b)
}

// keys are the members that name an object in a list, the first that every
// element of both lists has and no two share. A name of two members is written
// with a slash.
var keys = [][]string{
	{"ieee_address", "endpoint"},
	{"ieee_address"},
	{"sourceIeeeAddr", "targetIeeeAddr"},
	{"ieeeAddr"},
	{"property"},
	{"cluster", "attribute"},
	{"cluster", "target"},
	{"topic"},
	{"name"},
	{"id"},
	{"type", "endpoint"},
	{"type"},
}

// Diff compares two documents as encoding/json decodes them into any. Members
// of objects have no order, nor have elements that are named; numbers are
// compared by value.
func Diff(a, b any) []Difference { return diff(nil, "", a, b) }

func diff(all []Difference, path string, a, b any) []Difference {
	switch x := a.(type) {
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			return members(all, path, x, y, func(name string) string { return Join(path, name) })
		}
	case []any:
		if y, ok := b.([]any); ok && objects(x) && objects(y) && len(x)+len(y) > 0 {
			m, n := named(x, y)
			return members(all, path, m, n, func(name string) string { return path + "[" + name + "]" })
		}
	}
	if !reflect.DeepEqual(a, b) {
		all = append(all, Difference{path, a, b})
	}
	return all
}

func members(all []Difference, path string, a, b map[string]any, below func(string) string) []Difference {
	names := slices.Collect(maps.Keys(a))
	for name := range b {
		if _, both := a[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		x, inA := a[name]
		y, inB := b[name]
		switch {
		case !inA:
			all = append(all, Difference{below(name), Missing, y})
		case !inB:
			all = append(all, Difference{below(name), x, Missing})
		default:
			all = diff(all, below(name), x, y)
		}
	}
	return all
}

// Join is the path of a member.
func Join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func objects(list []any) bool {
	for _, v := range list {
		if _, ok := v.(map[string]any); !ok {
			return false
		}
	}
	return true
}

// named makes objects of two lists, by the names of their elements.
func named(a, b []any) (x, y map[string]any) {
	for _, key := range keys {
		x, y = byKey(a, key), byKey(b, key)
		if x != nil && y != nil {
			return x, y
		}
	}
	index := func(list []any) map[string]any {
		m := make(map[string]any)
		for i, v := range list {
			m[strconv.Itoa(i)] = v
		}
		return m
	}
	return index(a), index(b)
}

func byKey(list []any, key []string) map[string]any {
	m := make(map[string]any)
	for _, v := range list {
		object := v.(map[string]any)
		var parts []string
		for _, k := range key {
			part, ok := object[k]
			if !ok {
				return nil
			}
			parts = append(parts, word(part))
		}
		name := strings.Join(parts, "/")
		if _, twice := m[name]; twice {
			return nil
		}
		m[name] = v
	}
	return m
}

// word writes a value that is part of a name: an object by its values in the
// order of their keys.
func word(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case map[string]any:
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, word(v[k]))
		}
		return strings.Join(parts, "/")
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
