package metrics

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/store"
)

// local is a Writer with a store and no broker: it is given messages.
func local(t *testing.T, o Options) (*Writer, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hems.db")
	o.OpenStore = openAt(path)
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.openStore(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.store.Close() })
	return w, path
}

func (w *Writer) given(topic, payload string) {
	w.take(mqttclient.Message{Topic: topic, Payload: []byte(payload)})
}

// everything is all that is stored, as "entity unit domain: value value".
func everything(t *testing.T, w *Writer, path string) (all []string) {
	t.Helper()
	if err := w.store.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := store.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	series, err := r.Series(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range series {
		line := strings.TrimSpace(s.Domain+"."+s.Entity+" "+s.Unit) + ":"
		numbers, err := r.Samples(t.Context(), s.ID, time.UnixMilli(0), time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range numbers {
			line += fmt.Sprint(" ", v.Value)
		}
		texts, err := r.Texts(t.Context(), s.ID, time.UnixMilli(0), time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range texts {
			line += fmt.Sprintf(" %q", v.Text)
		}
		all = append(all, line)
	}
	return all
}

func TestTextsAreStoredWhenTheyChange(t *testing.T) {
	now := time.Date(2026, 12, 1, 3, 0, 0, 0, time.UTC)
	w, path := local(t, Options{Now: func() time.Time { return now }})
	w.given("homeassistant/sensor/boiler/mode/config", `{"name":"Mode","state_topic":"b","value_template":"{{ value_json.mode }}","device":{"name":"Boiler"}}`)
	w.given("homeassistant/binary_sensor/boiler/flame/config", `{"name":"Flame","state_topic":"b","value_template":"{{ value_json.flame }}","pl_on":true,"pl_off":false,"device":{"name":"Boiler"}}`)
	w.given("homeassistant/select/boiler/program/config", `{"name":"Program","state_topic":"b","value_template":"{{ value_json.program }}"}`)
	for _, state := range []string{"off", "off", "heating", "heating", "unknown", "unavailable", "off"} {
		now = now.Add(time.Minute)
		w.given("b", fmt.Sprintf(`{"mode":%q,"flame":%v,"program":"eco"}`, state, state == "heating"))
	}
	now = now.Add(repeatAfter)
	w.given("b", `{"mode":"off","flame":false}`)
	want := []string{
		`sensor.boiler_mode: "off" "heating" "off" "off"`,
		`binary_sensor.boiler_flame: 0 1 0 0`,
	}
	if diff := cmp.Diff(want, everything(t, w, path)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

func TestOtherDomainsAreStoredWhenTheyAreAskedFor(t *testing.T) {
	w, path := local(t, Options{Domains: []string{"select", "number", "light", "text"}})
	for _, d := range Domains {
		w.given("homeassistant/"+d+"/x/config", fmt.Sprintf(`{"name":%q,"state_topic":%q}`, d, "t/"+d))
	}
	for d, state := range map[string]string{"select": "eco", "number": "3", "light": "ON", "text": "hello", "sensor": "1", "switch": "ON"} {
		w.given("t/"+d, state)
	}
	want := []string{"light.light: 1", "number.number: 3", `select.select: "eco"`, `text.text: "hello"`}
	if diff := cmp.Diff(want, everything(t, w, path)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

// TestEntitiesFollowTheirDocuments: renamed, in another unit, taken out of a
// device's document, taken back.
func TestEntitiesFollowTheirDocuments(t *testing.T) {
	w, path := local(t, Options{})
	const topic = "homeassistant/device/plug/config"
	device := func(components string) {
		w.given(topic, `{"dev":{"ids":"1","name":"Plug"},"o":{"name":"x"},"stat_t":"plug","cmps":{`+components+`}}`)
	}
	const power = `"p":{"p":"sensor","uniq_id":"p","dev_cla":"power","unit_of_meas":"W","val_tpl":"{{ value_json.p }}"}`
	const energy = `"e":{"p":"sensor","uniq_id":"e","dev_cla":"energy","unit_of_meas":"Wh","val_tpl":"{{ value_json.e }}"}`
	says := func(n int) { w.given("plug", fmt.Sprintf(`{"p":%d,"e":%d}`, n, 100*n)) }
	device(power + "," + energy)
	says(1)
	device(power + "," + strings.Replace(energy, `"Wh"`, `"kWh"`, 1))
	says(2)
	device(strings.Replace(power, `"uniq_id"`, `"name":"Load","uniq_id"`, 1) + "," + strings.Replace(energy, `"Wh"`, `"kWh"`, 1))
	says(3)
	device(power + `,"e":{"p":"sensor"}`)
	says(4)
	device(power)
	says(5)
	w.given(topic, "")
	says(6)
	want := []string{
		"sensor.plug_energy Wh: 100", "sensor.plug_power W: 1 2 4 5",
		"sensor.plug_energy kWh: 200 300", "sensor.plug_load W: 3",
	}
	if diff := cmp.Diff(want, everything(t, w, path)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}
