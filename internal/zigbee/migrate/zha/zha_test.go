package zha

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/zigbee/bridge"
	"github.com/smartcore-ireland/hems/internal/zigbee/migrate"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
)

// backup is one of zigpy's own, as the database has it.
const backup = `{"version":1,"backup_time":"2024-05-10T18:40:59.996177+00:00","network_info":{"extended_pan_id":"2f:73:58:bd:fe:78:91:11","pan_id":"2DB4",
"nwk_update_id":3,"nwk_manager_id":"0000","channel":15,"channel_mask":[15],"security_level":5,
"network_key":{"key":"c0:c1:c2:c3:c4:c5:c6:c7:c8:c9:ca:cb:cc:cd:ce:cf","tx_counter":14131,"rx_counter":0,"seq":0,"partner_ieee":"ff:ff:ff:ff:ff:ff:ff:ff"},
"tc_link_key":{"key":"5a:69:67:42:65:65:41:6c:6c:69:61:6e:63:65:30:39","tx_counter":0,"rx_counter":0,"seq":0,"partner_ieee":"84:ba:20:ff:fe:59:f5:ff"},
"key_table":[],"children":[],"nwk_addresses":{},"stack_specific":{"ezsp":{"hashed_tclk":"e0e1e2e3e4e5e6e7e8e9eaebecedeeef"}},"metadata":{},"source":"bellows@0.38.4"},
"node_info":{"nwk":"0000","ieee":"84:ba:20:ff:fe:59:f5:ff","logical_type":"coordinator"}}`

