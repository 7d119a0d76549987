package discovery

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/nikolalohinski/gonja/v2/builtins"
	controlStructures "github.com/nikolalohinski/gonja/v2/builtins/control_structures"
	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// longPath is a path of more keys than any state has levels: the library's words
// for a key that is missing grow with the cube of them.
var longPath = regexp.MustCompile(`(?:\s*\.\s*[A-Za-z_][A-Za-z0-9_]*|\s*\[[^\]]*\]){40}`)

// compileJinja parses a template and guards it. The library's parser panics on
// some bad templates; that is an error too.
func compileJinja(source string) (t *exec.Template, err error) {
	defer func() {
		if p := recover(); p != nil {
			t, err = nil, fmt.Errorf("it cannot be understood: %v", p)
		}
	}()
	if n := strings.Count(source, "(") + strings.Count(source, "[") + strings.Count(source, "{"); n > 400 {
		return nil, errors.New("it has too many brackets")
	}
	if longPath.MatchString(source) {
		return nil, errors.New("it has too long a path of keys")
	}
	if t, err = exec.NewTemplate("template", config.New(), onlySource{source}, environment); err != nil {
		return nil, err
	}
	for _, n := range t.Root().Nodes {
		if err := guardNode(n); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// runJinja evaluates a guarded template.
func runJinja(t *exec.Template, s *State) (text string, err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case ErrTooCostly:
			text, err = "", ErrTooCostly
		default:
			text, err = "", fmt.Errorf("the template failed: %v", p)
		}
	}()
	if len(s.text) > MaxState {
		return "", fmt.Errorf("the state has %d bytes, more than %d", len(s.text), MaxState)
	}
	variables := map[string]any{"value": s.text, budgetName: newBudget()}
	v, jsonErr := s.values()
	if jsonErr == nil {
		variables["value_json"] = v
	}
	var out limitedWriter
	if err := t.Execute(&out, exec.NewContext(variables)); err != nil {
		switch {
		case strings.Contains(err.Error(), ErrNoValue.Error()): // the library keeps only the text
			return "", ErrNoValue
		case jsonErr != nil:
			return "", fmt.Errorf("%w; %w", jsonErr, err)
		}
		return "", err
	}
	if jsonErr != nil && strings.TrimSpace(out.b.String()) == "" {
		return "", jsonErr // value_json was asked for in vain
	}
	return out.b.String(), nil
}

// limitedWriter takes up to maxOutput bytes.
type limitedWriter struct{ b strings.Builder }

func (w *limitedWriter) Write(p []byte) (int, error) {
	if w.b.Len()+len(p) > maxOutput {
		return 0, errTooLong
	}
	return w.b.Write(p)
}

var errTooLong = fmt.Errorf("the template makes more than %d bytes", maxOutput)

// onlySource is a loader that knows the one template and no file.
type onlySource struct{ source string }

func (l onlySource) Read(string) (io.Reader, error)         { return strings.NewReader(l.source), nil }
func (l onlySource) Resolve(string) (string, error)         { return "", errNoFiles }
func (l onlySource) Inherit(string) (loaders.Loader, error) { return nil, errNoFiles }

var errNoFiles = errors.New("templates cannot use other templates")

// environment is what a template may use: if and set, the filters and
// functions of filters.go, tests that only look, and methods by guardCall's
// list. Nothing in it loops, and what makes text has a limit.
var environment = &exec.Environment{
	Context: exec.NewContext(functions),
	Filters: exec.NewFilterSet(filters),
	Tests:   exec.NewTestSet(tests()),
	Methods: builtins.Methods,
	ControlStructures: exec.NewControlStructureSet(map[string]parser.ControlStructureParser{
		"if":  ifParser(),
		"set": setParser,
	}),
}

func ifParser() parser.ControlStructureParser {
	p, ok := controlStructures.All.Get("if")
	if !ok {
		panic("the template library has no if")
	}
	return p
}

// setStatement is {% set name = expression %}. Unlike the library's it sets
// no lists and dictionaries made by the template, which could be nested
// without end, nor attributes.
type setStatement struct {
	at         *tokens.Token
	name       string
	expression nodes.Expression
}

func (s *setStatement) Position() *tokens.Token { return s.at }
func (s *setStatement) String() string          { return "set " + s.name }

func (s *setStatement) Execute(r *exec.Renderer, _ *nodes.ControlStructureBlock) error {
	v := r.Eval(s.expression)
	if v.IsError() {
		return v
	}
	switch v.Interface().(type) {
	case exec.ValuesList, []*exec.Value, *exec.Dict, *exec.Pair:
		return errors.New("set takes no lists and dictionaries here")
	}
	r.Environment.Context.Set(s.name, v.Interface())
	return nil
}

func setParser(p *parser.Parser, args *parser.Parser) (nodes.ControlStructure, error) {
	at := p.Current()
	name := args.Match(tokens.Name)
	if name == nil || args.Match(tokens.Assign) == nil {
		return nil, errors.New("set should be {% set name = expression %}")
	}
	expression, err := args.ParseExpression()
	if err != nil {
		return nil, err
	}
	if !args.End() {
		return nil, errors.New("set should be {% set name = expression %}")
	}
	return &setStatement{at: at, name: name.Val, expression: expression}, nil
}
