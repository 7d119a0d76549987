// Package mapping says which topic here is which topic there: the lines "topic"
// of a bridge, in Mosquitto's form, and what they do to the name of a message's
// topic. It is pure: it must never know who sends messages, or how.
package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Direction is which way messages go.
type Direction byte

// Out is from our broker to the other one, In from the other one to ours.
const (
	Out  Direction = 1
	In   Direction = 2
	Both           = Out | In
)

func (d Direction) String() string {
	return map[Direction]string{Out: "out", In: "in", Both: "both"}[d]
}

// Topic is one line: what matches Pattern behind the prefix of one side is
// published behind the prefix of the other.
type Topic struct {
	Pattern       string
	Direction     Direction
	QoS           byte // at most; that of a message may be lower
	Local, Remote string
}

// Parse reads "PATTERN [[[out|in|both] QOS] LOCAL-PREFIX REMOTE-PREFIX]"; ""
// stands for an empty pattern or prefix.
func Parse(line string) (Topic, error) {
	f := strings.Fields(line)
	if len(f) == 0 || len(f) > 5 {
		return Topic{}, fmt.Errorf("%q is not a topic of a bridge: write PATTERN out|in|both QOS LOCAL-PREFIX REMOTE-PREFIX, for example: # out 1 \"\" homes/7/", line)
	}
	for i := range f {
		if f[i] == `""` {
			f[i] = ""
		}
	}
	t := Topic{Pattern: f[0], Direction: Out}
	if len(f) > 1 {
		switch f[1] {
		case "out":
		case "in":
			t.Direction = In
		case "both":
			t.Direction = Both
		default:
			return Topic{}, fmt.Errorf("%q: the direction is out, in or both, and not %q", line, f[1])
		}
	}
	if len(f) > 2 {
		if len(f[2]) != 1 || f[2] < "0" || f[2] > "2" {
			return Topic{}, fmt.Errorf("%q: the QoS is 0, 1 or 2, and not %q", line, f[2])
		}
		t.QoS = f[2][0] - '0'
	}
	if len(f) > 3 {
		t.Local = f[3]
	}
	if len(f) > 4 {
		t.Remote = f[4]
	}
	if err := t.check(); err != nil {
		return Topic{}, fmt.Errorf("%q: %w", line, err)
	}
	return t, nil
}

func (t Topic) check() error {
	for _, prefix := range []string{t.Local, t.Remote} {
		if strings.ContainsAny(prefix, "+#\x00") {
			return fmt.Errorf("the prefix %q has a wildcard: those belong into the pattern", prefix)
		}
	}
	if t.Pattern == "" && (t.Local == "" || t.Remote == "") {
		return errors.New("an empty pattern needs a topic on each side in place of the prefixes")
	}
	for _, f := range []string{t.LocalFilter(), t.RemoteFilter()} {
		if err := checkFilter(f); err != nil {
			return fmt.Errorf("%q: %w", f, err)
		}
	}
	return nil
}

// String is the line that Parse reads.
func (t Topic) String() string {
	quoted := func(s string) string {
		if s == "" {
			return `""`
		}
		return s
	}
	return fmt.Sprintf("%s %s %d %s %s", quoted(t.Pattern), t.Direction, t.QoS, quoted(t.Local), quoted(t.Remote))
}

// LocalFilter matches, in our broker, what the line is about.
func (t Topic) LocalFilter() string { return t.Local + t.Pattern }

// RemoteFilter is the same in the other broker.
func (t Topic) RemoteFilter() string { return t.Remote + t.Pattern }

// Table is all the lines of one bridge.
type Table []Topic

