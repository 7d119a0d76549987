//go:build interop

package interop

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatIsProposed(t *testing.T) {
	at := func(topic, path string) place { return place{topic, path} }
	list := []group{
		{"ours is better", []place{at("z/b", "y"), at("z/a", "gone"), at("z/a", "x")}},
		{"of the past", []place{at("z/a", "past")}},
	}
	found := map[place]*difference{at("z/a", "x"): {}, at("z/b", "y"): {}, at("z/c", "new"): {}, at("z/c", ""): {}}
	want := []group{
		{"ours is better", []place{at("z/a", "x"), at("z/b", "y")}},
		{"", []place{at("z/c", ""), at("z/c", "new")}},
	}
	if diff := cmp.Diff(want, propose(list, found), cmp.AllowUnexported(place{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPlaces(t *testing.T) {
	for text, ok := range map[string]bool{
		`["zigbee2mqtt/bridge/info","version"]`: true,
		`["zigbee2mqtt/x",""]`:                  true,
		`["zigbee2mqtt/+","version"]`:           false,
		`["zigbee2mqtt/#","version"]`:           false,
		`["zigbee2mqtt/bridge/*","version"]`:    false,
		`["","version"]`:                        false,
		`["zigbee2mqtt/x"]`:                     false,
		`"zigbee2mqtt/x"`:                       false,
	} {
		var p place
		if err := json.Unmarshal([]byte(text), &p); (err == nil) != ok {
			t.Errorf("%s: got %v, want a place: %v", text, err, ok)
		}
	}
}
