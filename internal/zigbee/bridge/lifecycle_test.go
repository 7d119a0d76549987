package bridge

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// deviceTopics is what the broker holds about devices, sorted.
func (f *fixture) deviceTopics() []string {
	var list []string
	for topic := range f.server.Topics.Retained.GetAll() {
		if !strings.HasPrefix(topic, "zigbee2mqtt/bridge/") && !strings.HasPrefix(topic, "hems/") && !strings.HasPrefix(topic, "$SYS") {
			list = append(list, topic)
		}
	}
	slices.Sort(list)
	return list
}

// topicsOf is what the broker should hold about the meter called name.
func topicsOf(name, node string) []string {
	list := []string{"zigbee2mqtt/" + name, "zigbee2mqtt/" + name + "/availability"}
	for _, key := range []string{"battery", "energy", "linkquality", "power", "voltage"} {
		list = append(list, "homeassistant/sensor/"+node+"/"+key+"/config")
	}
	for _, key := range []string{"current_summation", "pulse_configuration"} {
		list = append(list, "homeassistant/number/"+node+"/"+key+"/config")
	}
	slices.Sort(list)
	return list
}

// awaitDeviceTopics waits until what the broker holds about devices is right.
func (f *fixture) awaitDeviceTopics(right func([]string) bool) {
	f.t.Helper()
	for end := time.Now().Add(patience); !right(f.deviceTopics()); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			f.t.Fatalf("retained topics: %s", strings.Join(f.deviceTopics(), "\n"))
		}
	}
}

// awaitTopics waits until the broker holds just these about devices.
func (f *fixture) awaitTopics(want []string) {
	f.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		got := f.deviceTopics()
		if slices.Equal(got, want) {
			return
		}
		if time.Now().After(end) {
			f.t.Fatalf("retained topics (-want +got):\n%s", cmp.Diff(want, got))
		}
	}
}

func TestRenameMovesEverything(t *testing.T) {
	f := start(t)
	f.says(report(zcl.ClusterMetering, 67, demand(342)))
	f.awaitTopics(topicsOf("frient_blink_counter", "frient_blink_counter"))
	f.ask("device/rename", `{"from":"frient_blink_counter","to":"kitchen/main meter"}`)
	f.awaitTopics(topicsOf("kitchen/main meter", "kitchen_main_meter"))
	sameJSON(t, `{"power":342,"linkquality":67}`, f.holds("zigbee2mqtt/kitchen/main meter"))
	f.awaitHolds("homeassistant/sensor/kitchen_main_meter/power/config", func(s string) bool { return strings.Contains(s, `"name":"Kitchen Main Meter Power"`) })
	f.awaitHolds("zigbee2mqtt/bridge/devices", func(s string) bool { return strings.Contains(s, `"friendly_name":"kitchen/main meter"`) })
	// The old entities are gone before the new ones come: they have the same ids.
	cleared, described := -1, -1
	for i, p := range f.messages() {
		if p.Topic == "homeassistant/sensor/frient_blink_counter/power/config" && p.Payload == "" {
			cleared = i
		}
		if p.Topic == "homeassistant/sensor/kitchen_main_meter/power/config" && described < 0 {
			described = i
		}
	}
	if cleared < 0 || described < cleared {
		t.Errorf("old document cleared as message %d, new one published as %d", cleared, described)
	}
	if diff := cmp.Diff(map[string]string{"0x0015bc003f000001": "kitchen/main meter"}, f.savedNames()); diff != "" {
		t.Errorf("saved names (-want +got):\n%s", diff)
	}
	// And back at once, before the pause of the first is over.
	f.ask("device/rename", `{"from":"kitchen/main meter","to":"a"}`)
	f.ask("device/rename", `{"from":"a","to":"frient_blink_counter"}`)
	f.awaitTopics(topicsOf("frient_blink_counter", "frient_blink_counter"))
}

func TestNewDescriptionsWaitForHomeAssistant(t *testing.T) {
	f := start(t, func(f *fixture) { f.renamePause = time.Hour })
	f.ask("device/rename", `{"from":"frient_blink_counter","to":"meter"}`)
	for _, available := range []bool{false, true} { // the device goes on living meanwhile
		d := meter()
		want := offline
		if d.Available = available; available {
			want = online
		}
		f.says(network.Event{Kind: network.AvailabilityChanged, Device: d})
		f.awaitRetained("zigbee2mqtt/meter/availability", want)
	}
	f.awaitTopics([]string{"zigbee2mqtt/meter/availability"})
}