// Check refuses lines that would send a message twice or round and round.
func (ts Table) Check() error {
	if len(ts) == 0 {
		return errors.New("a bridge without topics carries nothing: give it at least one, for example: # out 1")
	}
	for i, a := range ts {
		for _, b := range ts[i+1:] {
			if a.Direction&b.Direction&Out != 0 && overlap(a.LocalFilter(), b.LocalFilter()) {
				return fmt.Errorf("the topics %q and %q are both about the same messages here: what both match would be sent twice", a, b)
			}
			if a.Direction&b.Direction&In != 0 && overlap(a.RemoteFilter(), b.RemoteFilter()) {
				return fmt.Errorf("the topics %q and %q are both about the same messages there: what both match would come twice", a, b)
			}
		}
	}
	for _, out := range ts {
		for _, in := range ts {
			inverse := out.Local == in.Local && out.Remote == in.Remote
			if out.Direction&Out == 0 || in.Direction&In == 0 || inverse {
				continue
			}
			if overlap(out.LocalFilter(), in.LocalFilter()) && overlap(out.RemoteFilter(), in.RemoteFilter()) {
				return fmt.Errorf("the topics %q and %q would make a loop: what one sends, the other brings back under another name; give both the same prefixes, or patterns that have nothing in common", out, in)
			}
		}
	}
	return nil
}

// Out is what a topic of our broker is called in the other one, and whether it
// goes there at all.
func (ts Table) Out(topic string) (string, bool) {
	for _, t := range ts {
		if t.Direction&Out != 0 && match(t.LocalFilter(), topic) {
			return t.Remote + strings.TrimPrefix(topic, t.Local), true
		}
	}
	return "", false
}

// In is what a topic of the other broker is called in ours, and whether it
// comes here at all.
func (ts Table) In(topic string) (string, bool) {
	for _, t := range ts {
		if t.Direction&In != 0 && match(t.RemoteFilter(), topic) {
			return t.Local + strings.TrimPrefix(topic, t.Remote), true
		}
	}
	return "", false
}

// Filter is a subscription.
type Filter struct {
	Filter string
	QoS    byte
}

// Outgoing are the subscriptions that a bridge makes at our broker.
func (ts Table) Outgoing() []Filter { return ts.filters(Out, Topic.LocalFilter) }

// Incoming are those that it makes at the other one.
func (ts Table) Incoming() []Filter { return ts.filters(In, Topic.RemoteFilter) }

func (ts Table) filters(d Direction, of func(Topic) string) (all []Filter) {
	for _, t := range ts {
		if t.Direction&d != 0 {
			all = append(all, Filter{of(t), t.QoS})
		}
	}
	return all
}

// Access is what a bridge does at our broker: the filters it reads and those it
// writes to.
func (ts Table) Access() (read, write []string) {
	for _, t := range ts {
		if t.Direction&Out != 0 {
			read = append(read, t.LocalFilter())
		}
		if t.Direction&In != 0 {
			write = append(write, t.LocalFilter())
		}
	}
	return read, write
}

// checkFilter is MQTT 5, 4.7.
func checkFilter(filter string) error {
	if filter == "" || len(filter) > 65535 || strings.Contains(filter, "\x00") || !utf8.ValidString(filter) {
		return errors.New("a topic filter is 1 to 65535 bytes of UTF-8 without zero bytes")
	}
	levels := strings.Split(filter, "/")
	for i, l := range levels {
		if len(l) > 1 && strings.ContainsAny(l, "+#") {
			return errors.New("+ and # stand alone between slashes: end a prefix with a slash")
		}
		if l == "#" && i != len(levels)-1 {
			return errors.New("# stands only at the end")
		}
	}
	if strings.EqualFold(levels[0], "$share") {
		return errors.New("a bridge does not share its subscriptions")
	}
	return nil
}

// match tells whether filter matches the topic name.
func match(filter, topic string) bool {
	return overlap(filter, topic) && (topic[0] != '$' || filter[0] == '$')
}

// overlap tells whether some topic is matched by both filters. A name is a
// filter that matches itself.
func overlap(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	if wild := func(l string) bool { return l == "+" || l == "#" }; as[0] != bs[0] &&
		(strings.HasPrefix(as[0], "$") && wild(bs[0]) || strings.HasPrefix(bs[0], "$") && wild(as[0])) {
		return false
	}
	for i := 0; i < len(as) && i < len(bs); i++ {
		switch {
		case as[i] == "#" || bs[i] == "#":
			return true
		case as[i] != bs[i] && as[i] != "+" && bs[i] != "+":
			return false
		}
	}
	switch long := len(as) - len(bs); { // a/# matches a
	case long == 0:
		return true
	case long > 0:
		return slices.Equal(as[len(bs):], []string{"#"})
	default:
		return slices.Equal(bs[len(as):], []string{"#"})
	}
}
