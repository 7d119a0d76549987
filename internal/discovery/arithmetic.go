package discovery

import (
	"cmp"
	"errors"
	"math"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// operator makes a filter of a function of two operands, both of them defined.
func operator(f func(a, b value) (any, error)) exec.FilterFunction {
	return filter(1, func(in value, args []value) (any, error) {
		if err := errors.Join(in.defined(), args[0].defined()); err != nil {
			return nil, err
		}
		return f(in, args[0])
	})
}

// numeric makes an operator of a function of two numbers. As in Python the
// result of whole numbers is one too.
func numeric(f func(a, b float64) (float64, error)) exec.FilterFunction {
	return operator(func(a, b value) (any, error) { return arithmetic(a, b, f) })
}

func arithmetic(a, b value, f func(a, b float64) (float64, error)) (any, error) {
	x, wholeX, err := a.number()
	if err != nil {
		return nil, err
	}
	y, wholeY, err := b.number()
	if err != nil {
		return nil, err
	}
	r, err := f(x, y)
	if err != nil {
		return nil, err
	}
	if math.IsNaN(r) || math.IsInf(r, 0) {
		return nil, errors.New("the result is too large")
	}
	if wholeX && wholeY && r == math.Trunc(r) && math.Abs(r) < 1<<53 {
		return int(r), nil
	}
	return r, nil
}

func plus(a, b float64) (float64, error)  { return a + b, nil }
func times(a, b float64) (float64, error) { return a * b, nil }

var errDivision = errors.New("division by zero")

// divide is "/", whose result is never whole in Python.
func divide(a, b value) (any, error) {
	r, err := arithmetic(a, b, func(x, y float64) (float64, error) {
		if y == 0 {
			return 0, errDivision
		}
		return x / y, nil
	})
	if i, whole := r.(int); whole {
		return float64(i), err
	}
	return r, err
}

func floorDivide(a, b float64) (float64, error) {
	if b == 0 {
		return 0, errDivision
	}
	return math.Floor(a / b), nil
}

// modulo has the sign of b.
func modulo(a, b float64) (float64, error) {
	if b == 0 {
		return 0, errDivision
	}
	r := math.Mod(a, b)
	if r != 0 && (r < 0) != (b < 0) {
		r += b
	}
	return r, nil
}

func power(a, b float64) (float64, error) { return math.Pow(a, b), nil }

func add(a, b value) (any, error) {
	if a.IsString() && b.IsString() {
		return a.String() + b.String(), nil
	}
	return arithmetic(a, b, plus)
}

func concatenate(a, b value) (any, error) {
	x, err := a.text()
	if err != nil {
		return nil, err
	}
	y, err := b.text()
	return x + y, err
}

// compare makes an operator of a comparison's outcome.
func compare(holds func(c int) bool) exec.FilterFunction {
	return operator(func(a, b value) (any, error) {
		if a.IsString() && b.IsString() {
			return holds(strings.Compare(a.String(), b.String())), nil
		}
		x, _, err := a.number()
		if err != nil {
			return nil, err
		}
		y, _, err := b.number()
		if err != nil {
			return nil, err
		}
		return holds(cmp.Compare(x, y)), nil
	})
}

func onNumber(in value, f func(float64) float64) (any, error) {
	n, whole, err := in.number()
	if err != nil {
		return nil, err
	}
	if whole {
		return int(f(n)), nil
	}
	return f(n), nil
}

func onText(f func(string) string) func(value, []value) (any, error) {
	return func(in value, _ []value) (any, error) {
		if err := in.defined(); err != nil {
			return nil, err
		}
		s, err := in.text()
		return f(s), err
	}
}

// round is Home Assistant's: round(precision, method, default).
var round = func(_ *exec.Evaluator, in *exec.Value, p *exec.VarArgs) *exec.Value {
	if in.IsError() {
		return in
	}
	argument := func(i int, name string) value {
		if i < len(p.Args) {
			return value{p.Args[i]}
		}
		return value{p.KwArgs[name]}
	}
	precision := 0
	if v := argument(0, "precision"); v.Value != nil {
		precision = v.Integer()
	}
	method := "common"
	if v := argument(1, "method"); v.Value != nil && v.IsString() {
		method = v.String()
	}
	if precision < -12 || precision > 12 {
		return exec.AsValue(errors.New("round takes a precision from -12 to 12"))
	}
	n, err := value{in}.float()
	if err != nil {
		if d := argument(2, "default"); d.Value != nil {
			return d.Value
		}
		return exec.AsValue(err)
	}
	r, err := roundTo(n.(float64), precision, method)
	if err == nil && precision == 0 && math.Abs(r) < 1<<53 {
		return exec.AsValue(int(r))
	}
	return result(r, err)
}

func roundTo(n float64, precision int, method string) (float64, error) {
	scale := math.Pow(10, math.Abs(float64(precision)))
	up, down := n*scale, func(v float64) float64 { return v / scale }
	if precision < 0 {
		up, down = n/scale, func(v float64) float64 { return v * scale }
	}
	switch method {
	case "common": // halves go to the even neighbour, as Python's round has it
		return down(math.RoundToEven(up)), nil
	case "ceil":
		return down(math.Ceil(up)), nil
	case "floor":
		return down(math.Floor(up)), nil
	case "half":
		return down(math.RoundToEven(up*2) / 2), nil
	}
	return 0, errors.New("round takes common, ceil, floor or half")
}

// aggregate makes a filter of a function of a list of numbers, at least one.
func aggregate(f func([]float64) float64) func(value, []value) (any, error) {
	return func(in value, _ []value) (any, error) {
		list, err := in.list()
		if err != nil {
			return nil, err
		}
		return overNumbers(list, f)
	}
}

// listed is aggregate for a function's arguments, or the one list among them.
func listed(f func([]float64) float64) func([]value) (any, error) {
	return func(args []value) (any, error) {
		if len(args) == 1 {
			return aggregate(f)(args[0], nil)
		}
		return overNumbers(args, f)
	}
}

func overNumbers(list []value, f func([]float64) float64) (any, error) {
	if len(list) == 0 {
		return nil, errors.New("the list is empty")
	}
	numbers, allWhole := make([]float64, len(list)), true
	for i, v := range list {
		n, whole, err := v.number()
		if err != nil {
			return nil, err
		}
		numbers[i], allWhole = n, allWhole && whole
	}
	r := f(numbers)
	if allWhole && r == math.Trunc(r) && math.Abs(r) < 1<<53 {
		return int(r), nil
	}
	return r, nil
}

func sum(l []float64) (s float64) {
	for _, v := range l {
		s += v
	}
	return s
}

func extreme(l []float64, f func(a, b float64) float64) float64 {
	e := l[0]
	for _, v := range l[1:] {
		e = f(e, v)
	}
	return e
}

func length(in value, _ []value) (any, error) {
	if err := in.defined(); err != nil {
		return nil, err
	}
	return in.Len(), nil
}

// item returns the first (0) or last (-1) element of a list or letter of a text.
func item(in value, i int) (any, error) {
	if in.Value != nil && in.IsString() {
		letters := []rune(in.String())
		if len(letters) == 0 {
			return nil, ErrNoValue
		}
		if i < 0 {
			i += len(letters)
		}
		return string(letters[i]), nil
	}
	list, err := in.list()
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, ErrNoValue
	}
	if i < 0 {
		i += len(list)
	}
	return list[i].Value, nil
}