func TestDeviceThatReturnsWhileTheBrokerIsAway(t *testing.T) {
	f := start(t)
	f.says(report(zcl.ClusterMetering, 67, demand(342)))
	f.awaitTopics(topicsOf("frient_blink_counter", "frient_blink_counter"))
	f.away.Store(true)
	f.cut()
	f.says(network.Event{Kind: network.Left})
	f.says(network.Event{Kind: network.Joined})
	f.says(report(zcl.ClusterMetering, 67, demand(343)))
	f.away.Store(false)
	f.awaitRetained("zigbee2mqtt/frient_blink_counter/availability", online)
	f.awaitRetained("zigbee2mqtt/frient_blink_counter", `{"linkquality":67,"power":343}`)
	f.awaitTopics(topicsOf("frient_blink_counter", "frient_blink_counter"))
}

func TestDeviceThatLeavesWhileTheBrokerIsAway(t *testing.T) {
	f := start(t)
	f.says(report(zcl.ClusterMetering, 67, demand(342)))
	f.awaitTopics(topicsOf("frient_blink_counter", "frient_blink_counter"))
	f.away.Store(true)
	f.cut()
	f.says(network.Event{Kind: network.Left})
	f.away.Store(false)
	f.awaitTopics(nil)
}

func TestRemoveClearsEverything(t *testing.T) {
	for name, leaves := range map[string]bool{"AnswerFirst": false, "DepartureFirst": true} {
		t.Run(name, func(t *testing.T) {
			f := start(t, func(f *fixture) {
				f.net.remove = func(zcl.EUI64, bool) error {
					if leaves {
						f.says(network.Event{Kind: network.Left})
					}
					return nil
				}
			})
			f.says(report(zcl.ClusterMetering, 67, demand(342)))
			f.await("zigbee2mqtt/frient_blink_counter", nil)
			f.ask("device/remove", "frient_blink_counter")
			f.awaitTopics(nil)
			if !leaves {
				f.says(network.Event{Kind: network.Left})
			}
			f.awaitHolds("zigbee2mqtt/bridge/devices", func(s string) bool { return !strings.Contains(s, meterEUI.String()) })
			if got := f.savedNames(); len(got) > 0 {
				t.Errorf("saved names: got %v, want none", got)
			}
			// It comes back as a new device, under its address.
			f.says(network.Event{Kind: network.Joined})
			f.says(report(zcl.ClusterMetering, 67, demand(1)))
			f.awaitTopics(topicsOf(meterEUI.String(), meterEUI.String()))
		})
	}
}

func TestFailedRemoveKeepsTheDevice(t *testing.T) {
	f := start(t, func(f *fixture) {
		f.net.remove = func(zcl.EUI64, bool) error { return network.ErrTimeout }
	})
	f.says(report(zcl.ClusterMetering, 67, demand(342)))
	p := f.ask("device/remove", "frient_blink_counter")
	const want = `{"data":{},"error":"Failed to remove device 'frient_blink_counter': the device did not answer in time","status":"error"}`
	if p.Payload != want {
		t.Errorf("got %s, want %s", p.Payload, want)
	}
	f.awaitTopics(topicsOf("frient_blink_counter", "frient_blink_counter"))
}

