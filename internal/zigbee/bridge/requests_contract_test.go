package bridge

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// requestsOf214 are the requests that Zigbee2MQTT 2.14 answers. Source: its
// types/api.ts, and the older name device/configure_reporting beside them.
var requestsOf214 = []string{
	"action", "backup", "converter/remove", "converter/save", "coordinator_check",
	"device/bind", "device/binds/clear", "device/configure", "device/configure_reporting",
	"device/generate_external_definition", "device/interview", "device/options",
	"device/ota_update/check", "device/ota_update/check/downgrade", "device/ota_update/schedule",
	"device/ota_update/schedule/downgrade", "device/ota_update/unschedule", "device/ota_update/update",
	"device/ota_update/update/abort", "device/ota_update/update/downgrade",
	"device/remove", "device/rename", "device/reporting/configure", "device/reporting/read", "device/unbind",
	"extension/remove", "extension/save", "group/add", "group/members/add", "group/members/remove",
	"group/members/remove_all", "group/options", "group/remove", "group/rename", "health_check",
	"install_code/add", "networkmap", "options", "permit_join", "restart",
	"touchlink/factory_reset", "touchlink/identify", "touchlink/scan",
}

// ours are the requests beside them.
var ours = []string{"network/channel", "network/energy_scan"}

func TestEveryRequestIsAnswered(t *testing.T) {
	got := slices.Sorted(maps.Keys(contract))
	want := slices.Sorted(slices.Values(append(slices.Clone(requestsOf214), ours...)))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// walk is one request of a walk through the contract. keys are those of data in
// a good answer; wrong is a part of the error of a bad one.
type walk struct {
	name, payload string
	keys          string
	wrong         string
}

func good(name, payload, keys string) walk { return walk{name: name, payload: payload, keys: keys} }
func bad(name, payload, wrong string) walk { return walk{name: name, payload: payload, wrong: wrong} }

// TestContract puts every request, good and bad, to a real network.
func TestContract(t *testing.T) {
	t.Parallel() // a scan and two changes of channel take their seconds
	const none = "Device 'nope' does not exist"
	steps := []walk{
		good("permit_join", `{"time":60,"device":"Coordinator"}`, "device time"),
		good("permit_join", `{"time":60,"device":"plug"}`, "device time"),
		good("permit_join", `{"time":0,"device":null}`, "time"),
		bad("permit_join", `{"time":60,"device":"nope"}`, none),
		bad("permit_join", `{"time":null}`, "Invalid payload"),
		good("health_check", ``, "healthy"),
		bad("health_check", `{`, "Invalid payload"),
		good("coordinator_check", ``, "missing_routers"),
		bad("coordinator_check", `{"a":`, "Invalid payload"),
		good("install_code/add", `{"value":"0015BC003F0000AA|83FED3407A939723A5C639B26916D505C3B5"}`, "value"),
		bad("install_code/add", `{"value":"0015BC003F0000AA|83FED3407A939723A5C639B26916D505C3B6"}`, "checksum"),
		bad("install_code/add", `{}`, "Invalid payload"),
		good("networkmap", `{"type":"raw","routes":true}`, "routes type value"),
		good("networkmap", `graphviz`, "routes type value"),
		good("networkmap", `"plantuml"`, "routes type value"),
		bad("networkmap", `{"type":"svg"}`, "Type 'svg' not supported, allowed are: raw,graphviz,plantuml"),
		good("options", `{"options":{"advanced":{"log_level":"debug"},"health":{"interval":5}}}`, "restart_required"),
		good("options", `{"options":{"advanced":{"log_level":"info"}}}`, "restart_required"),
		bad("options", `{"options":{"serial":{"port":"/dev/null"}}}`, "'serial'"),
		bad("options", `{"options":{"advanced":{"log_level":"loud"}}}`, "must be one of"),
		bad("options", `{"options":1}`, "Invalid payload"),

		good("group/add", `{"friendly_name":"lights","id":5}`, "friendly_name id"),
		good("group/add", `pair`, "friendly_name id"),
		bad("group/add", `{"id":6}`, "Invalid payload"),
		bad("group/add", `{"friendly_name":"lights"}`, "friendly_name 'lights' is already in use"),
		bad("group/add", `{"friendly_name":"plug"}`, "friendly_name 'plug' is already in use"),
		bad("group/add", `{"friendly_name":"others","id":5}`, "Group ID '5' is already in use"),
		good("group/rename", `{"from":"lights","to":"house/lights"}`, "from homeassistant_rename to"),
		bad("group/rename", `{"from":"nope","to":"x"}`, "Group 'nope' does not exist"),
		bad("group/rename", `{"from":"pair","to":"house/lights"}`, "already in use"),
		good("group/options", `{"id":5,"options":{"description":"all","off_state":"last_member_state"}}`, "from id restart_required to"),
		bad("group/options", `{"id":5,"options":{"off_state":"never"}}`, "'off_state' must be one of"),
		good("group/members/add", `{"device":"plug","group":5}`, "device endpoint group"),
		good("group/members/add", `{"device":"lamp","group":"house/lights","endpoint":1}`, "device endpoint group"),
		bad("group/members/add", `{"device":"plug","group":"nope"}`, "Group 'nope' does not exist"),
		bad("group/members/add", `{"device":"nope","group":5}`, none),
		bad("group/members/add", `{"device":"plug","group":5,"endpoint":9}`, "Device 'plug' does not have endpoint '9'"),
		good("group/members/remove", `{"device":"plug","group":5}`, "device endpoint group"),
		bad("group/members/remove", `{"group":5}`, "Invalid payload"),
		good("group/members/remove_all", `{"device":"lamp","endpoint":"default"}`, "device endpoint"),
		bad("group/members/remove_all", `{"device":"nope"}`, none),
		good("group/remove", `{"id":"pair"}`, "force id"),
		bad("group/remove", `pair`, "Group 'pair' does not exist"),

		good("device/bind", `{"from":"plug","to":"Coordinator","clusters":["genOnOff","nonsense"]}`, "clusters failed from from_endpoint to"),
		good("device/bind", `{"from":"plug","from_endpoint":1,"to":"house/lights"}`, "clusters failed from from_endpoint to"),
		bad("device/bind", `{"from":"plug","to":"nope"}`, "Target device or group 'nope' does not exist"),
		bad("device/bind", `{"from":"nope","to":"plug"}`, "Source device 'nope' does not exist"),
		bad("device/bind", `{"from":"plug","to":"meter","to_endpoint":77}`, "Target device 'meter' does not have endpoint '77'"),
		bad("device/bind", `{"from":"plug","to":"Coordinator","clusters":["genPollCtrl"]}`, "Nothing to bind"),
		bad("device/bind", `{"from":"plug"}`, "Invalid payload"),
		good("device/unbind", `{"from":"plug","from_endpoint":1,"to":"house/lights","to_endpoint":null}`, "clusters failed from from_endpoint to to_endpoint"),
		bad("device/unbind", `{"from":"plug","to":"lamp","clusters":7}`, "Invalid payload"),
		good("device/reporting/configure", `{"id":"plug","endpoint":1,"cluster":"genOnOff","attribute":"onOff","minimum_report_interval":0,"maximum_report_interval":3600,"reportable_change":0}`,
			"attribute cluster endpoint id maximum_report_interval minimum_report_interval reportable_change"),
		good("device/configure_reporting", `{"id":"plug","endpoint":"1","cluster":2820,"attribute":"activePower","minimum_report_interval":5,"maximum_report_interval":3600,"reportable_change":10}`,
			"attribute cluster endpoint id maximum_report_interval minimum_report_interval reportable_change"),
		bad("device/configure_reporting", `{"id":"plug","endpoint":1,"cluster":"genOnOff","attribute":"onOff"}`, "Invalid payload"),
		bad("device/reporting/configure", `{"id":"plug","endpoint":1,"cluster":"genOnOff","attribute":"nonsense","minimum_report_interval":0,"maximum_report_interval":1}`, "Invalid payload"),
		good("device/reporting/read", `{"id":"plug","endpoint":1,"cluster":"genOnOff","configs":[{"attribute":"onOff"}]}`, "cluster configs endpoint id"),
		bad("device/reporting/read", `{"id":"plug","endpoint":1,"cluster":"genOnOff"}`, "Invalid payload"),
		bad("device/reporting/read", `{"id":"plug","endpoint":44,"cluster":"genOnOff","configs":[{"attribute":"onOff"}]}`, "does not have endpoint '44'"),
		good("device/binds/clear", `{"target":"lamp","ieee_list":["0x0000000000000001"]}`, "ieee_list target"),
		bad("device/binds/clear", `{"target":"nope"}`, "Invalid target"),
		good("device/options", `{"id":"meter","options":{"retain":true,"power_precision":1,"description":"by the window"}}`, "from id restart_required to"),
		bad("device/options", `{"id":"plug","options":{"qos":7}}`, "'qos' must be 0, 1 or 2"),
		bad("device/options", `{"id":"plug","options":{"nonsense":7}}`, "'nonsense' is not known"),
		bad("device/options", `{"id":"nope","options":{}}`, none),
		good("device/configure", `meter`, "id"),
		bad("device/configure", `{"id":"nope"}`, none),
		good("device/interview", `{"id":"plug"}`, "id"),
		bad("device/interview", `{}`, "Invalid payload"),
		good("device/rename", `{"from":"plug","to":"kitchen/plug","homeassistant_rename":true}`, "from homeassistant_rename to"),
		bad("device/rename", `{"from":"kitchen/plug","to":"house/lights"}`, "already in use"),
		bad("device/rename", `{"from":"nope","to":"x"}`, none),
		good("device/ota_update/unschedule", `{"id":"lamp"}`, "id"),
		bad("device/ota_update/unschedule", `{"id":"nope"}`, none),

		good("network/energy_scan", ``, "channels"),
		bad("network/energy_scan", `{]`, "Invalid payload"),
		good("network/channel", `{"channel":20}`, "channel"),
		bad("network/channel", `{"channel":27}`, "Invalid payload"),
		good("options", `{"options":{"advanced":{"channel":15}}}`, "restart_required"),
		bad("action", `{"action":"raw"}`, "Invalid action"),
		bad("device/generate_external_definition", `{"id":"meter"}`, noCode),
		bad("device/generate_external_definition", `{"id":"nope"}`, none),
		bad("touchlink/identify", `{"ieee_address":"0x0000000000000001","channel":11}`, noTouchlink),
		bad("touchlink/identify", `{}`, "Invalid payload"),
		bad("device/remove", ``, "Device '' does not exist"),
		bad("group/add", `{"friendly_name":7}`, "Invalid payload"),
		bad("action", `{}`, "Invalid payload"),

		good("device/remove", `{"id":"lamp","block":true}`, "block clear_cache force id keep_config"),
		bad("device/remove", `{"id":"lamp"}`, "Device 'lamp' does not exist"),
		good("backup", ``, "zip"),
		bad("backup", `{"transaction":`, "Invalid payload"),
		good("restart", ``, ""),
		bad("restart", `{"a" 1}`, "Invalid payload"),
	}
	for name, c := range contract {
		switch {
		case c.refuse != "":
			steps = append(steps, bad(name, `{"id":"meter","name":"x","code":"","transaction":3}`, c.refuse))
		case strings.HasPrefix(name, "device/ota_update/") && name != "device/ota_update/unschedule":
			steps = append(steps, bad(name, `{"id":"meter"}`, "'meter'"), bad(name, `nope`, none))
		}
	}
	h := newHome(t)
	goods, bads := make(map[string]bool), make(map[string]bool)
	for i, s := range steps {
		t.Run(fmt.Sprintf("%02d %s", i, s.name), func(t *testing.T) {
			h.t = t
			a := h.answers(s.name, s.payload)
			if s.wrong != "" {
				bads[s.name] = true
				if a.Status != "error" || len(a.Data) != 0 || !strings.Contains(a.Error, s.wrong) {
					t.Errorf("%s: got %+v, want an error with %q", s.payload, a, s.wrong)
				}
				return
			}
			goods[s.name] = true
			if got := strings.Join(slices.Sorted(maps.Keys(a.Data)), " "); a.Status != "ok" || a.Error != "" || got != s.keys {
				t.Errorf("%s: got %+v with the keys %q, want %q", s.payload, a, got, s.keys)
			}
		})
	}
	h.t = t
	for name, c := range contract {
		if !bads[name] {
			t.Errorf("%s was not put badly", name)
		}
		impossible := c.refuse != "" || name == "action" || name == "touchlink/identify" || name == "device/generate_external_definition" || strings.HasPrefix(name, "device/ota_update/") && name != "device/ota_update/unschedule"
		if !goods[name] && !impossible {
			t.Errorf("%s was not put well", name)
		}
	}
}

// TestTransactionsAreEchoed: with the type they came with, in good and bad
// answers.
func TestTransactionsAreEchoed(t *testing.T) {
	f := start(t)
	for _, transaction := range []string{`"t1"`, `7`, `null`, `{"a":[1]}`, `1.50`, `true`} {
		for name, payload := range map[string]string{"health_check": `{"transaction":%s}`, "group/add": `{"transaction":%s}`, "touchlink/scan": `{"transaction":%s}`} {
			p := f.ask(name, fmt.Sprintf(payload, transaction))
			if want := `"transaction":` + transaction + `}`; !strings.HasSuffix(p.Payload, want) {
				t.Errorf("%s: got %s, want %s at its end", name, p.Payload, want)
			}
		}
	}
}

// TestInvalidPayloadInBothForms: Zigbee2MQTT's words alone in its form, the
// reason too in ours.
func TestInvalidPayloadInBothForms(t *testing.T) {
	f := start(t)
	sameJSON(t, `{"data":{},"error":"Invalid payload: 'id' is missing","status":"error"}`, f.ask("device/interview", `{}`).Payload)
	f = start(t, z2m2)
	sameJSON(t, `{"data":{},"error":"Invalid payload","status":"error"}`, f.ask("device/interview", `{}`).Payload)
	f.rewind()
	p := f.await("zigbee2mqtt/bridge/logging", func(p published) bool { return strings.Contains(p.Payload, "device/interview") })
	sameJSON(t, `{"level":"warning","message":"the request 'device/interview' failed: 'id' is missing"}`, p.Payload)
}

// unzip gives the files of a backup.
func unzip(t *testing.T, data map[string]any) map[string]string {
	t.Helper()
	archive, err := base64.StdEncoding.DecodeString(data["zip"].(string))
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, e := range z.File {
		r, err := e.Open()
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := b.ReadFrom(r); err != nil {
			t.Fatal(err)
		}
		files[e.Name] = b.String()
	}
	return files
}
