package appliance

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Problem is one thing wrong in hems.yaml.
type Problem struct {
	Section string // top-level key; "" for a key that is no section
	Line    int
	Text    string // what is wrong and what to do
}

// Problems is all that is wrong in hems.yaml.
type Problems []Problem

func (p Problem) Error() string { return fmt.Sprintf("hems.yaml:%d: %s", p.Line, p.Text) }

// In is what is wrong in the given sections, nil if nothing is.
func (p Problems) In(sections ...string) error {
	var errs []error
	for _, q := range p {
		if slices.Contains(sections, q.Section) {
			errs = append(errs, q)
		}
	}
	return errors.Join(errs...)
}

// Err is everything that is wrong, nil if nothing is.
func (p Problems) Err() error {
	var errs []error
	for _, q := range p {
		errs = append(errs, q)
	}
	return errors.Join(errs...)
}

// checker is a section that can judge its own values.
type checker interface{ Check() error }

// decodeStrict fills c from the mapping n, section by section: an unknown key
// and a value of the wrong kind are problems with their lines.
func decodeStrict(n *yaml.Node, c *Config) Problems {
	if n.Kind != yaml.MappingNode {
		return Problems{{Line: n.Line, Text: "not a list of sections: write for example \"home:\" and below it \"  name: …\""}}
	}
	fields := yamlFields(reflect.TypeFor[Config]())
	var out Problems
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		f, ok := fields[key.Value]
		if !ok {
			out = append(out, Problem{Line: key.Line, Text: unknownKey(key.Value, fields)})
			continue
		}
		before := len(out)
		report := func(line int, text string) {
			out = append(out, Problem{Section: key.Value, Line: line, Text: key.Value + text})
		}
		checkKeys(value, f.Type, "", report)
		if len(out) > before {
			continue
		}
		target := reflect.ValueOf(c).Elem().FieldByIndex(f.Index)
		fresh := reflect.New(f.Type) // half of a bad section must not stay behind
		fresh.Elem().Set(target)
		if err := value.Decode(fresh.Interface()); err != nil {
			line, text := yamlError(err, value.Line)
			report(line, ": "+text)
			continue
		}
		if ch, ok := fresh.Interface().(checker); ok {
			if err := ch.Check(); err != nil {
				report(lineOf(err, value, key.Line), "."+err.Error())
				continue
			}
		}
		target.Set(fresh.Elem())
	}
	return out
}

// checkKeys walks n beside the type it will be decoded into.
func checkKeys(n *yaml.Node, t reflect.Type, path string, report func(int, string)) {
	if reflect.PointerTo(t).Implements(reflect.TypeFor[yaml.Unmarshaler]()) {
		if n.Kind != yaml.ScalarNode {
			report(n.Line, path+": give one value here, not a list or a group")
			return
		}
		if err := reflect.New(t).Interface().(yaml.Unmarshaler).UnmarshalYAML(n); err != nil {
			report(n.Line, path+": "+err.Error())
		}
		return
	}
	switch {
	case t.Kind() == reflect.Struct && n.Kind == yaml.MappingNode:
		fields := yamlFields(t)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			f, ok := fields[key.Value]
			if !ok {
				report(key.Line, path+": "+unknownKey(key.Value, fields))
				continue
			}
			checkKeys(n.Content[i+1], f.Type, path+"."+key.Value, report)
		}
	case t.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		for i, item := range n.Content {
			checkKeys(item, t.Elem(), fmt.Sprintf("%s[%d]", path, i), report)
		}
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		// "zigbee:" with nothing below it leaves the defaults
	case t.Kind() == reflect.Struct:
		report(n.Line, path+": give keys below it, such as \""+example(t)+": …\"")
	case t.Kind() == reflect.Slice:
		report(n.Line, path+": give a list, each entry on a line that begins with \"- \"")
	default:
		if err := n.Decode(reflect.New(t).Interface()); err != nil {
			report(n.Line, fmt.Sprintf("%s: %q is not %s", path, n.Value, kindName(t)))
		}
	}
}

func kindName(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	default:
		return "a whole number in range"
	}
}

func example(t reflect.Type) string {
	name, _, _ := strings.Cut(t.Field(0).Tag.Get("yaml"), ",")
	return name
}

func yamlFields(t reflect.Type) map[string]reflect.StructField {
	m := map[string]reflect.StructField{}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		m[name] = f
	}
	return m
}

func unknownKey(key string, fields map[string]reflect.StructField) string {
	var known []string
	for k := range fields {
		known = append(known, k)
	}
	slices.Sort(known)
	best, distance := "", 3 // further than that is another word
	for _, k := range known {
		if d := editDistance(key, k); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("unknown key %q: did you mean %q?", key, best)
	}
	return fmt.Sprintf("unknown key %q: remove it, or use one of %s", key, strings.Join(known, ", "))
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// yamlError takes line and text out of the library's error.
func yamlError(err error, line int) (int, string) {
	if te, ok := errors.AsType[*yaml.TypeError](err); ok && len(te.Errors) > 0 {
		return line, te.Error()
	}
	return line, err.Error()
}
