package diagnostics

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// secretKey is a key that sounds like a secret's. It is broader than what is
// looked for in logs: a value too many that is hidden is no loss here.
var secretKey = regexp.MustCompile(`(?i)pass|token|secret|credential|key|tclk|auth|cookie|pin\b|claim`)

// secretLine is such a key within a line, up to its colon.
var secretLine = regexp.MustCompile(`(?i)[\w.-]*(?:pass|token|secret|credential|key|auth|cookie|claim)[\w.-]*["']?\s*:`)

// redactYAML hides the values of such keys, and who signs in within addresses.
// It works on lines, so that comments, order and the numbers of lines stay, and a
// file that is not YAML can be looked at too. Where it is YAML, the values found
// are hidden wherever they stand, but for those that are only names of secrets.
func redactYAML(text []byte, isName func(string) bool) []byte {
	var values []string
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) == nil {
		collect(&doc, false, &values)
		values = slices.DeleteFunc(values, isName)
	}
	redactor := NewRedactor(values)
	var out strings.Builder
	hiding := -1 // the indentation of a key whose value goes on below it
	for line := range strings.Lines(string(text)) {
		body := strings.TrimRight(line, "\r\n")
		indent := len(body) - len(strings.TrimLeft(body, " "))
		switch {
		case strings.TrimSpace(body) == "":
		case hiding >= 0 && (indent > hiding || indent == hiding && strings.HasPrefix(body[indent:], "-")):
			body = body[:indent] + Hidden
		default:
			hiding = -1
			if at := secretLine.FindStringIndex(body); at != nil {
				if rest := strings.TrimSpace(body[at[1]:]); rest != "" && !strings.HasPrefix(rest, "#") {
					body = body[:at[1]] + " " + Hidden
				}
				if body[indent] != '#' {
					hiding = indent
				}
			}
			body = redactor.Text(body)
		}
		out.WriteString(body + "\n")
	}
	return []byte(out.String())
}

// collect finds the values below keys that sound like a secret's.
func collect(n *yaml.Node, secret bool, values *[]string) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			collect(n.Content[i+1], secret || secretKey.MatchString(n.Content[i].Value), values)
		}
	case yaml.ScalarNode:
		if secret {
			*values = append(*values, n.Value)
		}
	default:
		for _, c := range n.Content {
			collect(c, secret, values)
		}
	}
}
