package metrics

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/discovery"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

const plain = `{"name":%q,"state_topic":%q,"unique_id":%q,"unit_of_measurement":"W"}`

// TestBadInput: each has its outcome, and a good entity beside it goes on.
func TestBadInput(t *testing.T) {
	for _, tc := range []struct {
		name   string
		topic  string // of the document
		doc    string
		state  string
		want   []string // stored, beside the good one
		counts Counts
		kinds  []string // of troubles
	}{
		{"StateOfAMegabyte", "sensor/bad/config", fmt.Sprintf(plain, "bad", "bad", "b"), strings.Repeat("9", 1<<20),
			[]string{"sensor.bad W:"}, Counts{Entities: 2, BadStates: 1}, []string{"state"}},
		{"StateIsNoUTF8", "sensor/bad/config", `{"name":"bad","state_topic":"bad"}`, "\xff\xfe\x00",
			[]string{"sensor.bad:"}, Counts{Entities: 2, BadStates: 1}, []string{"state"}},
		{"NaN", "sensor/bad/config", fmt.Sprintf(plain, "bad", "bad", "b"), "nan",
			[]string{"sensor.bad W:"}, Counts{Entities: 2, NotNumbers: 1}, nil},
		{"Infinite", "sensor/bad/config", `{"name":"bad","state_topic":"bad"}`, "-Infinity",
			[]string{"sensor.bad:"}, Counts{Entities: 2, NotNumbers: 1}, nil},
		{"UnitWithANewline", "sensor/bad/config", `{"name":"bad","state_topic":"bad","unit_of_measurement":"k\nW\u0000h"}`, "1",
			[]string{"sensor.bad kWh: 1"}, Counts{Entities: 2, Readings: 1}, nil},
		{"TextWithANewline", "sensor/bad/config", `{"name":"bad","state_topic":"bad"}`, "two\nlines",
			[]string{`sensor.bad: "two\nlines"`}, Counts{Entities: 2, Readings: 1}, nil},
		{"DocumentTooLong", "sensor/bad/config", `{"name":"` + strings.Repeat("x", discovery.MaxDocument) + `"}`, "1",
			nil, Counts{Entities: 1, BadDocuments: 1}, []string{"document"}},
		{"DocumentIsNoUTF8", "sensor/bad/config", "{\"name\":\"\xff\xfe\",\"state_topic\":\"bad\"}", "1",
			[]string{"sensor.unknown: 1"}, Counts{Entities: 2, Readings: 1}, nil},
		{"DocumentIsNoObject", "sensor/bad/config", `[{"name":"bad"}]`, "1",
			nil, Counts{Entities: 1, BadDocuments: 1}, []string{"document"}},
		{"ThousandsOfComponents", "device/bad/config", `{"cmps":{` + components(discovery.MaxComponents+1) + `}}`, "1",
			nil, Counts{Entities: 1, BadDocuments: 1}, []string{"document"}},
		{"UniqueIDOfAnother", "sensor/bad/config", fmt.Sprintf(plain, "bad", "bad", "good"), "1",
			[]string{"sensor.bad W: 1"}, Counts{Entities: 1, Readings: 1}, nil}, // the entity has moved
		{"UniqueIDTwiceInADevice", "device/bad/config", `{"stat_t":"bad","cmps":{"a":{"p":"sensor","name":"a","uniq_id":"x"},"b":{"p":"sensor","name":"b","uniq_id":"x"}}}`, "1",
			[]string{"sensor.a:", "sensor.b: 1"}, Counts{Entities: 2, Readings: 1}, nil},
		{"TemplateRunsAway", "sensor/bad/config", `{"name":"bad","state_topic":"bad","value_template":"{{ value` + strings.Repeat(".title().upper()", 100) + ` }}"}`, "x",
			[]string{"sensor.bad:"}, Counts{Entities: 2, BadStates: 1}, []string{"template"}},
		{"TemplateFails", "sensor/bad/config", `{"name":"bad","state_topic":"bad","value_template":"{{ value / 0 }}"}`, "x",
			[]string{"sensor.bad:"}, Counts{Entities: 2, BadStates: 1}, []string{"template"}},
		{"TemplateCannotBeRead", "sensor/bad/config", `{"name":"bad","state_topic":"bad","value_template":"{% for i in range(10**9) %}x{% endfor %}"}`, "x",
			nil, Counts{Entities: 1, BadDocuments: 1}, []string{"document"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, path := local(t, Options{})
			w.given("homeassistant/sensor/good/config", fmt.Sprintf(plain, "good", "good", "good"))
			w.given("homeassistant/"+tc.topic, tc.doc)
			w.given("bad", tc.state)
			got := w.Counts()
			if diff := cmp.Diff(tc.counts, got); diff != "" {
				t.Errorf("counts (-want +got):\n%s", diff)
			}
			var kinds []string
			for _, tr := range w.troubles.all() {
				if tr.Error == "" || tr.Topic == "" || tr.Times != 1 {
					t.Errorf("trouble %+v", tr)
				}
				kinds = append(kinds, tr.Kind)
			}
			if diff := cmp.Diff(tc.kinds, kinds); diff != "" {
				t.Errorf("troubles (-want +got):\n%s", diff)
			}
			w.given("good", "342")
			all := everything(t, w, path)
			if tc.name != "UniqueIDOfAnother" && !slices.Contains(all, "sensor.good W: 342") {
				t.Errorf("the good one is not stored: %q", all)
			}
			all = slices.DeleteFunc(all, func(s string) bool { return strings.HasPrefix(s, "sensor.good") })
			if diff := cmp.Diff(tc.want, all, cmp.Transformer("empty", func(l []string) []string { return append([]string{}, l...) })); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
		})
	}
}

