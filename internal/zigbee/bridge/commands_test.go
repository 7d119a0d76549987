package bridge

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	model "github.com/smartcore-ireland/hems/internal/zigbee/device"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

const plugEUI zcl.EUI64 = 0xa4c138aabbccddee

// nousPlug is a plug that switches and measures.
func nousPlug() network.Device {
	return network.Device{
		EUI64: plugEUI, NodeID: 0x1234, Type: network.TypeRouter,
		ManufacturerName: "_TZ3000_2putqrmw", ModelID: "TS011F", PowerSource: 1,
		Endpoints: []network.Endpoint{{ID: 1, Profile: 0x0104, DeviceID: 0x51, In: []uint16{0, 3, 4, 5, 6, 0x0702, 0x0b04, 0xe000, 0xe001}, Out: []uint16{0x0a, 0x19}}},
		Interview: network.InterviewSuccessful, Configured: true, Joined: time.Unix(2, 0), Available: true,
	}
}

// actions notes what a device was told.
type actions struct {
	mu   sync.Mutex
	list []model.Action
	fail error
}

func (a *actions) do(_ zcl.EUI64, x model.Action) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fail != nil {
		return a.fail
	}
	a.list = append(a.list, x)
	return nil
}

func (a *actions) all() []model.Action {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.list)
}

// withPlug is a fixture with the meter and a plug called "plug" that obeys.
func withPlug(a *actions) func(*fixture) {
	return func(f *fixture) {
		f.net.devices = append(f.net.devices, nousPlug())
		f.net.do = a.do
		f.write(statefile.Name, `{"version": 1, "readable_from": 1, "names": {"0x0015bc003f000001": "frient_blink_counter", "0xa4c138aabbccddee": "plug"}}`)
	}
}