func join(in value, args []value) (any, error) {
	list, err := in.list()
	if err != nil {
		return nil, err
	}
	separator := ""
	if len(args) == 1 {
		if separator, err = args[0].text(); err != nil {
			return nil, err
		}
	}
	var b strings.Builder
	for i, v := range list {
		if i > 0 {
			b.WriteString(separator)
		}
		s, err := v.text()
		if err != nil {
			return nil, err
		}
		if b.WriteString(s); b.Len() > maxOutput {
			return nil, errTooLong
		}
	}
	return b.String(), nil
}

func replace(in value, args []value) (any, error) {
	if err := in.defined(); err != nil {
		return nil, err
	}
	if len(args) != 2 {
		return nil, errors.New("replace takes what to look for and what to put there")
	}
	s, err := in.text()
	if err != nil {
		return nil, err
	}
	from, err := args[0].text()
	if err != nil {
		return nil, err
	}
	to, err := args[1].text()
	if err != nil {
		return nil, err
	}
	if grown := len(s) + strings.Count(s, from)*(len(to)-len(from)); grown > maxOutput {
		return nil, errTooLong
	}
	return strings.ReplaceAll(s, from, to), nil
}

// iif is iif(condition, if true, if false, if none).
func iif(args []value) (any, error) {
	choose := func(i int, otherwise any) (any, error) {
		if i < len(args) {
			return args[i].Value, nil
		}
		return otherwise, nil
	}
	switch c := args[0]; {
	case c.defined() != nil && len(args) > 3:
		return args[3].Value, nil
	case c.defined() == nil && c.IsTrue():
		return choose(1, true)
	}
	return choose(2, false)
}
