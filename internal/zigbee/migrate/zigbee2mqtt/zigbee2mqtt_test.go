package zigbee2mqtt

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/zigbee/bridge"
	"github.com/smartcore-ireland/hems/internal/zigbee/coordbackup"
	"github.com/smartcore-ireland/hems/internal/zigbee/migrate"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// copyOf is a directory of testdata that may be changed.
func copyOf(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", name))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// what lists what was left behind.
func what(left []migrate.Left) []string {
	var out []string
	for _, l := range left {
		out = append(out, l.What)
	}
	return out
}

// The directory that Zigbee2MQTT 2.14 wrote on the simulated dongle, with one
// meter in a network of random keys.
func TestReadsVersion2(t *testing.T) {
	got, err := Read(filepath.Join("testdata", "2.14"))
	if err != nil {
		t.Fatal(err)
	}
	const meter zcl.EUI64 = 0x0015bc001b0211a5
	if len(got.Devices) != 1 {
		t.Fatalf("got %d devices", len(got.Devices))
	}
	u := func(v uint8) *uint8 { return &v }
	hw := uint16(102)
	const hub = 0x00124b0012345678
	want := network.ImportedDevice{Sleepy: true, Device: network.Device{
		EUI64: meter, NodeID: 16710, Type: network.TypeEndDevice, ManufacturerName: "frient A/S", ModelID: "EMIZB-141", DateCode: "20260414", SWBuildID: "3.1.2",
		ZCLVersion: u(3), AppVersion: u(0), StackVersion: u(0), HWVersion: &hw, ManufacturerCode: 0x1015, PowerSource: 3,
		Interview: network.InterviewSuccessful, LastSeen: time.UnixMilli(1795541371350).UTC(),
		Endpoints: []network.Endpoint{
			{ID: 1, Profile: 0xC0C9, DeviceID: 1, In: []uint16{5, 6}},
			{ID: 2, Profile: 0x0104, DeviceID: 0x53, In: []uint16{0, 1, 3, 0x20, 0x0702, 0x0B01, 0x0B05}, Out: []uint16{3, 0x0A, 0x19},
				Bindings: []network.Binding{{Cluster: 0x20, Target: hub, TargetEndpoint: 1}, {Cluster: 0x0702, Target: hub, TargetEndpoint: 1}, {Cluster: 1, Target: hub, TargetEndpoint: 1}},
				Reporting: []network.Reporting{{Cluster: 0x0702, Attribute: 0x0400, Min: 10, Max: 65000, Change: 5},
					{Cluster: 0x0702, Attribute: 0, Min: 10, Max: 65000, Change: 100}, {Cluster: 1, Attribute: 0x21, Min: 3600, Max: 65000, Change: 10}}},
		},
	}}
	if diff := cmp.Diff(want, got.Devices[0]); diff != "" {
		t.Errorf("device (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[zcl.EUI64]string{meter: "hall/main meter"}, got.Names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[zcl.EUI64]map[string]any{meter: {"retain": true, "power_precision": 0.0}}, got.Options); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[uint16]bridge.ImportedGroup{7: {Name: "meters"}}, got.Groups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]any{"zigbee.payloads": "z2m2", "zigbee.last_seen": "ISO_8601"}, got.Settings); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[zcl.EUI64]migrate.State{meter: {At: 1795541371350, Values: map[string]any{"power": 311.0, "energy": 91580.99, "battery": 89.0, "pulse_configuration": 1000.0}}}, got.States); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	b := got.Backup
	if b.Coordinator != hub || b.PANID != 0xe16d || b.ExtendedPANID != 0x989ec65eb85affa2 || b.LinkKeySeed.IsZero() {
		t.Errorf("got %+v", b)
	}
	if _, err := got.Document(false); err != nil {
		t.Errorf("no document can be made of it: %v", err)
	}
}

func TestReadsVersion1(t *testing.T) {
	got, err := Read(filepath.Join("testdata", "1.x"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[zcl.EUI64]string{0x0015bc003f000001: "main_meter", 0x0015bc003f000002: "washing machine"}, got.Names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[uint16]bridge.ImportedGroup{
		1: {Name: "plugs", Options: map[string]any{"retain": true}, Members: []bridge.ImportedMember{{EUI64: 0x0015bc003f000002, Endpoint: 1}, {EUI64: 0x0015bc003f000003, Endpoint: 1}}},
		2: {Name: "empty"},
	}, got.Groups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[zcl.EUI64]map[string]any{
		0x0015bc003f000001: {"retain": false, "qos": 1.0, "power_calibration": 5.0},
		0x0015bc003f000002: {"retain": true, "homeassistant": map[string]any{"name": "Washer"}},
		0x0015bc003f000003: {"retain": true}, 0x0015bc003f000004: {"retain": true},
	}, got.Options); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]any{"zigbee.last_seen": "epoch", "zigbee.output": "attribute_and_json"}, got.Settings); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]zcl.EUI64{0x0015bc003f0000ff}, got.Blocked); diff != "" {
		t.Errorf("blocked (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[zcl.EUI64]migrate.State{0x0015bc003f000002: {Values: map[string]any{"state": "ON", "power": 12.5}}}, got.States); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"the Green Power device 0x000000000171f886", "the member 0x0015bc003f000008 of group 1",
		`the entry 0x0015bc003f000009 ("gone") of configuration.yaml`,
		"the option nonsense of washing machine",
		`the name "Main Meter" of 0x0015bc003f000003`, `the name "bad+name" of 0x0015bc003f000004`, "device_options.legacy",
		`the member "nobody" of group plugs`,
		"mqtt.base_topic", "mqtt.server and how to sign in there", "passlist", "external_converters", "frontend", "serial",
	}, what(got.Left)); diff != "" {
		t.Errorf("left behind (-want +got):\n%s", diff)
	}
	d := got.Devices
	if len(d) != 4 || d[0].ManufacturerName != "frient A/S" || d[1].HWVersion != nil || d[1].Endpoints[0].Bindings[0].Group != 1 ||
		d[0].Endpoints[0].Reporting[1].Change != 0 || d[1].Sleepy || d[2].Interview != network.InterviewPending || d[1].Interview != network.InterviewSuccessful {
		t.Errorf("devices: got %+v", d)
	}
	if got.Backup.LinkKeySeed != (coordbackup.Key{}) || got.Backup.Devices[0].LinkKey == nil {
		t.Error("the link keys of single devices are lost")
	}
	if _, err := got.Document(false); err != nil {
		t.Errorf("no document can be made of it: %v", err)
	}
}

