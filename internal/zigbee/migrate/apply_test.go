package migrate_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/zigbee/bridge"
	"github.com/smartcore-ireland/hems/internal/zigbee/coordbackup"
	"github.com/smartcore-ireland/hems/internal/zigbee/migrate"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

const (
	meter zcl.EUI64 = 0x0015bc003f000001
	plug  zcl.EUI64 = 0x0015bc003f000002
	lamp  zcl.EUI64 = 0x0015bc003f000003
)

// check is what the coordinator asks of a state.
func check(state *statefile.File) error {
	n, err := network.New(network.Options{State: state, Dial: func(context.Context) (io.ReadWriteCloser, error) { return nil, errors.New("not to be called") }})
	if err != nil {
		return err
	}
	_, err = bridge.New(bridge.Options{Network: n, State: state, Dir: filepath.Dir(state.Path())})
	return err
}

// house is an import of a network with these devices.
func house(key byte, devices ...zcl.EUI64) *migrate.Import {
	i := &migrate.Import{
		Source: "Zigbee2MQTT",
		Backup: &coordbackup.Backup{
			Source: "zigbee-herdsman@10", Coordinator: 0x00124b0012345678, PANID: 0x1234, ExtendedPANID: 0x0102030405060708,
			Channel: 15, SecurityLevel: 5, NetworkKey: coordbackup.Key{1, 2, key}, LinkKeySeed: coordbackup.Key{9}, FrameCounter: 77,
		},
		Groups:  map[uint16]bridge.ImportedGroup{7: {Name: "all of them", Members: []bridge.ImportedMember{{EUI64: meter, Endpoint: 2}}}},
		Options: map[zcl.EUI64]map[string]any{meter: {"retain": true}},
		States:  map[zcl.EUI64]migrate.State{meter: {At: 5, Values: map[string]any{"power": 1.0}}},
	}
	for n, e := range devices {
		i.Devices = append(i.Devices, network.ImportedDevice{Device: network.Device{EUI64: e, NodeID: uint16(n + 1), ModelID: "EMIZB-141"}})
		i.Name(e, "old "+e.String()[14:])
	}
	return i
}

