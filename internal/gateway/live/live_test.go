package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/history"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/store"
)

// bench is a Model with a broker and a history that a test plays, and a clock
// that it moves.
type bench struct {
	*Model
	t       *testing.T
	now     time.Time
	up      bool
	filters map[string]func(mqttclient.Message)
	kWh     float64
	stored  map[string]store.Reading
	err     error
	asked   int
	past    *history.History // answers what is counted, when set
}

func newBench(t *testing.T, settings ...func(*Options)) *bench {
	b := &bench{t: t, now: time.Date(2026, 11, 21, 18, 0, 0, 0, time.UTC), up: true,
		filters: map[string]func(mqttclient.Message){}, stored: map[string]store.Reading{}}
	o := Options{History: b, TimeZone: time.UTC, Log: slog.New(slog.DiscardHandler), Clock: func() time.Time { return b.now }}
	for _, s := range settings {
		s(&o)
	}
	b.Model = New(o)
	b.client = b
	for filter, h := range b.handlers() {
		b.filters[filter] = h
	}
	b.step(context.Background())
	return b
}

func (b *bench) Subscribe(_ context.Context, filter string, _ byte, h func(mqttclient.Message)) error {
	b.filters[filter] = h
	return nil
}

func (b *bench) Unsubscribe(_ context.Context, filter string) error {
	delete(b.filters, filter)
	return nil
}

func (b *bench) Connected() bool { return b.up }

func (b *bench) Power(context.Context, string, time.Time, time.Time, time.Duration) ([]history.Point, error) {
	return nil, b.err
}

func (b *bench) Counted(ctx context.Context, entity string, from, to time.Time) (history.Count, bool, error) {
	b.asked++
	if b.past != nil {
		return b.past.Counted(ctx, entity, from, to)
	}
	r, ok := b.stored[entity]
	return history.Count{KWh: b.kWh, Value: r.Value, At: r.Time}, ok, b.err
}

func (b *bench) Before(_ context.Context, entity string, _ time.Time) (store.Reading, bool, error) {
	r, ok := b.stored[entity]
	return r, ok, b.err
}

// hear delivers a message as a broker would: to every filter that matches.
func (b *bench) hear(topic, payload string, retain bool) {
	b.t.Helper()
	for filter, h := range b.filters {
		prefix, wild := strings.CutSuffix(filter, "#")
		if filter == topic || wild && strings.HasPrefix(topic, prefix) || filter == "hems/+/health" && strings.HasSuffix(topic, "/health") {
			h(mqttclient.Message{Topic: topic, Payload: []byte(payload), Retain: retain})
		}
	}
	b.step(context.Background())
}

func (b *bench) pass(d time.Duration) {
	b.now = b.now.Add(d)
	b.step(context.Background())
}

func (b *bench) well() {
	b.hear("hems/zigbee/health", `{"state":"ok"}`, false)
	b.hear("hems/metrics/health", `{"state":"ok"}`, false)
}

// announce publishes the discovery documents of a meter, and of more powers of
// it.
func (b *bench) announce(name, ieee string, powers ...string) {
	b.t.Helper()
	documents := [][3]string{{"power", "W", "measurement"}, {"energy", "kWh", "total_increasing"}, {"linkquality", "lqi", "measurement"}}
	classes := map[string]string{"power": "power", "energy": "energy"}
	for _, key := range powers {
		documents, classes[key] = append(documents, [3]string{key, "W", "measurement"}), "power"
	}
	for _, d := range documents {
		b.hear("homeassistant/sensor/"+name+"/"+d[0]+"/config", fmt.Sprintf(`{"name":%q,"stat_t":"zigbee2mqtt/%s",
			"val_tpl":"{{ value_json.%s }}","unit_of_meas":%q,"dev_cla":%q,"stat_cla":%q,"uniq_id":"%s_%s_zigbee2mqtt",
			"avty_t":"zigbee2mqtt/%s/availability","dev":{"ids":["zigbee2mqtt_%s"],"name":%q}}`,
			name+" "+d[0], name, d[0], d[1], classes[d[0]], d[2], ieee, d[0], name, ieee, name), true)
	}
}

func number(v *float64) string {
	if v == nil {
		return "unknown"
	}
	return fmt.Sprint(*v)
}