func TestWithoutABackup(t *testing.T) {
	dir := copyOf(t, "2.14")
	if err := os.Remove(filepath.Join(dir, coordbackup.Name)); err != nil {
		t.Fatal(err)
	}
	got, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := Read(filepath.Join("testdata", "2.14"))
	if err != nil {
		t.Fatal(err)
	}
	if !got.Backup.SameNetwork(whole.Backup) || got.Backup.Coordinator != whole.Backup.Coordinator || got.Backup.FrameCounter < 1<<30 {
		t.Errorf("got %+v, want the network of %+v", got.Backup, whole.Backup)
	}
	if len(got.Notes) == 0 || !strings.Contains(got.Notes[0], coordbackup.Name) {
		t.Errorf("that it is missing is not said: %q", got.Notes)
	}
}

// Nothing is imported of what contradicts itself, and the reason names the file.
func TestContradictions(t *testing.T) {
	for name, tt := range map[string]struct{ from, file, old, new, in, want string }{
		"CoordinatorDiffers":   {"2.14", "database.db", "0x00124b0012345678\",\"nwk", "0x00124b0012345679\",\"nwk", "coordinator_backup.json", "0x00124b0012345679"},
		"KeyDiffers":           {"2.14", "configuration.yaml", "    - 188\n", "    - 189\n", "coordinator_backup.json", "network key"},
		"PANDiffers":           {"2.14", "configuration.yaml", "57709", "57710", "coordinator_backup.json", "0xe16d"},
		"ExtendedPANDiffers":   {"2.14", "configuration.yaml", "    - 162\n", "    - 163\n", "coordinator_backup.json", "extended PAN"},
		"ChannelDiffers":       {"2.14", "coordinator_backup.json", `"channel": 11`, `"channel": 15`, "coordinator_backup.json", "channel is 15"},
		"DeviceTwice":          {"2.14", "database.db", `{"id":3,"type":"Group","groupID":7,"members":[],"meta":{}}`, `{"id":3,"type":"Router","ieeeAddr":"0x0015bc001b0211a5"}`, "database.db", "twice"},
		"CoordinatorIsADevice": {"2.14", "database.db", `{"id":3,"type":"Group","groupID":7,"members":[],"meta":{}}`, `{"id":3,"type":"Router","ieeeAddr":"0x00124b0012345678"}`, "database.db", "twice"},
		"TwoCoordinators":      {"2.14", "database.db", `{"id":3,"type":"Group","groupID":7,"members":[],"meta":{}}`, `{"id":3,"type":"Coordinator","ieeeAddr":"0x00124b0012345670"}`, "database.db", "second coordinator"},
		"GroupTwice":           {"2.14", "database.db", `{"id":3,"type":"Group","groupID":7,"members":[],"meta":{}}`, "{\"type\":\"Group\",\"groupID\":7}\n{\"type\":\"Group\",\"groupID\":7}", "database.db", "line 4: group 7"},
		"NoCoordinator":        {"2.14", "database.db", `"type":"Coordinator"`, `"type":"Other"`, "database.db", "coordinator is not in it"},
		"LineCutShort":         {"2.14", "database.db", `"lastSeen":1795541371350,"checkinInterval":3600}`, "", "database.db", "line 2"},
		"AddressIsNone":        {"2.14", "database.db", `"ieeeAddr":"0x0015bc001b0211a5"`, `"ieeeAddr":"lamp"`, "database.db", "line 2"},
		"BackupDamaged":        {"2.14", "coordinator_backup.json", "{", "", "coordinator_backup.json", "damaged"},
		"BackupKeyShort":       {"2.14", "coordinator_backup.json", "dd2806bc", "dd2806", "coordinator_backup.json", "network_key.key"},
		"KeyShort":             {"2.14", "configuration.yaml", "    - 188\n", "", "configuration.yaml", "16 numbers"},
		"KeyOutOfRange":        {"2.14", "configuration.yaml", "    - 188\n", "    - 388\n", "configuration.yaml", "0 to 255"},
		"NeverRun":             {"2.14", "configuration.yaml", "pan_id: 57709", "pan_id: GENERATE", "configuration.yaml", "never run"},
		"NotYAML":              {"2.14", "configuration.yaml", "mqtt:", "\tmqtt: [", "configuration.yaml", "line"},
		"KeyInYAMLTwice":       {"2.14", "configuration.yaml", "version: 5\n", "version: 5\nversion: 5\n", "configuration.yaml", "twice"},
		"DeviceIsNoAddress":    {"2.14", "configuration.yaml", "'0x0015bc001b0211a5'", "lamp", "configuration.yaml", "lamp"},
		"NameTwice":            {"2.14", "configuration.yaml", "friendly_name: meters", "friendly_name: hall/main meter", "configuration.yaml", "hall/main meter"},
		"SecretMissing":        {"1.x", "secret.yaml", "network_key:", "network_kex:", "secret.yaml", "network_key"},
		"IncludedIsNoMap":      {"1.x", "groups.yaml", "'1':", "- '1':", "groups.yaml", "map"},
		"GroupIsNoNumber":      {"1.x", "groups.yaml", "'1':", "'x':", "configuration.yaml", "group"},
		"GroupInTwoFiles":      {"1.x", "more_groups.yaml", "'2':", "'1':", "more_groups.yaml", "another file"},
		"IncludeElsewhere":     {"1.x", "configuration.yaml", "devices: devices.yaml", "devices: ../../etc/passwd", "configuration.yaml", "no file beside it"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyOf(t, tt.from)
			path := filepath.Join(dir, tt.file)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.Replace(string(b), tt.old, tt.new, 1)
			if changed == string(b) {
				t.Fatal("nothing was replaced")
			}
			if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := Read(dir)
			var own *migrate.Error
			if !errors.As(err, &own) {
				t.Fatalf("got %+v, %v; want an Error", got, err)
			}
			if own.File != tt.in || own.Advice == "" || !strings.Contains(own.Message, tt.want) {
				t.Errorf("got %q in %s (hint %q), want %q in %s", own.Message, own.File, own.Advice, tt.want, tt.in)
			}
			for _, key := range []string{"dd2806bc", "2806bc9c", "188"} {
				if strings.Contains(own.Message, key) {
					t.Errorf("the error shows the key: %s", own.Message)
				}
			}
		})
	}
}

