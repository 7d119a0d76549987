package zigbee2mqtt

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/smartcore-ireland/hems/internal/zigbee/migrate"
)

// loader reads the YAML files of the directory.
type loader struct {
	dir   string
	files map[string]any
	nodes int // converted so far
}

// Limits on YAML, of which a little can mean very much.
const (
	maxNodes    = 500_000
	maxIncludes = 50
)

// load gives a file's content. Keys are strings; numbers are float64.
func (l *loader) load(name string, optional bool) (any, error) {
	if v, ok := l.files[name]; ok {
		return v, nil
	}
	if len(l.files) > maxIncludes || strings.ContainsAny(name, "/\\") {
		return nil, &migrate.Error{File: configFile, Message: fmt.Sprintf("it takes %.60q in, which is no file beside it", name), Advice: "name a file in the same directory"}
	}
	b, err := read(l.dir, name, optional)
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		line := "it is not YAML"
		var t *yaml.TypeError
		if !errors.As(err, &t) {
			line = strings.TrimPrefix(err.Error(), "yaml: ")
		}
		return nil, &migrate.Error{File: name, Message: line, Advice: "correct it; Zigbee2MQTT does not start with it either"}
	}
	v, err := l.convert(&doc, 0)
	if err != nil {
		return nil, &migrate.Error{File: name, Message: err.Error(), Advice: "correct it"}
	}
	l.files[name] = v
	return v, nil
}

func (l *loader) convert(n *yaml.Node, depth int) (any, error) {
	if l.nodes++; l.nodes > maxNodes || depth > 50 {
		return nil, errors.New("it is too large or too deep")
	}
	switch n.Kind {
	case yaml.DocumentNode:
		if len(n.Content) == 0 {
			return nil, nil
		}
		return l.convert(n.Content[0], depth+1)
	case yaml.AliasNode:
		return l.convert(n.Alias, depth+1)
	case yaml.MappingNode:
		m := make(map[string]any)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if _, twice := m[key]; twice {
				return nil, fmt.Errorf("line %d: %.60q is there twice", n.Content[i].Line, key)
			}
			v, err := l.convert(n.Content[i+1], depth+1)
			if err != nil {
				return nil, err
			}
			m[key] = v
		}
		return m, nil
	case yaml.SequenceNode:
		list := []any{}
		for _, c := range n.Content {
			v, err := l.convert(c, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.ScalarNode:
		return scalar(n), nil
	}
	return nil, nil
}

// scalar is a value. A tag such as !secret is put before it, as Zigbee2MQTT
// writes it within quotes.
func scalar(n *yaml.Node) any {
	switch tag := n.ShortTag(); tag {
	case "!!null":
		return nil
	case "!!bool":
		var b bool
		if n.Decode(&b) == nil {
			return b
		}
	case "!!int", "!!float":
		var f float64
		if n.Decode(&f) == nil {
			return f
		}
		var u uint64
		if n.Decode(&u) == nil {
			return float64(u)
		}
	case "!!str":
	default:
		if strings.HasPrefix(tag, "!") && !strings.HasPrefix(tag, "!!") {
			return tag + " " + n.Value
		}
	}
	return n.Value
}

// resolve replaces "!secret network_key" by what secret.yaml says.
func (l *loader) resolve(v any) (any, error) {
	s, ok := v.(string)
	if !ok || !strings.HasPrefix(s, "!") {
		return v, nil
	}
	file, key, ok := strings.Cut(s[1:], " ")
	if !ok {
		return v, nil
	}
	if !strings.HasSuffix(file, ".yaml") && !strings.HasSuffix(file, ".yml") {
		file += ".yaml"
	}
	from, err := l.load(file, false)
	if err != nil {
		return nil, err
	}
	m, _ := from.(map[string]any)
	secret, ok := m[strings.TrimSpace(key)]
	if !ok {
		return nil, &migrate.Error{File: file, Message: fmt.Sprintf("there is no %.60q in it, which %s asks for", strings.TrimSpace(key), configFile), Advice: "add it, or write the value into " + configFile}
	}
	return secret, nil
}

// included is a section that may stand in files of its own.
func (l *loader) included(v any) (map[string]any, error) {
	names := []any{}
	switch v := v.(type) {
	case nil:
		return nil, nil
	case map[string]any:
		return v, nil
	case string:
		names = append(names, v)
	case []any:
		names = v
	default:
		return nil, errors.New("it is neither a list of files nor a map")
	}
	all := make(map[string]any)
	for _, name := range names {
		file, ok := name.(string)
		if !ok {
			return nil, errors.New("the name of a file is none")
		}
		from, err := l.load(file, true) // Zigbee2MQTT writes one only when there is something in it
		if err != nil {
			return nil, err
		}
		m, ok := from.(map[string]any)
		if !ok && from != nil {
			return nil, &migrate.Error{File: file, Message: "it is no map", Advice: "correct it"}
		}
		for k, v := range m {
			if _, twice := all[k]; twice {
				return nil, &migrate.Error{File: file, Message: fmt.Sprintf("%.60q is in another file too", k), Advice: "remove one of them"}
			}
			all[k] = v
		}
	}
	return all, nil
}
