package bridge

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// calls notes what was asked of the network.
type calls struct {
	mu   sync.Mutex
	list []string
}

func (c *calls) add(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, fmt.Sprintf(format, args...))
}

func (c *calls) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.list
}

// obedient is a network that does what it is asked.
func (c *calls) obedient(f *fixture) {
	f.net.permit = func(d time.Duration) error { c.add("permit %v", d); return nil }
	f.net.remove = func(e zcl.EUI64, force bool) error { c.add("remove %v %v", e, force); return nil }
	f.net.interview = func(e zcl.EUI64) error { c.add("interview %v", e); return nil }
	f.net.asked = func(format string, args ...any) error { c.add(format, args...); return nil }
	f.net.configure = func(e zcl.EUI64) error { c.add("configure %v", e); return nil }
	f.net.read = func(e zcl.EUI64, endpoint uint8, cluster, manufacturer uint16, ids []uint16) ([]zcl.Attribute, error) {
		c.add("read %v %d %04x %04x %04x", e, endpoint, cluster, manufacturer, ids)
		return nil, nil
	}
}

func TestRequests(t *testing.T) {
	const (
		device    = "frient_blink_counter"
		removed   = `"block":false,"clear_cache":false,"force":%v,"id":%q,"keep_config":false`
		ok        = `{"data":{%s},"status":"ok"}`
		bad       = `{"data":{},"error":%q,"status":"error"}`
		noSuch    = "Device 'nope' does not exist"
		needsTime = "Invalid payload: 'time' must be a whole number of seconds"
		range254  = "Invalid payload: 'time' must be from 0 to 254 seconds"
	)
	good := func(data string) string { return fmt.Sprintf(ok, data) }
	fail := func(message string) string { return fmt.Sprintf(bad, message) }
	for _, tt := range []struct {
		name, request, payload, want string
		calls                        []string
	}{
		{"PermitJoin", "permit_join", `{"time":60}`, good(`"time":60`), []string{"permit 1m0s"}},
		{"PermitJoinPlainNumber", "permit_join", `254`, good(`"time":254`), []string{"permit 4m14s"}},
		{"PermitJoinClose", "permit_join", `{"time":0}`, good(`"time":0`), []string{"permit 0s"}},
		{"TransactionIsEchoedWithItsType", "permit_join", `{"time":1,"transaction":"t1"}`, `{"data":{"time":1},"status":"ok","transaction":"t1"}`, []string{"permit 1s"}},
		{"TransactionOfAnError", "permit_join", `{"time":-1,"transaction":7}`, `{"data":{},"error":"` + range254 + `","status":"error","transaction":7}`, nil},
		{"ErrTimeTooLong", "permit_join", `{"time":255}`, fail(range254), nil},
		{"ErrTimeMissing", "permit_join", `{}`, fail(needsTime), nil},
		{"PermitJoinNumberInText", "permit_join", `{"time":"60"}`, good(`"time":60`), []string{"permit 1m0s"}},
		{"PermitJoinPlainText", "permit_join", `"254"`, good(`"time":254`), []string{"permit 4m14s"}},
		{"ErrTimeIsText", "permit_join", `{"time":"soon"}`, fail(needsTime), nil},
		{"ErrTimeIsEmptyText", "permit_join", `{"time":""}`, fail(needsTime), nil},
		{"ErrTimeIsNullInText", "permit_join", `{"time":"null"}`, fail(needsTime), nil},
		{"ErrTimeIsNull", "permit_join", `{"time":null}`, fail(needsTime), nil},
		{"ErrTimeIsAFraction", "permit_join", `{"time":1.5}`, fail(needsTime), nil},
		{"ErrTimeIsHuge", "permit_join", `1e300`, fail(range254), nil},
		{"ErrEmpty", "permit_join", ``, fail(needsTime), nil},
		{"ErrWord", "permit_join", `true`, fail(needsTime), nil},
		{"ErrViaNoDevice", "permit_join", `{"time":60,"device":"plug"}`, fail("Device 'plug' does not exist"), nil},
		{"ErrBrokenJSON", "permit_join", `{"time":60`, fail("Invalid payload: unexpected EOF"), nil},
		{"ErrTwoObjects", "permit_join", `{"time":60} {"time":1}`, fail("Invalid payload: there is more after the object"), nil},
		{"ErrTooLarge", "permit_join", `{"time":60,"x":"` + strings.Repeat("x", maxPayload) + `"}`, fail("Invalid payload: it has more than 65536 bytes"), nil},

		{"HealthCheck", "health_check", ``, good(`"healthy":true`), nil},
		{"Interview", "device/interview", `{"id":"` + device + `"}`, good(`"id":"frient_blink_counter"`), []string{"interview 0x0015bc003f000001"}},
		{"InterviewByAddress", "device/interview", `{"id":"0x0015BC003F000001"}`, good(`"id":"0x0015BC003F000001"`), []string{"interview 0x0015bc003f000001"}},
		{"Configure", "device/configure", device, good(`"id":"frient_blink_counter"`), []string{"configure 0x0015bc003f000001"}},
		{"ErrNoDevice", "device/configure", `{"id":"nope"}`, fail(noSuch), nil},
		{"ErrIDMissing", "device/interview", `{}`, fail("Invalid payload: 'id' is missing"), nil},
		{"ErrIDIsANumber", "device/interview", `{"id":1}`, fail("Device '1' does not exist"), nil},
		{"ErrIDIsAnObject", "device/interview", `{"id":{}}`, fail("Invalid payload: 'id' must be a string or a number"), nil},
		{"ErrIDIsAList", "device/interview", `[1]`, fail("Invalid payload: give the name as a string or as 'id'"), nil},

		{"Remove", "device/remove", `{"id":"` + device + `","force":true}`, good(fmt.Sprintf(removed, true, device)), []string{"remove 0x0015bc003f000001 true"}},
		{"RemovePlainText", "device/remove", device, good(fmt.Sprintf(removed, false, device)), []string{"remove 0x0015bc003f000001 false"}},
		{"ErrRemoveNoDevice", "device/remove", `{"id":"nope"}`, fail(noSuch), nil},
		{"ErrRemoveForceIsText", "device/remove", `{"id":"` + device + `","force":"yes"}`, fail("Invalid payload: 'force' must be true or false"), nil},

		{"Rename", "device/rename", `{"from":"` + device + `","to":"meter"}`, good(`"from":"frient_blink_counter","homeassistant_rename":false,"to":"meter"`), nil},
		{"RenameLast", "device/rename", `{"last":true,"to":"meter","homeassistant_rename":true}`, good(`"from":"frient_blink_counter","homeassistant_rename":true,"to":"meter"`), nil},
		{"ErrRenameNoDevice", "device/rename", `{"from":"nope","to":"meter"}`, fail(noSuch), nil},
		{"ErrRenameWithoutTo", "device/rename", `{"from":"nope"}`, fail("Invalid payload: 'from' and 'to' are needed"), nil},
		{"ErrRenameWildcard", "device/rename", `{"from":"` + device + `","to":"a+b"}`, fail("MQTT wildcard (+ and #) not allowed in friendly_name ('a+b')"), nil},
		{"ErrRenameEmpty", "device/rename", `{"from":"` + device + `","to":""}`, fail("friendly_name must be at least 1 char long"), nil},
		{"ErrRenameToANumber", "device/rename", `{"from":"` + device + `","to":5}`, fail("Invalid payload: 'to' must be a string"), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c calls
			f := start(t, c.obedient)
			p := f.ask(tt.request, tt.payload)
			if diff := cmp.Diff(published{"zigbee2mqtt/bridge/response/" + tt.request, tt.want, false, 0}, p); diff != "" {
				t.Errorf("response (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.calls, c.all()); diff != "" {
				t.Errorf("network was asked (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNetworkErrorsAreAnsweredWithTheirHint(t *testing.T) {
	f := start(t, func(f *fixture) {
		f.net.permit = func(time.Duration) error {
			return &network.Error{Message: "the dongle does not answer", Advice: "plug it back in"}
		}
	})
	const want = "Failed to permit joining: the dongle does not answer; plug it back in"
	p := f.ask("permit_join", "60")
	if got := fmt.Sprintf(`{"data":{},"error":%q,"status":"error"}`, want); p.Payload != got {
		t.Errorf("got %s, want %s", p.Payload, got)
	}
	log := f.await("zigbee2mqtt/bridge/logging", nil)
	sameJSON(t, fmt.Sprintf(`{"level":"error","message":%q}`, want), log.Payload)
}

func TestUnknownRequestHasNoResponse(t *testing.T) {
	f := start(t)
	f.publish("zigbee2mqtt/bridge/request/nonsense", `{"transaction":1}`, false)
	p := f.await("zigbee2mqtt/bridge/logging", nil)
	sameJSON(t, `{"level":"warning","message":"the request 'nonsense' is not known"}`, p.Payload)
	f.ask("health_check", "")
	for _, p := range f.messages() {
		if p.Topic == "zigbee2mqtt/bridge/response/nonsense" {
			t.Errorf("got an answer: %+v", p)
		}
	}
}

func TestRetainedRequestIsIgnored(t *testing.T) {
	var c calls
	f := start(t, c.obedient, func(f *fixture) {
		f.publish("zigbee2mqtt/bridge/request/permit_join", `{"time":60}`, true)
	})
	f.ask("health_check", "")
	if got := c.all(); got != nil {
		t.Errorf("the network was asked: %v", got)
	}
}

func TestLongRequestsAreBounded(t *testing.T) {
	release := make(chan struct{})
	var awake atomic.Bool
	f := start(t, func(f *fixture) {
		f.net.interview = func(zcl.EUI64) error {
			if awake.Load() {
				return nil
			}
			<-release
			return errors.New("asleep")
		}
	})
	for range maxRequests {
		f.publish("zigbee2mqtt/bridge/request/device/interview", "frient_blink_counter", false)
	}
	p := f.ask("device/interview", "frient_blink_counter")
	if !strings.Contains(p.Payload, "too many requests") {
		t.Errorf("got %s, want too many requests", p.Payload)
	}
	f.says(report(zcl.ClusterMetering, 60, demand(341))) // readings go on
	f.await("zigbee2mqtt/frient_blink_counter", nil)
	close(release)
	for range maxRequests {
		p := f.await("zigbee2mqtt/bridge/response/device/interview", nil)
		if !strings.Contains(p.Payload, "asleep") {
			t.Errorf("got %s, want asleep", p.Payload)
		}
	}
	awake.Store(true)
	p = f.ask("device/interview", "frient_blink_counter")
	if !strings.Contains(p.Payload, `"ok"`) {
		t.Errorf("got %s, want ok", p.Payload)
	}
}

func TestGetAndSet(t *testing.T) {
	for _, tt := range []struct {
		name, topic, payload string
		calls                []string
		warning              string
	}{
		{"GetOne", "frient_blink_counter/get", `{"power":""}`, []string{"read 0x0015bc003f000001 2 0702 0000 [0400]"}, ""},
		{"GetTwoOfACluster", "frient_blink_counter/get", `{"power":"","energy":""}`, []string{"read 0x0015bc003f000001 2 0702 0000 [0000 0400]"}, ""},
		{"GetOfTwoClusters", "frient_blink_counter/get", `{"power":"","battery":""}`,
			[]string{"read 0x0015bc003f000001 2 0001 0000 [0021]", "read 0x0015bc003f000001 2 0702 0000 [0400]"}, ""},
		{"GetByTopic", "frient_blink_counter/get/energy", `x`, []string{"read 0x0015bc003f000001 2 0702 0000 [0000]"}, ""},
		{"GetByAddress", "0x0015bc003f000001/get", `{"power":""}`, []string{"read 0x0015bc003f000001 2 0702 0000 [0400]"}, ""},
		{"ErrGetUnknownKey", "frient_blink_counter/get", `{"colour":""}`, nil, "'frient_blink_counter' cannot be asked for 'colour'"},
		{"ErrGetNothing", "frient_blink_counter/get", `{}`, nil, "'get' to 'frient_blink_counter' makes no sense: it has 0 keys; 1 to 100 are allowed"},
		{"ErrGetNoJSON", "frient_blink_counter/get", `power`, nil, "'get' to 'frient_blink_counter' makes no sense: it is no JSON; publish {\"state\": \"ON\"}"},
		{"ErrGetNoDevice", "nope/get", `{"power":""}`, nil, "the device 'nope' is not known"},
		{"ErrSet", "frient_blink_counter/set", `{"state":"ON"}`, nil, "'frient_blink_counter' has nothing called 'state' that can be set"},
		{"ErrSetAttribute", "frient_blink_counter/set/state", `ON`, nil, "'frient_blink_counter' has nothing called 'state' that can be set"},
		{"ErrSetDeepName", "a/b/c/set", `ON`, nil, "the device 'a/b/c' is not known"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c calls
			f := start(t, c.obedient)
			f.publish("zigbee2mqtt/"+tt.topic, tt.payload, false)
			if tt.warning != "" {
				p := f.await("zigbee2mqtt/bridge/logging", nil)
				sameJSON(t, fmt.Sprintf(`{"level":"warning","message":%q}`, tt.warning), p.Payload)
			}
			for end := time.Now().Add(patience); len(c.all()) < len(tt.calls) && time.Now().Before(end); {
				time.Sleep(time.Millisecond)
			}
			if diff := cmp.Diff(tt.calls, c.all()); diff != "" {
				t.Errorf("network was asked (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFailedGetIsLogged(t *testing.T) {
	f := start(t, func(f *fixture) {
		f.net.read = func(zcl.EUI64, uint8, uint16, uint16, []uint16) ([]zcl.Attribute, error) {
			return nil, network.ErrTimeout
		}
	})
	f.publish("zigbee2mqtt/frient_blink_counter/get", `{"power":""}`, false)
	p := f.await("zigbee2mqtt/bridge/logging", nil)
	sameJSON(t, `{"level":"error","message":"'frient_blink_counter' was not read: the device did not answer in time"}`, p.Payload)
}

func TestStrangersWarningsAreLimited(t *testing.T) {
	f := start(t)
	for range 50 {
		f.publish("zigbee2mqtt/nope/set", "ON", false)
	}
	f.ask("health_check", "")
	warnings := 0
	for _, p := range f.messages() {
		if strings.Contains(p.Payload, "is not known") {
			warnings++
		}
	}
	if warnings == 0 || warnings > 3 {
		t.Errorf("50 messages for a device that is not there gave %d warnings, want a few", warnings)
	}
}

// FuzzRequest: no request, whatever its name and payload, stops the bridge, and
// every answer is JSON of the contract's form.
func FuzzRequest(f *testing.F) {
	payloads := []string{``, `60`, `x`, `{"time":60,"transaction":"a"}`, `{"id":"frient_blink_counter","force":true,"options":{"qos":1,"a":null}}`,
		`{"from":"frient_blink_counter","to":"b/left","last":false}`, `[{}]`, `{"id":{}}`, `{"friendly_name":"g","id":"3"}`,
		`{"device":"frient_blink_counter","group":"g","endpoint":2}`, `{"type":"graphviz","routes":true}`, `{"value":"0015BC003F0000AA|83FED3407A939723A5C639B26916D505C3B5"}`,
		`{"options":{"advanced":{"channel":15,"log_level":"debug"},"blocklist":["0x01"]}}`,
		`{"id":"frient_blink_counter","endpoint":2,"cluster":"seMetering","attribute":{"ID":5,"type":33},"configs":[{"attribute":1024}],"minimum_report_interval":1,"maximum_report_interval":2}`,
		`{"from":"frient_blink_counter","from_endpoint":2,"to":"Coordinator","clusters":["seMetering",""]}`}
	for _, name := range slices.Sorted(maps.Keys(contract)) {
		for _, payload := range payloads {
			f.Add(name, []byte(payload))
		}
	}
	f.Add("nonsense", []byte(`{}`))
	f.Add("", []byte{0xff})
	fix := start(f, func(fix *fixture) {
		fix.net.permit = func(time.Duration) error { return nil }
		fix.net.remove = func(zcl.EUI64, bool) error { return network.ErrTimeout }
		fix.net.interview = func(zcl.EUI64) error { return nil }
		fix.net.configure = func(zcl.EUI64) error { return network.ErrDown }
	})
	f.Fuzz(func(t *testing.T, name string, payload []byte) {
		done := make(chan struct{})
		fix.bridge.post(t.Context(), func() {
			defer close(done)
			fix.bridge.message(t.Context(), mqttclient.Message{Topic: "zigbee2mqtt/bridge/request/" + name, Payload: payload})
		})
		<-done
		fix.mu.Lock()
		all := fix.all
		fix.all, fix.from = nil, 0
		fix.mu.Unlock()
		for _, p := range all {
			if !strings.HasPrefix(p.Topic, "zigbee2mqtt/bridge/response/") {
				continue
			}
			var a struct {
				Data   map[string]any
				Error  string
				Status string
			}
			if err := json.Unmarshal([]byte(p.Payload), &a); err != nil || a.Data == nil ||
				a.Status != "ok" && (a.Status != "error" || a.Error == "" || len(a.Data) != 0) {
				t.Errorf("%s: got %s (%v)", p.Topic, p.Payload, err)
			}
		}
	})
}