func TestNowFollowsTheMeter(t *testing.T) {
	b := newBench(t)
	if got := b.Now().Stage; got != NoMeter {
		t.Errorf("without devices: got %s, want %s", got, NoMeter)
	}
	b.announce("meter", "0x1")
	if got := b.Now(); got.Stage != Waiting || got.Meter != "meter" || got.Entity != "meter_power" {
		t.Errorf("announced: got %+v, want waiting for meter_power", got)
	}
	b.hear("zigbee2mqtt/meter", `{"power":342.5,"energy":10,"linkquality":67}`, false)
	if got := b.Now(); got.Stage != Fresh || number(got.Power) != "342.5" || number(got.AgeInSec) != "0" {
		t.Errorf("read: got %+v, want 342.5 W, live, 0 s old", got)
	}
	b.hear("zigbee2mqtt/meter", `{"linkquality":60}`, false) // a message without power keeps the last
	if got := b.Now(); number(got.Power) != "342.5" {
		t.Errorf("after a message without power: got %s, want 342.5", number(got.Power))
	}
	b.hear("homeassistant/sensor/meter/power/config", "", true)
	if got := b.Now().Stage; got != NoMeter {
		t.Errorf("taken back: got %s, want %s", got, NoMeter)
	}
}

func TestStagesFollowTheUsualGap(t *testing.T) {
	b := newBench(t)
	b.announce("meter", "0x1")
	stage := func(after time.Duration) Stage {
		was := b.now
		defer func() { b.now = was }()
		b.now = b.now.Add(after)
		return b.Now().Stage
	}
	b.hear("zigbee2mqtt/meter", `{"power":1}`, false)
	for after, want := range map[time.Duration]Stage{ // nothing is known of its habits
		14*time.Minute + 59*time.Second: Fresh, 15 * time.Minute: Late, 29 * time.Minute: Late, 30 * time.Minute: Gone,
	} {
		if got := stage(after); got != want {
			t.Errorf("with one report, after %v: got %s, want %s", after, got, want)
		}
	}
	for range 10 {
		b.pass(20 * time.Second)
		b.hear("zigbee2mqtt/meter", `{"power":1}`, false)
	}
	for after, want := range map[time.Duration]Stage{
		59 * time.Second: Fresh, 60 * time.Second: Late, 14 * time.Minute: Late, 15 * time.Minute: Gone,
	} {
		if got := stage(after); got != want {
			t.Errorf("with a report every 20 s, after %v: got %s, want %s", after, got, want)
		}
	}
	b.hear("zigbee2mqtt/meter/availability", "offline", false)
	if got := b.Now().Stage; got != Gone {
		t.Errorf("offline: got %s, want %s at once", got, Gone)
	}
	b.hear("zigbee2mqtt/meter/availability", `{"state":"online"}`, false)
	b.hear("zigbee2mqtt/meter/availability", "online", false)
	if got := b.Now().Stage; got != Fresh {
		t.Errorf("online again: got %s, want %s", got, Fresh)
	}
}

func TestRetainedReplayHasTheTimeOfTheStore(t *testing.T) {
	b := newBench(t)
	b.announce("meter", "0x1")
	b.hear("zigbee2mqtt/meter", `{"power":342}`, true)
	if got := b.Now(); got.At != nil || got.Stage != Late || number(got.Power) != "342" {
		t.Errorf("a replay: got %+v, want 342 W of unknown age", got)
	}
	at := b.now.Add(-4 * time.Minute)
	b.stored["meter_power"] = store.Reading{Entity: "meter_power", Time: at, Value: 342}
	b.stored["meter_energy"] = store.Reading{Entity: "meter_energy", Time: at, Value: 10}
	b.pass(queryPause)
	if got := b.Now(); got.At == nil || !got.At.Equal(at) || got.Stage != Fresh {
		t.Errorf("with the store: got %+v, want the time %v", got, at)
	}

	b.hear("zigbee2mqtt/meter", `{"power":350}`, false)
	arrived := b.now
	b.pass(time.Minute)
	b.hear("zigbee2mqtt/meter", `{"power":350}`, true) // the broker was restarted
	if got := b.Now(); got.At == nil || !got.At.Equal(arrived) {
		t.Errorf("a replay of what is known: got %v, want the time of its arrival %v", got.At, arrived)
	}
}

