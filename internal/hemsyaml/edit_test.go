package hemsyaml

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const house = `# My house.
home:
  name: "Mullaghmore"   # by the sea
  time_zone: Europe/Dublin

# The dongle behind the television.
zigbee:
  serial: {port: auto, baud: 115200}

metrics:
  # Nobody's card wears out from this.
  commit_every: 5s
  destinations:
    - name: influx
      url: http://192.0.2.9:8086   # the NAS

gateway:
`

func TestEditKeepsEverythingElse(t *testing.T) {
	for _, tt := range []struct {
		name   string
		path   string
		value  any
		remove string // of the text
		add    string // in its place
	}{
		{"ValueInQuotes", "home.name", "Dunmore", `"Mullaghmore"`, "Dunmore"},
		{"ValueThatNeedsQuotes", "home.name", "yes: #1", `"Mullaghmore"`, `'yes: #1'`},
		{"PlainValue", "home.time_zone", "Europe/London", "Europe/Dublin", "Europe/London"},
		{"Accents", "home.name", "Inis Oírr", `"Mullaghmore"`, "Inis Oírr"},
		{"ValueInBraces", "zigbee.serial.port", "/dev/ttyACM0", "auto", "/dev/ttyACM0"},
		{"Number", "zigbee.serial.baud", json.Number("57600"), "115200", "57600"},
		{"ValueInAList", "metrics.destinations.0.url", "https://192.0.2.10", "http://192.0.2.9:8086", "https://192.0.2.10"},
		{"NewKeyInAGroup", "home.meter", "blink", "home:\n", "home:\n  meter: blink\n"},
		{"NewKeyInAGroupWithAComment", "metrics.keep_days", 30.0, "metrics:\n", "metrics:\n  keep_days: 30\n"},
		{"NewKeyInAnEmptyGroup", "gateway.listen", []any{"127.0.0.1:80"}, "gateway:\n", "gateway:\n  listen:\n    - 127.0.0.1:80\n"},
		{"Removed", "home.time_zone", nil, "  time_zone: Europe/Dublin\n", ""},
		{"RemovedThatIsNotThere", "update.feed", nil, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Edit([]byte(house), Change{tt.path, tt.value})
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Replace(house, tt.remove, tt.add, 1)
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEditAddsAGroup(t *testing.T) {
	got, err := Edit([]byte(house), Change{"update.developer", true}, Change{"update.feed", "https://example.com/hems"})
	if err != nil {
		t.Fatal(err)
	}
	want := house + "update:\n  feed: https://example.com/hems\n  developer: true\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

func TestEditOfWhatIsNotEasyKeepsCommentsAndOrder(t *testing.T) {
	for _, tt := range []struct {
		name, text, path string
		value            any
		want             string
	}{
		{"AList", "a: 1 # one\nl: [x, y] # both\nz: 2 # last\n", "l", []any{"z"}, "a: 1 # one\nl: [z] # both\nz: 2 # last\n"},
		{"KeyInBraces", "# head\ns: {port: auto} # dongle\n", "s.baud", 9600.0, "# head\ns: {port: auto, baud: 9600} # dongle\n"},
		{"BlockText", "# head\ntext: |\n  one\n  two\nnext: 1\n", "text", "three", "# head\ntext: three\nnext: 1\n"},
		{"GroupRemoved", "# head\na: 1\ng:\n  x: 1\n# tail\nb: 2\n", "g", nil, "# head\na: 1\n# tail\nb: 2\n"},
		{"GroupForAValue", "a: 1\ng: 2\n", "g", map[string]any{"x": "y"}, "a: 1\ng:\n  x: \"y\"\n"},
		{"OnlyAComment", "# nothing yet\n", "home.name", "Home", "# nothing yet\nhome:\n  name: Home\n"},
		{"Nothing", "", "home.name", "Home", "home:\n  name: Home\n"},
		{"NoLineEnd", "home:\n  name: x", "zigbee.channel", 15.0, "home:\n  name: x\nzigbee:\n  channel: 15\n"},
		{"NoLineEndInAGroup", "home:", "home.name", "x", "home:\n  name: x\n"},
		{"LastKeyOfAGroup", "home:\n  name: x\nb: 1\n", "home.name", nil, "home:\nb: 1\n"},
		{"DocumentMarks", "---\na: 1\n...\n", "b", 2.0, "a: 1\nb: 2\n"},
		{"AnotherWidth", "home:\n    name: x\n", "home.meter", "m", "home:\n    meter: m\n    name: x\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Edit([]byte(tt.text), Change{tt.path, tt.value})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEditRefuses(t *testing.T) {
	for name, path := range map[string]string{
		"Nothing":         "",
		"EmptyName":       "home..name",
		"BelowAValue":     "home.name.first",
		"BesideAList":     "metrics.destinations.7.url",
		"NameInAList":     "metrics.destinations.first.url",
		"LineBreak":       "home.na\nme",
		"Colon":           "home.na:me",
		"TooDeep":         strings.Repeat("a.", maxPathDepth) + "a",
		"NegativeInAList": "metrics.destinations.-1",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := Edit([]byte(house), Change{path, "x"}); !errors.Is(err, ErrPath) {
				t.Errorf("got error %v, want %v\n%s", err, ErrPath, got)
			}
		})
	}
	var invalid *Invalid
	if _, err := Edit([]byte("a: [1"), Change{"b", 1}); !errors.As(err, &invalid) {
		t.Errorf("a text that is not YAML: got error %v, want *Invalid", err)
	}
}

// FuzzEdit: whatever the text is, it says afterwards what it said before but for
// the change (Edit proves that itself), and a second time nothing changes.
func FuzzEdit(f *testing.F) {
	f.Add(house, "home.name", "x")
	f.Add("a: &x {b: 1}\nc: *x\n", "a.b", "2")
	f.Add("a: |\n  x\n\n# tail", "b.c", "- [")
	f.Add("? [a]\n: b\n", "a", "x")
	f.Add("---\na: 1\n---\nb: 2\n", "a", "'")
	f.Add("\ufeffa: \"\\x41\"", "a", "\n")
	f.Fuzz(func(t *testing.T, text, path, value string) {
		once, err := Edit([]byte(text), Change{path, value})
		if err != nil {
			return
		}
		twice, err := Edit(once, Change{path, value})
		if err != nil {
			t.Fatalf("%q, and %q set to %q: %q cannot be edited again: %v", text, path, value, once, err)
		}
		third, err := Edit(twice, Change{path, value})
		if err != nil || string(third) != string(twice) {
			t.Errorf("%q, and %q set to %q: %q and then %q (%v)", text, path, value, twice, third, err)
		}
	})
}
