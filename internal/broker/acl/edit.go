package acl

import (
	"fmt"
	"strings"
)

// Set returns the text with the user's rules being these; the rest of it stays
// as it is, comments too. A user without a section is added at the end.
func Set(text []byte, user string, rules []Rule) ([]byte, error) {
	var section strings.Builder
	fmt.Fprintf(&section, "user %s\n", user)
	for _, r := range rules {
		if err := CheckFilter(r.Filter); err != nil {
			return nil, err
		}
		fmt.Fprintf(&section, "topic %v %s\n", r.Access, r.Filter)
	}
	rest, at, err := cut(text, user)
	if err != nil {
		return nil, err
	}
	before, after := string(rest[:at]), string(rest[at:])
	if before != "" && !strings.HasSuffix(before, "\n") {
		before += "\n"
	}
	if before != "" && !strings.HasSuffix(before, "\n\n") && after == "" {
		before += "\n"
	}
	out := []byte(before + section.String() + after)
	l, err := Parse(out)
	if err != nil {
		return nil, err
	}
	if got := len(l.Of(user)); got != len(rules) {
		return nil, fmt.Errorf("writing the access of %.40q: it would have %d rules instead of %d", user, got, len(rules))
	}
	return out, nil
}

// Remove returns the text without the user's rules.
func Remove(text []byte, user string) ([]byte, error) {
	out, _, err := cut(text, user)
	if err != nil {
		return nil, err
	}
	l, err := Parse(out)
	if err != nil {
		return nil, err
	}
	if l.Has(user) {
		return nil, fmt.Errorf("removing the access of %.40q: it would still be there", user)
	}
	return out, nil
}

// cut takes the lines "user NAME" and "topic …" of a user out, and tells where
// the first of them was, or the end of the text. Patterns and comments in between
// stay: patterns are everybody's.
func cut(text []byte, user string) (rest []byte, at int, err error) {
	if _, err := Parse(text); err != nil {
		return nil, 0, err // nothing is changed that is not understood
	}
	var out strings.Builder
	at = -1
	inside := false
	for raw := range strings.Lines(string(text)) {
		s, _ := parseLine(raw)
		if s.word == "user" {
			inside = s.user == user
			if inside && at < 0 {
				at = out.Len()
			}
		}
		if inside && (s.word == "user" || s.word == "topic") {
			continue
		}
		out.WriteString(raw)
	}
	if at < 0 {
		at = out.Len()
	}
	return []byte(out.String()), at, nil
}
