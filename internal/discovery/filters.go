package discovery

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
)

// filters are what templates may put values through, and the operators. Their
// rules are those of Home Assistant and Python.
var filters = map[string]exec.FilterFunction{
	chargeFilter: charge,
	printFilter:  filter(0, func(in value, _ []value) (any, error) { return in.text() }),

	"+": operator(add), "-": numeric(func(a, b float64) (float64, error) { return a - b, nil }),
	"*": numeric(func(a, b float64) (float64, error) { return a * b, nil }),
	"/": operator(divide), "//": numeric(floorDivide), "%": numeric(modulo), "**": numeric(power),
	"~": operator(concatenate),
	"<": compare(func(c int) bool { return c < 0 }), "<=": compare(func(c int) bool { return c <= 0 }),
	">": compare(func(c int) bool { return c > 0 }), ">=": compare(func(c int) bool { return c >= 0 }),

	"abs":        filter(0, func(in value, _ []value) (any, error) { return onNumber(in, math.Abs) }),
	"add":        filter(2, withDefault(1, func(in value, a []value) (any, error) { return arithmetic(in, a[0], plus) })),
	"average":    filter(0, aggregate(func(l []float64) float64 { return sum(l) / float64(len(l)) })),
	"bool":       filter(1, withDefault(0, func(in value, _ []value) (any, error) { return in.truth() })),
	"count":      filter(0, length),
	"d":          builtinFilter("default"),
	"default":    builtinFilter("default"),
	"first":      filter(0, func(in value, _ []value) (any, error) { return item(in, 0) }),
	"float":      filter(1, withDefault(0, func(in value, _ []value) (any, error) { return in.float() })),
	"format":     filter(1, format),
	"from_json":  dear(4, filter(0, fromJSON)),
	"iif":        filter(3, func(in value, a []value) (any, error) { return iif(append([]value{in}, a...)) }),
	"int":        filter(2, withDefault(0, toInt)),
	"is_defined": filter(0, func(in value, _ []value) (any, error) { return in.Value, in.defined() }),
	"is_number":  filter(0, isNumber),
	"join":       filter(1, join),
	"last":       filter(0, func(in value, _ []value) (any, error) { return item(in, -1) }),
	"length":     filter(0, length),
	"lower":      filter(0, onText(strings.ToLower)),
	"max":        filter(0, aggregate(func(l []float64) float64 { return extreme(l, math.Max) })),
	"min":        filter(0, aggregate(func(l []float64) float64 { return extreme(l, math.Min) })),
	"multiply":   filter(2, withDefault(1, func(in value, a []value) (any, error) { return arithmetic(in, a[0], times) })),
	"replace":    filter(2, replace),
	"round":      round,
	"string":     filter(0, onText(func(s string) string { return s })),
	"sum":        filter(0, aggregate(sum)),
	"trim":       filter(0, onText(strings.TrimSpace)),
	"truncate":   filter(4, truncate),
	"upper":      filter(0, onText(strings.ToUpper)),
}

// functions are what templates may call.
var functions = map[string]any{
	"bool":      function(1, 2, withDefaultArg(1, func(a []value) (any, error) { return a[0].truth() })),
	"float":     function(1, 2, withDefaultArg(1, func(a []value) (any, error) { return a[0].float() })),
	"iif":       function(1, 4, iif),
	"int":       function(1, 3, withDefaultArg(1, func(a []value) (any, error) { return toInt(a[0], a[1:]) })),
	"is_number": function(1, 1, func(a []value) (any, error) { return isNumber(a[0], nil) }),
	"max":       function(1, 100, listed(func(l []float64) float64 { return extreme(l, math.Max) })),
	"min":       function(1, 100, listed(func(l []float64) float64 { return extreme(l, math.Min) })),
}

// allowedTests are the tests (value is number) that templates may make.
var allowedTests = map[string]bool{
	"defined": true, "undefined": true, "none": true, "number": true, "string": true, "boolean": true,
	"float": true, "integer": true, "mapping": true, "sequence": true, "iterable": true, "true": true,
	"false": true, "even": true, "odd": true, "in": true, "eq": true, "equalto": true, "ne": true,
	"==": true, "!=": true, "lower": true, "upper": true, "sameas": true,
}

func tests() map[string]exec.TestFunction {
	m := map[string]exec.TestFunction{}
	for name := range allowedTests {
		if t, ok := builtins.Tests.Get(name); ok {
			m[name] = t
		}
	}
	return m
}

func builtinFilter(name string) exec.FilterFunction {
	f, ok := builtins.Filters.Get(name)
	if !ok {
		panic("the template library has no filter " + name)
	}
	return f
}

