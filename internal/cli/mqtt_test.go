package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smartcore-ireland/hems/internal/broker/passwd"
	"github.com/smartcore-ireland/hems/internal/client"
)

func (s *site) mqttFiles() (data string, run func(args ...string) result, verifies func(user, password string) bool) {
	data = filepath.Join(s.dir, "appliance")
	run = func(args ...string) result {
		s.t.Helper()
		return s.runWith(map[string]string{"HEMS_DATA": data}, args...)
	}
	verifies = func(user, password string) bool {
		s.t.Helper()
		f, err := passwd.Load(filepath.Join(data, "mqtt", "passwd"))
		if err != nil {
			s.t.Fatal(err)
		}
		return passwd.NewVerifier(f).Verify(user, []byte(password))
	}
	return data, run, verifies
}

func TestMQTTUsersInADirectory(t *testing.T) {
	s := newSite(t)
	data, run, verifies := s.mqttFiles()
	password := s.file("mqtt-password", "from a file\n")
	run("mqtt", "user", "list").check(t, 0, "no users beside the appliance's own", "")
	run("mqtt", "user", "add", "plug", "-role", "device", "-mqtt-password-file", password).check(t, 0, "plug may sign in to MQTT", "")
	if !verifies("plug", "from a file") {
		t.Error("the password is another")
	}
	got := run("mqtt", "user", "add", "panel", "-generate", "-read", "zigbee2mqtt/#", "-write", "zigbee2mqtt/lamp/set", "--json")
	var v struct {
		User, Password string
		New            bool
	}
	if json.Unmarshal([]byte(got.out), &v) != nil || !v.New || len(v.Password) != 24 || !verifies("panel", v.Password) {
		t.Errorf("with a password that was made: %+v", got)
	}
	run("mqtt", "user", "add", "panel", "-read", "other").check(t, 0, "panel was changed", "")
	if !verifies("panel", v.Password) {
		t.Error("other topics took the password")
	}
	list := run("mqtt", "user", "list")
	list.check(t, 0, "plug\n  readwrite plug/#\n", "")
	list.check(t, 0, "panel\n  read      other\n", "")
	if info, err := os.Stat(filepath.Join(data, "mqtt", "passwd")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the password file: %v, %v", info, err)
	}
	run("mqtt", "user", "add", "x").check(t, 1, "", "error: x is new: say what it may do\nhint: hems mqtt user add x -role device")
	run("mqtt", "user", "add", "x", "-role", "king", "-generate").check(t, 1, "", "error: there is no role \"king\"\nhint: give one of device, home, reader")
	run("mqtt", "user", "add", "x", "-read", "a#", "-generate").check(t, 1, "", "error: \"a#\": # stands alone")
	run("mqtt", "user", "add", "home", "-role", "home", "-generate").check(t, 1, "", `error: "home" is a user of the appliance itself`)
	run("mqtt", "user", "add", "x", "-role", "device").check(t, 1, "", "hint: hems mqtt user add x -generate") // no terminal
	run("mqtt", "user", "remove", "plug").check(t, 0, "plug may not sign in to MQTT any more", "")
	run("mqtt", "user", "remove", "plug", "--json").check(t, 1, `"code": "unknown"`, "")
	run("mqtt", "user").check(t, 2, "", "usage: hems mqtt user list")
	run("mqtt", "user", "rename", "a").check(t, 2, "", "hems mqtt cannot do")
}

func TestMQTTUsersOfAnAppliance(t *testing.T) {
	s := newSite(t)
	s.manager.MQTT = client.MQTTUsers{Users: []client.MQTTUser{{Name: "plug", Password: true, Access: []client.MQTTRule{{Access: "read", Topic: "x"}}}}}
	s.run("mqtt", "user", "list", "-host", "HOST").check(t, 0, "plug\n  read      x\n", "")
	s.file("p", "the password\n")
	s.run("mqtt", "user", "add", "panel", "-role", "reader", "-mqtt-password-file", "DIR/p", "-host", "HOST").check(t, 0, "panel may sign in", "")
	var c client.MQTTChange
	body := s.manager.Body("POST /v1/mqtt/users")
	if json.Unmarshal(body, &c) != nil || c.Name != "panel" || c.Access == nil || len(*c.Access) != 2 || !strings.HasPrefix(c.Hash, "$7$") {
		t.Errorf("what was sent: %s", body)
	}
	if strings.Contains(string(body), "the password") {
		t.Error("the password travels")
	}
	s.run("mqtt", "user", "certificate", "plug", "-host", "HOST", "-o", "DIR").check(t, 0, "let plug in at the port with TLS", "")
	if body := string(s.manager.Body("POST /v1/mqtt/users/certificate")); !strings.Contains(body, "BEGIN CERTIFICATE REQUEST") || strings.Contains(body, "PRIVATE") {
		t.Errorf("what was sent for a certificate: %s", body)
	}
	if info, err := os.Stat(filepath.Join(s.dir, "plug.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", info, err)
	}
	s.run("mqtt", "user", "certificate", "plug", "-data", "DIR").check(t, 1, "", "error: a certificate is made by an appliance that runs\nhint: ")
	s.run("mqtt", "user", "remove", "plug", "-host", "HOST").check(t, 0, "plug may not sign in", "")
	s.manager.Refuses("POST /v1/mqtt/users/remove", 404, "unknown", "there is no user \"x\"", "hems mqtt user list")
	s.run("mqtt", "user", "remove", "x", "-host", "HOST").check(t, 1, "", "error: there is no user \"x\"\nhint: hems mqtt user list")
}