func TestMissingFiles(t *testing.T) {
	for _, file := range []string{"configuration.yaml", "database.db"} {
		dir := copyOf(t, "2.14")
		if err := os.Remove(filepath.Join(dir, file)); err != nil {
			t.Fatal(err)
		}
		var own *migrate.Error
		if _, err := Read(dir); !errors.As(err, &own) || own.File != file || own.Advice == "" {
			t.Errorf("without %s: %v", file, err)
		}
	}
	dir := copyOf(t, "2.14")
	for _, path := range []string{filepath.Join(dir, "nothing"), filepath.Join(dir, "state.json")} {
		if _, err := Read(path); err == nil {
			t.Errorf("%s: no error", path)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(dir); err != nil || len(got.States) > 0 { // a cache
		t.Errorf("with a damaged state.json: %v", err)
	}
}

func FuzzDatabase(f *testing.F) {
	for _, dir := range []string{"2.14", "1.x"} {
		b, err := os.ReadFile(filepath.Join("testdata", dir, databaseFile))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		db, err := parseDatabase(b)
		if err != nil {
			return
		}
		seen := make(map[zcl.EUI64]bool)
		for _, d := range db.devices {
			if d.EUI64 == 0 || seen[d.EUI64] || d.EUI64 == db.coordinator {
				t.Fatalf("device %v", d.EUI64)
			}
			seen[d.EUI64] = true
		}
		_, _ = parseStates(b, db)
	})
}

func FuzzConfiguration(f *testing.F) {
	for _, dir := range []string{"2.14", "1.x"} {
		b, err := os.ReadFile(filepath.Join("testdata", dir, configFile))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	db, err := os.ReadFile(filepath.Join("testdata", "1.x", databaseFile))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		for name, content := range map[string][]byte{configFile: b, databaseFile: db} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, err := Read(dir)
		var own *migrate.Error
		switch {
		case err != nil && !errors.As(err, &own):
			t.Fatalf("%v is no Error", err)
		case err == nil:
			if _, err := got.Document(false); err != nil && !errors.As(err, &own) {
				t.Fatalf("%v is no Error", err)
			}
			got.Summary()
		}
	})
}

func FuzzStates(f *testing.F) {
	f.Add([]byte(`{"0x0015bc003f000002":{"state":"ON","power":12.5},"1":{}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		parseStates(b, &database{devices: make([]network.ImportedDevice, 1), index: map[zcl.EUI64]int{0x0015bc003f000002: 0}})
	})
}
