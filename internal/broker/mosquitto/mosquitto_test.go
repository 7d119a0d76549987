package mosquitto

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadAHouse(t *testing.T) {
	p, err := Read("testdata/house")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"max_queued_messages":          5000,
		"persistent_client_expiration": "14d",
		"listeners": []any{
			map[string]any{"port": 1883, "queue_qos0_messages": true},
			map[string]any{"port": 8883, "bind_address": "0.0.0.0", "tls": true, "queue_qos0_messages": true},
			map[string]any{"port": 9001, "protocol": "websockets", "websockets_origin": []any{"https://panel.example"}, "max_connections": 20, "queue_qos0_messages": true},
		},
		"bridges": []any{map[string]any{
			"connection": "fleet", "addresses": []any{"broker.example:8883"}, "topics": []any{"zigbee2mqtt/# out 1 homes/ home7/", "+/set in 1"},
			"remote_username": "home7", "remote_password": "bridge-fleet-password", "bridge_cafile": "bridge-fleet-cafile", "cleansession": false,
		}},
	}
	if diff := cmp.Diff(want, p.MQTT); diff != "" {
		t.Errorf("hems.yaml (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"alice", "bob"}, p.Users); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
	list, err := os.ReadFile("testdata/house/acl")
	if err != nil {
		t.Fatal(err)
	}
	if string(p.List) != string(list) {
		t.Errorf("the list: %s", p.List)
	}
	var left []string
	for _, l := range p.Left {
		left = append(left, filepath.Base(l.File)+":"+l.Text)
		if l.Line == 0 || l.Why == "" {
			t.Errorf("%+v has no line, or no reason", l)
		}
		if strings.Contains(l.Text, "hunter2") {
			t.Errorf("a password is shown: %s", l.Text)
		}
	}
	wantLeft := []string{"mosquitto.conf:persistence true", "mosquitto.conf:persistence_location /mosquitto/data/", "mosquitto.conf:log_dest stdout",
		"20-bridge.conf:remote_password …", "20-bridge.conf:bridge_cafile /etc/ssl/ca.pem", "20-bridge.conf:start_type automatic", "mosquitto.conf:psk_hint x", "mosquitto.conf:surprise 1"}
	if diff := cmp.Diff(wantLeft, left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if notes := strings.Join(p.Notes, "\n"); !strings.Contains(notes, `"ghost"`) || !strings.Contains(notes, "certfile of the listener on port 8883") {
		t.Errorf("notes:\n%s", notes)
	}
}

func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const alice = "alice:$7$101$zraegREC5/dvvA7y$NGYHH+qXqhN9rPz6J/l6mzUsd9/yMPcQSKrLqrWNe+y7oq9eVJffpFZqi+9rzS7wTDbsyrYrtkljgVcj13ARAg==\n"

func TestWithoutAListEverybodyMayDoEverything(t *testing.T) {
	p, err := Read(write(t, map[string]string{"mosquitto.conf": "allow_anonymous true\npassword_file passwd\n", "passwd": alice}))
	if err != nil {
		t.Fatal(err)
	}
	want := "topic readwrite #\ntopic read $SYS/#\n\nuser alice\ntopic readwrite #\ntopic read $SYS/#\n"
	if string(p.List) != want {
		t.Errorf("the list:\n%s", p.List)
	}
	listeners := []any{map[string]any{"port": 1883, "allow_anonymous": true}}
	if diff := cmp.Diff(listeners, p.MQTT["listeners"]); diff != "" {
		t.Errorf("listeners (-want +got):\n%s", diff)
	}
	p, err = Read(write(t, map[string]string{"mosquitto.conf": "port 1883\npassword_file passwd\n", "passwd": alice}))
	if err != nil || p.MQTT["listeners"] != nil {
		t.Errorf("the listener that is there anyway: %v, %v", p.MQTT, err)
	}
}

func TestOptionsOfEachListener(t *testing.T) {
	p, err := Read(write(t, map[string]string{"mosquitto.conf": `per_listener_settings true
bind_address 192.0.2.1
max_connections 7
listener 1884
allow_anonymous true
listener 8883
require_certificate true
use_identity_as_username true
cafile /own/ca.pem
listener 0 /run/m.sock
max_connections 9
`}))
	if err != nil {
		t.Fatal(err)
	}
	want := []any{
		map[string]any{"port": 1883, "bind_address": "192.0.2.1", "max_connections": 7},
		map[string]any{"port": 1884, "allow_anonymous": true},
		map[string]any{"port": 8883, "require_certificate": true, "use_identity_as_username": true},
	}
	if diff := cmp.Diff(want, p.MQTT["listeners"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestContradictionsAreErrorsWithTheirLine(t *testing.T) {
	for name, tt := range map[string]struct {
		files map[string]string
		want  string
	}{
		"NoFile":         {map[string]string{}, "mosquitto.conf: no such file"},
		"NoPasswords":    {map[string]string{"mosquitto.conf": "\npassword_file passwd\n"}, "mosquitto.conf:2: the password file:"},
		"PlainPasswords": {map[string]string{"mosquitto.conf": "password_file p\n", "p": "a:b\n"}, "mosquitto.conf:1: the password file: line 1:"},
		"List":           {map[string]string{"mosquitto.conf": "acl_file acl\n", "acl": "\ntopic rw x\n"}, "mosquitto.conf:1: the access list: line 2:"},
		"Number":         {map[string]string{"mosquitto.conf": "max_keepalive x\n"}, `mosquitto.conf:1: max_keepalive: "x" is not a number`},
		"Truth":          {map[string]string{"mosquitto.conf": "allow_anonymous maybe\n"}, `mosquitto.conf:1: allow_anonymous: "maybe" is neither`},
		"Port":           {map[string]string{"mosquitto.conf": "listener x\n"}, `mosquitto.conf:1: "x" is not a port`},
		"TwoFiles":       {map[string]string{"mosquitto.conf": "password_file a\npassword_file b\n", "a": alice, "b": alice}, "mosquitto.conf:2: password_file is another file"},
		"Directory":      {map[string]string{"mosquitto.conf": "include_dir none\n"}, "mosquitto.conf:1: include_dir:"},
		"Circle":         {map[string]string{"mosquitto.conf": "include_dir d\n", "d/a.conf": "include_dir d\n"}, "include each other"},
	} {
		_, err := Read(write(t, tt.files))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, file := range []string{"mosquitto.conf", "conf.d/10-web.conf", "conf.d/20-bridge.conf"} {
		b, err := os.ReadFile(filepath.Join("testdata/house", file))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		if strings.Contains(string(text), "include_dir") || strings.Contains(string(text), "_file") {
			return // of this machine
		}
		path := filepath.Join(dir, "mosquitto.conf")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := Read(path)
		if err == nil && p.MQTT == nil {
			t.Error("no plan and no error")
		}
	})
}