const theirMosquitto = "../broker/mosquitto/testdata/house"

func TestImportMosquittoIntoADirectory(t *testing.T) {
	s := newSite(t)
	data, run, verifies := s.mqttFiles()
	dry := run("import", "mosquitto", theirMosquitto, "-dry-run")
	dry.check(t, 0, "users: alice, bob", "")
	dry.check(t, 0, "    max_queued_messages: 5000", "")
	dry.check(t, 0, "  mosquitto.conf:2: persistence true: everything that was acknowledged is kept, always", "")
	dry.check(t, 0, "nothing was changed", "")
	if strings.Contains(dry.out, "hunter2") {
		t.Error("a password is shown")
	}
	if _, err := os.Stat(filepath.Join(data, "mqtt")); !os.IsNotExist(err) {
		t.Error("a dry run has written something")
	}
	run("import", "mosquitto", theirMosquitto).check(t, 0, "taken over with 2 users", "")
	if !verifies("alice", "secret") || !verifies("bob", "pä:ss") {
		t.Error("a password is another")
	}
	yaml, err := os.ReadFile(filepath.Join(data, "hems.yaml"))
	if err != nil || !strings.Contains(string(yaml), "websockets_origin") {
		t.Errorf("hems.yaml: %s, %v", yaml, err)
	}
	if p := checkHems(yaml); len(p) > 0 {
		t.Errorf("hems.yaml is wrong: %v", p)
	}
	run("import", "mosquitto", theirMosquitto).check(t, 1, "", "error: there is a user \"alice\" already\nhint: -replace takes those of the files")
	var v mosquittoResult
	got := run("import", "mosquitto", theirMosquitto, "-replace", "-json")
	if json.Unmarshal([]byte(got.out), &v) != nil || v.DryRun || len(v.Users) != 2 || len(v.Left) == 0 || v.MQTT["listeners"] == nil {
		t.Errorf("as JSON: %+v", got)
	}
}

func TestImportMosquittoWritesNothingWhenSomethingIsWrong(t *testing.T) {
	s := newSite(t)
	data, run, _ := s.mqttFiles()
	hash := "$7$101$zraegREC5/dvvA7y$NGYHH+qXqhN9rPz6J/l6mzUsd9/yMPcQSKrLqrWNe+y7oq9eVJffpFZqi+9rzS7wTDbsyrYrtkljgVcj13ARAg=="
	s.file("passwd", "home:"+hash+"\n")
	conf := s.file("mosquitto.conf", "password_file passwd\n")
	run("import", "mosquitto", conf).check(t, 1, "", `error: the password file has a user "home", as the appliance itself has one`)
	s.file("passwd", "alice:"+hash+"\n")
	s.file("mosquitto.conf", "password_file passwd\nmax_packet_size 10\n") // which hems.yaml refuses
	run("import", "mosquitto", conf).check(t, 1, "", "mqtt.max_packet_size is 10: give 1024 to")
	s.file("mosquitto.conf", "password_file passwd\nacl_file missing\n")
	run("import", "mosquitto", conf).check(t, 1, "", "mosquitto.conf:2: the access list:")
	for _, f := range []string{"mqtt/passwd", "mqtt/acl", "hems.yaml"} {
		if _, err := os.Stat(filepath.Join(data, f)); !os.IsNotExist(err) {
			t.Errorf("%s was written", f)
		}
	}
	run("import", "mosquitto").check(t, 2, "", "name Mosquitto's directory")
}

func TestImportMosquittoIntoAnAppliance(t *testing.T) {
	s := newSite(t)
	s.run("import", "mosquitto", theirMosquitto, "-host", "HOST").check(t, 0, "taken over with 2 users", "")
	var v struct{ Passwords, List string }
	if body := s.manager.Body("POST /v1/mqtt/import"); json.Unmarshal(body, &v) != nil || !strings.HasPrefix(v.Passwords, "alice:$7$") || !strings.Contains(v.List, "user ghost") {
		t.Errorf("what was sent: %s", body)
	}
	if got := string(s.manager.Body("POST /v1/config/set")); !strings.Contains(got, `"mqtt.`) {
		t.Errorf("settings: %s", got)
	}
}
