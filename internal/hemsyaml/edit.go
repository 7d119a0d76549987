package hemsyaml

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// A Change sets the value at a path such as "update.developer" or
// "metrics.destinations.0.url". The value is what encoding/json makes of a
// value; nil removes the key. Groups on the way are made when missing; lists
// are not.
type Change struct {
	Path  string `json:"path"`
	Value any    `json:"value"`
}

const maxPathDepth = 12

// Edit returns the text with the changes made. Where the change is to a single
// value on a line, or adds one, every other byte stays as it is; elsewhere
// comments and order stay and the layout is YAML's own. The result says what was
// asked for: it is read again and compared.
func Edit(text []byte, changes ...Change) ([]byte, error) {
	for _, c := range changes {
		var err error
		if text, err = set(text, c); err != nil {
			return nil, fmt.Errorf("setting %.80q: %w", c.Path, err)
		}
	}
	return text, nil
}

func set(text []byte, c Change) ([]byte, error) {
	names := strings.Split(c.Path, ".")
	if len(names) > maxPathDepth || !utf8.ValidString(c.Path) {
		return nil, ErrPath
	}
	for _, n := range names {
		if n == "" || strings.ContainsFunc(n, func(r rune) bool { return r <= ' ' || r == ':' || r == '#' }) {
			return nil, ErrPath
		}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, notYAML(err)
	}
	var value any
	if err := through(c.Value, &value); err != nil {
		return nil, err
	}
	var before any
	if err := yaml.Unmarshal(text, &before); err != nil {
		return nil, notYAML(err)
	}
	want, err := expected(before, names, value)
	if err != nil {
		return nil, err
	}
	for _, way := range []func([]byte, *yaml.Node, []string, any) ([]byte, bool){splice, rewrite} {
		if out, ok := way(text, &doc, names, value); ok && says(out, want) {
			return out, nil
		}
	}
	return nil, fmt.Errorf("%w that can be changed without changing others: change the whole text", ErrPath)
}

func notYAML(err error) error {
	return &Invalid{[]Problem{{Text: "not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}}}
}

// through makes of a value of encoding/json what YAML makes of its text.
func through(v any, to *any) error {
	b, err := yaml.Marshal(numbers(v))
	if err == nil && bytes.Contains(b, []byte("!!binary")) {
		err = errors.New("it is not UTF-8 text")
	}
	if err != nil {
		return fmt.Errorf("the value cannot be written: %w", err)
	}
	return yaml.Unmarshal(b, to)
}

// numbers turns JSON's numbers into whole ones where they are.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return i
		}
		f, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return f
	case float64:
		if i := int64(v); float64(i) == v {
			return i
		}
		return v
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = numbers(v[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k := range v {
			out[k] = numbers(v[k])
		}
		return out
	}
	return v
}

// expected is the decoded document with the value in it.
func expected(in any, names []string, value any) (any, error) {
	if len(names) == 0 {
		return value, nil
	}
	switch at := in.(type) {
	case nil:
		if value == nil {
			return nil, nil
		}
		below, err := expected(nil, names[1:], value)
		return map[string]any{names[0]: below}, err
	case map[string]any:
		if len(names) == 1 && value == nil {
			delete(at, names[0])
			return at, nil
		}
		if _, there := at[names[0]]; !there && value == nil {
			return at, nil // nothing to remove
		}
		below, err := expected(at[names[0]], names[1:], value)
		at[names[0]] = below
		return at, err
	case []any:
		i, err := strconv.Atoi(names[0])
		if err != nil || i < 0 || i >= len(at) || len(names) == 1 && value == nil {
			return nil, ErrPath
		}
		at[i], err = expected(at[i], names[1:], value)
		return at, err
	}
	return nil, ErrPath // a value, where a group would have to be
}

// says tells whether the text decodes to what is wanted.
func says(text []byte, want any) bool {
	var got any
	return yaml.Unmarshal(text, &got) == nil && reflect.DeepEqual(tidy(got), tidy(want))
}

// tidy makes an empty group what it is when nothing is below its key.
func tidy(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			return nil
		}
		for k := range v {
			v[k] = tidy(v[k])
		}
	case []any:
		for i := range v {
			v[i] = tidy(v[i])
		}
	}
	return v
}

// place is how far a path leads in the nodes.
type place struct {
	key, node *yaml.Node // of the last name found; key is nil in a list and at the top
	rest      []string   // the names that are not there
}

func find(doc *yaml.Node, names []string) place {
	if len(doc.Content) == 0 {
		return place{rest: names}
	}
	p := place{node: doc.Content[0], rest: names}
	for len(p.rest) > 0 {
		key, node := below(p.node, p.rest[0])
		if node == nil {
			return p
		}
		p = place{key: key, node: node, rest: p.rest[1:]}
	}
	return p
}

func below(n *yaml.Node, name string) (key, node *yaml.Node) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == name {
				return n.Content[i], n.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(n.Content) {
			return nil, n.Content[i]
		}
	}
	return nil, nil
}

// rewrite changes the nodes and writes the document anew.
func rewrite(_ []byte, doc *yaml.Node, names []string, value any) ([]byte, bool) {
	if len(doc.Content) == 0 {
		comment := doc.HeadComment
		*doc = yaml.Node{Kind: yaml.DocumentNode, HeadComment: comment, Content: []*yaml.Node{{Kind: yaml.MappingNode}}}
	}
	var fresh yaml.Node
	if value != nil {
		if err := fresh.Encode(value); err != nil {
			return nil, false
		}
	}
	p := find(doc, names)
	switch {
	case len(p.rest) == 0 && value == nil:
		parent := find(doc, names[:len(names)-1]).node
		for i := 0; i+1 < len(parent.Content); i += 2 {
			if parent.Content[i] == p.key {
				parent.Content = append(parent.Content[:i], parent.Content[i+2:]...)
				break
			}
		}
	case len(p.rest) == 0:
		head, line, foot := p.node.HeadComment, p.node.LineComment, p.node.FootComment
		if fresh.Kind != yaml.ScalarNode {
			fresh.Style |= p.node.Style & yaml.FlowStyle // in brackets if it was
		}
		*p.node = fresh
		p.node.HeadComment, p.node.LineComment, p.node.FootComment = head, line, foot
	case value == nil:
	default:
		node := p.node
		if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
			*node = yaml.Node{Kind: yaml.MappingNode, HeadComment: node.HeadComment, FootComment: node.FootComment}
		}
		if node.Kind != yaml.MappingNode {
			return nil, false
		}
		child := &fresh
		for i := len(p.rest) - 1; i > 0; i-- {
			child = &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: p.rest[i]}, child}}
		}
		node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: p.rest[0]}, child)
	}
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(doc); err != nil || e.Close() != nil {
		return nil, false
	}
	return out.Bytes(), true
}
