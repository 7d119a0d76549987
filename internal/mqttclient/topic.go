package mqttclient

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// Match tells whether an MQTT topic filter matches a topic name (MQTT 5, 4.7):
// + is one level, # the rest and its parent, and neither matches a first level
// that begins with $. Of a shared subscription the part behind the group counts.
func Match(filter, topic string) bool {
	if rest, ok := strings.CutPrefix(filter, "$share/"); ok {
		_, rest, ok = strings.Cut(rest, "/")
		if !ok {
			return false
		}
		filter = rest
	}
	if strings.HasPrefix(topic, "$") && (strings.HasPrefix(filter, "+") || strings.HasPrefix(filter, "#")) {
		return false
	}
	for {
		if filter == "#" {
			return true
		}
		f, fRest, fMore := strings.Cut(filter, "/")
		t, tRest, tMore := strings.Cut(topic, "/")
		if f != "+" && f != t {
			return false
		}
		switch {
		case !fMore && !tMore:
			return true
		case !tMore:
			return fRest == "#" // a/# matches a
		case !fMore:
			return false
		}
		filter, topic = fRest, tRest
	}
}

func checkTopic(topic string) error {
	switch {
	case topic == "":
		return errors.New("the topic is empty")
	case len(topic) > 65535:
		return errors.New("the topic is longer than 65535 bytes")
	case strings.ContainsAny(topic, "+#\x00"):
		return errors.New("a topic to publish to holds no +, # or zero byte")
	case !utf8.ValidString(topic):
		return errors.New("the topic is not UTF-8")
	}
	return nil
}

func checkFilter(filter string) error {
	if filter == "" || len(filter) > 65535 || strings.Contains(filter, "\x00") || !utf8.ValidString(filter) {
		return errors.New("a topic filter is 1 to 65535 bytes of UTF-8 without zero bytes")
	}
	levels := strings.Split(filter, "/")
	for i, l := range levels {
		if len(l) > 1 && strings.ContainsAny(l, "+#") {
			return errors.New("+ and # stand alone between slashes")
		}
		if l == "#" && i != len(levels)-1 {
			return errors.New("# stands only at the end")
		}
	}
	return nil
}