// tables are those of a version, in the form of zigpy's schema.
func tables(version int) []string {
	common := []string{
		`CREATE TABLE devices%v (ieee ieee NOT NULL, nwk INTEGER NOT NULL, status INTEGER NOT NULL, last_seen REAL NOT NULL)`,
		`CREATE TABLE endpoints%v (ieee ieee NOT NULL, endpoint_id INTEGER NOT NULL, profile_id INTEGER NOT NULL, device_type INTEGER NOT NULL, status INTEGER NOT NULL)`,
		`CREATE TABLE node_descriptors%v (ieee ieee NOT NULL, logical_type INTEGER NOT NULL, mac_capability_flags INTEGER NOT NULL, manufacturer_code INTEGER NOT NULL)`,
		`CREATE TABLE groups%v (group_id INTEGER NOT NULL, name TEXT NOT NULL)`,
		`CREATE TABLE group_members%v (group_id INTEGER NOT NULL, ieee ieee NOT NULL, endpoint_id INTEGER NOT NULL)`,
		`CREATE TABLE network_backups%v (id INTEGER PRIMARY KEY AUTOINCREMENT, backup_json TEXT NOT NULL)`,
		`INSERT INTO devices%v VALUES ('84:ba:20:ff:fe:59:f5:ff', 0, 2, 1.7e9), ('00:15:bc:00:3f:00:00:01', 4097, 2, 1700000000.5), ('00:15:bc:00:3f:00:00:02', 4098, 0, 0)`,
		`INSERT INTO endpoints%v VALUES ('84:ba:20:ff:fe:59:f5:ff', 1, 260, 5, 1), ('00:15:bc:00:3f:00:00:01', 1, 260, 81, 1), ('00:15:bc:00:3f:00:00:01', 242, 41440, 97, 1)`,
		`INSERT INTO node_descriptors%v VALUES ('00:15:bc:00:3f:00:00:01', 1, 142, 4417), ('00:15:bc:00:3f:00:00:02', 2, 128, 4117)`,
		`INSERT INTO groups%v VALUES (7, 'plugs'), (8, 'a+b')`,
		`INSERT INTO group_members%v VALUES (7, '00:15:bc:00:3f:00:00:01', 1), (7, '84:ba:20:ff:fe:59:f5:ff', 1)`,
	}
	if version >= oneClusterTable {
		return append(common,
			`CREATE TABLE clusters%v (ieee ieee NOT NULL, endpoint_id INTEGER NOT NULL, cluster_type INTEGER NOT NULL, cluster_id INTEGER NOT NULL)`,
			`CREATE TABLE attributes_cache%v (ieee ieee NOT NULL, endpoint_id INTEGER NOT NULL, cluster_type INTEGER NOT NULL, cluster_id INTEGER NOT NULL, attr_id INTEGER NOT NULL, manufacturer_code INTEGER, status INTEGER, value BLOB, last_updated REAL NOT NULL)`,
			`INSERT INTO clusters%v VALUES ('00:15:bc:00:3f:00:00:01', 1, 0, 6), ('00:15:bc:00:3f:00:00:01', 1, 0, 0), ('00:15:bc:00:3f:00:00:01', 1, 1, 25)`,
			`INSERT INTO attributes_cache%v VALUES ('00:15:bc:00:3f:00:00:01', 1, 0, 0, 4, NULL, 0, '_TZ3000_2putqrmw', 1), ('00:15:bc:00:3f:00:00:01', 1, 0, 0, 5, NULL, 0, 'TS011F', 1),
				('00:15:bc:00:3f:00:00:01', 1, 0, 0, 7, NULL, 0, 1, 1), ('00:15:bc:00:3f:00:00:01', 1, 0, 0, 1, NULL, 0, 65, 1), ('00:15:bc:00:3f:00:00:01', 1, 0, 0, 3, NULL, 134, NULL, 1), ('00:15:bc:00:3f:00:00:01', 1, 0, 0, 5, 4417, 0, 'maker', 1)`)
	}
	return append(common,
		`CREATE TABLE in_clusters%v (ieee ieee NOT NULL, endpoint_id INTEGER NOT NULL, cluster INTEGER NOT NULL)`,
		`CREATE TABLE out_clusters%v (ieee ieee NOT NULL, endpoint_id INTEGER NOT NULL, cluster INTEGER NOT NULL)`,
		`CREATE TABLE attributes_cache%v (ieee ieee NOT NULL, endpoint_id INTEGER NOT NULL, cluster INTEGER NOT NULL, attrid INTEGER NOT NULL, value BLOB NOT NULL, last_updated REAL NOT NULL)`,
		`INSERT INTO in_clusters%v VALUES ('00:15:bc:00:3f:00:00:01', 1, 6), ('00:15:bc:00:3f:00:00:01', 1, 0)`,
		`INSERT INTO out_clusters%v VALUES ('00:15:bc:00:3f:00:00:01', 1, 25)`,
		`INSERT INTO attributes_cache%v VALUES ('00:15:bc:00:3f:00:00:01', 1, 0, 4, '_TZ3000_2putqrmw', 1), ('00:15:bc:00:3f:00:00:01', 1, 0, 5, 'TS011F', 1), ('00:15:bc:00:3f:00:00:01', 1, 0, 7, 1, 1), ('00:15:bc:00:3f:00:00:01', 1, 0, 1, 65, 1)`)
}

// database makes a zigbee.db of a version, with what is to be done on it more.
func database(t *testing.T, version int, more ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "zigbee.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, q := range append(append(tables(version), "INSERT INTO network_backups%v (backup_json) VALUES ('"+backup+"')"), more...) {
		if _, err := db.Exec(strings.ReplaceAll(q, "%v", fmt.Sprintf("_v%d", version))); err != nil {
			t.Fatalf("%v in %s", err, q)
		}
	}
	return path
}