// The device says goodbye before the request for its removal has an answer:
// that is no departure by itself, as in Zigbee2MQTT.
func TestARemovalIsNoDeparture(t *testing.T) {
	f := start(t, func(f *fixture) {
		f.net.remove = func(zcl.EUI64, bool) error {
			f.says(network.Event{Kind: network.Left})
			return nil
		}
	})
	f.says(report(zcl.ClusterMetering, 67, demand(342)))
	since := f.count()
	if p := f.ask("device/remove", "frient_blink_counter"); !strings.Contains(p.Payload, `"status":"ok"`) {
		t.Errorf("got %s, want ok", p.Payload)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.all[since:] {
		if p.Topic == "zigbee2mqtt/bridge/event" {
			t.Errorf("got the event %s, want none", p.Payload)
		}
	}
}

func TestDepartureKeepsTheName(t *testing.T) {
	f := start(t)
	f.says(report(zcl.ClusterMetering, 67, demand(342)))
	f.says(network.Event{Kind: network.Left})
	f.awaitTopics(nil)
	p := f.await("zigbee2mqtt/bridge/event", nil)
	sameJSON(t, `{"type":"device_leave","data":{"friendly_name":"frient_blink_counter","ieee_address":"0x0015bc003f000001"}}`, p.Payload)
	f.says(network.Event{Kind: network.Joined})
	f.says(report(zcl.ClusterMetering, 67, demand(343)))
	f.awaitTopics(topicsOf("frient_blink_counter", "frient_blink_counter"))
}

func TestLastReadingsSurviveARestart(t *testing.T) {
	for name, tt := range map[string]struct {
		age         time.Duration
		republished bool
	}{
		"Fresh":            {time.Minute, true},
		"Old":              {time.Hour, false},
		"ClockWasSetLater": {-time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, func(f *fixture) {
				b, err := json.Marshal(map[zcl.EUI64]state{meterEUI: {
					At:     time.Now().Add(-tt.age).UnixMilli(),
					Values: map[string]any{"power": 341, "energy": 1234.567, "battery": 89, "voltage": 3.0, "linkquality": 50},
				}})
				if err != nil {
					t.Fatal(err)
				}
				f.write("states.json", string(b))
			})
			if tt.republished {
				sameJSON(t, `{"power":341,"energy":1234.567,"battery":89,"voltage":3,"linkquality":50}`, f.holds("zigbee2mqtt/frient_blink_counter"))
			} else if got := f.holds("zigbee2mqtt/frient_blink_counter"); got != "" {
				t.Errorf("a state of %v ago was published: %s", tt.age, got)
			}
			// The first report after the restart loses no key.
			f.says(report(zcl.ClusterMetering, 67, demand(342)))
			p := f.await("zigbee2mqtt/frient_blink_counter", func(p published) bool { return strings.Contains(p.Payload, "342") })
			sameJSON(t, reference(t, "state.json"), p.Payload)
			f.stop()
			b, err := os.ReadFile(filepath.Join(f.dir, "states.json"))
			if err != nil {
				t.Fatal(err)
			}
			var saved map[zcl.EUI64]state
			if err := json.Unmarshal(b, &saved); err != nil || saved[meterEUI].Values["power"] != 342.0 {
				t.Errorf("saved at the end: %s, %v", b, err)
			}
		})
	}
}

func TestBadStateFileCostsOnlyTheStates(t *testing.T) {
	for name, content := range map[string]string{
		"CutShort": `{"0x0015bc003f000001":{"at":1`, "Null": "null", "NullState": `{"0x0015bc003f000001":null}`,
		"NullValues": `{"0x0015bc003f000001":{"at":1,"values":null}}`, "OtherForm": `[]`,
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, func(f *fixture) { f.write("states.json", content) })
			f.says(report(zcl.ClusterMetering, 67, demand(342)))
			sameJSON(t, `{"power":342,"linkquality":67}`, f.await("zigbee2mqtt/frient_blink_counter", nil).Payload)
		})
	}
}

func TestHomeAssistantStarts(t *testing.T) {
	f := start(t)
	f.says(report(zcl.ClusterMetering, 67, demand(342)))
	f.await("zigbee2mqtt/frient_blink_counter", nil)
	f.from = f.count()
	f.publish("homeassistant/status", "offline", false)
	f.publish("homeassistant/status", "online", false)
	for _, topic := range topicsOf("frient_blink_counter", "frient_blink_counter") {
		from := f.from
		f.await(topic, nil)
		f.from = from
	}
}

func TestBrokerThatForgotEverythingIsToldAgain(t *testing.T) {
	f := start(t)
	f.says(report(zcl.ClusterMetering, 67, demand(342)))
	f.awaitTopics(topicsOf("frient_blink_counter", "frient_blink_counter"))
	for topic := range f.server.Topics.Retained.GetAll() {
		f.server.Topics.Retained.Delete(topic)
	}
	f.cut()
	f.awaitTopics(topicsOf("frient_blink_counter", "frient_blink_counter"))
	f.awaitRetained("zigbee2mqtt/bridge/state", "online")
}

func TestOldDocumentsAreCleared(t *testing.T) {
	const (
		gone = `{"state_topic":"zigbee2mqtt/old_meter","unique_id":"0x0015bc003f000009_power_zigbee2mqtt","availability_topic":"zigbee2mqtt/old_meter/availability"}`
		// Zigbee2MQTT 2 has another form; another one may run at this broker.
		other = `{"state_topic":"zigbee2mqtt/old_meter","unique_id":"0x0015bc003f000009_power_zigbee2mqtt","availability":[{"topic":"zigbee2mqtt/old_meter/availability"}]}`
		shelf = `{"state_topic":"shelly/1","unique_id":"shelly1","availability_topic":"shelly/1/online"}`
	)
	kept := topicsOf("frient_blink_counter", "frient_blink_counter")
	f := start(t, func(f *fixture) {
		f.publish("homeassistant/sensor/old_meter/power/config", gone, true)
		f.publish("zigbee2mqtt/old_meter", `{"power":1}`, true)
		f.publish("zigbee2mqtt/old_meter/availability", `online`, true)
		f.publish("homeassistant/sensor/0x0015bc003f000009/power/config", other, true)
		f.publish("homeassistant/sensor/shelly1/power/config", shelf, true)
		f.publish("homeassistant/sensor/broken/power/config", `{`, true)
	})
	f.says(report(zcl.ClusterMetering, 67, demand(342)))
	want := append(kept, "homeassistant/sensor/0x0015bc003f000009/power/config",
		"homeassistant/sensor/shelly1/power/config", "homeassistant/sensor/broken/power/config")
	slices.Sort(want)
	f.awaitTopics(want)
}

