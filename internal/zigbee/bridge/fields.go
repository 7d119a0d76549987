package bridge

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
)

// field is one key of an object with its value as JSON: `"power":342`.
type field struct {
	key   string
	value any
	text  []byte
}

func newField(key string, value any) field {
	return field{key: key, value: value, text: appendField(nil, key, value)}
}

// appendField writes a key and its value.
func appendField(dst []byte, key string, value any) []byte {
	dst = append(appendJSON(dst, key), ':')
	return appendJSON(dst, value)
}

// appendJSON writes a value as JSON, with no more escapes than JSON needs. A
// value that JSON cannot say is null.
func appendJSON(dst []byte, value any) []byte {
	switch v := value.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case uint8:
		return strconv.AppendUint(dst, uint64(v), 10)
	case float64:
		if a := math.Abs(v); a == 0 || a >= 1e-6 && a < 1e21 {
			return strconv.AppendFloat(dst, v, 'f', -1, 64)
		}
	case string:
		if plain(v) {
			return append(append(append(dst, '"'), v...), '"')
		}
		if ascii(v) { // templates, with quotes
			dst = append(dst, '"')
			for i := range len(v) {
				if v[i] == '"' || v[i] == '\\' {
					dst = append(dst, '\\')
				}
				dst = append(dst, v[i])
			}
			return append(dst, '"')
		}
	case map[string]any:
		if v == nil {
			return append(dst, "null"...)
		}
		dst = append(dst, '{')
		for i, key := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendField(dst, key, v[key])
		}
		return append(dst, '}')
	case []string:
		return appendList(dst, v)
	case []any:
		return appendList(dst, v)
	case []map[string]any:
		return appendList(dst, v)
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if enc.Encode(value) != nil {
		return append(dst, "null"...)
	}
	return append(dst, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
}

func appendList[T any](dst []byte, list []T) []byte {
	if list == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSON(dst, v)
	}
	return append(dst, ']')
}

// plain reports whether a string is itself between quotes.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// ascii reports whether a string has printable characters of ASCII only.
func ascii(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// marshal is a value as JSON, keys sorted, without the escapes that HTML needs.
func marshal(value any) []byte { return appendJSON(nil, value) }

// same reports whether two values are the same number, text or truth; what
// has parts is never.
func same(a, b any) bool {
	switch a := a.(type) {
	case nil:
		return b == nil
	case float64:
		v, ok := b.(float64)
		return ok && v == a
	case string:
		v, ok := b.(string)
		return ok && v == a
	case bool:
		v, ok := b.(bool)
		return ok && v == a
	case uint8:
		v, ok := b.(uint8)
		return ok && v == a
	case int64:
		v, ok := b.(int64)
		return ok && v == a
	case int:
		v, ok := b.(int)
		return ok && v == a
	}
	return false
}

// appendObject writes an object of the fields of several lists, each sorted by
// key; of a key in several lists the first is taken. Keys for which hide is
// true are left out.
func appendObject(dst []byte, hide func(key string) bool, lists ...[]field) []byte {
	dst = append(dst, '{')
	first := true
	for {
		var next *field
		for _, list := range lists {
			if len(list) > 0 && (next == nil || list[0].key < next.key) {
				next = &list[0]
			}
		}
		if next == nil {
			return append(dst, '}')
		}
		for i, list := range lists {
			for len(list) > 0 && list[0].key == next.key {
				list = list[1:]
			}
			lists[i] = list
		}
		if hide != nil && hide(next.key) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, next.text...)
	}
}
