package discovery

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/nikolalohinski/gonja/v2/exec"
)

const (
	// maxTemplate is the size of the longest template, in bytes.
	maxTemplate = 4096
	// maxOutput is the size of the longest text that a template may make,
	// finished or on the way, in bytes.
	maxOutput = MaxState
)

// ErrNoValue: the state has no value for this entity at present: the key is
// missing, or it is null, "unknown" or "unavailable". Devices that send one
// state for many entities do this all the time.
var ErrNoValue = errors.New("the state has no value for this entity")

// Template takes one entity's value from a state. It is Home Assistant's form
// of Jinja as far as value templates of sensors use it: expressions, filters,
// if and set. Templates that read files, loop, or define macros are not taken,
// and each step of one that is has a bounded cost, so that none runs away.
// The nil Template takes the state as it is.
type Template struct {
	path []string       // of the plain form {{ value_json.key }}
	full *exec.Template // of every other
}

// The plain form: a path of keys and nothing else.
var (
	plainForm = regexp.MustCompile(`^\s*\{\{-?\s*value_json((?:\.[A-Za-z_][A-Za-z0-9_]*|\[\s*(?:'[^'\\]*'|"[^"\\]*"|\d{1,6})\s*\])+)\s*-?\}\}\s*$`)
	plainStep = regexp.MustCompile(`\.([A-Za-z_][A-Za-z0-9_]*)|\[\s*(?:'([^'\\]*)'|"([^"\\]*)"|(\d+))\s*\]`)
)

// Compile reads a template. The error says what is wrong with it.
func Compile(source string) (*Template, error) {
	if strings.TrimSpace(source) == "" {
		return nil, nil
	}
	if len(source) > maxTemplate {
		return nil, fmt.Errorf("the template has %d bytes, more than %d", len(source), maxTemplate)
	}
	if !utf8.ValidString(source) { // the library's lexer would go round for ever in some
		return nil, fmt.Errorf("template %.80q: it is not UTF-8", source)
	}
	if m := plainForm.FindStringSubmatch(source); m != nil {
		t := &Template{}
		for _, step := range plainStep.FindAllStringSubmatch(m[1], -1) {
			t.path = append(t.path, step[1]+step[2]+step[3]+step[4]) // one of them is there
		}
		return t, nil
	}
	full, err := compileJinja(source)
	if err != nil {
		return nil, fmt.Errorf("template %.80q: %w", source, err)
	}
	return &Template{full: full}, nil
}

// Text returns the entity's value as Home Assistant would show it, without
// spaces around it. Errors: ErrNoValue, or what went wrong in the template.
func (t *Template) Text(s *State) (string, error) {
	var text string
	switch {
	case t == nil:
		if len(s.text) > MaxState {
			return "", fmt.Errorf("the state has %d bytes, more than %d", len(s.text), MaxState)
		}
		text = s.text
	case t.full == nil:
		v, err := s.value()
		if err != nil {
			return "", err
		}
		found, ok := lookup(v, t.path)
		if !ok {
			return "", ErrNoValue
		}
		text = show(native(found))
	default:
		var err error
		if text, err = runJinja(t.full, s); err != nil {
			return "", err
		}
	}
	text = strings.TrimSpace(text)
	switch text {
	case "", "None", "null", "unknown", "unavailable":
		return "", ErrNoValue
	}
	return text, nil
}

// Number returns the entity's value as a number that is neither infinite nor
// NaN. Errors: those of Text, or that the value is no number.
func (t *Template) Number(s *State) (float64, error) {
	if t != nil && t.full == nil { // without a detour through text
		v, err := s.value()
		if err != nil {
			return 0, err
		}
		if found, ok := lookup(v, t.path); ok {
			if n, ok := found.(json.Number); ok {
				return number(n.String())
			}
		}
	}
	text, err := t.Text(s)
	if err != nil {
		return 0, err
	}
	return number(text)
}

// NotANumber is the error of Number for a value that is text: "on".
type NotANumber struct{ Text string }

func (e NotANumber) Error() string { return fmt.Sprintf("the value %.40q is not a number", e.Text) }

func number(text string) (float64, error) {
	if !strings.ContainsAny(text, "xX_pP") { // Go's own forms of numbers
		v, err := strconv.ParseFloat(text, 64)
		if err == nil && !math.IsNaN(v) && !math.IsInf(v, 0) {
			return v, nil
		}
	}
	return 0, NotANumber{text}
}

// show writes a value as Python does.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case string:
		return v
	case bool:
		if v {
			return "True"
		}
		return "False"
	case int:
		return strconv.Itoa(v)
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1e16 {
			return strconv.FormatFloat(v, 'f', 1, 64)
		}
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	b, err := json.Marshal(v)
	if err != nil || len(b) > maxOutput {
		return ""
	}
	return string(b)
}

// Evaluates tells whether the template is more than a path of keys.
func (t *Template) Evaluates() bool { return t != nil && t.full != nil }