func TestSetAPlug(t *testing.T) {
	command := func(id uint8, payload ...byte) []model.Action {
		return []model.Action{{Kind: model.Command, Endpoint: 1, Cluster: 6, Command: id, Payload: payload}}
	}
	for _, tt := range []struct {
		name, topic, payload string
		want                 []model.Action
		state                string // in the message that follows
	}{
		{"JSON", "plug/set", `{"state":"ON"}`, command(1), `"state":"ON"`},
		{"SmallLetters", "plug/set", `{"state":"off"}`, command(0), `"state":"OFF"`},
		{"Word", "plug/set", `OFF`, command(0), `"state":"OFF"`},
		{"QuotedWord", "plug/set", `"on"`, command(1), `"state":"ON"`},
		{"ByAddress", "0xa4c138aabbccddee/set", `{"state":"ON"}`, command(1), `"state":"ON"`},
		{"ByTopic", "plug/set/state", `ON`, command(1), `"state":"ON"`},
		{"ByTopicJSON", "plug/set/state", `"ON"`, command(1), `"state":"ON"`},
		{"ByEndpoint", "plug/1/set", `{"state":"ON"}`, command(1), `"state":"ON"`},
		{"OtherKeysAreDone", "plug/set", `{"nonsense":1,"state":"ON"}`, command(1), `"state":"ON"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var a actions
			f := start(t, withPlug(&a))
			f.publish("zigbee2mqtt/"+tt.topic, tt.payload, false)
			p := f.await("zigbee2mqtt/plug", nil)
			if !strings.Contains(p.Payload, tt.state) {
				t.Errorf("state: got %s, want %s", p.Payload, tt.state)
			}
			got := a.all()
			for i := range got {
				if len(got[i].Payload) == 0 {
					got[i].Payload = nil
				}
			}
			if diff := cmp.Diff(tt.want, got[:min(1, len(got))]); diff != "" {
				t.Errorf("actions (-want +got):\n%s", diff)
			}
		})
	}
}

// TestEndpointsByTheirNumber: a topic may name one of several endpoints by its
// number as well as by its name.
func TestEndpointsByTheirNumber(t *testing.T) {
	dual := network.Device{
		EUI64: 0x54abcd00000000d2, NodeID: 0x2222, Type: network.TypeRouter, ManufacturerName: "NodOn", ModelID: "SIN-4-2-20", PowerSource: 1,
		Interview: network.InterviewSuccessful, Configured: true, Joined: time.Unix(2, 0), Available: true,
	}
	for _, id := range []uint8{1, 2} {
		dual.Endpoints = append(dual.Endpoints, network.Endpoint{ID: id, Profile: 0x0104, DeviceID: 2, In: []uint16{0, 3, 4, 5, 6}})
	}
	for _, tt := range []struct{ endpoint, state string }{{"2", "state_l2"}, {"l2", "state_l2"}, {"1", "state_l1"}} {
		t.Run(tt.endpoint, func(t *testing.T) {
			var a actions
			var c calls
			f := start(t, func(f *fixture) {
				c.obedient(f)
				f.net.do = a.do
				f.net.devices = append(f.net.devices, dual)
				f.options.State = stateOf(t, map[string]any{statefile.Names: map[zcl.EUI64]string{meterEUI: "frient_blink_counter", dual.EUI64: "dual"}})
			})
			id := tt.state[len(tt.state)-1] - '0'
			f.publish("zigbee2mqtt/dual/"+tt.endpoint+"/set", `{"state":"ON"}`, false)
			p := f.await("zigbee2mqtt/dual", nil)
			if !strings.Contains(p.Payload, `"`+tt.state+`":"ON"`) {
				t.Errorf("state: got %s", p.Payload)
			}
			if got := a.all(); len(got) != 1 || got[0].Endpoint != id || got[0].Command != 1 {
				t.Errorf("the device was told %+v", got)
			}
			f.publish("zigbee2mqtt/dual/"+tt.endpoint+"/get", `{"state":""}`, false)
			want := fmt.Sprintf("read %v %d 0006 0000 [0000]", dual.EUI64, id)
			for end := time.Now().Add(patience); !slices.Contains(c.all(), want); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("the network was asked %v, want %s", c.all(), want)
				}
			}
		})
	}
}

func TestSetThatFailsIsNotPublished(t *testing.T) {
	a := actions{fail: network.ErrTimeout}
	f := start(t, withPlug(&a))
	f.publish("zigbee2mqtt/plug/set", `{"state":"ON"}`, false)
	p := f.await("zigbee2mqtt/bridge/logging", func(p published) bool { return strings.Contains(p.Payload, "not set") })
	sameJSON(t, `{"level":"error","message":"'plug' was not set: the device did not answer in time"}`, p.Payload)
	for _, p := range f.messages() {
		if p.Topic == "zigbee2mqtt/plug" {
			t.Errorf("published %s", p.Payload)
		}
	}
}

func TestNotOptimistic(t *testing.T) {
	var a actions
	f := start(t, withPlug(&a))
	f.ask("device/options", `{"id":"plug","options":{"optimistic":false}}`)
	f.publish("zigbee2mqtt/plug/set", `{"state":"ON"}`, false)
	f.publish("zigbee2mqtt/plug/set", `{"nonsense":1}`, false)
	f.await("zigbee2mqtt/bridge/logging", func(p published) bool { return strings.Contains(p.Payload, "nonsense") })
	for end := time.Now().Add(patience); len(a.all()) == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	f.ask("health_check", "")
	for _, p := range f.messages() {
		if p.Topic == "zigbee2mqtt/plug" {
			t.Errorf("published %s", p.Payload)
		}
	}
}

func TestCommandsOfADeviceKeepTheirOrder(t *testing.T) {
	var a actions
	release := make(chan struct{})
	var mu sync.Mutex
	busy, most := 0, 0
	f := start(t, withPlug(&a), func(f *fixture) {
		f.net.do = func(e zcl.EUI64, x model.Action) error {
			mu.Lock()
			busy++
			most = max(most, busy)
			mu.Unlock()
			<-release
			mu.Lock()
			busy--
			mu.Unlock()
			return a.do(e, x)
		}
	})
	for i := range maxQueued {
		f.publish("zigbee2mqtt/plug/set", []string{`ON`, `OFF`}[i%2], false)
	}
	f.ask("health_check", "") // all were heard
	close(release)
	for end := time.Now().Add(patience); len(a.all()) < maxQueued && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	var got []uint8
	for _, x := range a.all() {
		got = append(got, x.Command)
	}
	want := slices.Repeat([]uint8{1, 0}, maxQueued/2)
	if diff := cmp.Diff(want, got); diff != "" || most != 1 {
		t.Errorf("%d at once, commands (-want +got):\n%s", most, diff)
	}
}

func TestTooManyCommandsAreDropped(t *testing.T) {
	var a actions
	release := make(chan struct{})
	f := start(t, withPlug(&a), func(f *fixture) {
		f.net.do = func(zcl.EUI64, model.Action) error { <-release; return errors.New("late") }
	})
	defer close(release)
	for range maxQueued + 2 {
		f.publish("zigbee2mqtt/plug/set", `ON`, false)
	}
	p := f.await("zigbee2mqtt/bridge/logging", func(p published) bool { return strings.Contains(p.Payload, "dropped") })
	if !strings.Contains(p.Payload, "'plug'") {
		t.Errorf("got %s", p.Payload)
	}
	f.says(report(zcl.ClusterMetering, 60, demand(341))) // readings go on
	f.await("zigbee2mqtt/frient_blink_counter", nil)
}

func TestSetAGroup(t *testing.T) {
	var a actions
	var mu sync.Mutex
	var asked []string
	f := start(t, withPlug(&a), z2m2, func(f *fixture) {
		f.net.asked = func(format string, args ...any) error {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, fmt.Sprintf(format, args...))
			return nil
		}
	})
	f.ask("group/add", `{"friendly_name":"all","id":7}`)
	f.ask("group/members/add", `{"group":"all","device":"plug"}`)
	f.awaitRetained("zigbee2mqtt/all/availability", `{"state":"online"}`)
	f.awaitHolds("homeassistant/switch/1221051039810110150109113116116_7/switch/config", func(s string) bool {
		return strings.Contains(s, `"group":["0xa4c138aabbccddee_switch_zigbee2mqtt"]`) && strings.Contains(s, `"unique_id":"7_switch_zigbee2mqtt"`)
	})
	f.publish("zigbee2mqtt/all/set", `{"state":"ON"}`, false)
	if p := f.await("zigbee2mqtt/all", nil); p.Payload != `{"countdown":0,"state":"ON"}` {
		t.Errorf("group: got %s", p.Payload)
	}
	f.rewind()
	f.await("zigbee2mqtt/plug", func(p published) bool { return strings.Contains(p.Payload, `"state":"ON"`) })
	mu.Lock()
	if diff := cmp.Diff([]string{"add 0xa4c138aabbccddee 1 to group 7", "group command 7 0006 01 "}, asked); diff != "" {
		t.Errorf("the network was asked (-want +got):\n%s", diff)
	}
	mu.Unlock()
	if len(a.all()) != 0 {
		t.Errorf("the members were told one by one: %+v", a.all())
	}
	f.ask("group/remove", `{"id":"all"}`)
	f.awaitRetained("zigbee2mqtt/all/availability", "")
	f.awaitRetained("homeassistant/switch/1221051039810110150109113116116_7/switch/config", "")
}

func TestActionsBecomeTriggers(t *testing.T) {
	for name, tt := range map[string]struct {
		form Payloads
		node string
	}{
		"Reference": {Reference, "frient_blink_counter"}, "Z2M2": {Z2M2, "0x0015bc003f000001"},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, func(f *fixture) { f.options.Payloads = tt.form })
			act := func(action string) {
				b := f.bridge
				done := make(chan struct{})
				b.post(t.Context(), func() {
					b.take(t.Context(), b.devices[meterEUI], []model.Reading{{Key: "action", Value: action}}, time.Now(), 60)
					close(done)
				})
				<-done
			}
			act("single")
			if p := f.await("zigbee2mqtt/frient_blink_counter", nil); !strings.Contains(p.Payload, `"action":"single"`) {
				t.Errorf("got %s", p.Payload)
			}
			if p := f.await("zigbee2mqtt/frient_blink_counter/action", nil); p.Payload != "single" || p.Retain {
				t.Errorf("got %+v", p)
			}
			topic := "homeassistant/device_automation/" + tt.node + "/action_single/config"
			f.awaitHolds(topic, func(s string) bool {
				return strings.Contains(s, `"automation_type":"trigger"`) && strings.Contains(s, `"topic":"zigbee2mqtt/frient_blink_counter/action"`) &&
					strings.Contains(s, `"subtype":"single"`)
			})
			f.says(report(zcl.ClusterMetering, 60, demand(341))) // it is over
			if p := f.await("zigbee2mqtt/frient_blink_counter", nil); strings.Contains(p.Payload, "action") {
				t.Errorf("got %s", p.Payload)
			}
			// After a restart the broker is all that knows of it.
			f.stop()
			f.again()
			f.ask("device/rename", `{"from":"frient_blink_counter","to":"button"}`)
			if tt.form == Reference {
				topic = strings.Replace(topic, "frient_blink_counter", "button", 1)
			}
			f.awaitHolds(topic, func(s string) bool { return strings.Contains(s, `"topic":"zigbee2mqtt/button/action"`) })
		})
	}
}

// FuzzCommand: no command stops the bridge, and what is understood is bounded.
func FuzzCommand(f *testing.F) {
	for _, payload := range []string{`ON`, `"ON"`, `{"state":"TOGGLE"}`, `{}`, `[1]`, `null`, `1`, "\xff", `{"state":{"a":[1,2]}}`, `{"scene_recall":1}`, `{"transition":-1,"brightness":1e999}`} {
		f.Add("state", []byte(payload))
		f.Add("", []byte(payload))
	}
	m := model.For(nousPlug().Subject())
	f.Fuzz(func(t *testing.T, attribute string, payload []byte) {
		message, raw, err := parseCommand(attribute, payload)
		if err != nil {
			return
		}
		if len(message) == 0 || len(message) > maxCommandKeys || len(raw) != len(message) {
			t.Errorf("%d keys, %d raw", len(message), len(raw))
		}
		for key := range raw {
			if isSceneKey(key) {
				parseSceneWish(key, raw[key])
			}
		}
		actions, _, _ := m.SetWith(message, attribute, nil, nil)
		if len(actions) > 1000 {
			t.Errorf("%d actions", len(actions))
		}
	})
}
