package statefile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
)

// The members of the document that are no sections.
const (
	keyForm   = "version"
	keyReader = "readable_from"
)

// wide is how much of JSON stands on one line, in bytes: more is broken into
// its members, so that a person can read it and one change is one line.
const wide = 110

func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	if err == nil && len(b) > maxSize {
		err = fmt.Errorf("it has more than %d MB", maxSize>>20)
	}
	return b, err
}

// parse takes the document apart. An *Error says that it is too new.
func parse(b []byte) (map[string]json.RawMessage, error) {
	// Never does an error show what the file says: there are keys in it.
	if !json.Valid(b) {
		var syntax *json.SyntaxError
		if err := json.Unmarshal(b, new(struct{})); errors.As(err, &syntax) {
			line := 1 + bytes.Count(b[:min(int(syntax.Offset), len(b))], []byte{'\n'})
			return nil, fmt.Errorf("it is damaged or cut short at line %d of %d", line, 1+bytes.Count(b, []byte{'\n'}))
		}
		return nil, errors.New("it is damaged or cut short")
	}
	sections, err := split(bytes.TrimSpace(b))
	if err != nil {
		return nil, err
	}
	form, err := number(sections, keyForm)
	if err != nil {
		return nil, err
	}
	reader, err := number(sections, keyReader)
	if err != nil {
		return nil, err
	}
	if reader > Form {
		return nil, &Error{
			Message: fmt.Sprintf("was written by a newer version of hems: it has form %d, this version knows forms up to %d", form, Form),
			Advice:  "install the version of hems that wrote it, or a newer one",
		}
	}
	delete(sections, keyForm)
	delete(sections, keyReader)
	for section, raw := range sections {
		if string(raw) == "null" {
			delete(sections, section)
		}
	}
	return sections, nil
}

// split takes the members of an object, which is valid, apart. A big file is
// looked through once less than with a json.Decoder.
func split(b []byte) (map[string]json.RawMessage, error) {
	if b[0] != '{' {
		return nil, errors.New("it does not begin with {")
	}
	sections := make(map[string]json.RawMessage)
	rest := bytes.TrimSpace(b[1 : len(b)-1])
	for len(rest) > 0 {
		n := extent(rest)
		var key string
		if err := json.Unmarshal(rest[:n], &key); err != nil {
			return nil, errors.New("it is damaged")
		}
		if _, twice := sections[key]; twice {
			return nil, fmt.Errorf("it has %q twice", key)
		}
		rest = bytes.TrimSpace(bytes.TrimSpace(rest[n:])[1:]) // the colon
		n = extent(rest)
		sections[key] = bytes.TrimSpace(rest[:n])
		rest = bytes.TrimSpace(rest[n:])
		if len(rest) > 0 { // a comma
			rest = bytes.TrimSpace(rest[1:])
		}
	}
	return sections, nil
}

func number(sections map[string]json.RawMessage, key string) (int, error) {
	n, err := strconv.ParseUint(string(sections[key]), 10, 31)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("its %q is missing or no number", key)
	}
	return int(n), nil
}

// compose is the document of sections that are laid out.
func compose(sections map[string]json.RawMessage) []byte {
	size := 100
	for section, raw := range sections {
		size += len(section) + len(raw) + 16
	}
	b := make([]byte, 0, size)
	b = fmt.Appendf(b, "{\n  %q: %d,\n  %q: %d", keyForm, Form, keyReader, oldestReader)
	for _, section := range sorted(sections) {
		key, err := json.Marshal(section)
		if err != nil { // a string always marshals
			panic(err)
		}
		b = append(b, ",\n  "...)
		b = append(b, key...)
		b = append(b, ": "...)
		b = append(b, sections[section]...)
	}
	return append(b, "\n}\n"...)
}

// layOut gives compact JSON lines that a person can read. It stands so many
// levels deep in the document.
func layOut(compact []byte, depth int) []byte {
	out := make([]byte, 0, len(compact)*5/4)
	return appendLaid(out, compact, depth, 0)
}

// appendLaid appends a value that begins at a column.
func appendLaid(out, v []byte, depth, column int) []byte {
	if len(v)+column <= wide || v[0] != '{' && v[0] != '[' {
		return appendSpaced(out, v)
	}
	indent := func(n int) {
		out = append(out, '\n')
		for range n {
			out = append(out, "  "...)
		}
	}
	out = append(out, v[0])
	rest := v[1 : len(v)-1]
	for first := true; len(rest) > 0; first = false {
		if !first {
			out = append(out, ',')
			rest = rest[1:]
		}
		indent(depth + 1)
		column := 2 * (depth + 1)
		if v[0] == '{' {
			key := extent(rest)
			out = append(append(out, rest[:key]...), ": "...)
			column += key + 2
			rest = rest[key+1:]
		}
		n := extent(rest)
		out = appendLaid(out, rest[:n], depth+1, column)
		rest = rest[n:]
	}
	indent(depth)
	return append(out, v[len(v)-1])
}

// appendSpaced appends compact JSON with a space after each comma and colon.
func appendSpaced(out, v []byte) []byte {
	inString := false
	for i := 0; i < len(v); i++ {
		c := v[i]
		out = append(out, c)
		switch {
		case inString && c == '\\':
			i++
			out = append(out, v[i])
		case c == '"':
			inString = !inString
		case !inString && (c == ',' || c == ':'):
			out = append(out, ' ')
		}
	}
	return out
}

// extent is the length of the first value in JSON that begins with one; a number
// or a word may have white space behind it.
func extent(b []byte) int {
	depth, inString := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			if inString = !inString; !inString && depth == 0 {
				return i + 1
			}
		case inString:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case depth == 0 && (c == ',' || c == ':'):
			return i
		}
	}
	return len(b)
}
