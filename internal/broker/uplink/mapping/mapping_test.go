package mapping

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for line, want := range map[string]Topic{
		"#":                               {Pattern: "#", Direction: Out},
		"zigbee2mqtt/# out 1":             {Pattern: "zigbee2mqtt/#", Direction: Out, QoS: 1},
		`# both 2 "" homes/7/`:            {Pattern: "#", Direction: Both, QoS: 2, Remote: "homes/7/"},
		"+/set in 1 here/ there/":         {Pattern: "+/set", Direction: In, QoS: 1, Local: "here/", Remote: "there/"},
		`"" out 0 here/one there/another`: {Direction: Out, Local: "here/one", Remote: "there/another"},
	} {
		got, err := Parse(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: (-want +got)\n%s", line, d)
		}
		if again, err := Parse(got.String()); err != nil || again != got {
			t.Errorf("%s: written as %q it is read as %v, %v", line, got, again, err)
		}
	}
	for line, want := range map[string]string{
		"":                       "not a topic",
		"# out 1 a/ b/ c":        "not a topic",
		"# up":                   "direction",
		"# out 3":                "QoS",
		"# out 11":               "QoS",
		"# out 1 + b/":           "wildcard",
		"a/#/b":                  "at the end",
		"a+":                     "alone",
		"# out 1 home":           "end a prefix with a slash",
		`"" out 1`:               "empty pattern",
		"$share/g/a out":         "share",
		"a\x00 out":              "zero",
		"# out 1 a/ " + "b\xff/": "UTF-8",
	} {
		if _, err := Parse(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", line, err, want)
		}
	}
}

func table(t *testing.T, lines ...string) Table {
	t.Helper()
	var ts Table
	for _, l := range lines {
		topic, err := Parse(l)
		if err != nil {
			t.Fatal(err)
		}
		ts = append(ts, topic)
	}
	return ts
}

func TestNamesOnEachSide(t *testing.T) {
	ts := table(t, "zigbee2mqtt/# out 1 \"\" homes/7/", "+/set in 2 zigbee2mqtt/ homes/7/do/", `"" both 0 here/one there/another`)
	for topic, want := range map[string]string{
		"zigbee2mqtt/meter": "homes/7/zigbee2mqtt/meter",
		"zigbee2mqtt":       "homes/7/zigbee2mqtt",
		"here/one":          "there/another",
		"here/one/x":        "",
		"other":             "",
		"$SYS/x":            "",
	} {
		if got, ok := ts.Out(topic); got != want || ok != (want != "") {
			t.Errorf("out %s: %q, want %q", topic, got, want)
		}
	}
	for topic, want := range map[string]string{
		"homes/7/do/plug/set":   "zigbee2mqtt/plug/set",
		"homes/7/do/plug/other": "",
		"there/another":         "here/one",
	} {
		if got, ok := ts.In(topic); got != want || ok != (want != "") {
			t.Errorf("in %s: %q, want %q", topic, got, want)
		}
	}
	if got := table(t, "# both"); func() bool { _, ok := got.Out("$SYS/broker/uptime"); return ok }() {
		t.Error("# takes in $SYS")
	}
	read, write := ts.Access()
	if d := cmp.Diff([]string{"zigbee2mqtt/#", "here/one"}, read); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"zigbee2mqtt/+/set", "here/one"}, write); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]Filter{{"homes/7/do/+/set", 2}, {"there/another", 0}}, ts.Incoming()); d != "" {
		t.Error(d)
	}
}

func TestCheck(t *testing.T) {
	for name, tt := range map[string]struct {
		lines []string
		want  string // in the error; empty: fine
	}{
		"One":                    {[]string{"# both 1"}, ""},
		"None":                   {nil, "carries nothing"},
		"Apart":                  {[]string{"a/# out", "b/# out", "c/# in"}, ""},
		"InverseOnTwoLines":      {[]string{"# out 1 x/ y/", "cmd/# in 1 x/ y/"}, ""},
		"SentTwice":              {[]string{"# out", "a/# out 1"}, "sent twice"},
		"ComesTwice":             {[]string{"a/+ in", "+/b in 1"}, "come twice"},
		"ComesTwiceOfBoth":       {[]string{"a/# both", "a/b in"}, "come twice"},
		"LoopThatGrows":          {[]string{`# out 1 "" x/`, "# in 1"}, "loop"},
		"OtherNameButNoWayBack":  {[]string{"a/# out 1", `a/# in 1 b/ ""`}, ""},
		"OtherNameAndAWayBack":   {[]string{"+/x out 1", `+/x in 1 "" a/`, "b out"}, ""},
		"SameFilterOtherPrefix":  {[]string{"# out 1 a/ r/", "# in 1 a/b/ r/b/"}, "loop"},
		"SystemTopicsAreNotInIt": {[]string{"# out", "$SYS/# out 0"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := table(t, tt.lines...).Check()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// FuzzParse: what is read can be written, and a name that goes out and may come
// in again under the same line is the same name.
func FuzzParse(f *testing.F) {
	f.Add(`# both 2 "" homes/7/`, "a/b")
	f.Add("+/set both 1 here/ there/", "here/x/set")
	f.Fuzz(func(t *testing.T, line, topic string) {
		p, err := Parse(line)
		if err != nil {
			return
		}
		if again, err := Parse(p.String()); err != nil || again != p {
			t.Fatalf("%q is written as %q and read as %v, %v", line, p, again, err)
		}
		if topic == "" || strings.ContainsAny(topic, "+#") {
			return
		}
		ts := Table{p}
		if p.Direction != Both {
			return
		}
		if there, ok := ts.Out(topic); ok && there != "" {
			if here, ok := ts.In(there); !ok || here != topic {
				t.Fatalf("%q: %q goes out as %q and comes in as %q, %v", line, topic, there, here, ok)
			}
		}
	})
}
