package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/zigbee/migrate"
	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
)

// theirs is what Zigbee2MQTT 2.14 left, with one meter.
const theirs = "../zigbee/migrate/zigbee2mqtt/testdata/2.14"

// key is the network's in there: it is never shown.
const key = "dd2806bc"

func TestImportIntoADirectory(t *testing.T) {
	s := newSite(t)
	data := filepath.Join(s.dir, "appliance")
	env := map[string]string{"HEMS_DATA": data}
	run := func(args ...string) result {
		t.Helper()
		got := s.runWith(env, append([]string{"import"}, args...)...)
		if strings.Contains(got.out+got.errors, key) {
			t.Errorf("the answer shows the key: %s%s", got.out, got.errors)
		}
		return got
	}
	dry := run("zigbee2mqtt", theirs, "--dry-run")
	dry.check(t, 0, "hall/main meter  0x0015bc001b0211a5  frient A/S EMIZB-141", "")
	dry.check(t, 0, "zigbee.payloads: z2m2", "")
	dry.check(t, 0, "mqtt.server", "")
	dry.check(t, 0, "nothing was changed", "")
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Fatalf("a dry run has made %s", data)
	}
	run("zigbee2mqtt", theirs, "-settings").check(t, 0, "taken over with 1 device", "")
	if b, err := os.ReadFile(filepath.Join(data, "hems.yaml")); err != nil || !strings.Contains(string(b), "payloads: z2m2") {
		t.Errorf("hems.yaml: %s, %v", b, err)
	}
	state, err := os.ReadFile(filepath.Join(data, "zigbee", statefile.Name))
	if err != nil || !bytes.Contains(state, []byte(`"hall/main meter"`)) || !bytes.Contains(state, []byte(key)) {
		t.Errorf("the state: %s, %v", state, err)
	}
	run("zha", "../zigbee/coordbackup/testdata/zigpy.json").check(t, 1, "", "error: this appliance has a zigbee network with devices already (1)")
	run("zha", "../zigbee/coordbackup/testdata/zigpy.json", "-replace").check(t, 0, "the state before is kept as", "")
	var v struct {
		DryRun  bool                `json:"dry_run"`
		Answer  client.ImportAnswer `json:"answer"`
		Devices []struct {
			Name string `json:"friendly_name"`
		} `json:"devices"`
	}
	got := run("zigbee2mqtt", theirs, "--replace", "--json")
	if json.Unmarshal([]byte(got.out), &v) != nil || v.DryRun || !v.Answer.OK || len(v.Devices) != 1 || v.Devices[0].Name != "hall/main meter" {
		t.Errorf("as JSON: %+v", got)
	}

	unlock, err := statefile.Lock(filepath.Join(data, "zigbee")) // hems-zigbee runs
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	run("zigbee2mqtt", theirs).check(t, 1, "", "in use by another process\nhint: name the appliance that runs on it")
}

func TestImportIntoAnAppliance(t *testing.T) {
	s := newSite(t)
	s.manager.Imported = client.ImportAnswer{OK: true, Message: "the zigbee network of Zigbee2MQTT was taken over with 1 device", Kept: "/perm/hems/zigbee/old"}
	s.run("import", "zigbee2mqtt", theirs, "-host", "HOST", "-settings").check(t, 0, "kept as /perm/hems/zigbee/old\nthe zigbee network of Zigbee2MQTT was taken over", "")
	d, err := migrate.ParseDocument(s.manager.Body("POST /v1/import"))
	if err != nil || d.Replace || len(d.Sections) != 5 {
		t.Errorf("the document: %+v, %v", d, err)
	}
	if got := string(s.manager.Body("POST /v1/config/set")); !strings.Contains(got, `"zigbee.payloads"`) {
		t.Errorf("the last setting: %s", got)
	}
	s.manager.Imported = client.ImportAnswer{Code: "has_devices", Message: "this appliance has a zigbee network with 3 devices already", Hint: "import again with --replace"}
	s.run("import", "zigbee2mqtt", theirs, "-host", "HOST").check(t, 1, "", "error: this appliance has a zigbee network with 3 devices already\nhint: import again with --replace\n")
	s.manager.Refuses("POST /v1/import", 409, "busy", "another import waits to be taken over", "try again")
	s.run("import", "zigbee2mqtt", theirs, "-host", "HOST").check(t, 1, "", "error: another import waits")
	if before := len(s.manager.Questions()); s.run("import", "zigbee2mqtt", theirs, "-host", "HOST", "--dry-run").status != 0 || len(s.manager.Questions()) != before {
		t.Error("a dry run asks the appliance something")
	}
}

func TestImportMistakes(t *testing.T) {
	s := newSite(t)
	s.run("import", "zigbee2mqtt").check(t, 2, "", "error: name the program and its files")
	s.run("import", "deconz", "DIR").check(t, 2, "", `error: "deconz" is no program`)
	s.run("import", "-h").check(t, 0, "", "usage: hems import")
	s.run("import", "zigbee2mqtt", "DIR").check(t, 1, "", "error: configuration.yaml: it is missing\nhint: ")
	s.run("import", "zha", "DIR/nothing").check(t, 1, "", "error: nothing: it cannot be read")
	var e client.Error
	if got := s.run("import", "zigbee2mqtt", "DIR", "--json"); json.Unmarshal([]byte(got.out), &e) != nil || e.Hint == "" || got.status != 1 {
		t.Errorf("as JSON: %+v", got)
	}
}
