package bridge

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestScenesOfARealHome: stored, described, renamed and removed by /set, at a
// device and at a group.
func TestScenesOfARealHome(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	scenes := func(list string) func(string) bool {
		return func(s string) bool { return strings.Contains(s, `"scenes":`+list) }
	}
	set := func(name, payload string) { h.publish("zigbee2mqtt/"+name+"/set", payload, false) }

	set("plug", `{"scene_store":{"ID":3,"name":"evening"}}`)
	h.awaitHolds("zigbee2mqtt/bridge/devices", scenes(`[{"id":3,"name":"evening"}]`))
	if got := h.view("plug").Scenes; got != 1 {
		t.Errorf("the plug has %d scenes, want 1", got)
	}
	set("plug", `{"scene_add":{"ID":4,"state":"ON","transition":2}}`)
	h.awaitHolds("zigbee2mqtt/bridge/devices", scenes(`[{"id":3,"name":"evening"},{"id":4,"name":"Scene 4"}]`))
	set("plug", `{"scene_rename":{"ID":4,"name":"on"}}`)
	h.awaitHolds("zigbee2mqtt/bridge/devices", scenes(`[{"id":3,"name":"evening"},{"id":4,"name":"on"}]`))
	set("plug", `{"scene_remove":3}`)
	h.awaitHolds("zigbee2mqtt/bridge/devices", scenes(`[{"id":4,"name":"on"}]`))
	set("plug", `{"scene_remove_all":""}`)
	h.until(func() bool {
		return h.view("plug").Scenes == 0 && !strings.Contains(h.holds("zigbee2mqtt/bridge/devices"), `"name":"on"`)
	})

	h.asks("group/add", `{"friendly_name":"sockets","id":2}`)
	h.asks("group/members/add", `{"device":"plug","group":"sockets"}`)
	h.asks("group/members/add", `{"device":"lamp","group":"sockets"}`)
	set("sockets", `{"scene_store":{"ID":1,"name":"all"}}`)
	h.awaitHolds("zigbee2mqtt/bridge/groups", scenes(`[{"id":1,"name":"all"}]`))
	h.until(func() bool { return h.view("plug").Scenes == 1 && h.view("lamp").Scenes == 1 })
	set("sockets", `{"scene_recall":1}`)
	set("sockets", `{"scene_remove":1}`)
	h.awaitHolds("zigbee2mqtt/bridge/groups", scenes(`[]`))
	h.until(func() bool { return h.view("plug").Scenes == 0 && h.view("lamp").Scenes == 0 })

	set("plug", `{"scene_store":0}`)
	p := h.await("zigbee2mqtt/bridge/logging", func(p published) bool { return strings.Contains(p.Payload, "scene_store") })
	if !strings.Contains(p.Payload, "the scene 0 without a group is the device's own") {
		t.Errorf("got %s", p.Payload)
	}
}

func TestSceneRecallShowsWhatIsKnown(t *testing.T) {
	f, a, _, g := twoLamps(t)
	f.inside(func(b *Bridge) {
		b.publishGroup(g, map[string]any{"state": "ON", "brightness": 80.0})
	})
	f.publish("zigbee2mqtt/lights/set", `{"scene_store":{"ID":2,"name":"cosy"}}`, false)
	f.awaitHolds("zigbee2mqtt/bridge/groups", func(s string) bool { return strings.Contains(s, "cosy") })
	f.inside(func(b *Bridge) { b.publishGroup(g, map[string]any{"state": "OFF", "brightness": 1.0}) })
	f.publish("zigbee2mqtt/lights/set", `{"scene_recall":2}`, false)
	p := f.await("zigbee2mqtt/lights", func(p published) bool {
		return strings.Contains(p.Payload, "80") && strings.Contains(p.Payload, "ON") && f.from > 0
	})
	sameJSON(t, `{"state":"ON","brightness":80}`, p.Payload)
	_ = a
}

func TestSceneWishes(t *testing.T) {
	for name, tt := range map[string]struct{ key, raw, want string }{
		"Number":           {"scene_recall", `7`, ""},
		"Object":           {"scene_add", `{"ID":7,"name":"x","state":"on","brightness":254}`, ""},
		"AllNeedsNone":     {"scene_remove_all", `""`, ""},
		"ErrNoNumber":      {"scene_store", `{"name":"x"}`, "needs a number"},
		"ErrFraction":      {"scene_store", `1.5`, "needs a number"},
		"ErrTooLarge":      {"scene_store", `256`, "needs a number"},
		"ErrText":          {"scene_store", `"evening"`, "must be the number"},
		"ErrNull":          {"scene_store", `null`, "needs a number"},
		"ErrTransition":    {"scene_add", `{"ID":1,"transition":1e9}`, "transition"},
		"ErrNegativeGroup": {"scene_add", `{"ID":1,"group_id":-1}`, "group"},
		"ErrName":          {"scene_add", `{"ID":1,"name":"` + strings.Repeat("x", 101) + `"}`, "at most 100"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseSceneWish(tt.key, []byte(tt.raw))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestSceneExtensions(t *testing.T) {
	for name, tt := range map[string]struct {
		raw  string
		want []byte // nil: an error
	}{
		"Switch":         {`{"ID":1,"state":"ON"}`, []byte{6, 0, 1, 1}},
		"Level":          {`{"ID":1,"state":"off","brightness":128}`, []byte{6, 0, 1, 0, 8, 0, 1, 128}},
		"Cover":          {`{"ID":1,"position":30}`, []byte{2, 1, 1, 70}},
		"Colour":         {`{"ID":1,"color":{"x":0.5,"y":0.25}}`, []byte{0, 3, 4, 0x00, 0x80, 0x00, 0x40}},
		"ErrState":       {`{"ID":1,"state":"dim"}`, nil},
		"ErrLevel":       {`{"ID":1,"brightness":300}`, nil},
		"ErrPosition":    {`{"ID":1,"position":-3}`, nil},
		"ErrColour":      {`{"ID":1,"color":"red"}`, nil},
		"ErrTwoColours":  {`{"ID":1,"color":{"x":0,"y":0},"color_temp":300}`, nil},
		"ErrTemperature": {`{"ID":1,"color_temp":1}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := parseSceneWish("scene_add", []byte(tt.raw))
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := w.extensions()
			if (err != nil) != (tt.want == nil) {
				t.Fatalf("got %v", err)
			}
			if diff := cmp.Diff(tt.want, got); tt.want != nil && diff != "" {
				t.Errorf("sets (-want +got):\n%s", diff)
			}
		})
	}
}

// TestWhitePoint: two whites of CIE 1931, to what the splines promise.
func TestWhitePoint(t *testing.T) {
	for mireds, want := range map[float64][2]float64{
		370.37: {0.4599, 0.4106}, // 2700 K
		153.8:  {0.3135, 0.3237}, // 6500 K on the Planckian locus
	} {
		x, y := whitePoint(mireds)
		if math.Abs(x-want[0]) > 0.003 || math.Abs(y-want[1]) > 0.003 {
			t.Errorf("%v mireds: got %.4f, %.4f, want %v", mireds, x, y, want)
		}
	}
}
