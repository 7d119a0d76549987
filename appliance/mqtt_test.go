package appliance

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v3"
)

func TestTheBrokersSection(t *testing.T) {
	c, problems := parse(t, `
mqtt:
  max_packet_size: 65536
  max_flush_wait: 0
  persistent_client_expiration: 2w
  listeners:
    - {port: 1883, bind_address: 127.0.0.1, allow_anonymous: true, max_connections: 5}
    - port: 8883
      tls: true
      use_identity_as_username: true
      require_certificate: true
    - {port: 9001, protocol: websockets, certfile: tls/a.crt, keyfile: /etc/a.key, websockets_origin: ["https://panel.example", "*"]}
`)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	want := defaultMQTT()
	want.MaxPacketSize, want.PersistentClientExpiration = 65536, Expiration(14*24*time.Hour)
	want.MaxFlushWait = 0
	want.Listeners = []MQTTListener{
		{Port: 1883, BindAddress: "127.0.0.1", AllowAnonymous: true, MaxConnections: 5},
		{Port: 8883, TLS: true, IdentityIsUser: true, RequireCert: true},
		{Port: 9001, Protocol: "websockets", CertFile: "tls/a.crt", KeyFile: "/etc/a.key", WebSocketOrigins: []string{"https://panel.example", "*"}},
	}
	if diff := cmp.Diff(want, c.MQTT); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	b, err := yaml.Marshal(c.MQTT) // what a process compares to know that it must begin anew
	if err != nil {
		t.Fatal(err)
	}
	again, problems := parse(t, "mqtt:\n  "+strings.ReplaceAll(string(b), "\n", "\n  "))
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c.MQTT, again.MQTT, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("written and read again (-want +got):\n%s", diff)
	}
	env := Env{Data: "/d"}
	for path, want := range map[Path]string{"": "", "tls/a.crt": "/d/tls/a.crt", "/etc/a.key": "/etc/a.key"} {
		if got := path.In(env); got != want {
			t.Errorf("%q is %q, want %q", path, got, want)
		}
	}
}

func TestTheBrokersSectionSaysWhatIsWrongAndWhere(t *testing.T) {
	for name, tt := range map[string]struct {
		text string // below mqtt:
		line int
		want string
	}{
		"Listen":         {"listen: '1883'", 2, `mqtt.listen is "1883": give host:port`},
		"Both":           {"listeners: [{port: 1883}]\nlisten: ':1883'", 3, "mqtt.listen and listeners"},
		"Number":         {"max_keepalive: 60\nmax_packet_size: 10", 3, "mqtt.max_packet_size is 10: give 1024 to 16777216"},
		"NoNumber":       {"max_packet_size: big", 2, `mqtt.max_packet_size: "big" is not a whole number`},
		"FlushWait":      {"max_flush_wait: -1", 2, "mqtt.max_flush_wait is -1: give 0 to 10000"},
		"Expiration":     {"persistent_client_expiration: 7", 2, `mqtt.persistent_client_expiration: "7" is not a time: write it as 12h, 7d`},
		"LongExpiration": {"persistent_client_expiration: 200y", 2, `mqtt.persistent_client_expiration: "200y" is not a time`},
		"Option":         {"max_inflight_mesages: 4", 2, `mqtt: unknown key "max_inflight_mesages": did you mean "max_inflight_messages"?`},
		"NoPort":         {"listeners:\n- port: 1\n- tls: true", 4, "mqtt.listeners[1].port is 0: give a TCP port"},
		"Port":           {"listeners:\n- bind_address: ''\n  port: 70000", 4, "mqtt.listeners[0].port is 70000"},
		"SamePort":       {"listeners:\n- {port: 1883}\n- {bind_address: 127.0.0.1,\n   port: 1883}", 5, "mqtt.listeners[1].port is 1883, as that of listeners[0]"},
		"Protocol":       {"listeners:\n- port: 1\n  protocol: http", 4, `mqtt.listeners[0].protocol: "http" is not a protocol`},
		"HalfAPair":      {"listeners:\n- port: 1\n  certfile: a", 4, "mqtt.listeners[0].certfile stands alone"},
		"OtherHalf":      {"listeners:\n- port: 1\n  keyfile: a", 4, "mqtt.listeners[0].keyfile stands alone"},
		"Outside":        {"listeners:\n- port: 1\n  certfile: ../a", 4, `mqtt.listeners[0].certfile: "../a" leads out of the data directory`},
		"NoTLS":          {"listeners:\n- port: 1\n  require_certificate: true", 3, "mqtt.listeners[0] asks for client certificates without TLS"},
		"CRL":            {"listeners:\n- port: 1\n  tls: true\n  require_certificate: true\n  crlfile: a", 6, "mqtt.listeners[0].crlfile needs cafile"},
		"CA":             {"listeners:\n- port: 1\n  tls: true\n  cafile: a", 5, "mqtt.listeners[0].cafile has no effect"},
		"Origins":        {"listeners:\n- port: 1\n  websockets_origin: ['*']", 4, "mqtt.listeners[0].websockets_origin is for protocol"},
		"Origin":         {"listeners:\n- port: 1\n  protocol: websockets\n  websockets_origin:\n  - '*'\n  - panel.example", 7, `mqtt.listeners[0].websockets_origin[1] is "panel.example"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, got := parse(t, "mqtt:\n  "+strings.ReplaceAll(tt.text, "\n", "\n  ")+"\n")
			if len(got) != 1 || got[0].Section != "mqtt" || got[0].Line != tt.line || !strings.HasPrefix(got[0].Text, tt.want) {
				t.Errorf("got %v, want line %d: %s…", got, tt.line, tt.want)
			}
		})
	}
}