// filter makes a filter of f, which takes up to most arguments.
func filter(most int, f func(in value, args []value) (any, error)) exec.FilterFunction {
	return func(e *exec.Evaluator, in *exec.Value, p *exec.VarArgs) *exec.Value {
		if in.IsError() {
			return in
		}
		spend(e, in, 1)
		args, err := arguments(p, most)
		if err != nil {
			return exec.AsValue(err)
		}
		return result(f(value{in}, args))
	}
}

// dear makes a filter cost more for each byte than others.
func dear(weight int, f exec.FilterFunction) exec.FilterFunction {
	return func(e *exec.Evaluator, in *exec.Value, p *exec.VarArgs) *exec.Value {
		spend(e, in, weight)
		return f(e, in, p)
	}
}

// function makes a function of f, which takes least to most arguments.
func function(least, most int, f func(args []value) (any, error)) func(*exec.VarArgs) *exec.Value {
	return func(p *exec.VarArgs) *exec.Value {
		args, err := arguments(p, most)
		if err == nil && len(args) < least {
			err = errors.New("an argument is missing")
		}
		if err != nil {
			return exec.AsValue(err)
		}
		return result(f(args))
	}
}

// arguments gives the arguments in order; of named ones only default has a
// meaning here, and is the last.
func arguments(p *exec.VarArgs, most int) ([]value, error) {
	var args []value
	for _, a := range p.Args {
		args = append(args, value{a})
	}
	if d, ok := p.KwArgs["default"]; ok {
		args = append(args, value{d})
	}
	if named := len(p.KwArgs); named > 1 || named == 1 && len(args) == len(p.Args) {
		return nil, errors.New("only default can be named here")
	}
	if len(args) > most {
		return nil, fmt.Errorf("%d arguments are too many", len(args))
	}
	return args, nil
}

func result(out any, err error) *exec.Value {
	if err != nil {
		return exec.AsValue(err)
	}
	switch out := out.(type) {
	case *exec.Value:
		return out
	case string:
		if len(out) > maxOutput {
			return exec.AsValue(errTooLong)
		}
	}
	return exec.AsValue(out)
}

// withDefault gives the argument at index i when f fails and it is there.
func withDefault(i int, f func(value, []value) (any, error)) func(value, []value) (any, error) {
	return func(in value, args []value) (any, error) {
		if len(args) < i {
			return nil, errors.New("an argument is missing")
		}
		out, err := f(in, args)
		if err != nil && len(args) > i {
			return args[i].Value, nil
		}
		return out, err
	}
}

func withDefaultArg(i int, f func([]value) (any, error)) func([]value) (any, error) {
	return func(args []value) (any, error) {
		out, err := f(args)
		if err != nil && len(args) > i {
			return args[i].Value, nil
		}
		return out, err
	}
}

func isNumber(in value, _ []value) (any, error) {
	if in.defined() != nil {
		return false, nil
	}
	_, err := in.float()
	return err == nil, nil
}

func toInt(in value, args []value) (any, error) {
	base := 10
	if len(args) == 2 {
		base = args[1].Integer()
	}
	if base != 10 {
		if err := in.defined(); err != nil {
			return nil, err
		}
		if base < 2 || base > 36 {
			return nil, errors.New("a number has no such base")
		}
		s, err := in.text()
		if err != nil {
			return nil, err
		}
		s = strings.ToLower(strings.TrimSpace(s))
		if base == 16 {
			s = strings.TrimPrefix(s, "0x")
		}
		n, err := strconv.ParseInt(s, base, 64)
		return int(n), err
	}
	v, err := in.float()
	if err != nil {
		return nil, err
	}
	f := math.Trunc(v.(float64))
	if math.Abs(f) >= 1<<62 {
		return f, nil
	}
	return int(f), nil
}

func fromJSON(in value, _ []value) (any, error) {
	if err := in.defined(); err != nil {
		return nil, err
	}
	s, err := in.text()
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return native(v), nil
}

// oneVerb is a format with one place and sensible widths.
var oneVerb = regexp.MustCompile(`^[^%]*%[-+ 0]?\d{0,2}(?:\.\d{1,2})?([dfs])[^%]*$`)

func format(in value, args []value) (any, error) {
	text, err := in.text()
	if err != nil {
		return nil, err
	}
	m := oneVerb.FindStringSubmatch(text)
	if m == nil || len(args) != 1 {
		return nil, errors.New("format takes a text with one %d, %f or %s, and one value")
	}
	if m[1] == "s" {
		s, err := args[0].text()
		return fmt.Sprintf(text, s), err
	}
	n, _, err := args[0].number()
	if err != nil {
		return nil, err
	}
	if m[1] == "d" {
		return fmt.Sprintf(text, int64(n)), nil
	}
	return fmt.Sprintf(text, n), nil
}