func components(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`"c%d":{"p":"sensor","name":"c%d"}`, i, i)
	}
	return strings.Join(list, ",")
}

// TestTimesThatCannotBe: what the broker says of a message is believed within
// reason, and a reading of a time that cannot be is none.
func TestTimesThatCannotBe(t *testing.T) {
	now := time.Date(2026, 12, 1, 3, 0, 0, 0, time.UTC)
	built := now.AddDate(0, -1, 0)
	for name, tc := range map[string]struct {
		received time.Time
		age      time.Duration
		want     time.Time
	}{
		"Live":                {time.Time{}, 0, now},
		"Waited":              {now.Add(-time.Minute), time.Minute, now.Add(-time.Minute)},
		"ClockWasSetSince":    {time.Unix(30, 0), time.Minute, now.Add(-time.Minute)},
		"ClockWasInTheFuture": {now.AddDate(74, 0, 0), time.Minute, now.Add(-time.Minute)},
		"BrokerRestarted":     {now.Add(-time.Hour), -1, now.Add(-time.Hour)},
		"RestartedAnd1970":    {time.Unix(30, 0), -1, now},
		"RestartedAnd2100":    {time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), -1, now},
		"AgeOfCenturies":      {now, math.MaxInt64, now}, // which is before 1970
	} {
		w, _ := local(t, Options{Now: func() time.Time { return now }, Clock: Clock{Built: built}})
		got := w.momentOf(mqttclient.Message{Received: tc.received, Age: tc.age}).at
		if name == "AgeOfCenturies" {
			if got.After(time.UnixMilli(0)) {
				t.Errorf("%s: got %v, want a time that the store refuses", name, got)
			}
			continue
		}
		if !got.Equal(tc.want) {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
	}
}

// TestAFloodOfEntities: a stranger announces more than there may be. Those that
// are there go on; so does the store, which has a series for each that was taken.
func TestAFloodOfEntities(t *testing.T) {
	w, path := local(t, Options{})
	w.given("homeassistant/sensor/good/config", fmt.Sprintf(plain, "good", "good", "good"))
	for i := range maxEntities + 1000 {
		w.given(fmt.Sprintf("homeassistant/sensor/s%d/config", i), fmt.Sprintf(plain, fmt.Sprint("s", i), "s", fmt.Sprint("u", i)))
	}
	w.given("good", "342")
	c := w.Counts()
	if c.Entities != maxEntities || c.BadDocuments != 1001 || c.Readings != 1 {
		t.Errorf("counts %+v, want %d entities, the others refused, and the good one's reading", c, maxEntities)
	}
	if n := len(w.troubles.all()); n != maxTroubles {
		t.Errorf("%d troubles are shown, want no more than %d", n, maxTroubles)
	}
	if r := w.health(t.Context()); !strings.Contains(r.Message, "things that devices say cannot be used") {
		t.Errorf("health says nothing of it: %+v", r)
	}
	if all := everything(t, w, path); !slices.Contains(all, "sensor.good W: 342") {
		t.Error("the good one is not stored")
	}
}

// TestATemplateThatWasCutOffRests: others are not to wait for it again and again.
func TestATemplateThatWasCutOffRests(t *testing.T) {
	var elapsed time.Duration
	w, _ := local(t, Options{Elapsed: func() time.Duration { return elapsed }})
	w.given("homeassistant/sensor/bad/config", `{"name":"bad","state_topic":"bad","value_template":"{{ value`+strings.Repeat(".title().upper()", 100)+` }}"}`)
	for range 10 {
		w.given("bad", "x")
	}
	if n := w.Counts().BadStates; n != 1 {
		t.Errorf("it was tried %d times, want once", n)
	}
	elapsed += restAfter
	w.given("bad", "x")
	if n := w.Counts().BadStates; n != 2 {
		t.Errorf("it was tried %d times after its rest, want once more", n-1)
	}
}
