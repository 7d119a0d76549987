// Package acl is Mosquitto's access list: which topics a user may read and
// write. It knows the file's syntax and how Mosquitto judges by it; it must
// never know how a user proves who it is.
//
//	topic [read|write|readwrite|deny] <filter>     of whom stands above; before the first
//	                                               "user", of those without a name
//	user <name>
//	pattern [read|write|readwrite|deny] <filter>   of everybody: %u is the user, %c the client id
//
// What no line allows is not allowed. The lines of a user are asked before the
// patterns, and among each the denials before the others.
package acl

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode/utf8"
)

// Limits of a file.
const (
	MaxFile  = 1 << 20 // bytes
	MaxRules = 10000
)

// Access is what a rule says of its topics.
type Access uint8

// The kinds of access.
const (
	Deny      Access = 0
	Read      Access = 1
	Write     Access = 2
	ReadWrite        = Read | Write
)

var words = map[string]Access{"read": Read, "write": Write, "readwrite": ReadWrite, "deny": Deny}

// ParseAccess is the access of a word, such as "read".
func ParseAccess(word string) (Access, bool) {
	a, ok := words[word]
	return a, ok
}

func (a Access) String() string {
	for word, b := range words {
		if a == b {
			return word
		}
	}
	return "unknown"
}

// A Rule is one line "topic" or "pattern".
type Rule struct {
	Access Access
	Filter string // a topic filter, with %u and %c in a pattern
}

// List is an access list in memory. It does not change.
type List struct {
	anonymous rules
	users     map[string]*rules
	order     []string // of the users, as they first appear
	patterns  rules
}

// rules have the denials first.
type rules struct{ deny, allow []Rule }

func (r *rules) add(rule Rule) {
	if rule.Access == Deny {
		r.deny = append(r.deny, rule)
	} else {
		r.allow = append(r.allow, rule)
	}
}

// An Error is something wrong in a line.
type Error struct {
	Line int
	Text string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Text) }

// Parse reads an access list. All that is wrong is told, each an *Error.
func Parse(text []byte) (*List, error) {
	if len(text) > MaxFile {
		return nil, fmt.Errorf("the access list has more than %d bytes", MaxFile)
	}
	l := &List{users: map[string]*rules{}}
	to := &l.anonymous
	var errs []error
	n, count := 0, 0
	for raw := range strings.Lines(string(text)) {
		n++
		s, err := parseLine(raw)
		switch {
		case err != nil:
			errs = append(errs, &Error{n, err.Error()})
		case s.word == "user":
			to = l.rulesOf(s.user)
		case s.word == "pattern":
			l.patterns.add(s.rule)
		case s.word == "topic":
			to.add(s.rule)
		}
		if s.rule.Filter != "" {
			count++
		}
	}
	if count > MaxRules {
		errs = append(errs, fmt.Errorf("the access list has more than %d rules", MaxRules))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *List) rulesOf(user string) *rules {
	r := l.users[user]
	if r == nil {
		r = &rules{}
		l.users[user] = r
		l.order = append(l.order, user)
	}
	return r
}

// statement is one line: its word, and what is said of whom.
type statement struct {
	word string // "" for a comment or an empty line
	user string
	rule Rule
}

func parseLine(raw string) (s statement, err error) {
	text := strings.TrimRight(raw, " \t\r\n\v\f")
	if text == "" || text[0] == '#' {
		return s, nil
	}
	word, rest, _ := strings.Cut(strings.TrimLeft(text, " "), " ")
	rest = strings.Trim(rest, " \t")
	switch word {
	case "user":
		if rest == "" {
			return s, errors.New("the name of the user is missing: write user NAME")
		}
		if !utf8.ValidString(rest) {
			return s, errors.New("the name of the user is not UTF-8")
		}
		return statement{word: word, user: rest}, nil
	case "topic", "pattern":
		s.word = word
		if s.rule, err = parseRule(rest); err != nil {
			return statement{}, err
		}
		return s, nil
	}
	return s, fmt.Errorf("%.40q is no beginning of a line: it is user, topic, pattern, or # for a comment", word)
}

func parseRule(s string) (Rule, error) {
	if s == "" {
		return Rule{}, errors.New("the topic is missing: write topic read a/b/#")
	}
	r := Rule{Access: ReadWrite, Filter: s}
	if word, rest, more := strings.Cut(s, " "); more {
		access, ok := words[word]
		if !ok {
			return Rule{}, fmt.Errorf("%.40q is no kind of access: give read, write, readwrite or deny, also before a topic with a space in it", word)
		}
		r = Rule{Access: access, Filter: strings.Trim(rest, " \t")}
	}
	if err := CheckFilter(r.Filter); err != nil {
		return Rule{}, err
	}
	return r, nil
}

// CheckFilter says what is wrong with a topic filter. (MQTT 5, 4.7.1.)
func CheckFilter(f string) error {
	switch {
	case f == "":
		return errors.New("the topic is missing")
	case len(f) > 65535:
		return errors.New("a topic has at most 65535 bytes")
	case !utf8.ValidString(f) || strings.ContainsRune(f, 0):
		return errors.New("a topic is UTF-8 text without NUL")
	}
	for i := range len(f) {
		first, last := i == 0 || f[i-1] == '/', i == len(f)-1
		switch {
		case f[i] == '#' && (!first || !last):
			return fmt.Errorf("%.60q: # stands alone behind the last /", f)
		case f[i] == '+' && (!first || !last && f[i+1] != '/'):
			return fmt.Errorf("%.60q: + stands alone between two /", f)
		}
	}
	return nil
}

// Load reads the list at path; one that is not there allows nothing.
func Load(path string) (*List, error) {
	text, err := ReadFile(path)
	if err != nil {
		return nil, err
	}
	l, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("reading the access list %s: %w", path, err)
	}
	return l, nil
}

// ReadFile reads the text of a list; one that is not there is empty.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the access list: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading the access list: %w", err)
	}
	return b, nil
}

// Users are those who have rules of their own, in the list's order.
func (l *List) Users() []string { return append([]string{}, l.order...) }

// Has tells whether the list names the user.
func (l *List) Has(user string) bool { return l.users[user] != nil }

// Of are a user's own rules, the denials first.
func (l *List) Of(user string) []Rule {
	r := l.users[user]
	if r == nil {
		return nil
	}
	return append(append([]Rule{}, r.deny...), r.allow...)
}

// Anonymous are the rules of those without a name, Patterns those of everybody.
func (l *List) Anonymous() []Rule {
	return append(append([]Rule{}, l.anonymous.deny...), l.anonymous.allow...)
}

// Patterns are the rules of everybody, with %u and %c in them.
func (l *List) Patterns() []Rule {
	return append(append([]Rule{}, l.patterns.deny...), l.patterns.allow...)
}
