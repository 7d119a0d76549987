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
