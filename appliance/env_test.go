package appliance

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEnvFromOS(t *testing.T) {
	type values struct {
		Dashboard, MQTT, Update, Socket, Boot string
		Card                                  bool
	}
	for _, tt := range []struct {
		name string
		env  map[string]string
		want values
	}{
		{"Card", nil, values{":80", ":1883", ":9080", "/perm/hems/broker/mqtt.sock", "/run/hems/boot.json", true}},
		{"Development", map[string]string{"HEMS_DATA": "/tmp/x", "HEMS_LISTEN": "127.0.0.1", "HEMS_PORT_BASE": "20000"},
			values{"127.0.0.1:20000", "127.0.0.1:20004", "127.0.0.1:20007", "/tmp/x/broker/mqtt.sock", "/tmp/x/runtime/boot.json", false}},
		{"DevelopmentWithoutPortBase", map[string]string{"HEMS_DATA": "/tmp/x"},
			values{":8080", ":1883", ":9080", "/tmp/x/broker/mqtt.sock", "/tmp/x/runtime/boot.json", false}},
		{"RuntimeDirectory", map[string]string{"HEMS_DATA": "/tmp/x", "HEMS_RUNTIME": "/tmp/y"},
			values{":8080", ":1883", ":9080", "/tmp/x/broker/mqtt.sock", "/tmp/y/boot.json", false}},
		{"IPv6", map[string]string{"HEMS_LISTEN": "::1"}, values{"[::1]:80", "[::1]:1883", "[::1]:9080", "/perm/hems/broker/mqtt.sock", "/run/hems/boot.json", true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := EnvFromOS(func(k string) string { return tt.env[k] })
			if err != nil {
				t.Fatal(err)
			}
			got := values{e.Address(PortDashboard), e.Address(PortMQTT), e.Address(PortUpdate), e.MQTTSocket(), e.Run("boot.json"), e.Card}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("addresses (-want +got):\n%s", diff)
			}
		})
	}
	for _, bad := range []string{"80", "65001", "x"} {
		if _, err := EnvFromOS(func(k string) string { return map[string]string{"HEMS_PORT_BASE": bad}[k] }); err == nil {
			t.Errorf("HEMS_PORT_BASE=%s was taken", bad)
		}
	}
}