func TestTodayIsTheStoreAndWhatCameSince(t *testing.T) {
	b := newBench(t)
	b.announce("meter", "0x1")
	b.hear("zigbee2mqtt/meter", `{"power":342,"energy":100.2}`, false)
	if got := number(b.Now().Today); got != "unknown" {
		t.Errorf("before the store has anything: got %s, want unknown", got)
	}
	b.kWh = 8
	b.stored["meter_energy"] = store.Reading{Time: b.now, Value: 100.2}
	b.pass(queryPause)
	if got := number(b.Now().Today); got != "8" {
		t.Errorf("as the store has it: got %s, want 8", got)
	}
	b.hear("zigbee2mqtt/meter", `{"energy":100.45}`, false)
	if got := number(b.Now().Today); got != "8.25" {
		t.Errorf("with a newer reading: got %s, want 8.25 at once", got)
	}
	asked := b.asked
	b.pass(time.Second)
	if b.asked != asked {
		t.Error("the store was asked again within a second")
	}
	b.now = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	b.kWh = 0
	b.stored["meter_energy"] = store.Reading{Time: b.now.Add(-time.Second), Value: 100.45}
	b.pass(0)
	if got := number(b.Now().Today); got != "0" {
		t.Errorf("at midnight: got %s, want 0", got)
	}
}

func TestEnergyInWattHoursIsReadAsKilowattHours(t *testing.T) {
	b := newBench(t)
	b.hear("homeassistant/sensor/plug/p/config", `{"name":"plug p","state_topic":"plug/state","value_template":"{{ value_json.kw }}",
		"unit_of_measurement":"kW","device_class":"power","device":{"identifiers":"plug","name":"plug"}}`, true)
	b.hear("homeassistant/sensor/plug/e/config", `{"name":"plug e","state_topic":"plug/state","value_template":"{{ value_json.wh }}",
		"unit_of_measurement":"Wh","device_class":"energy","state_class":"total_increasing","device":{"identifiers":"plug","name":"plug"}}`, true)
	if b.filters["plug/state"] == nil {
		t.Fatal("a state topic outside Zigbee2MQTT's was not subscribed to")
	}
	b.kWh = 1
	b.stored["plug_e"] = store.Reading{Time: b.now, Value: 5}
	b.hear("plug/state", `{"kw":1.5,"wh":5250}`, false)
	b.pass(queryPause)
	if got := b.Now(); number(got.Power) != "1500" || number(got.Today) != "1.25" {
		t.Errorf("got %s W and %s kWh, want 1500 and 1.25", number(got.Power), number(got.Today))
	}
	b.hear("homeassistant/sensor/plug/p/config", "", true)
	b.hear("homeassistant/sensor/plug/e/config", "", true)
	if b.filters["plug/state"] != nil {
		t.Error("the state topic of a device that is gone is still subscribed to")
	}
}

