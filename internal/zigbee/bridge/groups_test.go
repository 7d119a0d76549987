package bridge

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/smartcore-ireland/hems/internal/simulator"
	"github.com/smartcore-ireland/hems/internal/simulator/node"
	"github.com/smartcore-ireland/hems/internal/zigbee/coordbackup"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

func TestGroupsOfARealHome(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.asks("group/add", `{"friendly_name":"sockets","id":"12"}`)
	h.asks("group/members/add", `{"device":"plug","group":"sockets"}`)
	h.asks("group/members/add", `{"device":"lamp","group":12,"endpoint":"1"}`)
	member := func(name string) string {
		return fmt.Sprintf(`{"ieee_address":%q,"endpoint":1}`, h.address[name])
	}
	sameJSON(t, `[{"id":12,"friendly_name":"sockets","scenes":[],"members":[`+member("plug")+`,`+member("lamp")+`]}]`,
		h.settledRetained("bridge/groups", func(s string) bool { return strings.Contains(s, h.address["lamp"].String()) }))
	if got := h.view("plug").Groups; !inGroup(h.view("plug"), 12) {
		t.Errorf("the plug is in the groups %v, want 12", got)
	}

	// A device that comes back after it was reset is a member again.
	if err := h.sim.Leave(h.view("lamp").EUI64); err != nil {
		t.Fatal(err)
	}
	h.until(func() bool { _, ok := h.network.Device(h.address["lamp"]); return !ok })
	h.asks("permit_join", "60")
	if err := h.sim.Press(h.view("lamp").EUI64); err != nil {
		t.Fatal(err)
	}
	h.until(func() bool { return inGroup(h.view("lamp"), 12) })

	// One that a person removed is not, and no group lists it.
	h.asks("device/remove", `{"id":"lamp"}`)
	sameJSON(t, `[{"id":12,"friendly_name":"sockets","scenes":[],"members":[`+member("plug")+`]}]`,
		h.settledRetained("bridge/groups", func(s string) bool { return !strings.Contains(s, h.address["lamp"].String()) }))

	h.asks("group/remove", `{"id":12}`)
	if got := h.view("plug").Groups; len(got) != 0 {
		t.Errorf("after the group was removed the plug is in %v", got)
	}
	h.awaitRetained("zigbee2mqtt/bridge/groups", "[]")
}

// settledRetained is what a topic holds once it is right.
func (h *home) settledRetained(topic string, right func(string) bool) string {
	h.t.Helper()
	h.awaitHolds("zigbee2mqtt/"+topic, right)
	return h.holds("zigbee2mqtt/" + topic)
}

func TestBlockedDevicesAreTurnedAway(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.asks("device/remove", `{"id":"lamp","block":true}`)
	e := h.address["lamp"]
	h.awaitHolds("zigbee2mqtt/bridge/info", func(s string) bool { return strings.Contains(s, `"blocklist":["`+e.String()) })
	h.asks("permit_join", "60")
	if err := h.sim.Press(h.view("lamp").EUI64); err != nil {
		t.Fatal(err)
	}
	h.await("zigbee2mqtt/bridge/logging", func(p published) bool { return strings.Contains(p.Payload, "is blocked") })
	h.until(func() bool { _, ok := h.network.Device(e); return !ok })
	if strings.Contains(h.holds("zigbee2mqtt/bridge/devices"), e.String()) {
		t.Error("a blocked device is in bridge/devices")
	}
	h.asks("options", `{"options":{"blocklist":[]}}`)
	h.asks("permit_join", "60")
	if err := h.sim.Press(h.view("lamp").EUI64); err != nil {
		t.Fatal(err)
	}
	h.until(func() bool { _, ok := h.network.Device(e); return ok })
}

