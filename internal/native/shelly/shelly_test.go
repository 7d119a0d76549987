package shelly

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/discovery"
)

// ids are the entities by their ids, with where they read their values.
func ids(c discovery.Config) map[string]string {
	all := map[string]string{}
	for _, e := range c.Entities {
		all[e.EntityID] = e.StateTopic + " " + e.ValueTemplate
	}
	return all
}

func TestAShellyIsLearntFromWhatItSays(t *testing.T) {
	const rpc = `{"src":"shellyplus1pm-a8032ab636ec","dst":"kitchen/plug/events","method":"NotifyStatus","params":{"ts":1.5,%s}}`
	var d Devices
	for _, step := range []struct {
		name, topic, payload string
		want                 map[string]string // nil: no news
	}{
		{"NothingMeasured", "kitchen/plug/events/rpc", fmt.Sprintf(rpc, `"cloud":{"connected":true}`), nil},
		{"AnEvent", "kitchen/plug/events/rpc", `{"src":"shellyplus1pm-a8032ab636ec","method":"NotifyEvent","params":{"switch:0":{"apower":1}}}`, nil},
		{"Power", "kitchen/plug/events/rpc", fmt.Sprintf(rpc, `"switch:0":{"id":0,"apower":8.9}`), map[string]string{
			"shellyplus1pm_a8032ab636ec_power": "kitchen/plug/events/rpc {{ value_json.params['switch:0'].apower }}"}},
		{"PowerAgain", "kitchen/plug/events/rpc", fmt.Sprintf(rpc, `"switch:0":{"id":0,"apower":9}`), nil},
		{"NoValue", "kitchen/plug/events/rpc", fmt.Sprintf(rpc, `"switch:0":{"id":0,"voltage":null}`), nil},
		{"Energy", "kitchen/plug/events/rpc", fmt.Sprintf(rpc, `"switch:0":{"id":0,"aenergy":{"total":11.5,"by_minute":[1],"minute_ts":1}}`), map[string]string{
			"shellyplus1pm_a8032ab636ec_power":  "kitchen/plug/events/rpc {{ value_json.params['switch:0'].apower }}",
			"shellyplus1pm_a8032ab636ec_energy": "kitchen/plug/events/rpc {{ value_json.params['switch:0'].aenergy.total }}"}},
		{"AStateOfItsOwn", "kitchen/plug/status/switch:0", `{"id":0,"apower":9,"output":true}`, map[string]string{
			"shellyplus1pm_a8032ab636ec_power":  "kitchen/plug/status/switch:0 {{ value_json.apower }}",
			"shellyplus1pm_a8032ab636ec_energy": "kitchen/plug/status/switch:0 {{ value_json.aenergy.total }}",
			"shellyplus1pm_a8032ab636ec":        "kitchen/plug/status/switch:0 {{ value_json.output }}"}},
		{"AnotherDeviceUnderThePrefix", "kitchen/plug/events/rpc", `{"src":"shellyplus1pm-0000000000ff","method":"NotifyStatus","params":{"switch:0":{"apower":1}}}`, map[string]string{
			"shellyplus1pm_0000000000ff_power": "kitchen/plug/events/rpc {{ value_json.params['switch:0'].apower }}"}},
		{"SomebodyElse", "weather/status/switch:0", `{"id":0,"apower":9}`, nil},
		{"SomebodyElsesNotification", "weather/events/rpc", `{"src":"weather","method":"NotifyStatus","params":{"switch:0":{"apower":1}}}`, nil},
		{"NoJSON", "shellyplus1pm-a8032ab636ec/status/switch:0", `{"id":0,`, nil},
		{"NoID", "shellyplus1pm-a8032ab636ec/status/switch:0", `{"apower":1}`, nil},
		{"NoComponent", "shellyplus1pm-a8032ab636ec/status/mqtt", `{"id":0}`, nil},
	} {
		t.Run(step.name, func(t *testing.T) {
			c, news := d.Hear(step.topic, []byte(step.payload))
			if news != (step.want != nil) {
				t.Fatalf("news %v, %v", news, ids(c))
			}
			if news {
				if diff := cmp.Diff(step.want, ids(c)); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			}
		})
	}
}

// TestNamesDoNotChangeWhenAnotherPartIsHeard: the parts of a device that has
// several are heard one after the other.
func TestNamesDoNotChangeWhenAnotherPartIsHeard(t *testing.T) {
	for model, want := range map[string]string{
		"shellyplus2pm": "_switch_0_power", "shellypro4pm": "_switch_0_power", "shelly2pmg3": "_switch_0_power", "shellypro2": "_switch_0_power",
		"shelly1pmg4": "_power", "shellyplus1pm": "_power", "shellyplugsg3": "_power", "shellypro1pm": "_power",
	} {
		var d Devices
		id := model + "-a8032ab636ec"
		c, _ := d.Hear(id+"/events/rpc", []byte(`{"src":"`+id+`","method":"NotifyStatus","params":{"switch:0":{"apower":1}}}`))
		if len(c.Entities) != 1 || c.Entities[0].EntityID != model+"_a8032ab636ec"+want {
			t.Errorf("%s: %v", model, ids(c))
		}
	}
}

func TestStrangersCannotHaveUsLearnWithoutEnd(t *testing.T) {
	var d Devices
	for i := range 2 * maxDevices {
		id := fmt.Sprintf("shelly1pm-%012x", i)
		d.Hear(id+"/status/switch:0", []byte(`{"id":0,"apower":1}`))
	}
	if len(d.byPrefix) > maxDevices {
		t.Errorf("%d devices", len(d.byPrefix))
	}
	var c discovery.Config
	var one Devices
	for i := range 3 * maxComponents {
		if now, news := one.Hear(fmt.Sprintf("shelly1pm-000000000001/status/temperature:%d", i), []byte(`{"id":0,"tC":1}`)); news {
			c = now
		}
	}
	if len(c.Entities) != maxComponents {
		t.Errorf("%d entities, want %d", len(c.Entities), maxComponents)
	}
}

// FuzzHear: whatever is heard, entities are whole and have ids of their own.
func FuzzHear(f *testing.F) {
	files, _ := filepath.Glob("../testdata/shelly*.json")
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var fixture struct {
			Messages []struct{ Topic, Payload string }
		}
		if err := json.Unmarshal(b, &fixture); err != nil {
			f.Fatal(err)
		}
		for _, m := range fixture.Messages {
			f.Add(m.Topic, []byte(m.Payload))
		}
	}
	f.Fuzz(func(t *testing.T, topic string, payload []byte) {
		var d Devices
		c, news := d.Hear(topic, payload)
		if !news {
			return
		}
		if _, again := d.Hear(topic, payload); again {
			t.Error("the same message is news twice")
		}
		seen := map[string]bool{}
		for _, e := range c.Entities {
			if e.StateTopic != topic || e.EntityID == "" || e.UniqueID == "" || seen[e.UniqueID] || strings.ContainsAny(e.StateTopic, "+#") {
				t.Errorf("%+v of %q", e, topic)
			}
			seen[e.UniqueID] = true
			if _, err := e.Number(discovery.NewState(payload)); err != nil && strings.Contains(err.Error(), "template") {
				t.Error(err)
			}
		}
	})
}
