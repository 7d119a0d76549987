package mqttclient

import "testing"

func TestMatch(t *testing.T) {
	for _, tc := range []struct {
		filter, topic string
		want          bool
	}{
		{"a/b", "a/b", true},
		{"a/b", "a/b/c", false},
		{"a/b/c", "a/b", false},
		{"a/+", "a/b", true},
		{"a/+", "a/", true},
		{"a/+", "a", false},
		{"a/+", "a/b/c", false},
		{"+/+", "/b", true},
		{"+", "/b", false},
		{"+/b/#", "a/b", true},
		{"a/#", "a", true},
		{"a/#", "ab", false},
		{"a/#", "a/b/c", true},
		{"#", "a/b", true},
		{"#", "/", true},
		{"#", "$SYS/x", false},
		{"+/x", "$SYS/x", false},
		{"$SYS/#", "$SYS/x", true},
		{"$SYS/+", "$SYS/x", true},
		{"$share/g/a/+", "a/b", true},
		{"$share/g", "g", false},
		{"zigbee2mqtt/+/set", "zigbee2mqtt/lamp/set", true},
		{"zigbee2mqtt/+/set", "zigbee2mqtt/a/b/set", false},
	} {
		if got := Match(tc.filter, tc.topic); got != tc.want {
			t.Errorf("Match(%q, %q) = %v, want %v", tc.filter, tc.topic, got, tc.want)
		}
	}
}

func TestCheckFilter(t *testing.T) {
	for filter, want := range map[string]bool{
		"a": true, "#": true, "+": true, "a/+/b/#": true, "/": true,
		"": false, "a#": false, "#/a": false, "a/b+": false, "a\x00": false, "\xff": false,
	} {
		if got := checkFilter(filter) == nil; got != want {
			t.Errorf("checkFilter(%q) ok = %v, want %v", filter, got, want)
		}
	}
}

func TestParseServer(t *testing.T) {
	for server, want := range map[string]string{
		"unix:///tmp/a b.sock":  "unix /tmp/a b.sock",
		"mqtt://127.0.0.1":      "tcp 127.0.0.1:1883",
		"mqtt://[::1]:2000":     "tcp [::1]:2000",
		"unix://relative":       "",
		"mqtt://":               "",
		"https://host":          "",
		"127.0.0.1:1883":        "",
		"mqtt://host:notaport/": "",
	} {
		d, err := parseServer(server)
		got := ""
		if err == nil {
			got = d.network + " " + d.address
		}
		if got != want {
			t.Errorf("parseServer(%q) = %q, %v; want %q", server, got, err, want)
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("a/+/#", "a/b/c")
	f.Add("$share/g/#", "$SYS/a")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, filter, topic string) {
		got := Match(filter, topic)
		if filter == topic && checkTopic(topic) == nil && topic[0] != '$' && !got {
			t.Errorf("Match(%q, %q) = false: a topic matches itself", filter, topic)
		}
	})
}
