package broker

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/broker"
	"github.com/smartcore-ireland/hems/internal/broker/uplink"
	"github.com/smartcore-ireland/hems/internal/health"
)

const text = `
mqtt:
  bridges:
    - connection: fleet
      addresses: [one.example.com]
      topics: ['zigbee2mqtt/# out 1 "" homes/7/', '+/set in 2 zigbee2mqtt/ homes/7/do/']
      remote_username: home-7
      bridge_cafile: fleet-ca.pem
      keepalive_interval: 30
    - connection: plain
      addresses: [two.example.com]
      topics: ['hems/# out']
      notifications_local_only: false
      try_private: false
`

func TestTheBridgesOfTheConfiguration(t *testing.T) {
	cfg, problems, err := appliance.ParseConfig([]byte(text))
	if err != nil || problems.Err() != nil {
		t.Fatal(err, problems.Err())
	}
	env := appliance.Env{Data: t.TempDir()}
	want := broker.Access{Local: true, Read: []string{"zigbee2mqtt/#", "hems/#"}, Write: []string{"zigbee2mqtt/+/set"}}
	if d := cmp.Diff(want, bridgeAccess(cfg.MQTT.Bridges)); d != "" {
		t.Errorf("access (-want +got)\n%s", d)
	}
	all := connections(env, cfg.MQTT.Bridges)
	for _, c := range all {
		if err := c.Check(); err != nil {
			t.Error(err)
		}
	}
	fleet, plain := all[0], all[1]
	if fleet.TLS == nil || fleet.TLS.CAFile != env.Secret("fleet-ca.pem") || fleet.Addresses[0] != "one.example.com:8883" ||
		fleet.KeepAlive != 30*time.Second || !fleet.Notify || fleet.NotifyRemote || !fleet.TryPrivate {
		t.Errorf("%+v", fleet)
	}
	if plain.TLS != nil || plain.Addresses[0] != "two.example.com:1883" || !plain.NotifyRemote || plain.TryPrivate {
		t.Errorf("%+v", plain)
	}
}

func TestABridgeThatIsAwayIsANote(t *testing.T) {
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	up := uplink.Stats{Name: "a", Connected: true, Since: now.Add(-time.Hour)}
	lately := uplink.Stats{Name: "b", Since: now.Add(-10 * time.Second), Trouble: "x"}
	away := uplink.Stats{Name: "c", Since: now.Add(-time.Minute), Trouble: "connection refused"}
	for name, tt := range map[string]struct {
		bridges []uplink.Stats
		disk    string
		want    health.Report
	}{
		"None": {nil, "", health.Report{State: health.OK}},
		"Up":   {[]uplink.Stats{up, lately}, "", health.Report{State: health.OK}},
		"Away": {[]uplink.Stats{up, away}, "", health.Report{State: health.OK, Message: "messages wait for the other side: c cannot be reached",
			Hint: "look at the network, and at its address and password in hems.yaml", Detail: "c: connection refused"}},
		"Disk": {[]uplink.Stats{up, away}, "no space left on device", health.Report{State: health.Failing, Message: "what has to be kept cannot be written to the disk: messages arrive, and are not acknowledged",
			Hint: "make room on it; where there is some, make a backup and take a new memory card", Detail: "no space left on device"}},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, healthOf(tt.bridges, tt.disk, now)); d != "" {
				t.Error(d)
			}
		})
	}
}
