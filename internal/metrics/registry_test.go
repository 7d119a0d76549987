package metrics

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/smartcore-ireland/hems/internal/discovery"
	"github.com/smartcore-ireland/hems/internal/store"
)

// announce parses a document of a sensor and applies it.
func announce(t *testing.T, r *registry, node, key, document string) []*entity {
	t.Helper()
	c, err := discovery.Parse("homeassistant", "homeassistant/sensor/"+node+"/"+key+"/config", []byte(document))
	if err != nil {
		t.Fatal(err)
	}
	learnt, err := r.apply(c)
	if err != nil {
		t.Fatal(err)
	}
	return learnt
}

func doc(name, topic, uid string) string {
	return fmt.Sprintf(`{"name":%q,"state_topic":%q,"unique_id":%q,"value_template":"{{ value_json.v }}","unit_of_measurement":"W"}`, name, topic, uid)
}

// names gives series by owner, and topics with their number of entities.
func names(r *registry) (map[string]string, map[string]int) {
	series, topics := map[string]string{}, map[string]int{}
	for owner, e := range r.byOwner {
		series[owner] = e.series
	}
	for topic, list := range r.byTopic {
		topics[topic] = len(list)
	}
	return series, topics
}

func checkRegistry(t *testing.T, r *registry, wantSeries map[string]string, wantTopics map[string]int) {
	t.Helper()
	series, topics := names(r)
	if diff := cmp.Diff(wantSeries, series); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantTopics, topics); diff != "" {
		t.Errorf("topics (-want +got):\n%s", diff)
	}
	if len(r.bySerie) != len(series) {
		t.Errorf("got %d names, want %d", len(r.bySerie), len(series))
	}
}

func TestRegistryFollowsDocuments(t *testing.T) {
	r := newRegistry(nil)
	announce(t, r, "m", "power", doc("Meter Power", "z/m", "1"))
	announce(t, r, "m", "energy", doc("Meter Energy", "z/m", "2"))
	announce(t, r, "n", "power", doc("Plug Power", "z/n", "3"))
	checkRegistry(t, r, map[string]string{
		"sensor/m/power|power": "meter_power", "sensor/m/energy|energy": "meter_energy", "sensor/n/power|power": "plug_power",
	}, map[string]int{"z/m": 2, "z/n": 1})

	announce(t, r, "m", "power", doc("Meter Power", "z/moved", "1"))
	announce(t, r, "n", "power", ``)
	checkRegistry(t, r, map[string]string{
		"sensor/m/power|power": "meter_power", "sensor/m/energy|energy": "meter_energy",
	}, map[string]int{"z/m": 1, "z/moved": 1})

	announce(t, r, "renamed", "power", doc("Cellar Power", "z/renamed", "1")) // the same entity, announced elsewhere
	checkRegistry(t, r, map[string]string{
		"sensor/renamed/power|power": "cellar_power", "sensor/m/energy|energy": "meter_energy",
	}, map[string]int{"z/m": 1, "z/renamed": 1})

	announce(t, r, "m", "power", ``) // the old announcement is taken back, too late
	checkRegistry(t, r, map[string]string{
		"sensor/renamed/power|power": "cellar_power", "sensor/m/energy|energy": "meter_energy",
	}, map[string]int{"z/m": 1, "z/renamed": 1})
}

func TestRegistryTakesOnlyWhatHasReadings(t *testing.T) {
	r := newRegistry(nil)
	c, err := discovery.Parse("homeassistant", "homeassistant/select/m/mode/config", []byte(doc("Mode", "z/m", "1")))
	if err != nil {
		t.Fatal(err)
	}
	if learnt, err := r.apply(c); err != nil || len(learnt) != 0 || r.len() != 0 {
		t.Errorf("got %v, %v", learnt, err)
	}
	if learnt := announce(t, r, "m", "x", `{"name":"no topic"}`); len(learnt) != 0 {
		t.Errorf("got %v for an entity without a state", learnt)
	}
}

func TestRegistryKeepsNamesApart(t *testing.T) {
	a, b := doc("Power", "z/a", "uid-a"), doc("Power", "z/b", "uid-b")
	r := newRegistry(nil)
	announce(t, r, "a", "power", a)
	announce(t, r, "b", "power", b)
	want := map[string]string{"sensor/a/power|power": "power", "sensor/b/power|power": "power_2"}
	topics := map[string]int{"z/a": 1, "z/b": 1}
	checkRegistry(t, r, want, topics)

	// After a restart the broker replays them the other way round.
	r = newRegistry(map[int64]store.Series{1: {Entity: "power", UniqueID: "uid-a"}, 2: {Entity: "power_2", UniqueID: "uid-b"}})
	announce(t, r, "b", "power", b)
	announce(t, r, "a", "power", a)
	checkRegistry(t, r, want, topics)

	// A new meter in the old one's place goes on with its name.
	announce(t, r, "a", "power", ``)
	announce(t, r, "c", "power", doc("Power", "z/c", "uid-c"))
	checkRegistry(t, r, map[string]string{"sensor/c/power|power": "power", "sensor/b/power|power": "power_2"}, map[string]int{"z/c": 1, "z/b": 1})
}

func TestRegistryIsBounded(t *testing.T) {
	r := newRegistry(nil)
	for i := range maxEntities {
		announce(t, r, fmt.Sprint("n", i), "power", doc(fmt.Sprint("E", i), fmt.Sprint("z/", i), fmt.Sprint(i)))
	}
	c, err := discovery.Parse("homeassistant", "homeassistant/sensor/more/config", []byte(doc("More", "z/more", "more")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.apply(c); err == nil || r.len() != maxEntities {
		t.Errorf("got error %v and %d entities, want an error and %d", err, r.len(), maxEntities)
	}
	announce(t, r, "n7", "power", ``)
	if _, err := r.apply(c); err != nil {
		t.Errorf("after one was removed: %v", err)
	}
}
