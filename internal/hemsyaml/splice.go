package hemsyaml

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// splice changes the text itself, where that is easy; the caller reads the
// result again, so this may be wrong about YAML's rarer forms.
func splice(text []byte, doc *yaml.Node, names []string, value any) ([]byte, bool) {
	p := find(doc, names)
	switch {
	case value == nil && len(p.rest) > 0:
		return text, true
	case value == nil:
		return cutLine(text, p)
	case len(p.rest) == 0:
		return replaceScalar(text, p.node, value)
	case p.node == nil:
		return addAtEnd(text, p.rest, value)
	case p.key == nil && p.node == doc.Content[0] && p.node.Kind == yaml.MappingNode && p.node.Style&yaml.FlowStyle == 0:
		return addAtEnd(text, p.rest, value)
	}
	return addBelow(text, p, value)
}

// replaceScalar puts a value in the place of another on the same line.
func replaceScalar(text []byte, n *yaml.Node, value any) ([]byte, bool) {
	fresh, ok := oneLine(value)
	if !ok || n.Kind != yaml.ScalarNode || n.Anchor != "" {
		return nil, false
	}
	from, ok := offset(text, n.Line, n.Column)
	if !ok {
		return nil, false
	}
	line := text[from:]
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	n1 := 0 // bytes of the old value
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		n1 = quoted(line, '"')
	case n.Style&yaml.SingleQuotedStyle != 0:
		n1 = quoted(line, '\'')
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) != 0:
		return nil, false
	case n.Tag == "!!null" && n.Value == "":
		fresh = " " + fresh // "key:" with nothing after it
		if from == 0 || text[from-1] != ':' {
			return nil, false
		}
	case bytes.HasPrefix(line, []byte(n.Value)):
		n1 = len(n.Value)
	}
	if n1 == 0 && n.Tag != "!!null" {
		return nil, false
	}
	return join(text[:from], fresh, text[from+n1:]), true
}

// quoted is the length of the quoted value that a line begins with, 0 when it
// does not end on it.
func quoted(line []byte, quote byte) int {
	if len(line) == 0 || line[0] != quote {
		return 0
	}
	for i := 1; i < len(line); i++ {
		switch {
		case quote == '"' && line[i] == '\\':
			i++
		case line[i] == quote && quote == '\'' && i+1 < len(line) && line[i+1] == quote:
			i++
		case line[i] == quote:
			return i + 1
		}
	}
	return 0
}

// addAtEnd adds a group or value after everything else.
func addAtEnd(text []byte, rest []string, value any) ([]byte, bool) {
	lines, ok := block(rest, value, 0)
	if len(text) > 0 && text[len(text)-1] != '\n' {
		lines = "\n" + lines
	}
	return join(text, lines, nil), ok
}

// addBelow adds a value as the first of a group whose key has a line to itself.
func addBelow(text []byte, p place, value any) ([]byte, bool) {
	if p.key == nil || p.node.Anchor != "" || p.node.Kind == yaml.AliasNode || p.node.Style&yaml.FlowStyle != 0 {
		return nil, false
	}
	indent := p.key.Column + 1
	switch {
	case p.node.Kind == yaml.MappingNode && len(p.node.Content) > 0 && p.node.Line > p.key.Line:
		indent = p.node.Content[0].Column - 1
	case p.node.Kind == yaml.ScalarNode && p.node.Tag == "!!null" && p.node.Value == "":
	default:
		return nil, false
	}
	lines, ok := block(p.rest, value, indent)
	if !ok {
		return nil, false
	}
	at, ok := offset(text, p.key.Line+1, 1)
	if !ok { // the key is on the last line
		at = len(text)
		if at > 0 && text[at-1] != '\n' {
			lines = "\n" + lines
		}
	}
	return join(text[:at], lines, text[at:]), true
}

// cutLine removes a key with a value on the same line.
func cutLine(text []byte, p place) ([]byte, bool) {
	if p.key == nil || p.node.Kind != yaml.ScalarNode || p.node.Line != p.key.Line {
		return nil, false
	}
	from, ok := offset(text, p.key.Line, 1)
	if !ok {
		return nil, false
	}
	to, ok := offset(text, p.key.Line+1, 1)
	if !ok {
		to = len(text)
	}
	if strings.Trim(string(text[from:from+p.key.Column-1]), " ") != "" {
		return nil, false // it shares its line with another
	}
	return join(text[:from], "", text[to:]), true
}

// oneLine is a value as YAML writes it on a line.
func oneLine(value any) (string, bool) {
	switch value.(type) {
	case map[string]any, []any, nil:
		return "", false
	}
	b, err := yaml.Marshal(value)
	s := strings.TrimSuffix(string(b), "\n")
	return s, err == nil && s != "" && !strings.Contains(s, "\n")
}

// block is names and value as lines with an indentation.
func block(names []string, value any, indent int) (string, bool) {
	for i := len(names) - 1; i >= 0; i-- {
		value = map[string]any{names[i]: value}
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(value); err != nil || e.Close() != nil {
		return "", false
	}
	var out strings.Builder
	for line := range strings.Lines(b.String()) {
		out.WriteString(strings.Repeat(" ", indent) + line)
	}
	return out.String(), true
}

// offset is where a line's column is in the text, both from 1, the column in
// characters.
func offset(text []byte, line, column int) (int, bool) {
	at := 0
	for ; line > 1; line-- {
		i := bytes.IndexByte(text[at:], '\n')
		if i < 0 {
			return 0, false
		}
		at += i + 1
	}
	for ; column > 1; column-- {
		if at >= len(text) || text[at] == '\n' {
			return at, at <= len(text) && column == 2 // just behind the line
		}
		_, n := utf8.DecodeRune(text[at:])
		at += n
	}
	return at, at < len(text) || column == 1 && at == len(text)
}

func join(before []byte, middle string, after []byte) []byte {
	out := make([]byte, 0, len(before)+len(middle)+len(after))
	return append(append(append(out, before...), middle...), after...)
}