// stateOf is an empty state file, or one that holds sections.
func stateOf(t *testing.T, sections map[string]any) *statefile.File {
	t.Helper()
	f, err := statefile.Open(filepath.Join(t.TempDir(), statefile.Name))
	if err != nil {
		t.Fatal(err)
	}
	if len(sections) > 0 {
		if err := f.PutAll(sections); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func TestLoadGroups(t *testing.T) {
	for name, tt := range map[string]struct {
		section any
		want    string // of a group, "" for an error
	}{
		"Good":            {map[string]any{"7": map[string]any{"friendly_name": "lights"}}, "lights"},
		"NamedByNumber":   {map[string]any{"7": map[string]any{}}, "7"},
		"ErrGroupZero":    {map[string]any{"0": map[string]any{"friendly_name": "x"}}, ""},
		"ErrNoNumber":     {map[string]any{"lights": map[string]any{}}, ""},
		"ErrForBroadcast": {map[string]any{"65535": map[string]any{}}, ""},
		"ErrNull":         {map[string]any{"7": nil}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			gs, err := loadGroups(stateOf(t, map[string]any{statefile.Groups: tt.section}))
			if (err != nil) != (tt.want == "") {
				t.Fatalf("got %v", err)
			}
			if err == nil && gs.of[7].Name != tt.want {
				t.Errorf("got %q, want %q", gs.of[7].Name, tt.want)
			}
		})
	}
}

func TestGroupsOutliveTheProcess(t *testing.T) {
	state := stateOf(t, nil)
	gs, err := loadGroups(state)
	if err != nil {
		t.Fatal(err)
	}
	g, err := gs.add(3, "lights")
	if err != nil {
		t.Fatal(err)
	}
	err = gs.change(g, func(g *group) {
		g.Members = []member{{meterEUI, 2}}
		g.Scenes = []scene{{ID: 1, Name: "dim", Group: 3, State: map[string]any{"brightness": 10.0}}}
		g.Options = entityOptions{"retain": true}
	})
	if err != nil {
		t.Fatal(err)
	}
	again, err := loadGroups(state)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(gs.of, again.of, cmp.AllowUnexported(group{})); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
}

func TestGroupsAreBounded(t *testing.T) {
	all := make(map[string]any)
	for i := range maxGroups - 1 {
		all[strconv.Itoa(i+1)] = map[string]any{"friendly_name": fmt.Sprintf("g%d", i+1)}
	}
	f := start(t, func(f *fixture) {
		f.options.State = stateOf(t, map[string]any{statefile.Groups: all, statefile.Names: map[zcl.EUI64]string{meterEUI: "frient_blink_counter"}})
	})
	p := f.ask("group/add", "the last")
	sameJSON(t, `{"data":{"friendly_name":"the last","id":255},"status":"ok"}`, p.Payload)
	p = f.ask("group/add", "one more")
	if !strings.Contains(p.Payload, "there are 255 groups already") {
		t.Errorf("got %s", p.Payload)
	}
}

// twoLamps is a bridge with two devices that have a state, in group 1.
func twoLamps(t *testing.T) (f *fixture, a, b *device, g *group) {
	t.Helper()
	lamp := func(e zcl.EUI64) network.Device {
		return network.Device{EUI64: e, NodeID: uint16(e), Type: network.TypeRouter, ModelID: "x", Interview: network.InterviewSuccessful,
			Endpoints: []network.Endpoint{{ID: 1, Profile: 0x0104, DeviceID: 0x0100, In: []uint16{0, 4, 5, 6}}}}
	}
	f = start(t, func(f *fixture) { f.net.devices = append(f.net.devices, lamp(0xa), lamp(0xb)) })
	f.ask("group/add", `{"friendly_name":"lights","id":1}`)
	for _, e := range []zcl.EUI64{0xa, 0xb} {
		f.ask("group/members/add", fmt.Sprintf(`{"device":%q,"group":"lights"}`, e))
	}
	f.inside(func(br *Bridge) { a, b, g = br.devices[0xa], br.devices[0xb], br.groups.of[1] })
	return f, a, b, g
}

// inside does something on the bridge's goroutine.
func (f *fixture) inside(do func(b *Bridge)) {
	f.t.Helper()
	done := make(chan struct{})
	f.bridge.post(f.t.Context(), func() { defer close(done); do(f.bridge) })
	<-done
}

func TestAGroupIsOffWhenAllOfItIs(t *testing.T) {
	f, a, b, g := twoLamps(t)
	says := func(d *device, state string) {
		f.inside(func(br *Bridge) {
			br.states.get(d.EUI64).Values["state"] = state
			br.groupsFollow(d, map[string]any{"state": state, "power": 5.0})
		})
	}
	got := func() []string {
		var list []string
		for _, p := range f.messages() {
			if p.Topic == "zigbee2mqtt/lights" {
				list = append(list, p.Payload)
			}
		}
		return list
	}
	says(a, "ON")
	says(b, "ON")
	says(a, "OFF") // the other is on
	says(b, "OFF")
	f.ask("health_check", "")
	if diff := cmp.Diff([]string{`{"state":"ON"}`, `{"state":"OFF"}`}, got()); diff != "" {
		t.Errorf("the group said (-want +got):\n%s", diff)
	}
	f.ask("group/options", `{"id":1,"options":{"off_state":"last_member_state"}}`)
	says(a, "ON")
	says(b, "ON")
	says(a, "OFF")
	f.ask("health_check", "")
	if diff := cmp.Diff([]string{`{"state":"ON"}`, `{"state":"OFF"}`, `{"state":"ON"}`, `{"state":"OFF"}`}, got()); diff != "" {
		t.Errorf("by the last member the group said (-want +got):\n%s", diff)
	}
	f.ask("group/options", `{"id":1,"options":{"optimistic":false}}`)
	says(a, "ON")
	f.ask("health_check", "")
	if n := len(got()); n != 4 {
		t.Errorf("a group that is not optimistic spoke: %v", got())
	}
	_ = g
}

// inGroup reports whether a device itself says that it is in a group.
func inGroup(v simulator.DeviceView, id uint16) bool {
	return slices.ContainsFunc(v.Groups, func(g node.Group) bool { return g.ID == id })
}

// TestBindingsAndBackupOfARealHome: what a request has bound is in
// bridge/devices, what was kept is in the backup.
func TestBindingsAndBackupOfARealHome(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.asks("group/add", `{"friendly_name":"sockets","id":3}`)
	h.asks("device/bind", `{"from":"plug","to":"sockets","clusters":["genOnOff"]}`)
	bindings := func() string {
		return string(marshal(h.device("plug")["endpoints"].(map[string]any)["1"].(map[string]any)["bindings"]))
	}
	const toGroup = `{"cluster":"genOnOff","target":{"id":3,"type":"group"}}`
	h.until(func() bool { return strings.Contains(bindings(), toGroup) })
	h.asks("device/unbind", `{"from":"plug","to":3,"clusters":["genOnOff"]}`)
	h.until(func() bool { return !strings.Contains(bindings(), toGroup) })
	h.asks("device/bind", `{"from":"plug","to":"sockets","clusters":["genOnOff"]}`)
	h.asks("device/binds/clear", `{"target":"plug"}`)
	h.until(func() bool { return bindings() == "[]" })

	h.asks("device/reporting/configure", `{"id":"plug","endpoint":1,"cluster":"genOnOff","attribute":"onOff","minimum_report_interval":1,"maximum_report_interval":77}`)
	data := h.asks("device/reporting/read", `{"id":"plug","endpoint":1,"cluster":"genOnOff","configs":[{"attribute":"onOff"}]}`)
	sameJSON(t, `[{"status":0,"direction":0,"attrId":0,"dataType":16,"minRepIntval":1,"maxRepIntval":77}]`, string(marshal(data["configs"])))

	files := unzip(t, h.asks("backup", ""))
	if b, err := coordbackup.Parse([]byte(files["coordinator_backup.json"])); err != nil || len(b.Devices) == 0 {
		t.Errorf("coordinator_backup.json: %v", err)
	}
	kept := decoded[map[string]any](t, files[statefile.Name])
	for _, section := range []string{statefile.Network, statefile.Devices, statefile.Names, statefile.Groups} {
		if kept[section] == nil {
			t.Errorf("the backup's state has no %s", section)
		}
	}
}
