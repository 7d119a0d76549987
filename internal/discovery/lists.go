package discovery

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

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

// truncate is truncate(length=255, killwords=False, end='...', leeway=5) in
// characters, as Jinja has it.
func truncate(in value, args []value) (any, error) {
	text, err := in.text()
	if err != nil {
		return nil, err
	}
	length, words, end, leeway := 255, true, "...", 5
	number := func(i int, n *int) error {
		if i >= len(args) {
			return nil
		}
		f, _, err := args[i].number()
		if err == nil && (f < 0 || f > maxOutput) {
			err = fmt.Errorf("truncate takes a length from 0 to %d", maxOutput)
		}
		*n = int(f)
		return err
	}
	if err := errors.Join(number(0, &length), number(3, &leeway)); err != nil {
		return nil, err
	}
	if len(args) > 1 {
		words = !args[1].IsTrue()
	}
	if len(args) > 2 {
		if end, err = args[2].text(); err != nil {
			return nil, err
		}
	}
	s := []rune(text)
	room := length - len([]rune(end))
	switch {
	case room < 0:
		return nil, errors.New("truncate takes a length that has room for the end")
	case len(s) <= length+leeway:
		return text, nil
	}
	cut := string(s[:room])
	if i := strings.LastIndex(cut, " "); words && i >= 0 {
		cut = cut[:i]
	}
	return cut + end, nil
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
