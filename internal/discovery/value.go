package discovery

import (
	"errors"
	"reflect"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// value is a value of a template with Python's conversions.
type value struct{ *exec.Value }

// defined is nil for a value that is there.
func (v value) defined() error {
	if v.Value == nil || v.IsNil() {
		return ErrNoValue
	}
	if v.IsError() {
		return v.Value
	}
	return nil
}

// number returns the value of a number or truth value; whole tells that it
// has no fraction in Python either.
func (v value) number() (n float64, whole bool, err error) {
	if err := v.defined(); err != nil {
		return 0, false, err
	}
	switch {
	case v.IsBool():
		if v.Bool() {
			return 1, true, nil
		}
		return 0, true, nil
	case v.IsInteger():
		return float64(v.Integer()), true, nil
	case v.IsFloat():
		return v.Float(), false, nil
	}
	return 0, false, errors.New("an operand is not a number")
}

// float is Python's float(): of numbers and of text that is one.
func (v value) float() (any, error) {
	if err := v.defined(); err != nil {
		return nil, err
	}
	if v.IsString() {
		return number(strings.TrimSpace(v.String()))
	}
	n, _, err := v.number()
	return n, err
}

func (v value) truth() (any, error) {
	if err := v.defined(); err != nil {
		return nil, err
	}
	if v.IsString() {
		switch strings.ToLower(strings.TrimSpace(v.String())) {
		case "1", "true", "yes", "on", "enable":
			return true, nil
		case "0", "false", "no", "off", "disable":
			return false, nil
		}
		return nil, errors.New("a text is neither true nor false")
	}
	n, _, err := v.number()
	return n != 0, err
}

// text is how the value is printed: nothing when it is undefined.
func (v value) text() (string, error) {
	if v.Value == nil || v.IsNil() {
		return "", nil
	}
	switch {
	case v.IsString():
		return v.String(), nil
	case v.IsBool():
		return show(v.Bool()), nil
	case v.IsInteger():
		return show(v.Integer()), nil
	case v.IsFloat():
		return show(v.Float()), nil
	}
	return "", errors.New("a list or dictionary is not a value")
}

// list returns the elements of a list.
func (v value) list() ([]value, error) {
	if err := v.defined(); err != nil {
		return nil, err
	}
	rv := reflect.ValueOf(v.Interface())
	if rv.Kind() != reflect.Slice {
		return nil, errors.New("this is not a list")
	}
	all := make([]value, rv.Len())
	for i := range all {
		if e, ok := rv.Index(i).Interface().(*exec.Value); ok {
			all[i] = value{e}
		} else {
			all[i] = value{exec.AsValue(rv.Index(i).Interface())}
		}
	}
	return all, nil
}