func TestReadsADatabase(t *testing.T) {
	for _, version := range []int{8, 13, 14, 16} {
		t.Run(fmt.Sprint("Version", version), func(t *testing.T) {
			path := database(t, version, `CREATE TABLE devices_v5 (ieee ieee, nwk INTEGER, status INTEGER, last_seen REAL)`) // of before
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Read(path)
			if err != nil {
				t.Fatal(err)
			}
			u := func(v uint8) *uint8 { return &v }
			want := []network.ImportedDevice{
				{Device: network.Device{
					EUI64: 0x0015bc003f000001, NodeID: 4097, Type: network.TypeRouter, ManufacturerName: "_TZ3000_2putqrmw", ModelID: "TS011F", AppVersion: u(65),
					ManufacturerCode: 4417, PowerSource: 1, Interview: network.InterviewSuccessful, LastSeen: time.UnixMilli(1700000000500).UTC(),
					Endpoints: []network.Endpoint{{ID: 1, Profile: 260, DeviceID: 81, In: []uint16{0, 6}, Out: []uint16{25}}, {ID: 242, Profile: 41440, DeviceID: 97}},
				}},
				{Sleepy: true, Device: network.Device{EUI64: 0x0015bc003f000002, NodeID: 4098, Type: network.TypeEndDevice, ManufacturerCode: 4117, Interview: network.InterviewPending}},
			}
			if diff := cmp.Diff(want, got.Devices); diff != "" {
				t.Errorf("devices (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(map[uint16]bridge.ImportedGroup{
				7: {Name: "plugs", Members: []bridge.ImportedMember{{EUI64: 0x0015bc003f000001, Endpoint: 1}}}, 8: {Name: "8"},
			}, got.Groups); diff != "" {
				t.Errorf("groups (-want +got):\n%s", diff)
			}
			if got.Backup.PANID != 0x2db4 || got.Backup.LinkKeySeed.IsZero() {
				t.Errorf("network: got %+v", got.Backup)
			}
			if _, err := got.Document(false); err != nil {
				t.Error(err)
			}
			if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
				t.Errorf("the file was changed: %v", err)
			}
			if left, err := filepath.Glob(path + "*"); err != nil || len(left) != 1 {
				t.Errorf("beside it there is now %v", left)
			}
		})
	}
}

func TestReadsABackup(t *testing.T) {
	for _, name := range []string{"zigpy.json", "zha-download.json", "zigbee2mqtt-2.14-ember.json"} {
		t.Run(name, func(t *testing.T) {
			got, err := Read(filepath.Join("..", "..", "coordbackup", "testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			if got.Backup == nil || len(got.Notes) == 0 || len(got.Left) == 0 {
				t.Errorf("got %+v", got)
			}
			if _, err := got.Document(false); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWhatCannotBe(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	whole, err := os.ReadFile(database(t, 13))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ path, want string }{
		"NotThere":          {filepath.Join(dir, "nothing"), "cannot be read"},
		"Empty":             {file("empty", ""), "JSON"},
		"OtherJSON":         {file("other", `{"a":1}`), "neither"},
		"CutShort":          {file("cut", string(whole[:len(whole)/3])), ""},
		"Damaged":           {file("damaged", string(whole[:100])+strings.Repeat("x", len(whole)-100)), ""},
		"NotZigpys":         {database(t, 1), "no database of zigpy"},
		"NoBackup":          {database(t, 13, "DELETE FROM network_backups%v"), "no backup"},
		"BadBackup":         {database(t, 13, `INSERT INTO network_backups%v (backup_json) VALUES ('{"network_info":{}}')`), "node_info.ieee"},
		"DeviceTwice":       {database(t, 13, "INSERT INTO devices%v VALUES ('00:15:bc:00:3f:00:00:01', 4099, 2, 0)"), "twice"},
		"AddressIsNone":     {database(t, 13, "INSERT INTO devices%v VALUES ('lamp', 4099, 2, 0)"), "lamp"},
		"OtherCoordinator":  {database(t, 13, "UPDATE devices%v SET ieee='84:ba:20:ff:fe:59:f5:00' WHERE nwk=0"), "in the network's backup"},
		"CoordinatorDevice": {database(t, 13, "UPDATE devices%v SET nwk=77 WHERE nwk=0"), "is the coordinator"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Read(tt.path)
			var own *migrate.Error
			if !errors.As(err, &own) || own.Advice == "" || own.File != filepath.Base(tt.path) {
				t.Fatalf("got %+v, %v; want an Error with the file and a hint", got, err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want %q in it", err, tt.want)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(backup))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := Read(path)
		var own *migrate.Error
		if err != nil && !errors.As(err, &own) {
			t.Fatalf("%v is no Error", err)
		}
		if err == nil {
			if _, err := got.Document(false); err != nil && !errors.As(err, &own) {
				t.Fatalf("%v is no Error", err)
			}
		}
	})
}
