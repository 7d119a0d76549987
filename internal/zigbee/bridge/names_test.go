package bridge

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

func TestCheckName(t *testing.T) {
	for name, tt := range map[string]struct {
		name string
		want string // part of the error, "" for none
	}{
		"Plain":           {"frient_blink_counter", ""},
		"Spaces":          {"Zähler im Keller", ""},
		"Levels":          {"house/kitchen/meter", ""},
		"Address":         {"0x0015bc003f000001", ""},
		"ErrEmpty":        {"", "at least 1 char"},
		"ErrLong":         {strings.Repeat("x", 101), "at most 100 bytes"},
		"ErrPlus":         {"a+b", "wildcard"},
		"ErrHash":         {"a#", "wildcard"},
		"ErrControl":      {"a\x00b", "control char"},
		"ErrNewline":      {"a\nb", "control char"},
		"ErrNotUTF8":      {"a\xff", "UTF-8"},
		"ErrSlashFirst":   {"/a", "start with /"},
		"ErrSlashLast":    {"a/", "start with /"},
		"ErrSpaceLast":    {"a ", "start with a space"},
		"ErrEmptyLevel":   {"a//b", "a level ''"},
		"SixLevels":       {"a/b/c/d/e/f", ""},
		"ErrTooDeep":      {"a/b/c/d/e/f/g", "more than 6 levels"},
		"ErrBridge":       {"bridge", "the bridge itself"},
		"ErrUnderBridge":  {"bridge/state", "the bridge itself"},
		"ErrCoordinator":  {"Coordinator", "the bridge itself"},
		"ErrGet":          {"a/get", "a level 'get'"},
		"ErrSetInBetween": {"a/set/b", "a level 'set'"},
		"ErrAvailability": {"a/availability", "end in 'availability'"},
		"AnEndpoint":      {"lamp/left", ""},
		"ErrDigit":        {"lamp/1", "/DIGIT"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := checkName(tt.name); err != nil {
				got = err.Error()
			}
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("%q: got %q, want %q in it", tt.name, got, tt.want)
			}
		})
	}
}

func TestNamesAreUnique(t *testing.T) {
	const other zcl.EUI64 = 0x0015bc003f000002
	n := &names{of: map[zcl.EUI64]string{meterEUI: "main_meter"}}
	devices := map[zcl.EUI64]*device{meterEUI: {}, other: {}}
	for name, tt := range map[string]struct {
		e    zcl.EUI64
		name string
		ok   bool
	}{
		"Free":                    {other, "heat pump", true},
		"ItsOwn":                  {meterEUI, "main_meter", true},
		"ItsOwnInOtherLetters":    {meterEUI, "Main Meter", true},
		"OwnAddress":              {other, other.String(), true},
		"ErrTaken":                {other, "main_meter", false},
		"ErrSameEntities":         {other, "Main Meter", false},
		"ErrAddressOfAnother":     {meterEUI, other.String(), false},
		"ErrAddressInBigLetters":  {meterEUI, "0x0015BC003F000002", false},
		"ErrAddressOfNoneSoFar":   {meterEUI, "0x0015bc003f000003", false},
		"ErrNameThatIsNotAllowed": {other, "a+", false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := n.check(tt.e, tt.name, devices); (err == nil) != tt.ok {
				t.Errorf("got %v, want allowed %v", err, tt.ok)
			}
		})
	}
}

func TestLoadNames(t *testing.T) {
	for name, tt := range map[string]struct {
		content string
		want    map[zcl.EUI64]string // nil: an error
	}{
		"Good":         {`{"0x0015bc003f000001":"a"}`, map[zcl.EUI64]string{meterEUI: "a"}},
		"Empty":        {`{}`, map[zcl.EUI64]string{}},
		"Null":         {`null`, map[zcl.EUI64]string{}},
		"ErrCutShort":  {`{"0x0015bc003f000001":"a`, nil},
		"ErrNoAddress": {`{"meter":"a"}`, nil},
		"ErrBadName":   {`{"0x0015bc003f000001":"a+"}`, nil},
		"ErrTwice":     {`{"0x0015bc003f000001":"a b","0x0015bc003f000002":"A_b"}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), statefile.Name)
			if err := os.WriteFile(path, []byte(`{"version":1,"readable_from":1,"names":`+tt.content+`}`), 0o600); err != nil {
				t.Fatal(err)
			}
			var n *names
			state, err := statefile.Open(path)
			if err == nil {
				n, err = loadNames(state)
			}
			if tt.want == nil {
				if err == nil {
					t.Fatalf("got %v, want an error", n.of)
				}
				if !strings.Contains(err.Error(), path) {
					t.Errorf("the error does not name the file: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, n.of); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNamesThatCannotBeSavedAreNotTaken(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "zigbee")
	state, err := statefile.Open(filepath.Join(dir, statefile.Name))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	n := &names{state: state, of: map[zcl.EUI64]string{meterEUI: "a"}}
	if err := n.set(meterEUI, "b"); err == nil {
		t.Error("set: got no error")
	}
	if err := n.remove(meterEUI); err == nil {
		t.Error("remove: got no error")
	}
	if got := n.name(meterEUI); got != "a" {
		t.Errorf("got %q, want the name that is in the file", got)
	}
}

func TestTitle(t *testing.T) {
	for in, want := range map[string]string{
		"frient_blink_counter": "Frient Blink Counter",
		"kitchen/main-meter":   "Kitchen Main Meter",
		"SmartMeter":           "SmartMeter",
		"älter  zähler":        "Älter Zähler",
		"0x0015bc003f000001":   "0x0015bc003f000001",
		"_":                    "_",
	} {
		if got := title(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestNodeID(t *testing.T) {
	for in, want := range map[string]string{
		"frient_blink_counter": "frient_blink_counter",
		"a-B/c d.é":            "a-B_c_d__",
	} {
		if got := nodeID(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestCommandTopics(t *testing.T) {
	topics := topics{base: "zigbee2mqtt"}
	type command struct {
		Name, Verb, Attribute string
		OK                    bool
	}
	for topic, want := range map[string]command{
		"zigbee2mqtt/meter/get":         {"meter", "get", "", true},
		"zigbee2mqtt/meter/get/power":   {"meter", "get", "power", true},
		"zigbee2mqtt/a/b/c/set":         {"a/b/c", "set", "", true},
		"zigbee2mqtt/a/set/state":       {"a", "set", "state", true},
		"zigbee2mqtt/get":               {},
		"zigbee2mqtt/meter":             {},
		"zigbee2mqtt/a/get/power/of/it": {},
		"other/meter/get":               {},
	} {
		var got command
		got.Name, got.Verb, got.Attribute, got.OK = topics.command(topic)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", topic, diff)
		}
	}
}