func TestMainMeterIsTheNamedOneOrTheFirst(t *testing.T) {
	devices := `[{"ieee_address":"0x2","friendly_name":"b","type":"EndDevice"},{"ieee_address":"0x1","friendly_name":"a","type":"EndDevice"}]`
	for _, tt := range []struct{ name, meter, want string }{
		{"FirstThatJoined", "", "b"},
		{"Named", "a", "a"},
		{"NamedInOtherCase", "A", "a"},
		{"NamedAndAbsent", "c", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, func(o *Options) { o.Meter = tt.meter })
			b.announce("a", "0x1")
			b.announce("b", "0x2")
			b.hear("zigbee2mqtt/bridge/devices", devices, true)
			if got := b.Now().Meter; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestPowerOfAMeterOfThreePhasesIsTheTotal(t *testing.T) {
	for _, total := range []string{"total_power", "power_ab"} {
		t.Run(total, func(t *testing.T) {
			b := newBench(t)
			b.announce("p1", "0x1", "power_phase_b", total)
			b.hear("zigbee2mqtt/bridge/devices", `[{"ieee_address":"0x1","friendly_name":"p1","type":"EndDevice"}]`, true)
			b.hear("zigbee2mqtt/p1", fmt.Sprintf(`{"power":517,"power_phase_b":1274,%q:1821,"energy":5}`, total), false)
			if got := number(b.Now().Power); got != "1821" {
				t.Errorf("now: got %s W, want 1821", got)
			}
			if got := number(b.Devices()[0].Power); got != "1821" {
				t.Errorf("the device: got %s W, want 1821", got)
			}
		})
	}
}

func TestDevicesAreJoinedFromBothSources(t *testing.T) {
	b := newBench(t)
	b.hear("zigbee2mqtt/bridge/devices", `[{"ieee_address":"0x0","type":"Coordinator"},
		{"ieee_address":"0x1","friendly_name":"meter","type":"EndDevice","definition":{"model":"M","vendor":"V","description":"D"}},
		{"ieee_address":"0x9","friendly_name":"0x9","type":"EndDevice","interview_state":"IN_PROGRESS","model_id":"new"}]`, true)
	b.announce("meter", "0x1")
	b.hear("homeassistant/sensor/shelly/power/config", `{"name":"shelly power","state_topic":"shelly/s","value_template":"{{ value_json.p }}",
		"unit_of_measurement":"W","device_class":"power","device":{"identifiers":["shelly1"],"name":"Shelly","model":"EM"}}`, true)
	b.hear("zigbee2mqtt/meter", `{"power":5,"energy":2,"linkquality":67,"battery":89,"voltage":3}`, false)
	b.hear("zigbee2mqtt/meter/availability", "online", true)

	type row struct{ Name, Model, Availability, Power, Battery, Link, Seen string }
	var got []row
	for _, d := range b.Devices() {
		seen := "never"
		if d.LastSeen != nil {
			seen = d.LastSeen.Format("15:04")
		}
		got = append(got, row{d.Name, d.Model, d.Availability, number(d.Power), number(d.Battery), number(d.LinkQuality), seen})
	}
	want := []row{
		{"meter", "M", "online", "5", "89", "67", "18:00"},
		{"0x9", "new", "joining", "unknown", "unknown", "unknown", "never"},
		{"Shelly", "EM", "unknown", "unknown", "unknown", "unknown", "never"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("devices (-want +got):\n%s", diff)
	}
}

func TestAvailabilityOfAListOfTopics(t *testing.T) {
	b := newBench(t)
	b.hear("homeassistant/sensor/0x1/power/config", `{"name":"m power","state_topic":"zigbee2mqtt/m","value_template":"{{ value_json.power }}",
		"unit_of_measurement":"W","device_class":"power","device":{"identifiers":["zigbee2mqtt_0x1"],"name":"m"},"availability_mode":"all",
		"availability":[{"topic":"elsewhere/state","value_template":"{{ value_json.state }}"},{"topic":"zigbee2mqtt/m/availability","value_template":"{{ value_json.state }}"}]}`, true)
	got := func() string { return b.Devices()[0].Availability }
	if got() != "unknown" {
		t.Errorf("before anything: got %s, want unknown", got())
	}
	b.hear("elsewhere/state", `{"state":"online"}`, true)
	b.hear("zigbee2mqtt/m/availability", `{"state":"online"}`, true)
	if got() != "online" {
		t.Errorf("both online: got %s", got())
	}
	b.hear("elsewhere/state", `{"state":"offline"}`, false)
	if got() != "offline" {
		t.Errorf("one of all offline: got %s", got())
	}
}

func TestHealthNamesTheFirstPartOnTheWay(t *testing.T) {
	b := newBench(t)
	check := func(when, part string) {
		t.Helper()
		h := b.Health()
		if h.Part != part || h.OK != (part == "") {
			t.Errorf("%s: got %+v, want part %q", when, h, part)
		}
		if part != "" && (h.Message == "" || !strings.HasSuffix(h.Message, ".")) {
			t.Errorf("%s: got the message %q, want a sentence", when, h.Message)
		}
	}
	check("just started", "")
	b.pass(grace)
	check("nothing heard of the radio", "zigbee")
	b.hear("hems/zigbee/health", `{"state":"ok"}`, false)
	check("nothing heard of the recorder", "metrics")
	b.hear("hems/metrics/health", `{"state":"failing","message":"the disk is full"}`, false)
	check("the recorder fails", "metrics")
	b.well()
	check("all well", "")
	b.hear("hems/zigbee/health", `{"state":"offline"}`, false)
	check("the radio is restarted", "")
	b.pass(processPause)
	check("the radio stays away", "zigbee")
	b.up = false
	b.pass(time.Second)
	b.pass(brokerPause)
	check("the broker is away", "broker")
	b.up = true
	b.pass(time.Second)
	b.well()
	b.announce("meter", "0x1")
	b.hear("zigbee2mqtt/meter", `{"power":1,"energy":1}`, false)
	check("well again", "")
	b.err = errors.New("the disk is gone")
	b.pass(queryPause)
	check("the store has just failed", "")
	b.pass(grace)
	check("the store fails", "store")
	b.err = history.ErrNotYet
	b.pass(queryPause)
	check("the store is empty", "")
	b.hear("zigbee2mqtt/meter/availability", "offline", false)
	check("the meter is out of reach", "meter")
	if got := b.Failing(); got != "" {
		t.Errorf("for a monitor: got %q, want nothing: the appliance works", got)
	}
}

func TestBadInputIsDroppedAndCounted(t *testing.T) {
	huge := strings.Repeat("x", maxPayload+1)
	for _, msg := range [][2]string{
		{"homeassistant/sensor/a/power/config", `{`},
		{"homeassistant/sensor/a/power/config", `{"value_template":"{{ oh","state_topic":"a"}`},
		{"zigbee2mqtt/bridge/devices", `{"not":"a list"}`},
		{"zigbee2mqtt/bridge/devices", huge},
		{"zigbee2mqtt/meter", huge},
		{"hems/zigbee/health", `nonsense`},
		{"hems/zigbee/health", huge},
	} {
		b := newBench(t)
		b.hear(msg[0], msg[1], false)
		if b.dropped != 1 {
			t.Errorf("%s %.20q: dropped %d, want 1", msg[0], msg[1], b.dropped)
		}
	}
	b := newBench(t)
	b.announce("meter", "0x1")
	for _, payload := range []string{``, `null`, `[]`, `{"power":"much"}`, `{"power":null}`, `{"power":1e999}`, `{"power":{}}`, `nonsense`} {
		b.hear("zigbee2mqtt/meter", payload, false)
		if got := b.Now(); got.Power != nil {
			t.Errorf("%q: got %s W, want none", payload, number(got.Power))
		}
	}
}

func TestStrangersCannotFillTheMemory(t *testing.T) {
	b := newBench(t)
	zigbee := b.filters["zigbee2mqtt/#"]
	for i := range 3 * maxEntities {
		zigbee(mqttclient.Message{Topic: fmt.Sprintf("zigbee2mqtt/x%d", i), Payload: []byte("1")})
		zigbee(mqttclient.Message{Topic: fmt.Sprintf("zigbee2mqtt/x%d/availability", i), Payload: []byte("online")})
	}
	discovered := b.filters["homeassistant/#"]
	for i := range maxEntities + 10 {
		discovered(mqttclient.Message{Topic: fmt.Sprintf("homeassistant/sensor/x%d/config", i), Payload: []byte(`{"name":"x","state_topic":"x"}`)})
	}
	if len(b.states) > maxEntities || len(b.avail) > maxEntities || len(b.entities) > maxEntities {
		t.Errorf("kept %d states, %d availabilities, %d entities; want at most %d of each", len(b.states), len(b.avail), len(b.entities), maxEntities)
	}
	if got := len(b.Devices()); got > maxDevices {
		t.Errorf("devices: got %d, want at most %d", got, maxDevices)
	}
}

func TestWatchersGetWhatChangesAndTheSlowAreLetGo(t *testing.T) {
	b := newBench(t)
	b.announce("meter", "0x1")
	first, changes, stop, err := b.Watch()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	var names []string
	for _, e := range first {
		names = append(names, e.Name)
	}
	if diff := cmp.Diff([]string{"health", "now", "devices"}, names[:3]); diff != "" {
		t.Errorf("the first events (-want +got):\n%s", diff)
	}
	drain := func() (got []string) {
		for {
			select {
			case e := <-changes:
				got = append(got, e.Name)
			default:
				return got
			}
		}
	}
	b.pass(time.Second)
	drain()
	b.pass(time.Second)
	if got := drain(); len(got) > 0 {
		t.Errorf("nothing changed: got %v, want no event", got)
	}
	b.hear("zigbee2mqtt/meter", `{"power":7}`, false)
	if got := drain(); len(got) == 0 || got[0] != "now" {
		t.Errorf("power changed: got %v, want now first", got)
	}
	for i := range 2 * queueLen {
		b.pass(time.Second)
		b.hear("zigbee2mqtt/meter", fmt.Sprintf(`{"power":%d}`, i), false)
	}
	n, open := 0, true
	for open {
		if _, open = <-changes; open {
			n++
		}
	}
	if n != queueLen {
		t.Errorf("a slow watcher got %d events and then the end, want %d", n, queueLen)
	}
	if len(b.hub.all) != 0 {
		t.Error("a watcher that was let go is still there")
	}
}

func FuzzMessages(f *testing.F) {
	f.Add("homeassistant/sensor/a/power/config", `{"name":"a","state_topic":"zigbee2mqtt/a","unit_of_measurement":"W","device_class":"power"}`)
	f.Add("zigbee2mqtt/a", `{"power":1}`)
	f.Add("zigbee2mqtt/bridge/devices", `[{"ieee_address":"0x1","definition":null},null]`)
	f.Add("zigbee2mqtt/a/availability", `{"state":1}`)
	f.Add("hems/zigbee/health", `{"state":"failing"}`)
	f.Add("hems/zigbee/pairing", `{"step":"joined"}`)
	f.Fuzz(func(t *testing.T, topic, payload string) {
		b := newBench(t)
		b.announce("meter", "0x1")
		b.hear(topic, payload, false)
		for _, e := range b.events() {
			if !json.Valid(e.Data) {
				t.Errorf("the event %s is not JSON: %q", e.Name, e.Data)
			}
		}
	})
}