func document(t *testing.T, i *migrate.Import, replace bool) *migrate.Document {
	t.Helper()
	d, err := i.Document(replace)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func openState(t *testing.T, dir string) *statefile.File {
	t.Helper()
	f, err := statefile.Open(filepath.Join(dir, statefile.Name))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// names are in the state of a directory, as a coordinator loads it.
func names(t *testing.T, dir string) map[zcl.EUI64]string {
	t.Helper()
	f := openState(t, dir)
	if err := check(f); err != nil {
		t.Fatal(err)
	}
	var out map[zcl.EUI64]string
	if _, err := f.Get(statefile.Names, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAnEmptyStateTakesItAll(t *testing.T) {
	dir := t.TempDir()
	a, err := migrate.Apply(openState(t, dir), document(t, house(3, meter, plug), false), check)
	if err != nil {
		t.Fatal(err)
	}
	if !a.OK || a.Devices != 2 || a.Merged || a.Kept != "" || len(a.Notes) > 0 {
		t.Errorf("got %+v", a)
	}
	if diff := cmp.Diff(map[zcl.EUI64]string{meter: "old 0001", plug: "old 0002"}, names(t, dir)); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "states.json")); err != nil || !strings.Contains(string(b), `"power":1`) {
		t.Errorf("states: %s, %v", b, err)
	}
}

func TestTheSameNetworkIsMerged(t *testing.T) {
	dir := t.TempDir()
	first := house(3, meter, lamp)
	first.Options[lamp] = map[string]any{"retain": false}
	if _, err := migrate.Apply(openState(t, dir), document(t, first, false), check); err != nil {
		t.Fatal(err)
	}
	f := openState(t, dir)
	if err := f.Put(statefile.Names, map[zcl.EUI64]string{meter: "mine", lamp: "lamp"}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a second time changes nothing
		second := house(3, meter, plug)
		second.Groups = map[uint16]bridge.ImportedGroup{8: {Name: "eight"}}
		a, err := migrate.Apply(openState(t, dir), document(t, second, false), check)
		if err != nil {
			t.Fatal(err)
		}
		if !a.Merged || a.Devices != 3 {
			t.Errorf("got %+v", a)
		}
		if diff := cmp.Diff(map[zcl.EUI64]string{meter: "old 0001", plug: "old 0002", lamp: "lamp"}, names(t, dir)); diff != "" {
			t.Errorf("names (-want +got):\n%s", diff)
		}
		var groups map[string]any
		if _, err := openState(t, dir).Get(statefile.Groups, &groups); err != nil {
			t.Fatal(err)
		}
		if got := slices.Sorted(maps.Keys(groups)); !slices.Equal(got, []string{"7", "8"}) {
			t.Errorf("groups %v", got)
		}
		var options struct{ Devices map[zcl.EUI64]map[string]any }
		if _, err := openState(t, dir).Get(statefile.Options, &options); err != nil {
			t.Fatal(err)
		}
		if options.Devices[lamp]["retain"] != false || options.Devices[meter]["retain"] != true {
			t.Errorf("options %v", options.Devices)
		}
	}
}

func TestANetworkWithDevicesIsGivenUpOnlyWhenToldSo(t *testing.T) {
	dir := t.TempDir()
	if _, err := migrate.Apply(openState(t, dir), document(t, house(3, lamp), false), check); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, statefile.Name)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = migrate.Apply(openState(t, dir), document(t, house(4, meter), false), check)
	if err == nil || !strings.Contains(network.Hint(err), "--replace") {
		t.Fatalf("got %v (hint %q)", err, network.Hint(err))
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the state was changed: %v", err)
	}
	a, err := migrate.Apply(openState(t, dir), document(t, house(4, meter), true), check)
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(a.Kept); err != nil || string(kept) != string(before) {
		t.Errorf("the state before is not kept in %q: %v", a.Kept, err)
	}
	if diff := cmp.Diff(map[zcl.EUI64]string{meter: "old 0001"}, names(t, dir)); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	var was any
	if ok, err := openState(t, dir).Get(statefile.Replaced, &was); !ok || err != nil {
		t.Errorf("nothing tells that the dongle may be taken: %v", err)
	}
}

func TestTake(t *testing.T) {
	put := func(t *testing.T, dir string, b []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, migrate.DocumentName), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	good, err := json.Marshal(document(t, house(3, meter), false))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		content []byte
		want    string // in the answer's message
		ok      bool
	}{
		"Good":         {good, "taken over with 1 device", true},
		"CutShort":     {good[:len(good)/2], "damaged", false},
		"Empty":        {nil, "damaged", false},
		"Other":        {[]byte(`{"format":"x"}`), "no import", false},
		"Newer":        {[]byte(strings.Replace(string(good), `"version":1`, `"version":2`, 1)), "form 2", false},
		"NoID":         {[]byte(strings.Replace(string(good), `"id":"`, `"idd":"`, 1)), "no id", false},
		"Stranger":     {[]byte(strings.Replace(string(good), `"names":`, `"taken_over":{},"names":`, 1)), "taken_over", false},
		"SectionEmpty": {[]byte(strings.Replace(string(good), `"names":{`, `"names":null,"x":{`, 1)), "", false},
		"BadKey":       {[]byte(strings.Replace(string(good), `"network_key":"01`, `"network_key":"`, 1)), "makes no sense", false},
		"BadName":      {[]byte(strings.Replace(string(good), `old 0001`, `a+b`, 1)), "makes no sense", false},
		"BadGroup":     {[]byte(strings.Replace(string(good), `"7":{`, `"70000":{`, 1)), "makes no sense", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			state := openState(t, dir)
			if migrate.Waiting(dir) {
				t.Error("something waits")
			}
			put(t, dir, tt.content)
			if !migrate.Waiting(dir) {
				t.Error("nothing waits")
			}
			a, there, err := migrate.Take(state, check)
			if err != nil || !there {
				t.Fatal(there, err)
			}
			if a.OK != tt.ok || !strings.Contains(a.Message, tt.want) {
				t.Errorf("got %+v, want %q", a, tt.want)
			}
			if strings.Contains(a.Message, "0102") {
				t.Errorf("the answer shows a key: %s", a.Message)
			}
			var written migrate.Answer
			if b, err := os.ReadFile(filepath.Join(dir, migrate.AnswerName)); err != nil || json.Unmarshal(b, &written) != nil {
				t.Fatalf("no answer: %v", err)
			}
			if diff := cmp.Diff(a, written); diff != "" {
				t.Errorf("(-got +written):\n%s", diff)
			}
			if migrate.Waiting(dir) {
				t.Error("it still waits")
			}
			if _, err := os.Stat(filepath.Join(dir, statefile.Name)); !tt.ok && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a state was written: %v", err)
			}
			left, err := filepath.Glob(filepath.Join(dir, ".import-*"))
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
			if _, there, err := migrate.Take(state, check); there || err != nil {
				t.Errorf("a second time: %v, %v", there, err)
			}
		})
	}
}

func TestSummary(t *testing.T) {
	i := house(3, plug, meter)
	i.Leave("the frontend", "there is %s", "none")
	got := i.Summary()
	if got.Network.PANID != "0x1234" || got.Devices[0].Name != "old 0001" || got.Groups[0].Members[0] != "old 0001/2" || got.Left[0].Why != "there is none" {
		t.Errorf("got %+v", got)
	}
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "010203") && !strings.Contains(string(b), "0x0102030405060708") {
		t.Errorf("it shows a key: %s", b)
	}
}

func TestNamesThatCannotBe(t *testing.T) {
	i := &migrate.Import{}
	i.Name(meter, "Main Meter")
	i.Name(plug, "main_meter")
	i.Name(lamp, "a/get")
	i.Name(lamp, lamp.String())
	if diff := cmp.Diff(map[zcl.EUI64]string{meter: "Main Meter"}, i.Names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(i.Left) != 2 {
		t.Errorf("left behind: %v", i.Left)
	}
}

func FuzzTake(f *testing.F) {
	d, err := house(3, meter).Document(false)
	if err != nil {
		f.Fatal(err)
	}
	good, err := json.Marshal(d)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, migrate.DocumentName), b, 0o600); err != nil {
			t.Fatal(err)
		}
		state, err := statefile.Open(filepath.Join(dir, statefile.Name))
		if err != nil {
			t.Fatal(err)
		}
		a, there, err := migrate.Take(state, check)
		if err != nil || !there {
			t.Fatal(there, err)
		}
		if a.OK && check(state) != nil {
			t.Fatal("what was taken over does not load")
		}
	})
}