func TestUnsupportedDevice(t *testing.T) {
	f := start(t)
	const lamp zcl.EUI64 = 0x00178801aabbccdd
	dev := network.Device{
		EUI64: lamp, Type: network.TypeRouter, ManufacturerName: "somebody\x00", ModelID: "lamp 1 ",
		Interview: network.InterviewInProgress, Available: true, Joined: time.Unix(2, 0),
	}
	e := network.Event{EUI64: lamp, Device: dev}
	e.Kind = network.InterviewStarted
	f.says(e)
	dev.Interview = network.InterviewSuccessful
	e.Kind, e.Device = network.InterviewSucceeded, dev
	f.says(e)
	p := f.await("zigbee2mqtt/bridge/event", func(p published) bool { return strings.Contains(p.Payload, "successful") })
	sameJSON(t, `{"type":"device_interview","data":{"friendly_name":"0x00178801aabbccdd","ieee_address":"0x00178801aabbccdd","status":"successful","supported":false,"definition":null}}`, p.Payload)
	m := report(zcl.ClusterOnOff, 99, zcl.Attribute{ID: 0, Value: zcl.Number(zcl.Bool, 1)})
	m.EUI64, m.Device = lamp, dev
	f.says(m)
	sameJSON(t, `{"linkquality":99}`, f.await("zigbee2mqtt/0x00178801aabbccdd", nil).Payload)
	f.awaitRetained("zigbee2mqtt/0x00178801aabbccdd/availability", "online")
	f.awaitHolds("zigbee2mqtt/bridge/devices", func(s string) bool {
		return strings.Contains(s, `"interview_state":"SUCCESSFUL","interviewing":false,"manufacturer":"somebody"`)
	})
	var entries []map[string]any
	if err := json.Unmarshal([]byte(f.holds("zigbee2mqtt/bridge/devices")), &entries); err != nil || len(entries) != 3 {
		t.Fatalf("bridge/devices: %v, %d entries, want 3", err, len(entries))
	}
	got := entries[2]
	for key, want := range map[string]any{"supported": false, "manufacturer": "somebody", "model": "lamp 1", "power_source": "Unknown"} {
		if got[key] != want {
			t.Errorf("%s: got %v, want %v", key, got[key], want)
		}
	}
	if _, ok := got["definition"]; ok {
		t.Error("an unsupported device has a definition")
	}
	want := []string{"homeassistant/sensor/0x00178801aabbccdd/linkquality/config", "zigbee2mqtt/0x00178801aabbccdd", "zigbee2mqtt/0x00178801aabbccdd/availability"}
	want = append(want, slices.DeleteFunc(topicsOf("frient_blink_counter", "frient_blink_counter"), func(topic string) bool {
		return topic == "zigbee2mqtt/frient_blink_counter" // it has said nothing
	})...)
	slices.Sort(want)
	f.awaitTopics(want)
}

func TestPairing(t *testing.T) {
	f := start(t, func(f *fixture) { f.net.devices = nil; f.skipMeter = true })
	at := time.UnixMilli(1789000000000)
	fresh := network.Device{EUI64: meterEUI, NodeID: 0x7a3c, Type: network.TypeUnknown, Interview: network.InterviewPending, Available: true, Joined: at}
	known := meter()
	bare := known
	bare.Endpoints = nil
	step := func(kind network.Kind, d network.Device, words string, err error) network.Event {
		at = at.Add(time.Second)
		return network.Event{Kind: kind, Time: at, Device: d, Step: words, Err: err}
	}
	first := report(zcl.ClusterMetering, 67, demand(342))
	first.Time, first.Device = at.Add(time.Minute), known
	for _, e := range []network.Event{
		step(network.Joined, fresh, "", nil),
		step(network.InterviewStarted, fresh, "", nil),
		step(network.InterviewStep, fresh, "Node descriptor", nil),
		step(network.InterviewStep, fresh, "Endpoints", nil),
		step(network.InterviewStep, fresh, "Endpoint 2", errors.New("endpoint 2: the device did not answer in time")),
		step(network.InterviewStep, bare, "Model", nil),
		step(network.InterviewStep, bare, "Basic information", errors.New("asleep")),
		step(network.InterviewSucceeded, bare, "", nil),
		step(network.ConfigureFailed, bare, "", errors.New("table full")),
		step(network.Configured, known, "", nil),
		first,
		step(network.Configured, known, "", nil), // asked for by a person: no step
	} {
		f.says(e)
	}
	type row struct {
		Step    string
		OK      bool
		Message string
	}
	want := []row{
		{"joined", true, "the device has joined the network"},
		{"node_descriptor", true, "the device has said what kind of radio it is"},
		{"endpoints", true, "the device has listed its endpoints"},
		{"endpoints", false, "endpoint 2: the device did not answer in time"},
		{"basic", true, "it is a Frient EMIZB-141: Electricity meter interface 2 LED"},
		{"basic", false, "asleep"},
		{"failed", false, "the device could not be set up to report: table full"},
		{"binding", true, "the device sends its readings here"},
		{"reporting", true, "the device knows when to report"},
		{"first_reading", true, "the first reading has arrived"},
	}
	f.ask("health_check", "")
	var got []row
	var last int64
	for _, p := range f.messages() {
		if p.Topic != "hems/zigbee/pairing" {
			continue
		}
		var m pairingMessage
		if err := json.Unmarshal([]byte(p.Payload), &m); err != nil {
			t.Fatal(err)
		}
		if m.IEEEAddress != meterEUI || m.FriendlyName != "frient_blink_counter" || m.At < last || p.Retain {
			t.Errorf("step is not right: %+v", p)
		}
		last = m.At
		got = append(got, row{m.Step, m.OK, m.Message})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if want := first.Time.UnixMilli(); last != want {
		t.Errorf("the last step was at %d, want %d", last, want)
	}
	var events []string
	for _, p := range f.messages() {
		if p.Topic == "zigbee2mqtt/bridge/event" {
			var e struct {
				Type string
				Data struct{ Status string }
			}
			if err := json.Unmarshal([]byte(p.Payload), &e); err != nil {
				t.Fatal(err)
			}
			events = append(events, strings.TrimSpace(e.Type+" "+e.Data.Status))
		}
	}
	if diff := cmp.Diff([]string{"device_joined", "device_interview started", "device_interview successful"}, events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	f.awaitTopics(topicsOf("frient_blink_counter", "frient_blink_counter"))
}

func TestFailedInterview(t *testing.T) {
	f := start(t)
	d := meter()
	d.Interview = network.InterviewFault
	f.says(network.Event{Kind: network.Announced})
	f.says(network.Event{Kind: network.InterviewFailed, Device: d, Err: network.ErrTimeout})
	p := f.await("zigbee2mqtt/bridge/event", nil)
	sameJSON(t, `{"type":"device_announce","data":{"friendly_name":"frient_blink_counter","ieee_address":"0x0015bc003f000001"}}`, p.Payload)
	p = f.await("zigbee2mqtt/bridge/event", nil)
	sameJSON(t, `{"type":"device_interview","data":{"friendly_name":"frient_blink_counter","ieee_address":"0x0015bc003f000001","status":"failed"}}`, p.Payload)
	p = f.await("hems/zigbee/pairing", nil)
	if !strings.Contains(p.Payload, `"step":"failed","ok":false`) {
		t.Errorf("step: got %s", p.Payload)
	}
	// What is known of it still serves.
	f.says(report(zcl.ClusterMetering, 67, demand(342)))
	f.awaitTopics(topicsOf("frient_blink_counter", "frient_blink_counter"))
}

func TestPermitJoinInInfo(t *testing.T) {
	f := start(t)
	open := f.net.Info()
	open.PermitUntil = time.Now().Add(200 * time.Millisecond)
	f.says(network.Event{Kind: network.PermitJoinChanged, Info: open})
	p := f.await("zigbee2mqtt/bridge/info", func(p published) bool { return strings.Contains(p.Payload, `"permit_join":true`) })
	if got := fromJSON(t, p.Payload).(map[string]any)["permit_join_end"]; got != float64(open.PermitUntil.UnixMilli()) {
		t.Errorf("permit_join_end: got %v, want %d", got, open.PermitUntil.UnixMilli())
	}
	// It ends by itself.
	f.await("zigbee2mqtt/bridge/info", func(p published) bool { return strings.Contains(p.Payload, `"permit_join":false`) })
}
